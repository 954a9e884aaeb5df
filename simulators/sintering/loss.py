"""When a compact is lost, and how: what its gauges and its pieces tell once it has happened, and not before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.sintering.kinetics import Kinetics
from simulators.sintering.outcome import (
    LOST_MASS,
    REASONS,
    Outcome,
    cooling_load,
    decomposition_rate,
    heating_load,
    outcomes,
)
from simulators.sintering.schedule import Schedule
from simulators.sintering.solver import Trajectory

Array = npt.NDArray[np.float64]

REACTION = 0.5
"""Homologous temperature at which a powder of no phase that holds together has reacted to others."""
HEATED, COOLED = "heated", "cooled"
_INTO_HEATING, _INTO_COOLING = 0.5, 0.25
"""Share of the segment after which it cracks: on heating once the binder's gas and the difference of temperature have
built up, on cooling early, when the difference has become steady."""


@dataclass(frozen=True)
class Loss:
    """How one compact was lost.

    Args:
        hours: when, since the heater was switched on.
        why: in words.
    """

    hours: float
    why: str


def loss_of(schedule: Schedule, kinetics: Kinetics, path: Trajectory, how: str = "", *, stable: bool) -> Loss | None:
    """When and how the one compact of a schedule was lost; None where a body came out.

    Args:
        schedule: of one firing.
        kinetics: of its powder.
        path: of that firing (``densification``).
        how: what left it, in words, where it decomposed.
        stable: whether such a phase holds together at all.
    """
    hours = path.hours[:, 0]
    gone = escaped(path, kinetics)[:, 0]
    heating, cooling = heating_load(schedule, kinetics), cooling_load(schedule, kinetics)
    outcome = outcomes(schedule, kinetics, gone[-1:], np.maximum(heating, cooling))[0]
    if not stable:
        return Loss(_crossing(schedule, REACTION * float(kinetics.melting[0])), REASONS[Outcome.UNSTABLE])
    if outcome is Outcome.SINTERED:
        return None
    if outcome is Outcome.CRACKED:
        side = HEATED if heating[0] > 1.0 else COOLED
        return Loss(_cracking(schedule, side), REASONS[outcome].replace("heated or cooled", side))
    too_hot = _crossing(schedule, float(kinetics.limit[0]))
    crumbled = float(hours[np.argmax(gone > LOST_MASS)]) if (gone > LOST_MASS).any() else np.inf
    why = f"{REASONS[outcome]} ({how})" if how and outcome is Outcome.DECOMPOSED else REASONS[outcome]
    return Loss(min(too_hot, crumbled), why)


def escaped(path: Trajectory, kinetics: Kinetics) -> Array:
    """Share of the mass that has left as gas by each moment, shape ``(n_times, n)``."""
    rate = decomposition_rate(path.temperature, kinetics)
    extent = np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(path.hours, axis=0), axis=0)
    return np.asarray(-np.expm1(-np.concatenate([np.zeros((1, rate.shape[1])), extent])))


def _crossing(schedule: Schedule, kelvin: float) -> float:
    """First hour at which a programme passes a temperature; that of its peak where it stays below."""
    hours, knots = schedule.hours[:, 0], schedule.temperature[:, 0]
    for i in range(len(knots) - 1):
        if knots[i] <= kelvin < knots[i + 1]:
            return float(hours[i] + (hours[i + 1] - hours[i]) * (kelvin - knots[i]) / (knots[i + 1] - knots[i]))
    return float(hours[int(knots.argmax())])


def _cracking(schedule: Schedule, side: str) -> float:
    """Within the steepest segment of that side."""
    rates = schedule.rates[:, 0]
    i = int(rates.argmax() if side == HEATED else rates.argmin())
    share = _INTO_HEATING if side == HEATED else _INTO_COOLING
    return float(schedule.hours[i, 0] + share * (schedule.hours[i + 1, 0] - schedule.hours[i, 0]))

"""Integration of the rate laws over whole schedules, many firings at a time, by a stiff solver of adaptive step.

The compacts of a batch make one system of equations: each runs through its own segment of its own programme while one
variable goes from 0 to 1, so that all are at the same place of their firing at the same time. LSODA (Petzold, SIAM J.
Sci. Stat. Comput. 4, 136, 1983) changes between Adams' and Gear's formulas by itself. It bounds the largest error of
all states, not their mean, so a firing comes out the same, within the tolerance, whatever is fired beside it. The
states of one compact stand side by side: the Jacobian is a narrow band.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.sintering.kinetics import Kinetics
from simulators.sintering.rates import N_STATES, Rates
from simulators.sintering.schedule import Schedule

Array = npt.NDArray[np.float64]

DORMANT = 0.3
"""Homologous temperature below which nothing moves: a day there coarsens the finest powder by less than 0.1 %."""
RTOL, ATOL = 1e-6, 1e-6
"""Tolerances of a step: a density is then right to 1e-4 and better; ``tests/benchmarks/sintering.py`` finds 1e-5."""
CHUNK = 1000
"""Firings that are integrated together: more make no faster."""
HOLD_STRETCH = 6.0
"""A hold is run through in time stretched by up to e^6 at its beginning, where it is fastest."""
MAX_STEPS = 20_000


@dataclass(frozen=True)
class Trajectory:
    """How n compacts went through their firing.

    Args:
        hours: since the heater was switched on, shape ``(n_times, n)``.
        temperature: K, same shape.
        porosity: same shape.
        grain_size: um, same shape.
        abnormal: volume fraction of abnormal grains, same shape.
    """

    hours: Array
    temperature: Array
    porosity: Array
    grain_size: Array
    abnormal: Array


@dataclass(frozen=True)
class _Segment:
    """One segment of n programmes, or that part of it in which the compacts are hot enough to change."""

    hours: Array
    duration: Array
    temperature: Array
    rise: Array
    pressure: Array
    load: Array
    stretch: float

    def at(self, place: float) -> tuple[float, float]:
        """Share of the duration that has passed, and its derivative, at 0 <= place <= 1."""
        if not self.stretch:
            return place, 1.0
        whole = np.expm1(self.stretch)
        return float(np.expm1(self.stretch * place) / whole), float(self.stretch * np.exp(self.stretch * place) / whole)


def integrate(schedule: Schedule, kinetics: Kinetics, *, rtol: float = RTOL, atol: float = ATOL) -> Trajectory:
    """The compacts as they come out of the furnace: a trajectory of one time, shapes ``(1, n)``.

    Args:
        schedule: what is done to n compacts.
        kinetics: how they answer.
        rtol: relative tolerance of a step in the logarithms of porosity and grain size.
        atol: absolute tolerance.
    """
    return _assembled(schedule, kinetics, 2, rtol, atol, last=True)


def follow(
    schedule: Schedule, kinetics: Kinetics, n_times: int = 48, *, rtol: float = RTOL, atol: float = ATOL
) -> Trajectory:
    """The compacts at ``n_times`` moments of every segment, both its ends among them.

    Args:
        schedule: what is done to n compacts.
        kinetics: how they answer.
        n_times: per segment, 2 or more.
        rtol: relative tolerance of a step in the logarithms of porosity and grain size.
        atol: absolute tolerance.
    """
    return _assembled(schedule, kinetics, n_times, rtol, atol, last=False)


def _assembled(
    schedule: Schedule, kinetics: Kinetics, n_times: int, rtol: float, atol: float, *, last: bool
) -> Trajectory:
    parts = []
    for begin in range(0, schedule.n, CHUNK):
        which = slice(begin, begin + CHUNK)
        rows = list(_fired(schedule.part(which), kinetics.part(which), n_times, rtol, atol))
        parts.append(rows[-1][:, -1:] if last else np.concatenate(rows, axis=1))
    if not parts:
        parts.append(np.zeros((5, 1, 0)))
    return Trajectory(*np.concatenate(parts, axis=2))


def _fired(schedule: Schedule, kinetics: Kinetics, n_times: int, rtol: float, atol: float) -> Iterator[Array]:
    """Of every segment the rows of a trajectory, shape ``(5, n_times, n)``."""
    rates = Rates(kinetics)
    state = rates.start()
    places = np.linspace(0.0, 1.0, n_times)
    for segment in _segments(schedule, kinetics.melting):
        if segment.duration.any():
            states = _solved(_derivative(rates, segment), state, places, rtol, atol)
        else:
            states = np.broadcast_to(state, (n_times, *state.shape))
        state = states[-1]
        passed = np.array([segment.at(s)[0] for s in places])[:, None]
        yield np.array(
            [
                segment.hours + passed * segment.duration,
                segment.temperature + passed * segment.rise,
                rates.porosity(states),
                np.exp(states[..., 1]),
                -np.expm1(-(np.maximum(states[..., 2], 0.0) ** 3)),
            ]
        )


def _segments(schedule: Schedule, melting: Array) -> Iterator[_Segment]:
    for i in range(len(schedule.hours) - 1):
        # What melts is lost, whatever the numbers say: they are kept in bounds.
        start, end = (np.minimum(kelvin, melting) for kelvin in schedule.temperature[i : i + 2])
        rise, hours = end - start, np.diff(schedule.hours[i : i + 2], axis=0)[0]
        cold = DORMANT * melting
        # Where the line crosses the temperature at which something begins to move.
        crossing = np.clip(np.divide(cold - start, rise, out=np.zeros_like(rise), where=rise != 0.0), 0.0, 1.0)
        first = np.where(start < cold, np.where(end < cold, 1.0, crossing), 0.0)
        final = np.where(end < cold, np.where(start < cold, 1.0, crossing), 1.0)
        share = final - first
        load = schedule.pressure[i + 1] - schedule.pressure[i]
        level = bool((np.abs(rise) < 1.0).all())
        yield _Segment(
            schedule.hours[i] + first * hours,
            share * hours,
            start + first * rise,
            share * rise,
            schedule.pressure[i] + first * load,
            share * load,
            HOLD_STRETCH if level else 0.0,
        )


def _derivative(rates: Rates, segment: _Segment) -> Callable[[float, Array], Array]:
    shape = (len(segment.duration), N_STATES)

    def derivative(place: float, flat: Array) -> Array:
        passed, speed = segment.at(place)
        found = rates(
            flat.reshape(shape),
            segment.temperature + passed * segment.rise,
            segment.pressure + passed * segment.load,
        )
        found *= (speed * segment.duration)[:, None]
        return found.ravel()

    return derivative


def _solved(
    derivative: Callable[[float, Array], Array], start: Array, places: Array, rtol: float, atol: float
) -> Array:
    """The states at some places, shape ``(n_places, n, 3)``."""
    from scipy.integrate import odeint

    band = N_STATES - 1
    flat, info = odeint(
        derivative, start.ravel(), places, tfirst=True, ml=band, mu=band, rtol=rtol, atol=atol, mxstep=MAX_STEPS,
        full_output=True, tcrit=[1.0],
    )  # fmt: skip
    if "successful" not in info["message"]:
        raise ArithmeticError(f"the integration of a firing stopped: {info['message']}")
    return np.asarray(flat).reshape(len(places), *start.shape)

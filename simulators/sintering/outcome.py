"""What became of a compact: whole, cracked, molten or decomposed, and what its firing left inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from simulators.body import Body
from simulators.sintering.kinetics import Kinetics
from simulators.sintering.rates import ABNORMAL_SIZE
from simulators.sintering.schedule import Schedule

Array = npt.NDArray[np.float64]


class Outcome(StrEnum):
    """What came out of the furnace. All but the first are infeasible: nothing there to be measured."""

    SINTERED = "sintered"
    MELTED = "melted"
    DECOMPOSED = "decomposed"
    CRACKED = "cracked"
    UNSTABLE = "unstable"


REASONS: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.MELTED: "the compact melted: a solidified puddle was found in the crucible",
        Outcome.DECOMPOSED: "the powder decomposed: mass loss and a foamed, crumbling body",
        Outcome.CRACKED: "the compact cracked: heated or cooled faster than it survives, it came out in pieces",
        Outcome.UNSTABLE: "no such phase forms: elastically unstable, the powder reacted to other phases",
    }
)

PORE_CLOSURE, CLOSURE_WIDTH = 0.925, 0.009
"""Relative density at which half of the porosity is closed, and how sharply. The pore channels along the grains' edges
pinch off between 90 and 95% (the end of the intermediate stage: Coble, J. Appl. Phys. 32, 787, 1961; why channels of
few per cent are unstable: Beere, Acta Metall. 23, 131, 1975)."""
VENTING = 0.02
"""Share of the mass that has left when half of the room it left is open."""
LOST_MASS = 0.08
"""Share of the mass that may leave before the body crumbles."""
SOUND_SHARE = 0.75
"""Share of the survivable heating or cooling rate from which on micro-cracks stay."""
EDGE_CRACKS = 2.5
"""Length of cracks per area in 1/mm of a body that only just survived."""
GRAIN_CRACKS = 2.0
"""The same of a body whose grains are far too coarse for their anisotropic expansion."""
_POINTS = 48


@dataclass(frozen=True)
class SinterResult:
    """What came out, each of shape ``(n,)``. Of a lost sample the numbers are what the rate laws say and mean nothing.

    Args:
        density: relative density, 0 to 1.
        grain_size: mean grain diameter, um, without the abnormal grains.
        outcome: one ``Outcome`` each.
        open_share: share of the porosity that is open to the surface.
        abnormal: volume fraction of abnormal grains.
        second_phase: volume fraction of what the additive left.
        cracks: length of cracks per area of a section, 1/mm.
        mass_loss: share of the mass that left as gas.
    """

    density: Array
    grain_size: Array
    outcome: tuple[Outcome, ...]
    open_share: Array
    abnormal: Array
    second_phase: Array
    cracks: Array
    mass_loss: Array

    def body(self, index: int) -> Body:
        """What is inside one of them."""
        return Body(
            density=float(self.density[index]),
            grain_size=float(self.grain_size[index]),
            open_share=float(self.open_share[index]),
            abnormal=float(self.abnormal[index]),
            second_phase=float(self.second_phase[index]),
            cracks=float(self.cracks[index]),
        )

    def with_unstable(self, stable: Sequence[bool]) -> SinterResult:
        """The same, but where no phase holds together nothing came out."""
        outcome = tuple(o if s else Outcome.UNSTABLE for o, s in zip(self.outcome, stable, strict=True))
        return replace(self, outcome=outcome)


def open_share(porosity: Array, abnormal: Array, mass_loss: Array) -> Array:
    """Share of all pores that is connected to the surface, 0 to 1.

    Args:
        porosity: what sintering left, volume fraction.
        abnormal: volume fraction of abnormal grains; pores inside grains are closed.
        mass_loss: share of the mass that left as gas: little leaves from the surface alone, much opens its way out.
    """
    channels = 0.5 - 0.5 * np.tanh(0.5 * (1.0 - porosity - PORE_CLOSURE) / CLOSURE_WIDTH)
    emptied = (1.0 - porosity) * mass_loss
    vented = emptied * mass_loss / (mass_loss + VENTING)
    return np.asarray((channels * (1.0 - abnormal) * porosity + vented) / (porosity + emptied))


def mass_loss(schedule: Schedule, kinetics: Kinetics) -> Array:
    """Share of the mass that left as gas by the end of the firing, shape ``(n,)``.

    Decomposition of the first order with an Arrhenius constant (Galwey and Brown, Thermal Decomposition of Ionic
    Solids, 1999), integrated over the programme by Gauss and Legendre's rule: nitrides lose nitrogen well below the
    temperature at which nothing of them remains, silicides their silicon, carbides and borides the oxide on their skin.
    """
    x, weight = np.polynomial.legendre.leggauss(_POINTS)
    place, weight = 0.5 * (x + 1.0)[:, None], 0.5 * weight[:, None]
    extent = np.zeros(schedule.n)
    for i in range(len(schedule.hours) - 1):
        start, end = schedule.temperature[i], schedule.temperature[i + 1]
        # The rate is a matter of the last few per cent of the temperature: the colder part of a ramp adds nothing.
        floor = 0.65 * kinetics.limit
        low, high = np.maximum(np.minimum(start, end), floor), np.maximum(start, end)
        level = high - np.minimum(start, end) < 1e-9
        share = np.where(level, high > floor, np.maximum(high - low, 0.0) / np.maximum(np.abs(end - start), 1e-9))
        kelvin = low + np.maximum(high - low, 0.0) * place
        hours = share * (schedule.hours[i + 1] - schedule.hours[i])
        extent += hours * (weight * decomposition_rate(kelvin, kinetics)).sum(axis=0)
    return np.asarray(-np.expm1(-extent))


def decomposition_rate(kelvin: Array, kinetics: Kinetics) -> Array:
    """Share of the mass lost per hour at a temperature, shape as broadcast with ``(n,)``."""
    x = (kinetics.limit / kelvin - 1.0) / kinetics.melting_share
    return np.asarray(kinetics.decomposition_rate * np.exp(-kinetics.decomposition_q * x))


def heating_load(schedule: Schedule, kinetics: Kinetics) -> Array:
    """Fastest heating over what the compact survives, shape ``(n,)``: beyond 1 it is lost.

    It cracks when heated faster than it can even out its temperature and vent its binder: finer powders have finer
    pores and stand less, pressure holds the body together.
    """
    bearable = kinetics.crack_rate * kinetics.powder_size**0.4 * (1.0 + schedule.segment_pressure / 15.0)
    return np.asarray(np.maximum(schedule.rates / bearable, 0.0).max(axis=0))


def cooling_load(schedule: Schedule, kinetics: Kinetics) -> Array:
    """Fastest cooling over what the body survives, shape ``(n,)``.

    At a steady rate the difference of temperature across a body is proportional to the rate (Kingery, J. Am. Ceram.
    Soc. 38, 3, 1955); beyond a critical difference cracks run, and short of it they do not (Hasselman, J. Am. Ceram.
    Soc. 52, 600, 1969).
    """
    return np.asarray(np.maximum(-schedule.rates / kinetics.shock_rate, 0.0).max(axis=0))


def cracks(load: Array, grain_size: Array, abnormal: Array, kinetics: Kinetics) -> Array:
    """Length of micro-cracks per area of a section in 1/mm, of bodies that survived.

    Args:
        load: the larger of the heating and the cooling load.
        grain_size: um.
        abnormal: volume fraction of abnormal grains.
        kinetics: their ``critical_grain``. Grains that expand differently along their axes crack apart above a size
            (Cleveland and Bradt, J. Am. Ceram. Soc. 61, 478, 1978), and abnormal ones are many times larger.
    """
    near = np.clip((load - SOUND_SHARE) / (1.0 - SOUND_SHARE), 0.0, 1.0)
    ratio = grain_size / kinetics.critical_grain
    coarse = (1.0 - abnormal) * np.tanh(np.maximum(ratio - 1.0, 0.0))
    coarse += abnormal * np.tanh(np.maximum(ABNORMAL_SIZE * ratio - 1.0, 0.0))
    return np.asarray(EDGE_CRACKS * near**2 + GRAIN_CRACKS * coarse)


def outcomes(schedule: Schedule, kinetics: Kinetics, lost_mass: Array, load: Array) -> tuple[Outcome, ...]:
    """Which of n compacts survive their firing.

    Args:
        schedule: what was done to them.
        kinetics: how they answer; above its ``limit`` a compact is lost at once.
        lost_mass: share of the mass that left.
        load: the larger of the heating and the cooling load.
    """
    hot = schedule.peak > kinetics.limit
    crumbled = np.where(hot, kinetics.decomposes, lost_mass > LOST_MASS)
    return tuple(
        Outcome.DECOMPOSED if c else Outcome.MELTED if h else Outcome.CRACKED if b else Outcome.SINTERED
        for c, h, b in zip(crumbled, hot, load > 1.0, strict=True)
    )

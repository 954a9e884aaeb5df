"""Sintering of a powder compact over a real furnace schedule: densification and grain growth, integrated together.

Two coupled rate equations for the porosity P and the mean grain diameter G are advanced over ramp, hold and furnace
cooling, for a whole batch of powders at once:

- Densification: the combined-stage model (Hansen, Rusin, Teng and Johnson, J. Am. Ceram. Soc. 75, 1129, 1992); its
  integral over the thermal history is the master sintering curve (Su and Johnson, J. Am. Ceram. Soc. 79, 3211, 1996)::

      dP/dt = -(P - P_res) g(P) (sigma / sigma_ref) (T_ref / T) [k_v e^(-q_v x) / G^2 + k_b e^(-q_b x) / G^3]

  Lattice and boundary diffusion act side by side (Coble, J. Appl. Phys. 32, 787, 1961); with capillarity, time grows as
  the third and fourth power of size (Herring, J. Appl. Phys. 21, 301, 1950). g = (P / 0.4)^(1/2), because the last
  pores lie in the loosest regions of the packing.
- Driving stress: capillarity and applied pressure, sigma = 4 gamma / G + p / rho (Coble, J. Appl. Phys. 41, 4798,
  1970).
- Grain growth: dG/dt = K / (n G^(n-1)) (Burke and Turnbull, Prog. Met. Phys. 3, 220, 1952; Hillert, Acta Metall. 13,
  227, 1965), slowed by pores on the boundaries (Zhao and Harmer, J. Am. Ceram. Soc. 75, 830, 1992), and coarsening by
  surface diffusion, which costs fine powders their fineness during a slow ramp (n = 4: Herring, 1950).
- Above a homologous temperature boundaries break away from their pores: growth turns abnormal and what porosity is
  left is shut inside the grains (Brook, J. Am. Ceram. Soc. 52, 56, 1969).

Temperatures act through x = Tm/T - Tm/T_ref: activation energies in units of R Tm are nearly the same within a class of
solids (Brown and Ashby, Acta Metall. 28, 1085, 1980).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from simulators.body import Body

Array = npt.NDArray[np.float64]

ROOM_TEMPERATURE = 298.0
"""K."""
REFERENCE = 0.8
"""Homologous temperature at which the rate constants are stated."""
SURFACE_ENERGY = 1.0
"""J/m2, typical of ceramics; 4 gamma / G is then 4 MPa at a grain size of 1 um."""
REFERENCE_STRESS = 4.0
"""MPa."""
COOLING_RATE = 15.0
"""K/min, natural cooling of the furnace."""
REFERENCE_POROSITY = 0.4
PORE_DRAG = 0.05
"""Porosity at which pores halve the mobility of the boundaries."""
ABNORMAL_WIDTH = 0.008
"""Homologous temperature over which abnormal growth sets in."""

N_RAMP, N_HOLD, N_COOL = 60, 60, 12
"""Sub-steps. Ramp and cooling are even in temperature, the hold is geometric in time: it is fastest at its start."""


class Outcome(StrEnum):
    """What came out of the furnace. All but the first are infeasible: nothing there to be measured."""

    SINTERED = "sintered"
    MELTED = "melted"
    DECOMPOSED = "decomposed"
    CRACKED = "cracked"


REASONS = {
    Outcome.MELTED: "the compact melted: a solidified puddle was found in the crucible",
    Outcome.DECOMPOSED: "the powder decomposed: mass loss and a foamed, crumbling body",
    Outcome.CRACKED: "the compact cracked during heating",
}


@dataclass(frozen=True)
class Schedule:
    """What is done to n powders. Every field has shape ``(n,)``.

    Args:
        powder_size: mean particle diameter, um.
        temperature: hold temperature, K.
        hold: h.
        heating_rate: K/min.
        pressure: applied uniaxial pressure, MPa.
    """

    powder_size: Array
    temperature: Array
    hold: Array
    heating_rate: Array
    pressure: Array


@dataclass(frozen=True)
class Kinetics:
    """How n powders answer. Every field has shape ``(n,)``; rates hold at 0.8 Tm and a grain size of 1 um.

    Args:
        melting: melting or decomposition temperature, K.
        green_density: relative density before firing.
        lattice_rate: k_v, 1/h under the reference stress.
        lattice_q: activation energy of lattice diffusion over R Tm.
        boundary_rate: k_b, 1/h.
        boundary_q: the same of boundary diffusion.
        growth_rate: K of grain growth, um^n/h.
        growth_q: activation energy of grain growth over R Tm.
        growth_exponent: n of grain growth.
        surface_rate: coarsening by surface diffusion, um^4/h.
        surface_q: its activation energy over R Tm.
        residual: porosity that no firing removes (gas in closed pores).
        abnormal_onset: homologous temperature above which growth is abnormal.
        abnormal_factor: by how much abnormal growth is faster.
        melting_share: share of ``melting`` above which the powder is lost.
        crack_rate: heating rate in K/min that a pressureless compact of 1 um powder just survives.
        decomposes: whether the loss is a decomposition (it melts otherwise).
    """

    melting: Array
    green_density: Array
    lattice_rate: Array
    lattice_q: Array
    boundary_rate: Array
    boundary_q: Array
    growth_rate: Array
    growth_q: Array
    growth_exponent: Array
    surface_rate: Array
    surface_q: Array
    residual: Array
    abnormal_onset: Array
    abnormal_factor: Array
    melting_share: Array
    crack_rate: Array
    decomposes: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SinterResult:
    """What came out, each of shape ``(n,)``.

    Args:
        density: relative density, 0 to 1. Of a lost sample it is what the kinetics say and means nothing.
        grain_size: mean grain diameter, um.
        outcome: one ``Outcome`` each.
    """

    density: Array
    grain_size: Array
    outcome: tuple[Outcome, ...]

    def body(self, index: int) -> Body:
        """What is inside one of them."""
        return Body(float(self.density[index]), float(self.grain_size[index]))


def thermal_history(schedule: Schedule, melting: Array, *, refine: int = 1) -> tuple[Array, Array]:
    """Temperatures (K) and durations (h) of every sub-step, each of shape ``(n_steps, n)``.

    The ramp begins at 0.4 Tm, below which nothing moves; the cooling ends 25% below the hold temperature.

    Args:
        schedule: the firing.
        melting: shape ``(n,)``, K.
        refine: multiplies the number of sub-steps.
    """
    top = schedule.temperature
    start = np.minimum(np.maximum(0.4 * melting, ROOM_TEMPERATURE), top)
    ramp_share = (np.arange(N_RAMP * refine) + 0.5)[:, None] / (N_RAMP * refine)
    cool_share = (np.arange(N_COOL * refine) + 0.5)[:, None] / (N_COOL * refine)
    edges = np.concatenate([[0.0], np.geomspace(2e-4, 1.0, N_HOLD * refine)])
    ramp = start + (top - start) * ramp_share
    hold = np.broadcast_to(top, (N_HOLD * refine, len(top)))
    cool = top - 0.25 * top * cool_share
    durations = (
        np.broadcast_to((top - start) / (60.0 * schedule.heating_rate) / len(ramp), ramp.shape),
        np.diff(edges)[:, None] * schedule.hold,
        np.broadcast_to(0.25 * top / (60.0 * COOLING_RATE) / len(cool), cool.shape),
    )
    return np.concatenate([ramp, hold, cool]), np.concatenate(durations)


def furnace_hours(temperature: float, hold: float, heating_rate: float) -> float:
    """Furnace time in h of one firing: ramp from room temperature, hold, and natural cooling.

    Args:
        temperature: hold temperature, K.
        hold: h.
        heating_rate: K/min.
    """
    rise = temperature - ROOM_TEMPERATURE
    return rise / (60.0 * heating_rate) + hold + rise / (60.0 * COOLING_RATE)


def _step(
    porosity: Array, grain: Array, temperature: Array, hours: Array, pressure: Array, k: Kinetics
) -> tuple[Array, Array]:
    """One sub-step at constant temperature; both updates are exact for frozen coefficients, hence never unstable."""
    x = k.melting / temperature - 1.0 / REFERENCE
    open_share = 1.0 / (1.0 + (PORE_DRAG / np.maximum(porosity, 1e-9)) ** 2)
    departure = (temperature / k.melting - k.abnormal_onset) / ABNORMAL_WIDTH
    abnormal = (1.0 - open_share) / (1.0 + np.exp(-np.clip(departure, -40.0, 40.0)))

    stress = 4.0 * SURFACE_ENERGY / grain + pressure / (1.0 - porosity)
    diffusion = k.lattice_rate * np.exp(-k.lattice_q * x) / grain**2
    diffusion += k.boundary_rate * np.exp(-k.boundary_q * x) / grain**3
    rate = stress / REFERENCE_STRESS * REFERENCE * k.melting / temperature * diffusion * (1.0 - abnormal)
    rate *= np.sqrt(porosity / REFERENCE_POROSITY)
    left = np.maximum(porosity - k.residual, 0.0) * np.exp(-np.minimum(rate * hours, 700.0))

    coarsening = k.surface_rate * np.exp(-k.surface_q * x) * open_share
    grain = (grain**4 + coarsening * hours) ** 0.25
    growth = k.growth_rate * np.exp(-k.growth_q * x) * (1.0 - open_share) * (1.0 + k.abnormal_factor * abnormal)
    grain = (grain**k.growth_exponent + growth * hours) ** (1.0 / k.growth_exponent)
    return np.minimum(porosity, k.residual + left), grain


def outcomes(schedule: Schedule, kinetics: Kinetics) -> tuple[Outcome, ...]:
    """Which of n compacts survive their firing.

    A compact is lost above a share of its melting temperature. It cracks when heated faster than it can even out its
    temperature and vent its binder: finer powders have finer pores and stand less, pressure holds the body together.
    """
    lost = schedule.temperature > kinetics.melting_share * kinetics.melting
    survivable = kinetics.crack_rate * schedule.powder_size**0.4 * (1.0 + schedule.pressure / 15.0)
    cracked = schedule.heating_rate > survivable
    return tuple(
        (Outcome.DECOMPOSED if d else Outcome.MELTED) if is_lost else Outcome.CRACKED if c else Outcome.SINTERED
        for is_lost, c, d in zip(lost, cracked, kinetics.decomposes, strict=True)
    )


def sinter(schedule: Schedule, kinetics: Kinetics, *, refine: int = 1) -> SinterResult:
    """Fire n compacts.

    Args:
        schedule: what is done to each.
        kinetics: how each powder answers.
        refine: multiplies the number of sub-steps, to judge the error of the integration.

    Returns:
        Density, grain size and outcome of each.
    """
    *_, (porosity, grain) = _fired(schedule, kinetics, refine)
    return SinterResult(1.0 - porosity, grain, outcomes(schedule, kinetics))


def densification(schedule: Schedule, kinetics: Kinetics) -> tuple[Array, Array]:
    """How n compacts densify while they are fired, as a dilatometer would follow it.

    Returns:
        Hours since the heater was switched on at room temperature, and relative densities, each of shape
        ``(n_steps, n)``.
    """
    temperatures, hours = thermal_history(schedule, kinetics.melting)
    warming = (temperatures[0] - ROOM_TEMPERATURE) / (60.0 * schedule.heating_rate)
    densities = np.array([1.0 - porosity for porosity, _ in _fired(schedule, kinetics, 1)])
    return np.maximum(warming, 0.0) + np.cumsum(hours, axis=0), densities


def _fired(schedule: Schedule, kinetics: Kinetics, refine: int) -> Iterator[tuple[Array, Array]]:
    """Porosity and grain size after every sub-step."""
    temperatures, hours = thermal_history(schedule, kinetics.melting, refine=refine)
    porosity = 1.0 - kinetics.green_density
    grain = schedule.powder_size.astype(np.float64)
    for temperature, duration in zip(temperatures, hours, strict=True):
        porosity, grain = _step(porosity, grain, temperature, duration, schedule.pressure, kinetics)
        yield porosity, grain

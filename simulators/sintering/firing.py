"""Firing compacts: what comes out, and how they densify on the way."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulators.sintering.kinetics import Kinetics
from simulators.sintering.loss import escaped
from simulators.sintering.outcome import (
    SinterResult,
    cooling_load,
    cracks,
    heating_load,
    mass_loss,
    open_share,
    outcomes,
)
from simulators.sintering.schedule import Schedule
from simulators.sintering.solver import ATOL, RTOL, Trajectory, follow, integrate

Array = npt.NDArray[np.float64]


def sinter(schedule: Schedule, kinetics: Kinetics, *, rtol: float = RTOL, atol: float = ATOL) -> SinterResult:
    """Fire n compacts.

    Args:
        schedule: what is done to each.
        kinetics: how each powder answers.
        rtol: relative tolerance of a step of the integration.
        atol: its absolute tolerance.
    """
    end = integrate(schedule, kinetics, rtol=rtol, atol=atol)
    gone = mass_loss(schedule, kinetics)
    # What leaves as gas leaves pores: the body keeps its shape.
    porosity, grain, abnormal = end.porosity[-1], end.grain_size[-1], end.abnormal[-1]
    density = (1.0 - porosity) * (1.0 - gone)
    load = np.maximum(heating_load(schedule, kinetics), cooling_load(schedule, kinetics))
    return SinterResult(
        density=density,
        grain_size=grain,
        outcome=outcomes(schedule, kinetics, gone, load),
        open_share=open_share(porosity, abnormal, gone),
        abnormal=abnormal,
        second_phase=kinetics.residue.copy(),
        cracks=cracks(load, grain, abnormal, kinetics),
        mass_loss=gone,
    )


def densification(schedule: Schedule, kinetics: Kinetics, n_times: int = 48) -> tuple[Array, Array, Trajectory]:
    """How n compacts densify while they are fired, as a dilatometer would follow it.

    Args:
        schedule: what is done to each.
        kinetics: how each powder answers.
        n_times: moments per segment.

    Returns:
        Hours since the heater was switched on at room temperature, and relative densities, each of shape
        ``(n_moments, n)``; and the trajectories that they belong to.
    """
    path = follow(schedule, kinetics, n_times)
    return path.hours, (1.0 - path.porosity) * (1.0 - escaped(path, kinetics)), path

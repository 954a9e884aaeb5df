"""How powders answer heat: the constants of the rate laws, per firing."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kinetics:
    """How n powders answer. Every field has shape ``(n,)``; rates hold at 0.8 Tm and a grain size of 1 um.

    Args:
        powder_size: mean particle diameter, um.
        melting: melting temperature, K.
        green_density: relative density before firing.
        lattice_rate: k_v of densification by lattice diffusion, 1/h under the reference stress.
        lattice_q: its activation energy over R Tm.
        boundary_rate: k_b, 1/h, by grain-boundary diffusion.
        boundary_q: its activation energy over R Tm.
        growth_rate: K of grain growth, um^n/h.
        growth_q: its activation energy over R Tm.
        growth_exponent: n of grain growth.
        surface_rate: coarsening by surface diffusion, um^4/h.
        surface_q: its activation energy over R Tm.
        residual: porosity that no firing removes (gas in closed pores).
        eutectic: temperature in K at which the additive and the powder's skin form a liquid; infinite where none does.
        liquid_rate: densification through the liquid, 1/h under the reference stress.
        liquid_growth: factor that the liquid adds to grain growth; 0 adds nothing.
        abnormal_onset: homologous temperature at which boundaries break away from their pores.
        abnormal_factor: how much faster an abnormal grain's boundary moves than a normal one's.
        melting_share: share of ``melting`` above which the powder is lost.
        decomposition: temperature in K above which it is lost, too; infinite where it melts first.
        decomposes: whether what is lost decomposes (it melts otherwise).
        decomposition_rate: mass share lost per hour where it is lost at once.
        decomposition_q: its activation energy over R ``limit`` / ``melting_share``, which is R Tm of what melts first.
        crack_rate: heating rate in K/min that a pressureless compact of 1 um powder just survives.
        shock_rate: cooling rate in K/min that the body just survives.
        critical_grain: grain diameter in um above which a body cracks by itself as it cools; infinite where cubic.
        residue: volume fraction of second phase that the additive leaves.
    """

    powder_size: Array
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
    eutectic: Array
    liquid_rate: Array
    liquid_growth: Array
    abnormal_onset: Array
    abnormal_factor: Array
    melting_share: Array
    decomposition: Array
    decomposes: npt.NDArray[np.bool_]
    decomposition_rate: Array
    decomposition_q: Array
    crack_rate: Array
    shock_rate: Array
    critical_grain: Array
    residue: Array

    @property
    def limit(self) -> Array:
        """Temperature in K above which each powder is lost at once, shape ``(n,)``."""
        return np.minimum(self.melting_share * self.melting, self.decomposition)

    def part(self, which: slice) -> Kinetics:
        """Some of the powders."""
        return Kinetics(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

    @staticmethod
    def broadcast(n: int, **values: Any) -> Kinetics:
        """Of n powders, from numbers or arrays of shape ``(n,)``.

        Raises:
            TypeError: a constant is missing or unknown.
        """
        arrays = {
            name: np.ascontiguousarray(np.broadcast_to(np.asarray(value, bool if name == "decomposes" else float), n))
            for name, value in values.items()
        }
        return Kinetics(**arrays)

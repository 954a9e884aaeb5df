"""Rate laws of solid-state sintering, vectorised; the nominal model of SinterControl."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

GAS = 8.314462618
REFERENCE_KELVIN = 1673.15
"""Temperature (1400 Cel) at which rate constants are stated, so that they do not correlate with the energies."""


@dataclass(frozen=True)
class Kinetics:
    """Constants of the rate laws; floats, or arrays of shape ``(n,)`` for n batches of powder.

    Args:
        densification_rate: 1/s at the reference temperature for grains of 1 um.
        densification_energy: J/mol.
        growth_rate: um^3/s at the reference temperature in the dense solid.
        growth_energy: J/mol.
        size_exponent: m of the densification law: 3 for lattice, 4 for grain-boundary diffusion.
        drag_porosity: porosity at which pores slow the boundaries by 2^1.5.
    """

    densification_rate: float | FloatArray
    densification_energy: float | FloatArray
    growth_rate: float | FloatArray
    growth_energy: float | FloatArray
    size_exponent: float = 4.0
    drag_porosity: float = 0.05


def arrhenius(energy: float | FloatArray, kelvin: float | FloatArray) -> FloatArray:
    """exp(-Q / R (1/T - 1/T_ref)), dimensionless, 1 at the reference temperature."""
    kelvin = np.asarray(kelvin, dtype=np.float64)
    return np.asarray(np.exp(-np.asarray(energy) / GAS * (1.0 / kelvin - 1.0 / REFERENCE_KELVIN)))


def densification_rate(
    density: float | FloatArray, grain_size: float | FloatArray, kelvin: float | FloatArray, kinetics: Kinetics
) -> FloatArray:
    """Rate of the relative density in 1/s.

    d(rho)/dt = 3 rho Gamma(rho) C (T_ref/T) exp(-Q/RT) / G^m: the combined-stage model (Hansen, Rusin, Teng and
    Johnson, J. Am. Ceram. Soc. 75, 1129, 1992, eq. 1) in the form of the master sintering curve (Su and Johnson,
    J. Am. Ceram. Soc. 79, 3211, 1996, eq. 1). The geometry function is taken as Gamma = 1 - rho: driving force and
    vacancy sinks vanish with the last pore (Coble, J. Appl. Phys. 32, 787, 1961, for the final stage).

    Args:
        density: relative density, 0 to 1.
        grain_size: mean grain diameter, um.
        kelvin: temperature, K.
        kinetics: constants.
    """
    rho, grain = np.asarray(density, dtype=np.float64), np.asarray(grain_size, dtype=np.float64)
    mobility = kinetics.densification_rate * (REFERENCE_KELVIN / np.asarray(kelvin, dtype=np.float64))
    rate = 3.0 * rho * (1.0 - rho) * mobility * arrhenius(kinetics.densification_energy, kelvin)
    return np.asarray(rate / grain**kinetics.size_exponent)


def growth_rate(
    density: float | FloatArray, grain_size: float | FloatArray, kelvin: float | FloatArray, kinetics: Kinetics
) -> FloatArray:
    """Rate of the mean grain diameter in um/s.

    dG/dt = K exp(-Q/RT) / (3 G^2) (P_c / (P_c + P))^1.5: cubic growth (Burke and Turnbull, Prog. Met. Phys. 3, 220,
    1952, with the exponent 3 of impure oxides), slowed by pores on the boundaries (Du and Cocks, Acta Metall. Mater.
    40, 1969, 1992).

    Args:
        density: relative density, 0 to 1.
        grain_size: mean grain diameter, um.
        kelvin: temperature, K.
        kinetics: constants.
    """
    rho, grain = np.asarray(density, dtype=np.float64), np.asarray(grain_size, dtype=np.float64)
    drag = (kinetics.drag_porosity / (kinetics.drag_porosity + 1.0 - rho)) ** 1.5
    return np.asarray(kinetics.growth_rate * arrhenius(kinetics.growth_energy, kelvin) * drag / (3.0 * grain**2))


def advance(
    density: FloatArray, grain_size: FloatArray, kelvin: FloatArray, seconds: float, kinetics: Kinetics
) -> tuple[FloatArray, FloatArray]:
    """Density and grain size after ``seconds`` at one temperature, all of shape ``(n,)``.

    Exponential step in the porosity and exact step in G^3, each with the other's coefficient held: stable for any
    step, first-order accurate, and a density never reaches 1.
    """
    per_porosity = densification_rate(density, grain_size, kelvin, kinetics) / np.maximum(1.0 - density, 1e-12)
    cubed = 3.0 * grain_size**2 * growth_rate(density, grain_size, kelvin, kinetics)
    return 1.0 - (1.0 - density) * np.exp(-per_porosity * seconds), np.cbrt(grain_size**3 + cubed * seconds)

"""Density laws: of a crystal, of water, and of a porous body that is weighed dry, soaked, and soaked under water."""

from __future__ import annotations

import numpy as np

from envs.law_arrays import Array, ArrayLike, doubles

DALTON = 1.66053906660e-27
"""kg."""
AIR_DENSITY = 1.2
"""kg/m3, at 20 Cel and 1013 hPa in a humid room."""


def x_ray_density(cell_mass: ArrayLike, cell_volume: ArrayLike) -> Array:
    """Density in kg/m3 of a perfect crystal: mass of the cell in Da over its volume in cubic angstrom."""
    mass, volume = doubles(cell_mass, cell_volume)
    return np.asarray(mass * DALTON / (volume * 1e-30))


def water_density(temperature: ArrayLike) -> Array:
    """Density in kg/m3 of air-free water at 1013.25 hPa, 0 to 40 Cel.

    Tanaka, Girard, Davis, Peuto and Bignell, Metrologia 38, 301 (2001), eq. 1, to about 1e-6.

    Args:
        temperature: Cel.
    """
    (t,) = doubles(temperature)
    return np.asarray(999.974950 * (1.0 - (t - 3.983035) ** 2 * (t + 301.797) / (522528.9 * (t + 69.34881))))


def archimedes_density(
    dry: ArrayLike, immersed: ArrayLike, soaked: ArrayLike, liquid: ArrayLike, *, air: float = 0.0
) -> Array:
    """Bulk density in kg/m3, pores included: m1 / (m3 - m2) (rho_l - rho_a) + rho_a.

    ISO 18754 and ASTM C20, with the buoyancy of the air where ``air`` says its density; without it some 0.1% high
    at 4,000 kg/m3. Exact as long as soaking does not change the outer volume, however many open pores stay empty.

    Args:
        dry: m1, any unit of mass.
        immersed: m2, apparent mass of the soaked body under the liquid, same unit.
        soaked: m3, of the soaked body in air, same unit.
        liquid: rho_l, kg/m3.
        air: rho_a, kg/m3.
    """
    m1, m2, m3, rho = doubles(dry, immersed, soaked, liquid)
    return np.asarray(m1 / (m3 - m2) * (rho - air) + air)


def archimedes_open_porosity(dry: ArrayLike, immersed: ArrayLike, soaked: ArrayLike) -> Array:
    """Apparent porosity (m3 - m1) / (m3 - m2), volume fraction of what the liquid filled (ISO 18754, ASTM C20).

    Low where fine pores do not fill. Arguments as of ``archimedes_density``.
    """
    m1, m2, m3 = doubles(dry, immersed, soaked)
    return np.asarray((m3 - m1) / (m3 - m2))


def water_absorption(dry: ArrayLike, soaked: ArrayLike) -> Array:
    """Mass of the liquid taken up over the dry mass, (m3 - m1) / m1 (ASTM C20)."""
    m1, m3 = doubles(dry, soaked)
    return np.asarray((m3 - m1) / m1)

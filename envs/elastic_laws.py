"""Elastic laws: what follows from the two moduli of an isotropic body, and what pores and cracks do to them."""

from __future__ import annotations

import numpy as np

from envs.law_arrays import Array, ArrayLike, doubles

PLANCK_OVER_BOLTZMANN = 6.62607015e-34 / 1.380649e-23
"""s K."""


def youngs_modulus(bulk: ArrayLike, shear: ArrayLike) -> Array:
    """Young's modulus E = 9KG / (3K + G) in the unit of K and G (isotropic elasticity)."""
    k, g = doubles(bulk, shear)
    return np.asarray(9.0 * k * g / (3.0 * k + g))


def poisson_ratio(bulk: ArrayLike, shear: ArrayLike) -> Array:
    """Poisson ratio (3K - 2G) / (2 (3K + G)), dimensionless (isotropic elasticity)."""
    k, g = doubles(bulk, shear)
    return np.asarray((3.0 * k - 2.0 * g) / (2.0 * (3.0 * k + g)))


def bulk_and_shear(young: ArrayLike, poisson: ArrayLike) -> tuple[Array, Array]:
    """K = E / (3 (1 - 2 v)) and G = E / (2 (1 + v)) in the unit of E; v below 1/2 (isotropic elasticity)."""
    e, v = doubles(young, poisson)
    return np.asarray(e / (3.0 * (1.0 - 2.0 * v))), np.asarray(e / (2.0 * (1.0 + v)))


def pugh_ratio(bulk: ArrayLike, shear: ArrayLike) -> Array:
    """K / G; above about 1.75 a metal tends to be ductile (Pugh, Philos. Mag. 45, 823, 1954)."""
    k, g = doubles(bulk, shear)
    return np.asarray(k / g)


def longitudinal_velocity(bulk: ArrayLike, shear: ArrayLike, density: ArrayLike) -> Array:
    """Velocity of longitudinal sound in m/s: sqrt((K + 4G/3) / rho), K and G in GPa, rho in kg/m3.

    Of plane waves in an isotropic body whose grains and pores are much smaller than the wavelength (ASTM E494).
    """
    k, g, rho = doubles(bulk, shear, density)
    return np.asarray(np.sqrt((k + 4.0 * g / 3.0) * 1e9 / rho))


def shear_velocity(shear: ArrayLike, density: ArrayLike) -> Array:
    """Velocity of transverse sound in m/s: sqrt(G / rho), G in GPa, rho in kg/m3 (ASTM E494)."""
    g, rho = doubles(shear, density)
    return np.asarray(np.sqrt(g * 1e9 / rho))


def moduli_from_velocities(longitudinal: ArrayLike, shear: ArrayLike, density: ArrayLike) -> tuple[Array, Array]:
    """K = rho (v_l^2 - 4/3 v_t^2) and G = rho v_t^2 in GPa, the inverse of the two laws of velocity (ASTM E494).

    Args:
        longitudinal: v_l, m/s.
        shear: v_t, m/s; K is positive where it is below v_l sqrt(3) / 2.
        density: of the body with its pores, kg/m3.
    """
    v_l, v_t, rho = doubles(longitudinal, shear, density)
    return np.asarray(rho * (v_l**2 - 4.0 * v_t**2 / 3.0) * 1e-9), np.asarray(rho * v_t**2 * 1e-9)


def mean_velocity(longitudinal: ArrayLike, shear: ArrayLike) -> Array:
    """Debye's mean v_m = [(2 / v_t^3 + 1 / v_l^3) / 3]^(-1/3), in the unit of both.

    Anderson, J. Phys. Chem. Solids 24, 909 (1963).
    """
    v_l, v_t = doubles(longitudinal, shear)
    return np.asarray(((2.0 / v_t**3 + 1.0 / v_l**3) / 3.0) ** (-1.0 / 3.0))


def debye_temperature(bulk: ArrayLike, shear: ArrayLike, density: ArrayLike, volume_per_atom: ArrayLike) -> Array:
    """Debye temperature in K from K, G (GPa), density (kg/m3) and volume per atom (cubic angstrom).

    Theta = (h / k_B) (3 / (4 pi V_atom))^(1/3) v_m, with the mean velocity
    v_m = [(2 / v_t^3 + 1 / v_l^3) / 3]^(-1/3): Anderson, J. Phys. Chem. Solids 24, 909 (1963), eq. 1-6.
    """
    v_m = mean_velocity(longitudinal_velocity(bulk, shear, density), shear_velocity(shear, density))
    volume = np.asarray(volume_per_atom, dtype=np.float64) * 1e-30
    return np.asarray(PLANCK_OVER_BOLTZMANN * (3.0 / (4.0 * np.pi * volume)) ** (1.0 / 3.0) * v_m)


def spriggs_stiffness(dense: ArrayLike, porosity: ArrayLike, *, exponent: float = 4.0) -> Array:
    """A modulus of a porous body, M0 exp(-b P), in the unit of M0.

    Spriggs, J. Am. Ceram. Soc. 44, 628 (1961), who finds b of about 4 for the Young's modulus of alumina; 2 to 5 for
    other ceramics. Fails its own limit, a body without stiffness at P = 1: use it below P of about 0.35.

    Args:
        dense: M0, the modulus without pores.
        porosity: P, volume fraction.
        exponent: b.
    """
    m0, p = doubles(dense, porosity)
    return np.asarray(m0 * np.exp(-exponent * p))


def phani_niyogi_stiffness(
    dense: ArrayLike, porosity: ArrayLike, *, packing: float = 1.5, exponent: float = 1.75
) -> Array:
    """A modulus of a porous body, M0 (1 - a P)^n, in the unit of M0; 0 from P = 1 / a on.

    Phani and Niyogi, J. Mater. Sci. 22, 257 (1987): 1 / a is the porosity at which a packing of the powder loses its
    stiffness, so a is 1 to 3.85; n depends on the pores' shape and orientation. Valid from P = 0 to near 1 / a.

    Args:
        dense: M0, the modulus without pores.
        porosity: P, volume fraction.
        packing: a.
        exponent: n.
    """
    m0, p = doubles(dense, porosity)
    return np.asarray(m0 * np.maximum(1.0 - packing * p, 0.0) ** exponent)


def mackenzie_moduli(bulk: ArrayLike, shear: ArrayLike, porosity: ArrayLike) -> tuple[Array, Array]:
    """K and G, in the unit of the dense ones, of a body with few spherical pores that do not touch.

    K = 4 G0 K0 (1 - P) / (4 G0 + 3 K0 P) and, to first order in P, G = G0 [1 - 5 P (3 K0 + 4 G0) / (9 K0 + 8 G0)]:
    Mackenzie, Proc. Phys. Soc. B 63, 2 (1950). The shear modulus holds for P below about 0.15; it ends at 0.
    """
    k0, g0, p = doubles(bulk, shear, porosity)
    k = 4.0 * g0 * k0 * (1.0 - p) / (4.0 * g0 + 3.0 * k0 * p)
    g = g0 * np.maximum(1.0 - 5.0 * p * (3.0 * k0 + 4.0 * g0) / (9.0 * k0 + 8.0 * g0), 0.0)
    return np.asarray(k), np.asarray(g)


def cracked_moduli(bulk: ArrayLike, shear: ArrayLike, crack_density: ArrayLike) -> tuple[Array, Array]:
    """K and G, in the unit of the sound ones, of a body with flat round cracks in all directions.

    Self-consistent estimate of Budiansky and O'Connell, Int. J. Solids Struct. 12, 81 (1976), dry cracks:
    K'/K = 1 - (16/9) [(1 - v'^2) / (1 - 2v')] e and G'/G = 1 - (32/45) [(1 - v')(5 - v') / (2 - v')] e, where v'
    follows from e = (45/16) (v - v')(2 - v') / [(1 - v'^2)(10v - 3vv' - v')]. All stiffness is gone at e = 9/16; real
    bodies keep some, so trust it to e of about 0.3.

    Args:
        bulk: K of the body without cracks.
        shear: G of the body without cracks.
        crack_density: e, the number of cracks per volume times the mean cube of their radius.
    """
    k0, g0, wanted = np.broadcast_arrays(*doubles(bulk, shear, crack_density))
    v = poisson_ratio(k0, g0)
    low, high = np.zeros_like(v), np.ones_like(v)
    for _ in range(50):  # v' / v falls from 1 to 0 while e rises to 9/16, whatever the sign of v
        x = 0.5 * (low + high)
        found = 2.8125 * (1.0 - x) * (2.0 - v * x) / ((1.0 - (v * x) ** 2) * (10.0 - 3.0 * v * x - x))
        low, high = np.where(found > wanted, x, low), np.where(found > wanted, high, x)
    v *= 0.5 * (low + high)
    k = k0 * np.maximum(1.0 - 16.0 / 9.0 * (1.0 - v**2) / (1.0 - 2.0 * v) * wanted, 0.0)
    g = g0 * np.maximum(1.0 - 32.0 / 45.0 * (1.0 - v) * (5.0 - v) / (2.0 - v) * wanted, 0.0)
    return np.asarray(k), np.asarray(g)

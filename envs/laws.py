"""Structure-property laws, each with its source and range. All functions take scalars or arrays and broadcast.

The learner knows these forms. A laboratory's own constants, and the effects that the forms leave out, are its truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
ArrayLike = float | Array
T = TypeVar("T", float, Array)

MIN_HARDNESS = 0.3
"""GPa. Chen's law turns negative for soft solids, where it does not hold; Tian's stays positive."""

POROSITY_EXPONENT = 5.0
HALL_PETCH = 1.0
"""GPa um^0.5: typical rise of the hardness of fine-grained oxides and carbides (Rice, Wu and Borchelt, J. Am. Ceram.
Soc. 77, 2539, 1994, give 0.5 to 3 by material)."""

KELVIN = 273.15

ACTIVATION_PER_RTM = 25.0
"""Q / (R Tm) of densification: alumina's published 440 to 700 kJ/mol with Tm = 2,327 K give 23 to 36."""

CAPILLARY_STRESS = 2.0
"""MPa um: sintering stress 2 gamma / d of a ceramic powder with a surface energy of about 1 J/m2."""


CERAMIC_FORMERS: Mapping[int, float] = MappingProxyType({8: 1290.0, 7: 2440.0, 6: 3780.0, 5: 3300.0, 14: 1780.0})
"""Atomic number to the melting point in K with which O, N, C, B and Si count in a ceramic; see ``melting_estimate``."""

IONIC_BINDING = 1310.0
"""K per squared unit of Pauling electronegativity: what charge transfer adds to a melting point."""


def chen_hardness(bulk: ArrayLike, shear: ArrayLike) -> Array:
    """Intrinsic Vickers hardness in GPa from K and G in GPa.

    H = 2 (k^2 G)^0.585 - 3 with k = G / K: Chen, Niu, Li and Li, Intermetallics 19, 1275 (2011), eq. 6. Clipped from
    below at ``MIN_HARDNESS``.
    """
    bulk, shear = np.asarray(bulk, dtype=np.float64), np.asarray(shear, dtype=np.float64)
    return np.maximum(2.0 * ((shear / bulk) ** 2 * shear) ** 0.585 - 3.0, MIN_HARDNESS)


def tian_hardness(bulk: ArrayLike, shear: ArrayLike) -> Array:
    """Second estimator of the intrinsic hardness in GPa: H = 0.92 k^1.137 G^0.708.

    Tian, Xu and Zhao, Int. J. Refract. Met. Hard Mater. 33, 93 (2012), eq. 5. Its distance from ``chen_hardness``
    measures the error of either model.
    """
    bulk, shear = np.asarray(bulk, dtype=np.float64), np.asarray(shear, dtype=np.float64)
    return np.asarray(0.92 * (shear / bulk) ** 1.137 * shear**0.708)


def youngs_modulus(bulk: ArrayLike, shear: ArrayLike) -> Array:
    """Young's modulus E = 9KG / (3K + G) in the unit of K and G (isotropic elasticity)."""
    bulk, shear = np.asarray(bulk, dtype=np.float64), np.asarray(shear, dtype=np.float64)
    return np.asarray(9.0 * bulk * shear / (3.0 * bulk + shear))


def poisson_ratio(bulk: ArrayLike, shear: ArrayLike) -> Array:
    """Poisson ratio (3K - 2G) / (2 (3K + G)), dimensionless (isotropic elasticity)."""
    bulk, shear = np.asarray(bulk, dtype=np.float64), np.asarray(shear, dtype=np.float64)
    return np.asarray((3.0 * bulk - 2.0 * shear) / (2.0 * (3.0 * bulk + shear)))


def pugh_ratio(bulk: ArrayLike, shear: ArrayLike) -> Array:
    """K / G; above about 1.75 a metal tends to be ductile (Pugh, Philos. Mag. 45, 823, 1954)."""
    return np.asarray(np.asarray(bulk, dtype=np.float64) / np.asarray(shear, dtype=np.float64))


def debye_temperature(bulk: ArrayLike, shear: ArrayLike, density: ArrayLike, volume_per_atom: ArrayLike) -> Array:
    """Debye temperature in K from K, G (GPa), density (kg/m3) and volume per atom (cubic angstrom).

    Theta = (h / k_B) (3 / (4 pi V_atom))^(1/3) v_m, with the mean velocity
    v_m = [(2 / v_t^3 + 1 / v_l^3) / 3]^(-1/3): Anderson, J. Phys. Chem. Solids 24, 909 (1963), eq. 1-6.
    """
    k, g = np.asarray(bulk, dtype=np.float64) * 1e9, np.asarray(shear, dtype=np.float64) * 1e9
    rho, volume = np.asarray(density, dtype=np.float64), np.asarray(volume_per_atom, dtype=np.float64) * 1e-30
    v_l, v_t = np.sqrt((k + 4.0 * g / 3.0) / rho), np.sqrt(g / rho)
    v_m = ((2.0 / v_t**3 + 1.0 / v_l**3) / 3.0) ** (-1.0 / 3.0)
    planck_over_boltzmann = 6.62607015e-34 / 1.380649e-23
    return np.asarray(planck_over_boltzmann * (3.0 / (4.0 * np.pi * volume)) ** (1.0 / 3.0) * v_m)


def polycrystal_hardness(
    intrinsic: ArrayLike,
    porosity: ArrayLike,
    grain_size: ArrayLike,
    *,
    porosity_exponent: float = POROSITY_EXPONENT,
    hall_petch: float = HALL_PETCH,
) -> Array:
    """Hardness in GPa of a porous polycrystal: (H0 + k d^(-1/2)) exp(-b P).

    The grain-size term is the Hall-Petch relation (Hall, Proc. Phys. Soc. B 64, 747, 1951; Petch, J. Iron Steel Inst.
    174, 25, 1953), the porosity term Ryshkewitch's exponential (J. Am. Ceram. Soc. 36, 65, 1953), b about 4 to 7 for
    ceramics (Rice, Porosity of Ceramics, 1998). Valid for P below about 0.4 and d above about 0.1 um.

    Args:
        intrinsic: H0 of the dense single crystal, GPa.
        porosity: pore volume fraction, 0 to 1.
        grain_size: mean grain diameter, um.
        porosity_exponent: b, dimensionless.
        hall_petch: k, GPa um^0.5.
    """
    h0, p = np.asarray(intrinsic, dtype=np.float64), np.asarray(porosity, dtype=np.float64)
    d = np.asarray(grain_size, dtype=np.float64)
    return np.asarray((h0 + hall_petch / np.sqrt(d)) * np.exp(-porosity_exponent * p))


def sintering_index(
    temperature: ArrayLike, hold: ArrayLike, powder_size: ArrayLike, pressure: ArrayLike, melting: ArrayLike
) -> Array:
    """Logarithm of the thermal work of a hold, by which densification collapses onto one curve; dimensionless.

    ln[(t / T) exp(-Q / RT)] is the abscissa of the master sintering curve (Su and Johnson, J. Am. Ceram. Soc. 79, 3211,
    1996, eq. 4); Herring's scaling law (J. Appl. Phys. 21, 301, 1950) adds -3 ln(powder size), and an applied stress
    adds to the capillary one. Q is taken in proportion to the melting temperature, ``ACTIVATION_PER_RTM``; a real
    powder's own Q differs, so a model that uses this index must still be allowed to depart from it.

    Args:
        temperature: of the hold, K.
        hold: h.
        powder_size: um.
        pressure: applied, MPa.
        melting: melting temperature or its estimate, K.
    """
    t, d = np.asarray(temperature, dtype=np.float64), np.asarray(powder_size, dtype=np.float64)
    work = (
        np.log(np.asarray(hold, dtype=np.float64) / t) - ACTIVATION_PER_RTM * np.asarray(melting, dtype=np.float64) / t
    )
    capillary = CAPILLARY_STRESS / d
    driving = np.log1p(np.asarray(pressure, dtype=np.float64) / capillary)
    return np.asarray(work - 3.0 * np.log(d) + driving)


def astm_grain_size_number(mean_intercept: ArrayLike) -> Array:
    """ASTM E112 grain-size number G from the mean lineal intercept in um.

    G = -3.2877 - 6.6439 log10(l / mm): ASTM E112-13, eq. A1.4.
    """
    return np.asarray(-3.2877 - 6.6439 * np.log10(np.asarray(mean_intercept, dtype=np.float64) / 1000.0))


def melting_estimate(
    fractions: Mapping[int, float], elemental: Mapping[int, float], electronegativity: Mapping[int, float]
) -> float:
    """Melting temperature in K of a ceramic from its composition alone, as a cook's first guess.

    Composition-weighted mean of the elements' melting points (K), in which O, N, C, B and Si count with the values of
    ``CERAMIC_FORMERS``, plus ``IONIC_BINDING`` times x_former x_metal (chi_former - chi_metals)^2, chi after Pauling.
    The six constants are least squares on the handbook values of 55 binary oxides, nitrides, carbides, borides and
    silicides (CRC Handbook of Chemistry and Physics, section 4), with a mean relative error of 12%; a few are wrong by
    a quarter or more (``python -m tests.benchmarks.melting`` prints all).

    Args:
        fractions: atomic number to atomic fraction.
        elemental: atomic number to the element's melting point in K.
        electronegativity: atomic number to the element's Pauling electronegativity.
    """
    mean = sum(x * CERAMIC_FORMERS.get(z, elemental[z]) for z, x in fractions.items())
    metals = {z: x for z, x in fractions.items() if z not in CERAMIC_FORMERS}
    share = sum(metals.values())
    if not share:
        return float(mean)
    chi = sum(x * electronegativity[z] for z, x in metals.items()) / share
    transfer = sum(x * (electronegativity[z] - chi) ** 2 for z, x in fractions.items() if z in CERAMIC_FORMERS)
    return float(mean + IONIC_BINDING * share * transfer)

"""Laws of firing: how a powder densifies, how its grains grow, at what it melts, and how grains are counted."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from envs.law_arrays import Array, ArrayLike, doubles

KELVIN = 273.15
GAS_CONSTANT = 8.31446261815324
"""J/(mol K)."""

ACTIVATION_PER_RTM = 25.0
"""Q / (R Tm) of densification: alumina's published 440 to 700 kJ/mol with Tm = 2,327 K give 23 to 36."""

CAPILLARY_STRESS = 2.0
"""MPa um: sintering stress 2 gamma / d of a ceramic powder with a surface energy of about 1 J/m2."""

CERAMIC_FORMERS: Mapping[int, float] = MappingProxyType({8: 1290.0, 7: 2440.0, 6: 3780.0, 5: 3300.0, 14: 1780.0})
"""Atomic number to the melting point in K with which O, N, C, B and Si count in a ceramic; see ``melting_estimate``."""

IONIC_BINDING = 1310.0
"""K per squared unit of Pauling electronegativity: what charge transfer adds to a melting point."""


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


def thermal_work(hours: Array, temperatures: Array, activation: float) -> Array:
    """Abscissa of the master sintering curve along a schedule: the integral of exp(-Q / RT) / T over time, h/K.

    Su and Johnson, J. Am. Ceram. Soc. 79, 3211 (1996), eq. 4. Firings of one powder with equal work end at one density,
    as long as one mechanism governs and grain size is a function of density.

    Args:
        hours: ``(n,)``, rising.
        temperatures: ``(n,)``, K, straight between them; steps of at most some 10 K keep the error below 1%.
        activation: Q, J/mol.

    Returns:
        ``(n,)``, from 0 at the first time.
    """
    t, kelvin = doubles(hours, temperatures)
    rate = np.exp(-activation / (GAS_CONSTANT * kelvin)) / kelvin
    return np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(t))])


def master_sintering_curve(log_work: ArrayLike, green: ArrayLike, middle: ArrayLike, width: ArrayLike) -> Array:
    """Relative density by the logarithm of the thermal work: rho0 + (1 - rho0) / (1 + exp(-(ln w - a) / b)).

    The sigmoid for which ln[(rho - rho0) / (1 - rho)] is a straight line: Blaine, Park and German, J. Am. Ceram. Soc.
    92, 1403 (2009).

    Args:
        log_work: ln w, see ``thermal_work``.
        green: rho0, of the compact.
        middle: a, the ln w at which half of the way to full density is done.
        width: b.
    """
    x, rho0, a, b = doubles(log_work, green, middle, width)
    return np.asarray(rho0 + (1.0 - rho0) * 0.5 * (1.0 + np.tanh(0.5 * (x - a) / b)))


def grain_growth(
    start: ArrayLike,
    hours: ArrayLike,
    temperature: ArrayLike,
    rate: ArrayLike,
    activation: ArrayLike,
    *,
    exponent: float = 3.0,
) -> Array:
    """Grain size in um after a hold: (d0^n + K t exp(-Q / RT))^(1/n).

    n is 2 where boundaries move alone (Burke and Turnbull, Prog. Met. Phys. 3, 220, 1952), 3 where pores, solutes or a
    liquid hold them, 4 where pores move by surface diffusion (Brook, in Treatise on Materials Science and Technology 9,
    331, 1976). For normal growth in a body that is nearly dense.

    Args:
        start: d0, um.
        hours: t, h.
        temperature: T, K.
        rate: K, um^n / h.
        activation: Q, J/mol.
        exponent: n.
    """
    d0, t, kelvin, k, q = doubles(start, hours, temperature, rate, activation)
    return np.asarray((d0**exponent + k * t * np.exp(-q / (GAS_CONSTANT * kelvin))) ** (1.0 / exponent))


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

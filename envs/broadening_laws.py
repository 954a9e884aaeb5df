"""Broadening laws: how wide a reflection of a powder is, by the size and the strain of what diffracts."""

from __future__ import annotations

import numpy as np

from envs.law_arrays import Array, ArrayLike, doubles

SCHERRER = 0.9
"""Shape factor for full widths at half maximum; 0.89 to 1.07 by shape and definition (Langford and Wilson, 1978)."""


def scherrer_width(size: ArrayLike, wavelength: ArrayLike, two_theta: ArrayLike, *, shape: float = SCHERRER) -> Array:
    """Full width at half maximum in degrees of 2 theta, K lambda / (L cos theta), by the size of the crystallites.

    Scherrer, Nachr. Ges. Wiss. Goettingen, 98 (1918); on K see Langford and Wilson, J. Appl. Crystallogr. 11, 102
    (1978). Sizes of some 2 to 200 nm broaden more than a laboratory diffractometer does.

    Args:
        size: L, crystallite size, nm.
        wavelength: angstrom.
        two_theta: scattering angle, degrees.
        shape: K.
    """
    length, lam, angle = doubles(size, wavelength, two_theta)
    return np.asarray(np.degrees(shape * 0.1 * lam / (length * np.cos(np.radians(angle) / 2.0))))


def scherrer_size(width: ArrayLike, wavelength: ArrayLike, two_theta: ArrayLike, *, shape: float = SCHERRER) -> Array:
    """Crystallite size in nm from a width in degrees of 2 theta from which the instrument's is taken off.

    The inverse of ``scherrer_width``, with its source and range.
    """
    beta, lam, angle = doubles(width, wavelength, two_theta)
    return np.asarray(shape * 0.1 * lam / (np.radians(beta) * np.cos(np.radians(angle) / 2.0)))


def williamson_hall_width(
    size: ArrayLike, strain: ArrayLike, wavelength: ArrayLike, two_theta: ArrayLike, *, shape: float = SCHERRER
) -> Array:
    """Width in degrees of 2 theta by size and strain together, K lambda / (L cos theta) + 4 e tan theta.

    Williamson and Hall, Acta Metall. 1, 22 (1953). The widths add as they do for Lorentzian profiles.

    Args:
        size: L, crystallite size, nm.
        strain: e, of the lattice, dimensionless.
        wavelength: angstrom.
        two_theta: scattering angle, degrees.
        shape: K.
    """
    e, angle = doubles(strain, two_theta)
    strained = np.degrees(4.0 * e * np.tan(np.radians(angle) / 2.0))
    return np.asarray(scherrer_width(size, wavelength, two_theta, shape=shape) + strained)

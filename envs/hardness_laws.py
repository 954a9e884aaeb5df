"""Laws of hardness and fracture: of crystals, of porous polycrystals, at any load, and of the cracks at an indent."""

from __future__ import annotations

import numpy as np

from envs.law_arrays import Array, ArrayLike, doubles

MIN_HARDNESS = 0.3
"""GPa. Chen's law turns negative for soft solids, where it does not hold; Tian's stays positive."""

POROSITY_EXPONENT = 5.0
HALL_PETCH = 1.0
"""GPa um^0.5: typical rise of the hardness of fine-grained oxides and carbides (Rice, Wu and Borchelt, J. Am. Ceram.
Soc. 77, 2539, 1994, give 0.5 to 3 by material)."""

VICKERS = 1.8544
"""2 sin(136 deg / 2): load over the area of the faces is this times P / d^2 (ISO 6507-1)."""


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


def vickers_hardness(load: ArrayLike, diagonal: ArrayLike) -> Array:
    """Vickers hardness in GPa, 1.8544 P / d^2 (ISO 6507-1).

    Args:
        load: P, N.
        diagonal: d, mean of the two, um.
    """
    p, d = doubles(load, diagonal)
    return np.asarray(VICKERS * p / d**2 * 1e3)


def vickers_diagonal(load: ArrayLike, hardness: ArrayLike) -> Array:
    """Diagonal in um of an impression of a load in N, by the hardness in GPa at that load (ISO 6507-1)."""
    p, h = doubles(load, hardness)
    return np.asarray(np.sqrt(VICKERS * p / h * 1e3))


def meyer_hardness(load: ArrayLike, hardness: ArrayLike, *, reference: float = 9.81, index: float = 1.85) -> Array:
    """Hardness at a load from that at another, by Meyer's law P = C d^n: H = H1 (P / P1)^(1 - 2/n), in the unit of H1.

    Meyer, Z. Ver. Dtsch. Ing. 52, 645 (1908). n is 1.7 to 2 for ceramics; 2 is no size effect. Within about two decades
    of load.

    Args:
        load: P, N.
        hardness: H1, at the reference load.
        reference: P1, N.
        index: n.
    """
    p, h = doubles(load, hardness)
    return np.asarray(h * (p / reference) ** (1.0 - 2.0 / index))


def nix_gao_hardness(plateau: ArrayLike, depth: ArrayLike, characteristic: ArrayLike) -> Array:
    """Hardness of a crystalline metal by the depth of the indent, H0 sqrt(1 + h* / h), in the unit of H0.

    Nix and Gao, J. Mech. Phys. Solids 46, 411 (1998). h* is some 0.1 to 2 um; depths above about 0.1 um.

    Args:
        plateau: H0, of a deep indent.
        depth: h.
        characteristic: h*, in the unit of h.
    """
    h0, h, star = doubles(plateau, depth, characteristic)
    return np.asarray(h0 * np.sqrt(1.0 + star / h))


def resisted_diagonal(load: ArrayLike, plateau: ArrayLike, length: ArrayLike) -> Array:
    """Diagonal in um by the proportional specimen resistance, P = a1 d + a2 d^2 with a1 / a2 = d0.

    Li and Bradt, J. Mater. Sci. 28, 917 (1993): friction and elastic recovery resist the indent in proportion to its
    size. Equal to H = H_inf (1 + d0 / d). d0 is some 1 to 6 um for ceramics, from 0.5 to 100 N.

    Args:
        load: P, N.
        plateau: H_inf, hardness of large indents, GPa.
        length: d0, um.
    """
    p, h, d0 = doubles(load, plateau, length)
    a2 = h / (VICKERS * 1e3)  # N/um2
    return np.asarray(0.5 * (np.sqrt(d0**2 + 4.0 * p / a2) - d0))


def resisted_hardness(load: ArrayLike, plateau: ArrayLike, length: ArrayLike) -> Array:
    """Hardness in GPa by the proportional specimen resistance; see ``resisted_diagonal``."""
    return vickers_hardness(load, resisted_diagonal(load, plateau, length))


def anstis_toughness(
    load: ArrayLike, crack: ArrayLike, young: ArrayLike, hardness: ArrayLike, *, calibration: float = 0.016
) -> Array:
    """Fracture toughness in MPa m^0.5 from the radial cracks of an indent: 0.016 (E / H)^(1/2) P / c^(3/2).

    Anstis, Chantikul, Lawn and Marshall, J. Am. Ceram. Soc. 64, 533 (1981); the constant is 0.016 +- 0.004. For
    half-penny cracks, c at least twice the half diagonal.

    Args:
        load: P, N.
        crack: c, from the middle of the indent to the crack's tip, um.
        young: E, GPa.
        hardness: H, GPa.
        calibration: the constant.
    """
    p, c, e, h = doubles(load, crack, young, hardness)
    return np.asarray(calibration * np.sqrt(e / h) * p / (c * 1e-6) ** 1.5 * 1e-6)


def niihara_toughness(crack: ArrayLike, half_diagonal: ArrayLike, young: ArrayLike, hardness: ArrayLike) -> Array:
    """Fracture toughness in MPa m^0.5 from short cracks that start at the corners (Palmqvist's).

    (K phi / (H a^(1/2))) (H / (E phi))^(2/5) = 0.035 (l / a)^(-1/2), phi = 3: Niihara, Morena and Hasselman, J. Mater.
    Sci. Lett. 1, 13 (1982). For l / a of 0.25 to 2.5.

    Args:
        crack: l, from the corner of the indent to the crack's tip, um.
        half_diagonal: a, um.
        young: E, GPa.
        hardness: H, GPa.
    """
    length, a, e, h = doubles(crack, half_diagonal, young, hardness)
    phi = 3.0
    reduced = 0.035 / np.sqrt(length / a)
    return np.asarray(reduced * (e * phi / h) ** 0.4 * h * 1e3 * np.sqrt(a * 1e-6) / phi)


def crack_threshold(toughness: ArrayLike, hardness: ArrayLike, *, factor: float = 2.2e4) -> Array:
    """Load in N from which a sharp indent cracks radially: 2.2e4 K (K / H)^3.

    Lawn and Evans, J. Mater. Sci. 12, 2195 (1977). An order of magnitude: surface flaws lower it. With ``factor`` 2e5
    it is the load from which lateral cracks chip the surface (Marshall, Lawn and Evans, J. Am. Ceram. Soc. 65, 561,
    1982).

    Args:
        toughness: K, MPa m^0.5.
        hardness: H, GPa.
        factor: dimensionless.
    """
    k, h = doubles(toughness, hardness)
    return np.asarray(factor * k * 1e6 * (k * 1e-3 / h) ** 3)


def niu_toughness(bulk: ArrayLike, shear: ArrayLike, volume_per_atom: ArrayLike) -> Array:
    """Fracture toughness in MPa m^0.5 of a covalent or ionic crystal, V^(1/6) G (K / G)^(1/2).

    Niu, Niu and Oganov, J. Appl. Phys. 125, 065105 (2019). Right to some 40% of a crystal, low for tough
    polycrystals; metals are several times tougher.

    Args:
        bulk: K, GPa.
        shear: G, GPa.
        volume_per_atom: V, cubic angstrom.
    """
    k, g, volume = doubles(bulk, shear, volume_per_atom)
    return np.asarray((volume * 1e-30) ** (1.0 / 6.0) * g * 1e3 * np.sqrt(k / g))


def griffith_strength(toughness: ArrayLike, flaw: ArrayLike, *, shape: float = 1.13) -> Array:
    """Strength in MPa of a brittle body by its largest flaw: K / (Y sqrt(c)).

    Griffith, Philos. Trans. R. Soc. A 221, 163 (1921), with Irwin's K (J. Appl. Mech. 24, 361, 1957). Y is
    2 / sqrt(pi) = 1.13 for a round crack inside, about 1.3 for a half-round one at the surface. Where flaws are as
    large as grains the strength falls as d^(-1/2) (Orowan, Rep. Prog. Phys. 12, 185, 1949).

    Args:
        toughness: K, MPa m^0.5.
        flaw: c, the crack's radius, um.
        shape: Y.
    """
    k, c = doubles(toughness, flaw)
    return np.asarray(k / (shape * np.sqrt(c * 1e-6)))

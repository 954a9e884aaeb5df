"""How strongly elements absorb the radiation of a copper tube, and which of them answer with light of their own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from envs.crystals import AVOGADRO

MASS_ATTENUATION: Mapping[str, float] = MappingProxyType(
    {
        "H": 0.391, "Li": 0.499, "Be": 1.11, "B": 2.31, "C": 4.50, "N": 7.42, "O": 11.4, "F": 15.7, "Na": 29.7,
        "Mg": 39.9, "Al": 49.5, "Si": 63.6, "P": 75.3, "S": 93.1, "Cl": 106.0, "K": 144.0, "Ca": 170.0, "Sc": 180.0,
        "Ti": 199.0, "V": 218.0, "Cr": 247.0, "Mn": 269.0, "Fe": 301.0, "Co": 320.0, "Ni": 48.7, "Cu": 51.7,
        "Zn": 57.8, "Ga": 62.0, "Ge": 67.8, "As": 74.5, "Se": 79.8, "Br": 88.8, "Rb": 104.0, "Sr": 113.0, "Y": 124.0,
        "Zr": 133.0, "Nb": 145.0, "Mo": 154.0, "Tc": 166.0, "Ru": 176.0, "Rh": 188.0, "Pd": 199.0, "Ag": 213.0,
        "Cd": 222.0, "In": 235.0, "Sn": 246.0, "Sb": 259.0, "Te": 266.0, "I": 288.0, "Cs": 316.0, "Ba": 328.0,
        "La": 347.0, "Ce": 367.0, "Pr": 389.0, "Nd": 403.0, "Pm": 425.0, "Sm": 433.0, "Eu": 393.0, "Gd": 401.0,
        "Tb": 308.0, "Dy": 322.0, "Ho": 125.0, "Er": 131.0, "Tm": 138.0, "Yb": 142.0, "Lu": 149.0, "Hf": 155.0,
        "Ta": 161.0, "W": 168.0, "Re": 175.0, "Os": 181.0, "Ir": 189.0, "Pt": 196.0, "Au": 204.0, "Hg": 211.0,
        "Tl": 218.0, "Pb": 225.0, "Bi": 234.0, "Th": 289.0, "U": 306.0,
    }
)  # fmt: skip
"""Mass attenuation coefficients at 8.048 keV (Cu K-alpha), cm2/g (Elam, Ravel and Sieber, Radiat. Phys. Chem. 63, 121,
2002)."""
FLUORESCENT: Mapping[str, float] = MappingProxyType(
    {"Ti": 0.21, "V": 0.24, "Cr": 0.28, "Mn": 0.31, "Fe": 0.34, "Co": 0.37}
)
"""Elements whose K shell the tube's lines empty most often, with their fluorescence yields (Krause, J. Phys. Chem. Ref.
Data 8, 307, 1979)."""


def linear_attenuation(weights: Mapping[str, float], volume: float) -> float:
    """Linear attenuation coefficient of a dense crystal for Cu K-alpha, 1/cm.

    Args:
        weights: element to grams in a mole of cells.
        volume: of the cell, cubic angstrom.

    Raises:
        KeyError: when the coefficient of an element is not known.
    """
    return sum(MASS_ATTENUATION[e] * w for e, w in weights.items()) / (volume * 1e-24 * AVOGADRO)


def fluorescence(weights: Mapping[str, float]) -> float:
    """Share of the absorbed radiation that a crystal gives back as light of its own elements, 0 to 0.4.

    Args:
        weights: element to grams in a mole of cells.
    """
    absorbed = {e: MASS_ATTENUATION[e] * w for e, w in weights.items()}
    return sum(FLUORESCENT.get(e, 0.0) * a for e, a in absorbed.items()) / sum(absorbed.values())

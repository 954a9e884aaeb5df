"""How the elements are drawn: a radius and a colour of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# Radii: Cordero et al., Dalton Trans. 2008, 2832, table 2 (of Mn, Fe and Co the low-spin one; of C that of sp3).
# Colours: those that Jmol made customary; nobody has measured heavier elements than these.
_TABLE = """
H 0.31 ffffff, He 0.28 d9ffff, Li 1.28 cc80ff, Be 0.96 c2ff00, B 0.84 ffb5b5, C 0.76 909090, N 0.71 3050f8,
O 0.66 ff0d0d, F 0.57 90e050, Ne 0.58 b3e3f5, Na 1.66 ab5cf2, Mg 1.41 8aff00, Al 1.21 bfa6a6, Si 1.11 f0c8a0,
P 1.07 ff8000, S 1.05 ffff30, Cl 1.02 1ff01f, Ar 1.06 80d1e3, K 2.03 8f40d4, Ca 1.76 3dff00, Sc 1.70 e6e6e6,
Ti 1.60 bfc2c7, V 1.53 a6a6ab, Cr 1.39 8a99c7, Mn 1.39 9c7ac7, Fe 1.32 e06633, Co 1.26 f090a0, Ni 1.24 50d050,
Cu 1.32 c88033, Zn 1.22 7d80b0, Ga 1.22 c28f8f, Ge 1.20 668f8f, As 1.19 bd80e3, Se 1.20 ffa100, Br 1.20 a62929,
Kr 1.16 5cb8d1, Rb 2.20 702eb0, Sr 1.95 00ff00, Y 1.90 94ffff, Zr 1.75 94e0e0, Nb 1.64 73c2c9, Mo 1.54 54b5b5,
Tc 1.47 3b9e9e, Ru 1.46 248f8f, Rh 1.42 0a7d8c, Pd 1.39 006985, Ag 1.45 c0c0c0, Cd 1.44 ffd98f, In 1.42 a67573,
Sn 1.39 668080, Sb 1.39 9e63b5, Te 1.38 d47a00, I 1.39 940094, Xe 1.40 429eb0, Cs 2.44 57178f, Ba 2.15 00c900,
La 2.07 70d4ff, Ce 2.04 ffffc7, Pr 2.03 d9ffc7, Nd 2.01 c7ffc7, Pm 1.99 a3ffc7, Sm 1.98 8fffc7, Eu 1.98 61ffc7,
Gd 1.96 45ffc7, Tb 1.94 30ffc7, Dy 1.92 1fffc7, Ho 1.92 00ff9c, Er 1.89 00e675, Tm 1.90 00d452, Yb 1.87 00bf38,
Lu 1.87 00ab24, Hf 1.75 4dc2ff, Ta 1.70 4da6ff, W 1.62 2194d6, Re 1.51 267dab, Os 1.44 266696, Ir 1.41 175487,
Pt 1.36 d0d0e0, Au 1.36 ffd123, Hg 1.32 b8b8d0, Tl 1.45 a6544d, Pb 1.46 575961, Bi 1.48 9e4fb5, Po 1.40 ab5c00,
At 1.50 754f45, Rn 1.50 428296, Fr 2.60 420066, Ra 2.21 007d00, Ac 2.15 70abfa, Th 2.06 00baff, Pa 2.00 00a1ff,
U 1.96 008fff, Np 1.90 0080ff, Pu 1.87 006bff, Am 1.80 545cf2, Cm 1.69 785ce3
"""
_NONMETAL_SYMBOLS = "H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Te I Xe At Rn"
_NONMETALS = frozenset(_NONMETAL_SYMBOLS.split())


@dataclass(frozen=True)
class Look:
    """How one element is drawn.

    Args:
        radius: covalent radius, in Å.
        colour: ``#rrggbb``.
        metal: whether it is one; half-metals are not.
    """

    radius: float
    colour: str
    metal: bool

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return int(self.colour[1:3], 16), int(self.colour[3:5], 16), int(self.colour[5:7], 16)


def _read(row: str) -> tuple[str, Look]:
    symbol, radius, colour = row.split()
    return symbol, Look(float(radius), f"#{colour}", symbol not in _NONMETALS)


LOOKS: Mapping[str, Look] = MappingProxyType(dict(_read(row) for row in _TABLE.split(",")))
"""By symbol, hydrogen to curium."""
UNKNOWN = Look(1.6, "#d0508c", metal=True)
"""Of a heavier element."""


def look_of(symbol: str) -> Look:
    """How an element is drawn."""
    return LOOKS.get(symbol, UNKNOWN)

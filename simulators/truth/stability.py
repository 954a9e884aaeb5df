"""Where compounds fall apart before they melt: by class of compound, at a pressure of one bar.

Heat drives out what is held loosest: the second oxygen of a peroxide, the oxygen of a valence too high, the nitrogen
of a weak nitride, the carbon of a metastable carbide. The tables give round temperatures of each class, good to some
50 to 100 K; a laboratory scatters about them (``Compounds``). Sources: decomposition temperatures in the CRC Handbook
of Chemistry and Physics ("Physical Constants of Inorganic Compounds"); Ellingham, J. Soc. Chem. Ind. 63, 125 (1944),
whose lines of oxides order the metals as here; Pierson, Handbook of Refractory Carbides and Nitrides (1996). What is in
no table melts first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from envs.crystals import Crystal, family

PEROXIDES: Mapping[str, float] = MappingProxyType({
    "Li": 620.0, "Na": 930.0, "K": 760.0, "Rb": 840.0, "Cs": 860.0, "Mg": 620.0, "Ca": 640.0, "Sr": 500.0,
    "Ba": 1080.0, "Zn": 490.0, "Cd": 470.0,
})  # fmt: skip
"""Metal to the temperature in K at which its peroxide gives oxygen off."""
OTHER_PEROXIDE = 600.0
VALENCES: Mapping[str, int] = MappingProxyType({
    "Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Ag": 3, "Be": 2, "Mg": 2, "Ca": 2, "Sr": 2, "Ba": 2, "Zn": 2, "Cd": 2,
    "B": 3, "Al": 3, "Ga": 3, "In": 3, "Sc": 3, "Y": 3, "La": 3, "Si": 4, "Ge": 4, "Ti": 4, "Zr": 4, "Hf": 4, "C": 4,
    "P": 5, "Nb": 5, "Ta": 5, "Nd": 3, "Sm": 3, "Eu": 3, "Gd": 3, "Dy": 3, "Ho": 3, "Er": 3, "Tm": 3, "Yb": 3, "Lu": 3,
    "Th": 4, "Ce": 4, "H": 1, "S": 6, "Se": 6,
})  # fmt: skip
"""Highest valence in oxides of elements that keep one; more oxygen than that is bound to oxygen."""
OXIDES: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType({
    "Ag": ((0.0, 500.0),), "Au": ((0.0, 430.0),), "Hg": ((0.0, 770.0),), "Pt": ((0.0, 730.0),), "Pd": ((0.0, 1130.0),),
    "Rh": ((0.0, 1370.0),), "Ir": ((0.0, 1370.0),), "Ru": ((4.0, 1000.0), (0.0, 1570.0)), "Os": ((0.0, 770.0),),
    "Re": ((6.0, 630.0), (4.0, 680.0), (0.0, 1170.0)), "Mo": ((4.0, 1430.0), (0.0, 2070.0)),
    "W": ((4.0, 2100.0), (0.0, 2000.0)), "V": ((4.0, 2020.0),), "Cr": ((5.0, 530.0), (3.0, 680.0)),
    "Mn": ((4.0, 520.0), (3.0, 810.0), (2.67, 1240.0)), "Fe": ((3.0, 900.0), (2.67, 1670.0)),
    "Co": ((3.0, 900.0), (2.0, 1190.0)), "Ni": ((2.0, 870.0),), "Cu": ((1.0, 1320.0),),
    "Te": ((5.0, 680.0), (4.0, 730.0), (0.0, 1050.0)), "Sb": ((4.0, 800.0), (3.0, 1390.0), (0.0, 950.0)),
    "Bi": ((3.0, 580.0),), "As": ((3.0, 700.0), (0.0, 730.0)), "Pb": ((2.67, 560.0), (2.0, 790.0)),
    "Tl": ((1.0, 1120.0),), "Sn": ((2.0, 1900.0), (0.0, 900.0)), "Pr": ((3.67, 650.0),), "U": ((2.67, 1570.0),),
})  # fmt: skip
"""Element to steps (valence, K): an oxide in which it has more than that valence loses oxygen, or evaporates, at that
temperature. TeO3 gives Te2O5 and this TeO2; MnO2 gives Mn2O3 and this Mn3O4; SnO falls into Sn and SnO2; noble metals
give all of their oxygen off; MoO3 and Re2O7 leave as vapour."""
EVAPORATING = frozenset({("Te", 0.0), ("Sb", 0.0), ("As", 0.0), ("Mo", 4.0), ("W", 4.0), ("Re", 6.0), ("Os", 0.0)})
"""Of these steps those at which the oxide itself leaves."""
ALKALI_OXIDES: Mapping[str, float] = MappingProxyType({"Na": 1550.0, "K": 700.0, "Rb": 670.0, "Cs": 670.0})
"""Plain oxides that evaporate, or fall into peroxide and metal."""
NITRIDES: Mapping[str, float] = MappingProxyType({
    "Al": 2790.0, "B": 2800.0, "Si": 2173.0, "Ga": 1150.0, "In": 900.0, "Tl": 500.0, "Ge": 1170.0, "Sn": 750.0,
    "P": 1120.0, "C": 900.0, "Ti": 3200.0, "Zr": 3250.0, "Hf": 3600.0, "Nb": 2500.0, "Ta": 2900.0, "V": 2320.0,
    "Cr": 1450.0, "Mo": 1060.0, "W": 870.0, "Mn": 1170.0, "Re": 600.0, "Fe": 830.0, "Co": 550.0, "Ni": 580.0,
    "Cu": 570.0, "Ag": 430.0, "Au": 430.0, "Zn": 970.0, "Cd": 600.0, "Li": 1090.0, "Na": 370.0, "K": 370.0,
    "Be": 2470.0, "Mg": 1770.0, "Ca": 1470.0, "Sr": 1300.0, "Ba": 1270.0, "Pt": 700.0, "Pd": 600.0, "Ir": 700.0,
    "Os": 700.0, "Ru": 650.0, "Rh": 650.0,
})  # fmt: skip
"""Element to the temperature at which its nitride loses nitrogen at one bar: 2,173 K of Si3N4, some 1,150 K of GaN and
900 K of InN; nitrides of noble metals are made under tens of GPa and hold on by their kinetics alone."""
CARBIDES: Mapping[str, float] = MappingProxyType({
    "Fe": 1030.0, "Co": 750.0, "Ni": 690.0, "Mn": 1450.0, "Pt": 750.0, "Pd": 750.0, "Au": 500.0, "Ag": 450.0,
    "Rh": 900.0, "Ir": 900.0, "Cu": 450.0, "Al": 2430.0,
})  # fmt: skip
"""Metal to the temperature at which a carbide of nothing firmer gives graphite: cementite at some 1,000 K (Fe-C)."""
VOLATILE: Mapping[str, float] = MappingProxyType({
    "Zn": 1350.0, "Cd": 1150.0, "Hg": 700.0, "Mg": 1600.0, "Na": 1100.0, "K": 1000.0, "Rb": 950.0, "Cs": 900.0,
})  # fmt: skip
"""Metals that boil out of carbides, nitrides, borides and silicides, some hundred K above their own boiling points."""
PHOSPHIDES = 1400.0
"""BP gives phosphorus off and leaves B12P2: Williams and Ruehrwein, J. Am. Chem. Soc. 82, 1330 (1960)."""
SUBOXIDE = 2350.0
"""B6O: hot-pressed up to 2,200 K (Herrmann et al., J. Eur. Ceram. Soc. 29, 2611, 2009), decomposing beyond."""


@dataclass(frozen=True)
class Ceiling:
    """Where a compound falls apart.

    Args:
        kelvin: about the temperature, at one bar.
        how: what leaves it, in words that finish "the powder decomposed: ".
    """

    kelvin: float
    how: str


OXYGEN = "it gave oxygen off"
EVAPORATED = "it evaporated"
NITROGEN = "it gave nitrogen off"
GRAPHITE = "it fell into metal and graphite"
VAPOUR = "its metal boiled out of it"
PHOSPHORUS = "it gave phosphorus off"


def ceiling(crystal: Crystal) -> Ceiling | None:
    """Where a crystal falls apart, by its composition; None where it melts first, or is of no ceramic family."""
    counts = crystal.fractions
    return _ceiling(family(crystal), tuple(sorted((_symbol(z), round(x, 9)) for z, x in counts.items())))


@lru_cache(maxsize=4096)
def _ceiling(kind: str, amounts: tuple[tuple[str, float], ...]) -> Ceiling | None:
    of = dict(amounts)
    found = [_volatile(of)] if kind not in {"", "oxide"} else []
    if "O" in of:
        # Of a boride, carbide or nitride with oxygen the first to leave is whichever is held loosest.
        found.append(
            _oxide({e: x for e, x in of.items() if e not in {"N", "C"}}) if kind != "boride" else _suboxide(of)
        )
    if kind == "nitride":
        found.append(_nitride({e: x for e, x in of.items() if e not in {"N", "O"}}))
    elif kind == "carbide":
        found.append(_carbide({e for e in of if e not in {"C", "O"}}))
    elif kind == "boride" and "P" in of:
        found.append(Ceiling(PHOSPHIDES, PHOSPHORUS))
    return min((c for c in found if c is not None), key=lambda c: c.kelvin, default=None)


def _oxide(of: dict[str, float]) -> Ceiling | None:
    """By the valence that oxygen at -2 leaves to the elements that have several."""
    metals = {e: x for e, x in of.items() if e != "O"}
    loose = [e for e in metals if e in OXIDES]
    held = sum(VALENCES.get(e, 3) * x for e, x in metals.items() if e not in loose)
    over = 2.0 * of["O"] - held
    if not loose:
        # More oxygen than all valences can bind is bound to oxygen.
        if over > 0.02 * of["O"]:
            return Ceiling(min((PEROXIDES.get(e, OTHER_PEROXIDE) for e in metals), default=OTHER_PEROXIDE), OXYGEN)
        plain = [ALKALI_OXIDES[e] for e in metals if e in ALKALI_OXIDES]
        return Ceiling(plain[0], EVAPORATED) if len(metals) == 1 and plain else None
    valence = over / sum(metals[e] for e in loose)
    steps = [next(((e, *step) for step in OXIDES[e] if valence > step[0] + 0.02), None) for e in loose]
    first = min((step for step in steps if step is not None), key=lambda step: step[2], default=None)
    return None if first is None else Ceiling(first[2], EVAPORATED if first[:2] in EVAPORATING else OXYGEN)


def _suboxide(of: dict[str, float]) -> Ceiling | None:
    return Ceiling(SUBOXIDE, OXYGEN) if set(of) == {"B", "O"} else None


def _nitride(metals: dict[str, float]) -> Ceiling | None:
    """The geometric mean of its metals' nitrides, by amount: neighbours of a firm metal lend it some of its hold."""
    known = {e: x for e, x in metals.items() if e in NITRIDES}
    if not known:
        return None
    product = 1.0
    for element, amount in known.items():
        product *= NITRIDES[element] ** (amount / sum(known.values()))
    return Ceiling(product, NITROGEN)


def _carbide(metals: set[str]) -> Ceiling | None:
    """Of metals that hold carbon badly; one that holds it well (Ti, Cr, Y, Al ...) keeps it for all."""
    # Aluminium has its place in the table for Al4C3 alone; beside iron it makes firm perovskites.
    loose = {e for e in metals if e in CARBIDES or e in VOLATILE}
    if not metals or loose != metals or ("Al" in metals and len(metals) > 1):
        return None
    known = [CARBIDES[e] for e in metals if e in CARBIDES]
    return Ceiling(min(known), GRAPHITE) if known else None


def _volatile(of: dict[str, float]) -> Ceiling | None:
    found = [VOLATILE[e] for e in of if e in VOLATILE]
    return Ceiling(min(found), VAPOUR) if found else None


@lru_cache(maxsize=128)
def _symbol(number: int) -> str:
    from pymatgen.core import Element

    return str(Element.from_Z(number).symbol)

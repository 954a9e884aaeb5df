"""What an additive leaves in a sintered body: which compound, in which structure, and how much of it as a glass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from envs.crystals import Crystal, CrystalLibrary, family
from simulators.diffraction import Sticks, sticks, structure_sticks

if TYPE_CHECKING:
    from pymatgen.core import Structure

SILICATE_GLASS, OTHER_GLASS = 0.5, 0.1
"""Share of a second phase that stays glassy when it cools: silicate liquids crystallise slowly, aluminates fast."""


@dataclass(frozen=True)
class Residue:
    """What an additive becomes.

    Args:
        compound: formula of what crystallises; empty where all of it is glass.
        glass: share of the second phase's volume that does not crystallise, 0 to 1.
    """

    compound: str
    glass: float


@dataclass(frozen=True)
class _Lattice:
    """A published crystal structure: space group, cell (angstrom and degrees), elements on their sites."""

    group: str
    cell: tuple[float, float, float, float, float, float]
    sites: tuple[tuple[str, float, float, float], ...]

    def structure(self) -> Structure:
        from pymatgen.core import Lattice, Structure

        species, places = [s[0] for s in self.sites], [s[1:] for s in self.sites]
        return Structure.from_spacegroup(self.group, Lattice.from_parameters(*self.cell), species, places)


def _cubic(group: str, a: float, *sites: tuple[str, float, float, float]) -> _Lattice:
    return _Lattice(group, (a, a, a, 90.0, 90.0, 90.0), sites)


def _hexagonal(group: str, a: float, c: float, *sites: tuple[str, float, float, float]) -> _Lattice:
    return _Lattice(group, (a, a, c, 90.0, 90.0, 120.0), sites)


PUBLISHED = {
    "MgO": _cubic("Fm-3m", 4.212, ("Mg", 0.0, 0.0, 0.0), ("O", 0.5, 0.5, 0.5)),
    # Bixbyite type: O'Connor and Valentine, Acta Crystallogr. B 25, 2140 (1969).
    "Y2O3": _cubic(
        "Ia-3", 10.604, ("Y", 0.25, 0.25, 0.25), ("Y", -0.0323, 0.0, 0.25), ("O", 0.3911, 0.1519, 0.3801)
    ),
    "MgAl2O4": _cubic(
        "Fd-3m", 8.083, ("Mg", 0.0, 0.0, 0.0), ("Al", 0.625, 0.625, 0.625), ("O", 0.3874, 0.3874, 0.3874)
    ),
    # Garnet type: Euler and Bruce, Acta Crystallogr. 19, 971 (1965).
    "Y3Al5O12": _cubic(
        "Ia-3d", 12.006, ("Y", 0.125, 0.0, 0.25), ("Al", 0.0, 0.0, 0.0), ("Al", 0.375, 0.0, 0.25),
        ("O", -0.0306, 0.0512, 0.15),
    ),
    # Icosahedra and chains (Clark and Hoard, J. Am. Chem. Soc. 65, 2115, 1943), all carbon drawn in the chains: boron
    # and carbon scatter so alike that their order does not show.
    "B4C": _hexagonal(
        "R-3m", 5.600, 12.086, ("C", 0.0, 0.0, 0.381), ("B", 0.0, 0.0, 0.5), ("B", 0.1065, -0.1065, 0.8867),
        ("B", 0.1677, -0.1677, 0.6404),
    ),
    # Pease, Acta Crystallogr. 5, 356 (1952).
    "BN": _hexagonal("P6_3/mmc", 2.504, 6.661, ("B", 1.0 / 3.0, 2.0 / 3.0, 0.25), ("N", 1.0 / 3.0, 2.0 / 3.0, 0.75)),
    # Forsterite: Hazen, Am. Mineral. 61, 1280 (1976), turned from Pbnm to Pnma.
    "Mg2SiO4": _Lattice(
        "Pnma", (10.207, 5.980, 4.756, 90.0, 90.0, 90.0),
        (
            ("Mg", 0.0, 0.0, 0.0), ("Mg", 0.2774, 0.25, 0.9915), ("Si", 0.0940, 0.25, 0.4262),
            ("O", 0.0913, 0.25, 0.7657), ("O", 0.4474, 0.25, 0.2215), ("O", 0.1628, 0.0331, 0.2777),
        ),
    ),
    # Keiviite, of the thortveitite type: Redhammer and Roth, Acta Crystallogr. C 59, i103 (2003), rounded.
    "Y2Si2O7": _Lattice(
        "C2/m", (6.875, 8.970, 4.721, 90.0, 101.74, 90.0),
        (
            ("Y", 0.0, 0.1932, 0.0), ("Si", 0.7188, 0.0, 0.4125), ("O", 0.5, 0.0, 0.5),
            ("O", 0.8825, 0.0, 0.7158), ("O", 0.7361, 0.1505, 0.2203),
        ),
    ),
    "SiC": _cubic("F-43m", 4.3596, ("Si", 0.0, 0.0, 0.0), ("C", 0.25, 0.25, 0.25)),
}  # fmt: skip
"""Structures as diffraction found them, unlike the library's computed ones, whose lattices are some 1 % too wide."""


def residue(crystal: Crystal, additive: str) -> Residue:
    """What an additive becomes in a compound.

    Alumina takes up little: magnesia beyond that makes spinel (Coble, J. Appl. Phys. 32, 793, 1961), yttria makes the
    garnet. The oxide skins of aluminium nitride and of silicon ceramics melt with the additive: aluminates (Virkar,
    Jackson and Cutler, J. Am. Ceram. Soc. 72, 2031, 1989) and half-crystalline silicates (Gazza, J. Am. Ceram. Soc. 56,
    662, 1973) remain. Boron carbide gives its boron to titanium and to nitrides. Elsewhere the additive stays itself.
    What becomes the compound itself, as magnesia in magnesia, is no second phase.

    Args:
        crystal: the compound that was sintered.
        additive: ``none``, ``MgO``, ``Y2O3`` or ``B4C``.
    """
    became = _became(family(crystal), frozenset(crystal.elements), additive)
    return Residue("", 1.0) if became.compound and is_of(crystal, became.compound) else became


def is_of(crystal: Crystal, compound: str) -> bool:
    """Whether a crystal has the composition of a formula."""
    return _reduced(crystal.formula) == _reduced(compound)


@cache
def _reduced(formula: str) -> str:
    from pymatgen.core import Composition

    return str(Composition(formula).reduced_formula)


def _became(kind: str, elements: frozenset[str], additive: str) -> Residue:
    if additive == "none":
        return Residue("", 1.0)
    if additive == "B4C":
        return Residue(_of_boron_carbide(kind, elements), 0.0)
    if "Al" in elements and kind in {"oxide", "nitride"}:
        return Residue("MgAl2O4" if additive == "MgO" else "Y3Al5O12", OTHER_GLASS)
    if "Si" in elements and kind in {"nitride", "carbide", "silicide"}:
        return Residue("Mg2SiO4" if additive == "MgO" else "Y2Si2O7", SILICATE_GLASS)
    return Residue(additive, OTHER_GLASS)


def _of_boron_carbide(kind: str, elements: frozenset[str]) -> str:
    if kind == "nitride":
        return "BN"
    if kind == "carbide" and "Ti" in elements:
        return "TiB2"
    return "SiC" if kind == "silicide" else "B4C"


@cache
def published(compound: str) -> Structure:
    """The structure of one of ``PUBLISHED``.

    Raises:
        KeyError: when it is none of them.
    """
    return PUBLISHED[compound].structure()


@cache
def reflections(compound: str) -> Sticks:
    """The reflections of what an additive becomes.

    Raises:
        KeyError: when its structure is not known here.
    """
    if compound in PUBLISHED:
        return structure_sticks(published(compound))
    found = (c for c in CrystalLibrary.builtin() if c.formula == compound)
    if (crystal := next(found, None)) is None:
        raise KeyError(f"no structure of {compound} is known")
    return sticks(crystal)

"""Crystals that are in no library: a structure prototype with a species on each of its sites.

The positions are those of the space groups' Wyckoff sites (International Tables for Crystallography A, origin choice 2
and hexagonal axes where there is a choice); structure types, Strukturbericht symbols and usual values of the free
parameters as in the AFLOW Encyclopedia of Crystallographic Prototypes (Mehl et al., Comput. Mater. Sci. 136, S1, 2017;
Hicks et al., Comput. Mater. Sci. 161, S1, 2019).

The lattice is an estimate: the nearest distances of the pairs that touch are the sums of Slater's atomic radii
(J. Chem. Phys. 41, 3199, 1964), chosen because one set serves ionic, covalent and metallic crystals alike without a
guess of oxidation states: Slater gives a mean error of 0.12 angstrom. Structure only: no energy, no property.
"""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from envs.crystals import Crystal
from envs.elements import SYMBOLS, check_elements
from envs.errors import ConfigError

PREFIX = "gen"
HEAVIEST = 94
"""Plutonium: of heavier elements neither the potential nor the table of elements knows anything."""
FloatArray = npt.NDArray[np.float64]
Contact = tuple[int, int]


@dataclass(frozen=True)
class Site:
    """One orbit of equivalent positions.

    Args:
        species: which of the prototype's species sits here, from 0.
        wyckoff: multiplicity in the conventional cell and letter, such as ``4a``.
        position: fractional coordinates of one of its points.
    """

    species: int
    wyckoff: str
    position: tuple[float, float, float]

    @property
    def multiplicity(self) -> int:
        """Points in the conventional cell."""
        return int(self.wyckoff[:-1])


@dataclass(frozen=True)
class Prototype:
    """A structure type.

    Args:
        name: as identifiers have it.
        example: species of the type's namesake, in the order in which species are given.
        strukturbericht: symbol of the Strukturbericht, ``""`` where it has none.
        space_group: international number.
        sites: occupied orbits.
        contacts: pairs of species whose nearest atoms touch; the lattice is scaled by their mean.
        c_over_a: third axis over the first.
        b_over_a: second axis over the first.
    """

    name: str
    example: tuple[str, ...]
    strukturbericht: str
    space_group: int
    sites: tuple[Site, ...]
    contacts: tuple[Contact, ...] = ((0, 1),)
    c_over_a: float = 1.0
    b_over_a: float = 1.0

    @property
    def n_species(self) -> int:
        """Species that it takes."""
        return len(self.example)

    @property
    def n_atoms(self) -> int:
        """Atoms in the conventional cell."""
        return sum(site.multiplicity for site in self.sites)

    @property
    def cell(self) -> FloatArray:
        """Conventional cell with a = 1, ``(3, 3)``, row vectors."""
        gamma = 120.0 if 143 <= self.space_group <= 194 else 90.0
        cos, sin = np.cos(np.radians(gamma)), np.sin(np.radians(gamma))
        b, c = self.b_over_a, self.c_over_a
        return np.round(np.array([[1.0, 0.0, 0.0], [b * cos, b * sin, 0.0], [0.0, 0.0, c]]), 15)

    @property
    def atoms(self) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Fractional coordinates ``(n_atoms, 3)`` and which species is at each, ``(n_atoms,)``."""
        orbits = [_orbit(self.space_group, site.position) for site in self.sites]
        kinds = np.repeat([site.species for site in self.sites], [len(o) for o in orbits])
        return np.concatenate(orbits), kinds.astype(np.int64)


def _two(name: str, example: str, symbol: str, group: int, a: str, b: str, ratio: float = 1.0) -> Prototype:
    """A binary type, its two orbits written as ``4a 0 0 0``."""
    return Prototype(name, tuple(example.split("-")), symbol, group, (_site(0, a), _site(1, b)), c_over_a=ratio)


def _site(species: int, text: str) -> Site:
    wyckoff, x, y, z = text.split()
    return Site(species, wyckoff, (_number(x), _number(y), _number(z)))


def _number(text: str) -> float:
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)


def _metal(name: str, example: str, symbol: str, group: int, site: str, ratio: float = 1.0) -> Prototype:
    return Prototype(name, (example,), symbol, group, (_site(0, site),), ((0, 0),), c_over_a=ratio)


def _many(
    name: str, example: str, symbol: str, group: int, sites: Sequence[tuple[int, str]], contacts: tuple[Contact, ...],
    c_over_a: float = 1.0, b_over_a: float = 1.0,
) -> Prototype:  # fmt: skip
    placed = tuple(_site(species, text) for species, text in sites)
    return Prototype(name, tuple(example.split("-")), symbol, group, placed, contacts, c_over_a, b_over_a)


_ALL = (
    _metal("fcc", "Cu", "A1", 225, "4a 0 0 0"),
    _metal("bcc", "W", "A2", 229, "2a 0 0 0"),
    _metal("hcp", "Mg", "A3", 194, "2c 1/3 2/3 1/4", 1.62),
    _metal("diamond", "C", "A4", 227, "8a 1/8 1/8 1/8"),
    _two("rocksalt", "Na-Cl", "B1", 225, "4a 0 0 0", "4b 1/2 1/2 1/2"),
    _two("cscl", "Cs-Cl", "B2", 221, "1a 0 0 0", "1b 1/2 1/2 1/2"),
    _two("zincblende", "Zn-S", "B3", 216, "4a 0 0 0", "4c 1/4 1/4 1/4"),
    _two("wurtzite", "Zn-S", "B4", 186, "2b 1/3 2/3 0", "2b 1/3 2/3 0.375", 1.633),
    _two("nias", "Ni-As", "B8_1", 194, "2a 0 0 0", "2c 1/3 2/3 1/4", 1.45),
    _two("wc", "W-C", "B_h", 187, "1a 0 0 0", "1d 1/3 2/3 1/2", 0.976),
    _two("fluorite", "Ca-F", "C1", 225, "4a 0 0 0", "8c 1/4 1/4 1/4"),
    _two("antifluorite", "Li-O", "C1", 225, "8c 1/4 1/4 1/4", "4a 0 0 0"),
    _two("rutile", "Ti-O", "C4", 136, "2a 0 0 0", "4f 0.305 0.305 0", 0.644),
    _two("mosi2", "Mo-Si", "C11_b", 139, "2a 0 0 0", "4e 0 0 0.3353", 2.45),
    _two("laves", "Mg-Cu", "C15", 227, "8a 1/8 1/8 1/8", "16d 1/2 1/2 1/2"),
    _two("a15", "Si-Cr", "A15", 223, "2a 0 0 0", "6c 1/4 0 1/2"),
    _two("l1_2", "Au-Cu", "L1_2", 221, "1a 0 0 0", "3c 0 1/2 1/2"),
    _two("corundum", "Al-O", "D5_1", 167, "12c 0 0 0.352", "18e 0.306 0 1/4", 2.73),
    _many("alb2", "Al-B", "C32", 191, [(0, "1a 0 0 0"), (1, "2d 1/3 2/3 1/2")], ((0, 1), (1, 1)), 1.07),
    _many("cab6", "Ca-B", "D2_1", 221, [(0, "1a 0 0 0"), (1, "6f 0.2 1/2 1/2")], ((1, 1),)),
    _many(
        "cementite", "Fe-C", "D0_11", 62,
        [(0, "4c 0.036 1/4 0.852"), (0, "8d 0.186 0.063 0.328"), (1, "4c 0.890 1/4 0.450")], ((0, 1),), 0.89, 1.325,
    ),
    _many(
        "perovskite", "Ca-Ti-O", "E2_1", 221, [(0, "1a 0 0 0"), (1, "1b 1/2 1/2 1/2"), (2, "3c 0 1/2 1/2")],
        ((0, 2), (1, 2)),
    ),
    _many(
        "spinel", "Mg-Al-O", "H1_1", 227,
        [(0, "8a 1/8 1/8 1/8"), (1, "16d 1/2 1/2 1/2"), (2, "32e 0.2625 0.2625 0.2625")], ((0, 2), (1, 2)),
    ),
    _many(
        "max-211", "Cr-Al-C", "", 194, [(0, "4f 1/3 2/3 0.086"), (1, "2d 1/3 2/3 3/4"), (2, "2a 0 0 0")],
        ((0, 2), (0, 1)), 4.45,
    ),
    _many(
        "half-heusler", "Mg-Ag-As", "C1_b", 216, [(0, "4a 0 0 0"), (1, "4c 1/4 1/4 1/4"), (2, "4b 1/2 1/2 1/2")],
        ((0, 1), (1, 2)),
    ),
    _many(
        "heusler", "Cu-Mn-Al", "L2_1", 225, [(0, "8c 1/4 1/4 1/4"), (1, "4a 0 0 0"), (2, "4b 1/2 1/2 1/2")],
        ((0, 1), (0, 2)),
    ),
)  # fmt: skip

PROTOTYPES: Mapping[str, Prototype] = MappingProxyType({p.name: p for p in _ALL})
"""Structure types by name."""


_TWINS: Mapping[str, tuple[str, tuple[int, ...]]] = MappingProxyType(
    {
        **{name: (name, (1, 0)) for name in ("rocksalt", "cscl", "zincblende", "wurtzite", "wc")},
        "fluorite": ("antifluorite", (1, 0)),
        "antifluorite": ("fluorite", (1, 0)),
        "half-heusler": ("half-heusler", (2, 1, 0)),
        "heusler": ("heusler", (0, 2, 1)),
    }
)
"""Types whose crystals have a second name: that type, and which of the species are given there in which order."""


def is_generated(crystal_id: str) -> bool:
    """Whether an identifier is that of a generated crystal by its form; ``parse`` says whether it is right."""
    return crystal_id.startswith(f"{PREFIX}:")


def identifier(prototype: Prototype, species: Sequence[str]) -> str:
    """Identifier of a prototype with its species, such as ``gen:rocksalt:Ti-N``; ``parse`` reads it.

    Where types and orders are names of one material, it is the canonical one.
    """
    kind, ordered = canonical(prototype, species)
    return f"{PREFIX}:{kind.name}:{'-'.join(ordered)}"


def canonical(prototype: Prototype, species: Sequence[str]) -> tuple[Prototype, tuple[str, ...]]:
    """The one name of a material: of equivalent sites the first has the element of least electronegativity.

    Electronegativities are Pauling's; of equal ones the lighter element comes first.
    """
    given = tuple(species)
    twin = _TWINS.get(prototype.name)
    if twin is None:
        return prototype, given
    name, order = twin
    first = next(i for i, j in enumerate(order) if i != j)
    other = tuple(given[i] for i in order)
    if _rank(given[first]) <= _rank(other[first]):
        return prototype, given
    return PROTOTYPES[name], other


def parse(crystal_id: str, *, key: str = "crystal") -> tuple[Prototype, tuple[str, ...]]:
    """Read an identifier such as ``gen:rocksalt:Ti-N``.

    Args:
        crystal_id: prefix, prototype and species in the order of the prototype's example.
        key: where it stands, for the message.

    Raises:
        ConfigError: it has another form, the prototype or an element is unknown, the species are too few or too many,
            two are alike, one has no radius, or the material has another name, which is told.
    """
    parts = crystal_id.split(":")
    if len(parts) != 3 or parts[0] != PREFIX:
        allowed = f"'{PREFIX}:<prototype>:<species>', such as '{PREFIX}:rocksalt:Ti-N'"
        raise ConfigError(key, crystal_id, allowed)
    prototype = find(parts[1], key=key)
    species = tuple(parts[2].split("-"))
    _check(prototype, species, key)
    if (name := identifier(prototype, species)) != crystal_id:
        raise ConfigError(key, crystal_id, f"{name!r}, which is the same material: it has one name")
    return prototype, species


def find(name: str, *, key: str = "prototype") -> Prototype:
    """The prototype of a name.

    Raises:
        ConfigError: there is none; the message names those that there are.
    """
    if name not in PROTOTYPES:
        close = difflib.get_close_matches(name.lower(), PROTOTYPES, n=1, cutoff=0.5)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ConfigError(key, name, f"one of the prototypes {', '.join(sorted(PROTOTYPES))}{hint}")
    return PROTOTYPES[name]


def generate(prototype: Prototype | str, species: Sequence[str]) -> Crystal:
    """The crystal of a prototype and its species, with an estimated lattice.

    Args:
        prototype: structure type, or its name.
        species: element symbols, in the order of the prototype's example.

    Returns:
        The conventional cell; ``id`` is the material's one name and parses back to the same crystal.

    Raises:
        ConfigError: the prototype or an element is unknown, the species are too few or too many, two are alike (the
            crystal would be of another type), or one has no radius.
    """
    from pymatgen.core import Composition, Element

    kind = find(prototype) if isinstance(prototype, str) else prototype
    _check(kind, tuple(species), "species")
    kind, species = canonical(kind, species)
    coords, which = kind.atoms
    numbers = np.array([Element(symbol).Z for symbol in species], dtype=np.int64)[which]
    counts = {symbol: int(np.sum(which == i)) for i, symbol in enumerate(species)}
    return Crystal(
        id=identifier(kind, species),
        formula=str(Composition(counts).reduced_formula),
        lattice=kind.cell * _lattice_constant(kind, [_radius(s) for s in species]),
        numbers=numbers,
        frac_coords=coords,
        space_group=kind.space_group,
    )


def _check(prototype: Prototype, species: tuple[str, ...], key: str) -> None:
    written = "-".join(species)
    if len(species) != prototype.n_species:
        order = "-".join(prototype.example)
        allowed = f"{prototype.n_species} species for {prototype.name!r}, in the order of its namesake {order}"
        raise ConfigError(key, written, allowed)
    check_elements(species, key)
    if len(set(species)) < len(species):
        raise ConfigError(key, written, "a different element for each species (alike, they make another prototype)")
    for symbol in species:
        if symbol in SYMBOLS[HEAVIEST:] or not _radius(symbol) > 0:
            raise ConfigError(key, symbol, "elements up to Pu that have an atomic radius in Slater's table")


@cache
def _rank(symbol: str) -> tuple[float, int]:
    """By which of two elements on equivalent sites the first is told."""
    from pymatgen.core import Element

    element = Element(symbol)
    # Not its attribute X, which warns of an element without one.
    return float(element.data.get("X") or math.inf), int(element.Z)


@cache
def _radius(symbol: str) -> float:
    """Slater's atomic radius in angstrom, 0 where he gives none."""
    from pymatgen.core import Element

    return float(Element(symbol).atomic_radius or 0.0)


def _lattice_constant(prototype: Prototype, radii: Sequence[float]) -> float:
    """First axis in angstrom at which the contacts are, on average, as long as the sums of the radii."""
    sums = [radii[i] + radii[j] for i, j in prototype.contacts]
    return float(np.mean(np.array(sums) / np.array(_nearest(prototype))))


@cache
def _nearest(prototype: Prototype) -> tuple[float, ...]:
    """Shortest distance of each pair in contact, in units of the first axis."""
    coords, which = prototype.atoms
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3)), dtype=np.float64)
    found = []
    for i, j in prototype.contacts:
        steps = coords[which == j][None, :, None] + shifts[None, None] - coords[which == i][:, None, None]
        lengths = np.linalg.norm(steps @ prototype.cell, axis=-1)
        found.append(float(lengths[lengths > 1e-6].min()))
    return tuple(found)


@cache
def _operations(space_group: int) -> tuple[FloatArray, FloatArray]:
    """Rotations ``(n, 3, 3)`` and translations ``(n, 3)`` of a space group's usual setting."""
    import spglib

    kinds = ((hall, spglib.get_spacegroup_type(hall)) for hall in range(1, 531))
    choices = [(kind.choice, hall) for hall, kind in kinds if kind is not None and kind.number == space_group]
    usual = [hall for choice, hall in choices if choice in {"2", "H"}]
    symmetry = spglib.get_symmetry_from_database((usual or [hall for _, hall in choices])[0])
    if symmetry is None:
        raise ValueError(f"spglib has no operations of space group {space_group}")
    return np.asarray(symmetry["rotations"], np.float64), np.asarray(symmetry["translations"], np.float64)


def _orbit(space_group: int, position: Sequence[float]) -> FloatArray:
    """All points of a conventional cell that symmetry makes of one, ``(n, 3)``, in [0, 1)."""
    rotations, translations = _operations(space_group)
    images = (rotations @ np.asarray(position) + translations) % 1.0
    points: list[FloatArray] = []
    for image in images:
        steps = [image - p for p in points]
        if not any(np.abs(step - np.round(step)).max() < 1e-4 for step in steps):
            points.append(np.where(np.abs(image - 1.0) < 1e-9, 0.0, image))
    return np.array(points)

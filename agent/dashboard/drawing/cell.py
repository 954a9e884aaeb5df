"""A unit cell as crystallographers draw it: which atoms, bonds and edges there are, before anything is projected.

Atoms on a face, an edge or a corner of the cell are repeated on the opposite ones, so that the cell looks whole.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.dashboard.drawing.element_table import look_of
from instruments.profile.model_messages import Structure

Vector = tuple[float, float, float]
BOUNDARY = 0.02
"""How near to a face an atom counts as on it, as a share of the cell's length across it."""
TOUCH = 1.15
"""Atoms are bonded where their distance is at most so many times the sum of their covalent radii."""
_CORNERS = tuple(itertools.product((0, 1), repeat=3))


@dataclass(frozen=True)
class Atom:
    """One atom that is drawn.

    Args:
        element: its symbol.
        at: where, in Å: c upwards, b to the right, a towards whoever looks.
        site: index of the site that it repeats.
    """

    element: str
    at: Vector
    site: int


@dataclass(frozen=True)
class Cell:
    """What is drawn of a structure.

    Args:
        axes: the three cell vectors, in Å, turned as the atoms are.
        atoms: with those that the boundary repeats.
        bonds: pairs of indices of atoms.
        edges: from corner to corner, in Å.
    """

    axes: tuple[Vector, Vector, Vector]
    atoms: tuple[Atom, ...]
    bonds: tuple[tuple[int, int], ...]
    edges: tuple[tuple[Vector, Vector], ...]

    @property
    def middle(self) -> Vector:
        """The cell's centre, in Å."""
        return point(self.axes, (0.5, 0.5, 0.5))


def cell_of(structure: Structure) -> Cell:
    """What is drawn of a structure."""
    axes = _upright(structure.lattice)
    atoms = tuple(
        Atom(site.element, point(axes, where), index)
        for index, site in enumerate(structure.sites)
        for where in repeated(site.at)
    )
    edges = tuple(
        (point(axes, corner), point(axes, tuple(c + (i == axis) for i, c in enumerate(corner))))
        for corner in _CORNERS
        for axis in range(3)
        if not corner[axis]
    )
    return Cell(axes, atoms, tuple(_bonds(atoms)), edges)


def repeated(at: Sequence[float]) -> list[Vector]:
    """Where an atom is drawn: in the cell, and again on each opposite face that it lies on.

    Args:
        at: fractional coordinates, of any cell.
    """
    choices: list[tuple[float, ...]] = []
    for value in at:
        inside = value - math.floor(value)
        if inside < BOUNDARY:
            choices.append((inside, inside + 1.0))
        elif inside > 1.0 - BOUNDARY:
            choices.append((inside - 1.0, inside))
        else:
            choices.append((inside,))
    return [(x, y, z) for x, y, z in itertools.product(*choices)]


def point(axes: Sequence[Vector], at: Sequence[float]) -> Vector:
    """Fractional coordinates in Å."""
    x, y, z = (sum(share * axis[i] for share, axis in zip(at, axes, strict=True)) for i in range(3))
    return x, y, z


def reduced_formula(structure: Structure) -> str:
    """The cell's formula in its smallest numbers, such as ``HfB2``: elements in the order of the sites."""
    counts: dict[str, int] = {}
    for site in structure.sites:
        counts[site.element] = counts.get(site.element, 0) + 1
    whole = math.gcd(*counts.values())
    return "".join(f"{element}{n // whole if n > whole else ''}" for element, n in counts.items())


def _upright(lattice: Sequence[Sequence[float]]) -> tuple[Vector, Vector, Vector]:
    """The cell vectors turned, never mirrored: c along z, b in the plane of y and z."""
    a, b, c = ((v[0], v[1], v[2]) for v in lattice)
    up = _unit(c)
    right = _unit(_minus(b, _times(up, dot(b, up))))
    front = _cross(right, up)
    turned = [(dot(v, front), dot(v, right), dot(v, up)) for v in (a, b, c)]
    return turned[0], turned[1], turned[2]


def _bonds(atoms: Sequence[Atom]) -> Iterable[tuple[int, int]]:
    # Metals touch their own kind in nearly every compound: what holds it together would be hidden by that.
    mixed = any(not look_of(atom.element).metal for atom in atoms) and any(look_of(a.element).metal for a in atoms)
    looks = [look_of(atom.element) for atom in atoms]
    for (i, one), (j, other) in itertools.combinations(enumerate(atoms), 2):
        if mixed and looks[i].metal and looks[j].metal:
            continue
        reach = TOUCH * (looks[i].radius + looks[j].radius)
        if abs(one.at[0] - other.at[0]) > reach or abs(one.at[1] - other.at[1]) > reach:
            continue
        if 0.3 < math.dist(one.at, other.at) <= reach:
            yield i, j


def dot(one: Vector, other: Vector) -> float:
    """Scalar product."""
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _minus(one: Vector, other: Vector) -> Vector:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]


def _times(one: Vector, factor: float) -> Vector:
    return one[0] * factor, one[1] * factor, one[2] * factor


def _cross(one: Vector, other: Vector) -> Vector:
    return (
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )


def _unit(one: Vector) -> Vector:
    length = math.sqrt(dot(one, one))
    return _times(one, 1.0 / length) if length > 0.0 else (0.0, 0.0, 1.0)

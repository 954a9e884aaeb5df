"""A crystal's conventional cell as a picture: shaded spheres, bonds and the cell's edges, in SVG without any script.

Everything is painted from the back to the front. Lines and letters take the colour of the text around the picture, so
that it is as readable on a dark page as on a light one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Literal

from agent.dashboard.drawing.cell import Atom, Cell, Vector, cell_of, dot, reduced_formula
from agent.dashboard.drawing.element_table import look_of
from agent.words import chemical
from instruments.profile.model_messages import Structure

Size = Literal["card", "large"]
_TURN, _TILT = math.radians(24.0), math.radians(13.0)
_EYE = 6.0
"""How far away the eye is, in radii of what is drawn: near enough that the back looks smaller."""
_BALL = 0.44
"""Radius of a sphere, in covalent radii: bonds must be seen between them."""
_STICK = 0.10
"""Half the width of a bond, in Å."""
_MARGIN = 4.0
_PIECES: Mapping[Size, int] = {"card": 6, "large": 12}
"""An edge is painted in so many pieces, each at its own depth."""
_MAX_BONDS: Mapping[Size, int] = {"card": 120, "large": 800}
_KEY_HEIGHT = 46.0


@dataclass(frozen=True)
class Spot:
    """A point as the eye sees it.

    Args:
        x: to the right.
        y: downwards.
        depth: towards the eye, in Å.
        scale: how much larger it looks for being nearer.
    """

    x: float
    y: float
    depth: float
    scale: float


@dataclass(frozen=True)
class _Painted:
    depth: float
    markup: str


@lru_cache(maxsize=512)
def crystal_svg(structure: Structure, formula: str = "", *, size: Size = "large") -> str:
    """Draw a structure.

    Args:
        structure: the conventional cell.
        formula: as people call it; that of the cell where it is empty.
        size: ``card`` for a square of 120 pixels, ``large`` with bonds in full, the axes and a key of the elements.

    Returns:
        One ``<svg>`` element, with an accessible name.
    """
    cell = cell_of(structure)
    name = chemical(formula or reduced_formula(structure))
    width, height = (120.0, 120.0) if size == "card" else (360.0, 300.0)
    unique = hashlib.sha256(f"{size}{structure.to_bytes()!r}".encode()).hexdigest()[:8]
    look = _look_at(cell, width, height)
    elements = list(dict.fromkeys(site.element for site in structure.sites))
    body = "".join(one.markup for one in sorted(_painted(cell, look, unique, size), key=lambda one: one.depth))
    key = _key(cell, elements, unique, height) if size == "large" else ""
    tall = height + (_KEY_HEIGHT if size == "large" else 0.0)
    group = f", space group {structure.space_group}" if structure.space_group else ""
    words = f"Crystal structure of {name}{group}, {len(structure.sites)} atoms in the cell"
    return (
        f'<svg class="lw-crystal {size}" viewBox="0 0 {width:g} {tall:g}" role="img" aria-label="{escape(words)}" '
        f'xmlns="http://www.w3.org/2000/svg"><defs>{"".join(_gradient(e, unique) for e in elements)}</defs>'
        f'<g stroke-linecap="round" style="stroke:var(--lw-ink-2,currentColor)">{body}</g>{key}</svg>'
    )


# -------------------------------------------------------------------------------------------------------- the eye


def _turned(at: Vector) -> Vector:
    """Towards the eye, to the right and up, for who stands in front, a little to the right and above."""
    front = at[0] * math.cos(_TURN) + at[1] * math.sin(_TURN)
    right = at[1] * math.cos(_TURN) - at[0] * math.sin(_TURN)
    return (
        front * math.cos(_TILT) + at[2] * math.sin(_TILT),
        right,
        at[2] * math.cos(_TILT) - front * math.sin(_TILT),
    )


def _look_at(cell: Cell, width: float, height: float) -> Callable[[Vector], Spot]:
    """How points are seen so that all of the cell fits in a frame."""
    middle = cell.middle
    corners = [end for edge in cell.edges for end in edge]
    reach = [math.dist(corner, middle) for corner in corners]
    reach += [math.dist(atom.at, middle) + _ball(atom) for atom in cell.atoms]
    eye = _EYE * max(*reach, 1e-6)

    def seen(at: Vector) -> Spot:
        depth, right, up = _turned((at[0] - middle[0], at[1] - middle[1], at[2] - middle[2]))
        scale = eye / (eye - depth)
        return Spot(right * scale, -up * scale, depth, scale)

    spots = [(seen(corner), 0.0) for corner in corners] + [(seen(atom.at), _ball(atom)) for atom in cell.atoms]
    left, right = min(s.x - r * s.scale for s, r in spots), max(s.x + r * s.scale for s, r in spots)
    top, bottom = min(s.y - r * s.scale for s, r in spots), max(s.y + r * s.scale for s, r in spots)
    fit = min((width - 2 * _MARGIN) / max(right - left, 1e-6), (height - 2 * _MARGIN) / max(bottom - top, 1e-6))

    def placed(at: Vector) -> Spot:
        spot = seen(at)
        return Spot(
            width / 2 + fit * (spot.x - (left + right) / 2),
            height / 2 + fit * (spot.y - (top + bottom) / 2),
            spot.depth,
            fit * spot.scale,
        )

    return placed


def _ball(atom: Atom) -> float:
    return _BALL * look_of(atom.element).radius


# ------------------------------------------------------------------------------------------------ what is painted


def _painted(cell: Cell, look: Callable[[Vector], Spot], unique: str, size: Size) -> Iterable[_Painted]:
    for edge in cell.edges:
        yield from _edge(edge, cell.atoms, look, _PIECES[size])
    if len(cell.bonds) <= _MAX_BONDS[size]:
        for i, j in cell.bonds:
            yield from _bond(cell.atoms[i], cell.atoms[j], look, shine=size == "large")
    for atom in cell.atoms:
        spot = look(atom.at)
        yield _Painted(
            spot.depth,
            f'<circle cx="{spot.x:.1f}" cy="{spot.y:.1f}" r="{_ball(atom) * spot.scale:.1f}" '
            f'fill="url(#{unique}{atom.element})" stroke="{_mixed(atom.element, 0.55, 0)}" stroke-width=".6"/>',
        )


def _edge(
    edge: tuple[Vector, Vector], atoms: Sequence[Atom], look: Callable[[Vector], Spot], pieces: int
) -> Iterable[_Painted]:
    for piece in range(pieces):
        start, middle, end = (_between(*edge, (piece + part) / pieces) for part in (0.0, 0.5, 1.0))
        if any(math.dist(middle, atom.at) < _ball(atom) for atom in atoms):
            continue
        one, other = look(start), look(end)
        yield _Painted(
            look(middle).depth,
            f'<path d="M{one.x:.1f} {one.y:.1f}L{other.x:.1f} {other.y:.1f}"/>',
        )


def _bond(one: Atom, other: Atom, look: Callable[[Vector], Spot], *, shine: bool) -> Iterable[_Painted]:
    """Two halves in the colours of their atoms, from surface to surface."""
    length = math.dist(one.at, other.at)
    first, last = _ball(one) / length * 0.9, 1.0 - _ball(other) / length * 0.9
    if first >= last:
        return
    half = (first + last) / 2
    for atom, start, end in ((one, first, half), (other, half, last)):
        ends = look(_between(one.at, other.at, start)), look(_between(one.at, other.at, end))
        middle = look(_between(one.at, other.at, (start + end) / 2))
        line = f'<path d="M{ends[0].x:.1f} {ends[0].y:.1f}L{ends[1].x:.1f} {ends[1].y:.1f}" stroke='
        wide = 2 * _STICK * middle.scale
        markup = f'{line}"{_mixed(atom.element, 0.4 if shine else 0.75, 60)}" stroke-width="{wide:.1f}"/>'
        if shine:
            markup += f'{line}"{_mixed(atom.element, 0.9, 90)}" stroke-width="{wide * 0.4:.1f}"/>'
        yield _Painted(middle.depth, markup)


def _between(one: Vector, other: Vector, share: float) -> Vector:
    x, y, z = (a + share * (b - a) for a, b in zip(one, other, strict=True))
    return x, y, z


def _gradient(element: str, unique: str) -> str:
    stops = ((0, 1.0, 195), (38, 1.0, 30), (100, 0.5, 0))
    inside = "".join(
        f'<stop offset="{at}%" stop-color="{_mixed(element, factor, white)}"/>' for at, factor, white in stops
    )
    return f'<radialGradient id="{unique}{element}" fx=".34" fy=".3">{inside}</radialGradient>'


def _mixed(element: str, factor: float, white: int) -> str:
    """An element's colour, darker by a factor, then with so much white of 255."""
    parts = (round(factor * part + (255 - factor * part) * white / 255) for part in look_of(element).rgb)
    return "#{:02x}{:02x}{:02x}".format(*parts)


# -------------------------------------------------------------------------------------------------------- the key


def _key(cell: Cell, elements: Sequence[str], unique: str, top: float) -> str:
    """The axes' directions on the left, the elements on the right of them."""
    axes = "".join(_arrow(axis, letter, 26.0, top + 27.0) for axis, letter in zip(cell.axes, "abc", strict=True))
    step = min(54.0, 270.0 / max(len(elements), 1))
    legend = "".join(
        f'<circle cx="{84 + step * i:.0f}" cy="{top + 24:.0f}" r="8" fill="url(#{unique}{element})" '
        f'stroke="{_mixed(element, 0.55, 0)}" stroke-width=".6"/>'
        f'<text x="{96 + step * i:.0f}" y="{top + 28.5:.1f}" font-size="13" fill="currentColor">{element}</text>'
        for i, element in enumerate(elements)
    )
    return f'<g font-family="inherit">{axes}{legend}</g>'


def _arrow(axis: Vector, letter: str, x: float, y: float) -> str:
    length = math.sqrt(dot(axis, axis)) or 1.0
    _, right, up = _turned((axis[0] / length, axis[1] / length, axis[2] / length))
    end, text = (x + 17 * right, y - 17 * up), (x + 24 * right, y - 24 * up)
    return (
        f'<path d="M{x:.1f} {y:.1f}L{end[0]:.1f} {end[1]:.1f}" stroke="currentColor" stroke-width="1.3"/>'
        f'<text x="{text[0]:.1f}" y="{text[1] + 4:.1f}" font-size="11" font-style="italic" text-anchor="middle" '
        f'fill="currentColor">{letter}</text>'
    )

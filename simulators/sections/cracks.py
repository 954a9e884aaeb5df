"""Cracks: paths of least energy that mostly follow boundaries, with branches; open at the mouth, closed at the tip."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse

from simulators.sections.junction_graph import JunctionGraph, junction_graph

Cells = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

OPENING = 0.045
"""Half width of a crack at its mouth in cells."""
SHORTEST = 1.5
"""Length in cells of the shortest crack that is drawn; less is drawn as often as its length asks for."""
USED = 50.0
"""How much dearer a way is that another crack has taken."""
DETOUR = 8.0
"""Cost of the dearest path that is looked for, in distances."""
BRANCHING = 0.35
"""Share of the length that is in branches."""
BEYOND = 1.5
"""Length of a crack that leaves the field, in lengths inside it."""
MOST = 300
"""Cracks and branches in one field."""
WIDE = 12
"""Half width in pixels from which a crack is stamped by distances, as pixel by pixel would take seconds."""


@dataclass
class _Cracks:
    """What has been drawn so far."""

    graph: JunctionGraph
    cost: Doubles
    left: float
    mask: Mask
    length: float = 0.0
    crooked: list[Doubles] = field(default_factory=list)


def crack_mask(cells: Cells, length_px: float, cell_px: float, rng: np.random.Generator) -> tuple[Mask, float]:
    """Cracks of a given length in a field.

    Args:
        cells: owner of each pixel, shape (H, W).
        length_px: length of all cracks in pixels; a field too small for one is left whole, as often as is due.
        cell_px: mean cell diameter in pixels.
        rng: source of every random choice.

    Returns:
        Their pixels, shape (H, W), and the length drawn.
    """
    shortest = SHORTEST * cell_px
    if length_px < shortest:
        length_px = shortest if rng.random() < length_px / shortest else 0.0
    mask = np.zeros(cells.shape, dtype=np.bool_)
    if length_px == 0.0:
        return mask, 0.0
    graph = junction_graph(cells, cell_px, rng)
    state = _Cracks(graph, graph.cost.copy(), length_px, mask)
    heading = rng.uniform(0.0, np.pi)
    for _ in range(MOST):
        if state.left < 1.0:
            break
        _crack(state, heading + 0.35 * rng.standard_normal(), cell_px, rng)
    return state.mask, state.length


def _crack(state: _Cracks, heading: float, cell_px: float, rng: np.random.Generator) -> None:
    """One crack through the field, or as far as its length goes, and its branches."""
    shape = np.array(state.mask.shape, dtype=np.float64)
    way = np.array([np.sin(heading), np.cos(heading)]) * rng.choice((-1.0, 1.0))
    place = shape * rng.uniform(0.2, 0.8, 2)
    room = [_room(place, sign * way, shape) for sign in (-1.0, 1.0)]
    mouth, far = place - room[0] * way, place + room[1] * way
    branched = state.left > 0.5 * sum(room)
    most = state.left * (1.0 - BRANCHING if branched else 1.0)
    half = OPENING * cell_px * np.exp(0.25 * rng.standard_normal())
    course = _drawn(state, mouth, far, most, half, rng, through=True)
    budget = BRANCHING * float(np.linalg.norm(np.diff(course, axis=0), axis=1).sum()) if len(course) > 1 else 0.0
    while branched and budget > cell_px and state.left > cell_px:
        before = state.left
        at = int(rng.integers(len(course) // 5, max(len(course) * 4 // 5, len(course) // 5 + 1)))
        ahead = course[min(at + 20, len(course) - 1)] - course[at]
        turn = rng.choice((-1.0, 1.0)) * rng.uniform(0.5, 1.1)
        angle = np.arctan2(ahead[0], ahead[1]) + turn
        goal = course[at] + np.array([np.sin(angle), np.cos(angle)]) * rng.uniform(3.0, 12.0) * cell_px
        _drawn(state, course[at], goal, min(budget, state.left), 0.55 * half, rng)
        budget -= max(before - state.left, 0.2 * cell_px)


def _room(place: Doubles, way: Doubles, shape: Doubles) -> float:
    """How far it is from a place to the frame."""
    with np.errstate(divide="ignore"):
        distances = np.where(way > 0.0, (shape - 1.0 - place) / way, -place / way)
    return float(distances[np.abs(way) > 1e-9].min())


def _drawn(
    state: _Cracks,
    start: Doubles,
    goal: Doubles,
    most: float,
    half: float,
    rng: np.random.Generator,
    *,
    through: bool = False,
) -> Doubles:
    """Draw the cheapest way from one place to another, cut to ``most`` pixels; its points (K, 2)."""
    ways = _route(state, start, goal)
    if not ways:
        return start[None]
    courses = [state.graph.course(way)[:: 1 if forward else -1] for way, forward in ways]
    points = np.concatenate(
        [start[None], *courses] if np.linalg.norm(courses[0][0] - start) < 4 * half + 12 else courses
    )
    points = _resampled(_smoothed(points))
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    along = np.concatenate(([0.0], np.cumsum(step)))
    points = points[along <= min(most, state.left)]
    length = float(along[len(points) - 1])
    # The opening of a crack falls to its tip as the square root of what is left (Irwin, J. Appl. Mech. 24, 361, 1957);
    # one that leaves the field has its tip beyond it.
    tip = length * (BEYOND if through and len(points) == len(along) else 1.0)
    knots = np.arange(0.0, length + 30.0, 15.0)
    uneven = np.interp(along[: len(points)], knots, rng.standard_normal(len(knots)))
    width = half * np.sqrt(np.clip(1.0 - along[: len(points)] / max(tip, 1.0), 0.0, 1.0)) * np.exp(0.2 * uneven)
    _stamp(state.mask, points, np.maximum(width, 0.5))
    state.left -= length
    state.length += length
    return points


def _route(state: _Cracks, start: Doubles, goal: Doubles) -> list[tuple[int, bool]]:
    """Ways from the junction nearest to ``start`` to that nearest to ``goal``, and whether each is walked forward."""
    nodes = state.graph.nodes
    first, last = (int(np.argmin(((nodes - place) ** 2).sum(axis=1))) for place in (start, goal))
    # A way round costs a few times the distance at most; what lies farther need not be searched.
    limit = DETOUR * float(np.linalg.norm(nodes[last] - nodes[first])) + 1.0
    before = sparse.csgraph.dijkstra(
        state.graph.matrix(state.cost), indices=first, return_predecessors=True, limit=limit
    )[1]
    ways: list[tuple[int, bool]] = []
    at = last
    while at != first and before[at] >= 0:
        previous = int(before[at])
        found = state.graph.between(previous, at)
        way = int(found[np.argmin(state.cost[found])])
        state.cost[found] *= USED
        ways.append((way, bool(state.graph.start[way] == previous)))
        at = previous
    return ways[::-1]


def _smoothed(points: Doubles) -> Doubles:
    """Points with each inner one drawn to the mean of its neighbours."""
    smooth = points.copy()
    smooth[1:-1] = 0.25 * points[:-2] + 0.5 * points[1:-1] + 0.25 * points[2:]
    return smooth


def _resampled(points: Doubles, step: float = 0.5) -> Doubles:
    """The same course at equal steps of its length."""
    along = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))))
    at = np.arange(0.0, along[-1], step)
    return np.stack([np.interp(at, along, points[:, k]) for k in (0, 1)], axis=1)


def _stamp(mask: Mask, points: Doubles, width: Doubles) -> None:
    """Set the pixels within ``width`` of the points."""
    reach = int(np.ceil(width.max()))
    base = np.rint(points).astype(np.intp)
    if reach > WIDE:
        within = ((base >= 0) & (base < mask.shape)).all(axis=1)
        if not within.any():
            return
        half = np.zeros(mask.shape)
        np.maximum.at(half, tuple(base[within].T), width[within])
        distance, nearest = ndimage.distance_transform_edt(half == 0.0, return_indices=True)
        mask |= distance <= half[tuple(nearest)]
        return
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            row, column = base[:, 0] + i, base[:, 1] + j
            hit = np.hypot(row - points[:, 0], column - points[:, 1]) <= np.maximum(
                width, 0.71 if not (i or j) else 0.0
            )
            hit &= (row >= 0) & (row < mask.shape[0]) & (column >= 0) & (column < mask.shape[1])
            mask[row[hit], column[hit]] = True

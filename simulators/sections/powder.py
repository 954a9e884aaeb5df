"""Loose powder: particles dropped one by one onto a heap and seen from above, near ones before far ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from simulators.sections.measure import Maps
from simulators.sections.microstructure import SectionSpec

Labels = npt.NDArray[np.int32]
Places = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

COVER = 2.3
"""Area of all particles over that of the field: gaps to the ground remain in some tenth of it."""
CLUSTERED = 0.45
"""Share of the particles that come down beside the one before, as agglomerates do."""
SETTLED = 0.55
"""How far a particle comes to rest between its first touch and the mean of what lies below it."""
MILLED_SHARE = 0.6
"""Share of powders that are milled, with flats and edges; the others are spray-dried, nearly round."""
RADIUS = {True: 0.558, False: 0.556}
"""Radius of the sphere around a particle over the wanted mean diameter, milled or not, by counting."""
GRANULE = 0.82
"""Shortest half axis of a granule over its longest."""
SHAPES = 160
"""Particles that are shaped for a field; each lies in it several times, turned."""
SEEN = 0.5
"""Share of a particle that must be seen for its size to count."""


@dataclass(frozen=True)
class _Particle:
    """A particle on its window of pixels, shape (2 reach + 1, 2 reach + 1); point-symmetric about its centre.

    Args:
        top: its upper side, -inf beyond it.
        under: how far its underside lies below its centre, -inf beyond it.
        weight: one over its area within it, 0 beyond.
        mean: mean height of its upper side above its centre.
        area: pixels of its outline.
        reach: half width of the window.
    """

    top: Floats
    under: Floats
    weight: Floats
    mean: float
    area: int
    reach: int


def powder(spec: SectionSpec, rng: np.random.Generator) -> Maps:
    """Draw a heap; labels are the particles that are seen, pores the gaps down to the ground."""
    diameter = spec.grain_size_um / spec.pixel_size_um
    milled = bool(rng.random() < MILLED_SHARE)
    margin = int(1.5 * diameter)
    field = (spec.shape[0] + 2 * margin, spec.shape[1] + 2 * margin)
    expected = int(COVER * field[0] * field[1] / (0.25 * np.pi * diameter**2)) + 1
    shapes = [_particle(r, milled, rng) for r in _radii(min(expected, SHAPES), diameter, spec.size_sigma, milled, rng)]
    pad = max(shape.reach for shape in shapes)
    height = np.zeros((field[0] + 2 * pad, field[1] + 2 * pad), dtype=np.float32)
    labels = np.zeros(height.shape, dtype=np.int32)
    areas = _heap(height, labels, shapes, pad, rng)
    inner = np.s_[pad + margin : pad + margin + spec.shape[0], pad + margin : pad + margin + spec.shape[1]]
    seen, relief = labels[inner], height[inner]
    nothing = np.zeros(spec.shape, dtype=np.bool_)
    return Maps(
        labels=seen,
        pores=seen == 0,
        closed=nothing,
        phase=nothing,
        cracks=nothing,
        height=relief - relief.mean(),
        diameters_px=_sizes(labels, seen, areas),
    )


def _radii(number: int, diameter: float, sigma: float, milled: bool, rng: np.random.Generator) -> Doubles:
    """Radii of particles in pixels: one from each equal share of the log-normal distribution, in random order."""
    quantile = ndtri((rng.permutation(number) + rng.random(number)) / number)
    spread = sigma * np.clip(quantile, -2.5, 2.5) - 0.5 * sigma**2
    radii: Doubles = np.maximum(RADIUS[milled] * diameter * np.exp(spread), 1.0)
    return radii


def _heap(
    height: Floats, labels: Labels, shapes: list[_Particle], pad: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Drop particles until they cover the field so many times over; area of each particle's outline, from label 1."""
    room = np.array(height.shape) - 2 * pad
    areas = np.array([shape.area for shape in shapes])
    number = int(np.ceil(COVER * room.prod() / areas.mean()))
    chosen = np.concatenate([rng.permutation(len(shapes)) for _ in range(-(-number // len(shapes)))])[:number]
    places, beside = rng.random((number, 2)) * room, rng.random(number) < CLUSTERED
    angles, turns = rng.uniform(0.0, 2.0 * np.pi, number), rng.integers(0, 4, number)
    ways = np.stack((np.sin(angles), np.cos(angles)), axis=1)
    for n, kind in enumerate(chosen):
        if beside[n] and n > 0:
            places[n] = (places[n - 1] + 0.8 * (shapes[chosen[n - 1]].reach + shapes[kind].reach) * ways[n]) % room
        _drop(height, labels, shapes[kind], int(turns[n]), (places[n] + pad).astype(np.intp), n + 1)
    return np.concatenate(([0], areas[chosen]))


def _particle(radius: float, milled: bool, rng: np.random.Generator) -> _Particle:
    """A fragment, which is a ball cut by pairs of planes, or a granule, which is nearly a ball."""
    reach = int(radius) + 1
    axis = np.arange(-reach, reach + 1, dtype=np.float32)
    if milled:
        square = np.float32(radius**2) - axis[:, None] ** 2 - axis[None] ** 2
        top = np.sqrt(np.maximum(square, 0.0))
        _cut(top, axis, radius, rng)
    else:
        a, b, c = 1.0 / rng.uniform(GRANULE, 1.0, 3)
        turn = rng.uniform(0.0, np.pi)
        along = axis[:, None] * np.float32(np.sin(turn)) + axis * np.float32(np.cos(turn))
        across = axis[:, None] * np.float32(np.cos(turn)) - axis * np.float32(np.sin(turn))
        square = np.float32(radius**2) - (along * np.float32(a)) ** 2 - (across * np.float32(b)) ** 2
        top = np.sqrt(np.maximum(square, 0.0)) / np.float32(c)
    inside = (square > 0.0) & (top + top[::-1, ::-1] > 0.0)
    inside[reach, reach] = True
    area = int(np.count_nonzero(inside))
    mean = float(top[inside].mean())
    top = np.where(inside, top, np.float32(-np.inf))
    return _Particle(top, top[::-1, ::-1].copy(), inside.astype(np.float32) / np.float32(area), mean, area, reach)


def _cut(top: Floats, axis: Floats, radius: float, rng: np.random.Generator) -> None:
    """Cut a ball by planes; their opposites cut its underside in the same way."""
    number = int(rng.integers(5, 9))
    normals = rng.standard_normal((number, 3))
    normals *= np.sign(normals[:, 2:]) / np.linalg.norm(normals, axis=1)[:, None]
    for (x, y, z), depth in zip(normals, radius * rng.uniform(0.62, 0.92, number), strict=True):
        steep = max(z, 0.06)
        plane = np.float32(depth / steep) - (axis * np.float32(y / steep))[:, None] - axis * np.float32(x / steep)
        np.minimum(top, plane, out=top)


def _drop(height: Floats, labels: Labels, particle: _Particle, turn: int, place: Places, label: int) -> None:
    """Let a particle, turned by a quarter so many times, come to rest on the heap and cover what it hides."""
    (row, column), reach = place, particle.reach
    window = np.s_[row - reach : row + reach + 1, column - reach : column + reach + 1]
    below = height[window]
    top, under, weight = (np.rot90(v, turn) for v in (particle.top, particle.under, particle.weight))
    touch = float((below + under).max())
    # An underside is as deep as the upper side is high: the mean over one is the mean over the other.
    mean = float((below * weight).sum()) + particle.mean
    surface = top + np.float32((1.0 - SETTLED) * touch + SETTLED * mean)
    shown = surface > below
    np.copyto(below, surface, where=shown)
    np.copyto(labels[window], label, where=shown)


def _sizes(labels: Labels, seen: Labels, areas: npt.NDArray[np.intp]) -> Doubles:
    """Diameters of the particles of which enough is seen and that the frame does not cut, in pixels."""
    shown = np.bincount(seen.ravel(), minlength=len(areas))
    whole = shown == np.bincount(labels.ravel(), minlength=len(areas))
    counted = whole & (shown >= SEEN * areas) & (areas > 0)
    counted[0] = False
    for edge in (seen[0], seen[-1], seen[:, 0], seen[:, -1]):
        counted[edge] = False
    if not counted.any():
        # So near that no particle is seen whole: all that show, which are as large as they are.
        counted = shown > 0
        counted[0] = False
    diameters: Doubles = np.sqrt(4.0 * areas[counted] / np.pi)
    return diameters

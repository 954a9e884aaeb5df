"""A fracture surface: facets where grains have parted from each other, and some grains cloven through.

Grains whose seeds lie below the crack's plane stay, the others went with the other half. For a column at ``(x, y)``
the power distance to a seed is a straight line in ``z`` of slope ``-2 z_i``, the steeper the lower the seed; so with
``z_ij`` the height where seed ``i`` of those that stay and seed ``j`` of those that went are equally far, the surface
lies at ``min_j max_i z_ij``. Each pair ``(i, j)`` that shows is one flat facet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from simulators.sections.cracks import crack_mask
from simulators.sections.measure import Maps
from simulators.sections.microstructure import SectionSpec
from simulators.sections.noise import smooth_noise
from simulators.sections.packing import slab
from simulators.sections.particles import particles
from simulators.sections.phase import phase_grains
from simulators.sections.pores import closed_pores, highest, junctions
from simulators.sections.sizes import cell_diameter, spacing

Labels = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Whole = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

CLOVEN = 0.22
"""Share of the grains that are cloven, not parted."""
NECKED = 0.04
"""Open porosity from which the necks between grains are weaker than these."""
ROUGH, LONG = 0.5, 6.0
"""Amplitude and extent of the crack's own waves, in spacings."""
RIVERS, STEP_HEIGHT = 7.0, 0.03
"""River lines across a cloven grain, and the height of their steps in cells."""
TILT = 0.22
"""Spread of the slopes of cloven grains."""
CRACK_DEPTH = 0.25
"""How far the ground of a crack lies below the surface, in cells."""
POCKET = 0.12
"""How far a residue reaches from the edges where it gathered, in cells."""
EXPOSED = 1.09
"""Mean diameter of the grains as a fracture shows them over that in a section, by counting."""
ROUNDS = 4
CLIFF = 4.0
"""Slope of the surface beyond which a block is looked at again."""


@dataclass(frozen=True)
class _Half:
    """Seeds that stayed or went: points (N, 3) and squared radii (N,), in spacings, and a search among them."""

    points: Doubles
    square: Doubles
    lift: float
    tree: cKDTree

    @staticmethod
    def of(points: Doubles, radii: Doubles) -> _Half:
        square = radii**2
        lift = float(square.max())
        return _Half(points, square, lift, cKDTree(np.column_stack((points, np.sqrt(lift - square)))))

    def nearest(self, where: Floats) -> Whole:
        """Seed of least power distance at each place, (M, 3) to (M,)."""
        found: Whole = self.tree.query(np.column_stack((where, np.zeros(len(where), dtype=np.float32))))[1]
        return found

    def terms(self, seed: Whole, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Value at ``z = 0`` and fall with ``2 z`` of the power distance, in the column at ``(x, y)``."""
        a, b, c = (v.astype(np.float32)[seed] for v in self.points.T)
        start = (x - a) ** 2 + (y - b) ** 2 + c**2 - self.square.astype(np.float32)[seed]
        return start, c


def fracture(spec: SectionSpec, rng: np.random.Generator) -> Maps:
    """Draw a fracture surface; labels are facets, pores the pits where pores were cut open."""
    cell_px = cell_diameter(spec)
    unit = np.float32(spacing(spec.size_sigma) * cell_px)
    step = max(2, min(8, int(cell_px / 4.0)))
    rows, columns = (-(-n // step) * step for n in spec.shape)
    x, y = _columns(spec, (rows + 1, columns + 1), unit)
    below, above = _halves(spec, x, y, rng)
    i, j = _corners(below, above, x[::step, ::step], y[::step, ::step])
    height, stays, went = _surface(below, above, i, j, x[:-1, :-1], y[:-1, :-1], step)
    inner = np.s_[: spec.shape[0], : spec.shape[1]]
    height, stays, went = height[inner], stays[inner], went[inner]
    relief = (height + _waves(spec.shape, float(unit), rng)) * unit
    # Where pores are open necks break, and no grain is cloven.
    cloven_share = CLOVEN if spec.porosity * spec.open_share < NECKED else 0.0
    cloven = (rng.random(len(below.points)) < cloven_share)[stays]
    if cloven.any():
        went = np.where(cloven, -1, went)
        relief[cloven] = _cleavage(relief, stays, cloven, cell_px, rng)
    facets = stays.astype(np.int64) * (len(above.points) + 1) + went + 1
    labels = _numbered(facets)
    sunk = _sunk(spec, height, below, above, x, y, unit)
    pores, closed = _pores(spec, relief, labels, sunk, cell_px, rng)
    phase = _phase(spec, labels, stays, pores, cell_px, rng)
    cracks, crack_px = _cracks(spec, stays, pores, cell_px, rng)
    relief[cracks] -= np.float32(CRACK_DEPTH * cell_px)
    empty = pores | cracks
    return Maps(
        labels=np.where(empty, 0, labels).astype(np.int32),
        pores=pores,
        closed=closed,
        phase=phase & ~cracks,
        cracks=cracks,
        crack_px=crack_px,
        height=(relief - relief.mean()).astype(np.float32),
        sized=np.where(empty, 0, stays + 1).astype(np.int32),
        shown=EXPOSED,
    )


def _cracks(
    spec: SectionSpec, stays: Labels, pores: Mask, cell_px: float, rng: np.random.Generator
) -> tuple[Mask, float]:
    """Pixels of cracks outside the pores, and their length in pixels."""
    cracks, crack_px = crack_mask(stays, spec.cracks * 1e-3 * spec.pixel_size_um * stays.size, cell_px, rng)
    if (pores | cracks).all():
        # So near that nothing but the crack would be seen: this field lies beside it.
        return np.zeros_like(cracks), 0.0
    return cracks & ~pores, crack_px


def _numbered(facets: npt.NDArray[np.int64]) -> Labels:
    """Facets numbered from 1, int32 (H, W); by runs along the rows, of which there are far fewer than pixels."""
    flat = facets.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=flat[0] - 1))
    number = np.unique(flat[starts], return_inverse=True)[1].astype(np.int32) + np.int32(1)
    labels: Labels = np.repeat(number, np.diff(starts, append=flat.size)).reshape(facets.shape)
    return labels


def _sunk(
    spec: SectionSpec, height: Floats, below: _Half, above: _Half, x: Floats, y: Floats, unit: np.float32
) -> Floats | None:
    """How far the network of particles lies below the facets, in pixels; None where no pore is open.

    Where pores are open the crack broke the necks between particles and left these whole: the surface is that of a
    particle or the facet of a neck, whichever is lower.
    """
    if spec.porosity * spec.open_share == 0.0:
        return None
    level = _level(below, above, x, y, spec.porosity * spec.open_share)
    tops = particles(below.points, below.square + level, float(unit), spec, x, y)[: spec.shape[0], : spec.shape[1]]
    sunk: Floats = np.maximum(height - tops, np.float32(0.0)) * unit
    return sunk


def _pores(
    spec: SectionSpec, relief: Floats, labels: Labels, sunk: Floats | None, cell_px: float, rng: np.random.Generator
) -> tuple[Mask, Mask]:
    """All pores that the crack met and the closed ones of them, which are sunk into the relief as half bubbles."""
    wanted = round(spec.porosity * labels.size)
    n_open = 0 if sunk is None else round(wanted * spec.open_share)
    channels = np.zeros(labels.shape, dtype=np.bool_)
    if sunk is not None:
        channels = highest(sunk, n_open) & (sunk > 0.0)
        relief -= sunk
    free = ~channels
    if sunk is not None and wanted > n_open:
        free = ~ndimage.binary_dilation(channels, iterations=2)
    closed = closed_pores(labels, free, wanted - n_open, cell_px, rng)
    if closed.any():
        pits, number = ndimage.label(closed)
        inside = ndimage.distance_transform_edt(closed).astype(np.float32)
        radius = np.zeros(number + 1, dtype=np.float32)
        np.maximum.at(radius, pits.ravel(), inside.ravel())
        own = radius[pits]
        # Half a sphere as wide as the pit.
        relief -= np.sqrt(np.maximum(2.0 * own * inside - inside * inside, 0.0)) * closed
    return channels | closed, closed


def _level(below: _Half, above: _Half, x: Floats, y: Floats, porosity: float) -> float:
    """By how much squared radii must differ for the spheres to leave that porosity on the mean plane, in spacings."""
    places = np.column_stack((x[::6, ::6].ravel(), y[::6, ::6].ravel(), np.zeros(x[::6, ::6].size, dtype=np.float32)))
    gaps = []
    for half in (below, above):
        start, _ = half.terms(half.nearest(places), places[:, 0], places[:, 1])
        gaps.append(start)
    return float(np.quantile(np.minimum(*gaps), 1.0 - porosity))


def _phase(
    spec: SectionSpec, labels: Labels, stays: Labels, pores: Mask, cell_px: float, rng: np.random.Generator
) -> Mask:
    """A second phase: residue smeared along the edges of facets, where it had gathered, or grains of its own."""
    if spec.second_phase == 0.0:
        return np.zeros(labels.shape, dtype=np.bool_)
    free = ~pores
    count = round(spec.second_phase * np.count_nonzero(free))
    if not spec.phase_at_boundaries:
        return phase_grains(stays, free, count, rng)
    away = np.ones(labels.shape, dtype=np.bool_)
    triple = junctions(stays)[0]
    away[triple[:, 0], triple[:, 1]] = False
    near = -ndimage.distance_transform_edt(away).astype(np.float32)
    near += np.float32(POCKET * cell_px) * smooth_noise((labels.shape[0], labels.shape[1]), 0.3 * cell_px, rng)
    return highest(np.where(free, near, np.float32(-np.inf)), count)


def _waves(shape: tuple[int, int], unit: float, rng: np.random.Generator) -> Floats:
    """How the crack itself waves and tilts, in spacings, float32 (H, W); the grains are sheared along with it."""
    waves = np.float32(ROUGH) * smooth_noise(shape, LONG * unit, rng)
    waves += np.float32(0.45 * ROUGH) * smooth_noise(shape, 0.45 * LONG * unit, rng)
    return waves


def _cleavage(relief: Floats, stays: Labels, cloven: Mask, cell_px: float, rng: np.random.Generator) -> Floats:
    """Relief of cloven grains, one plane each at its mean height with river lines, at the pixels of ``cloven``.

    River lines are steps between cleavage planes at slightly different heights, which run together in the direction in
    which the crack went (Lawn, Fracture of Brittle Solids, 2nd ed., 1993).
    """
    grain = np.unique(stays[cloven], return_inverse=True)[1]
    area = np.bincount(grain)
    row, column = (v.astype(np.float64) for v in np.nonzero(cloven))
    row, column = (v - (np.bincount(grain, weights=v) / area)[grain] for v in (row, column))
    level = np.bincount(grain, weights=relief[cloven]) / area
    level -= 0.5 * np.sqrt(np.bincount(grain, weights=(relief[cloven] - level[grain]) ** 2) / area)
    tilt = TILT * rng.standard_normal((2, len(area)))
    angle = rng.uniform(0.0, 2.0 * np.pi, len(area))
    source = cell_px * rng.uniform(1.0, 3.5, len(area))
    from_row, from_column = row - (source * np.sin(angle))[grain], column - (source * np.cos(angle))[grain]
    turned = np.arctan2(from_row, from_column) + np.pi - angle[grain]
    turned -= 2.0 * np.pi * np.rint(turned / (2.0 * np.pi))
    wander = (0.3 * smooth_noise(cloven.shape, 0.45 * cell_px, rng))[cloven]
    line = turned * (source / cell_px)[grain] * RIVERS + wander
    whole = np.floor(line)
    # Each step has a height of its own: a number in 0 to 1 from its place.
    high = np.abs(np.sin(12.9898 * whole + 78.233 * grain)) * 43758.5453 % 1.0
    steps = STEP_HEIGHT * cell_px * high * (line - whole)
    plane: Floats = (level[grain] + tilt[0][grain] * row + tilt[1][grain] * column + steps).astype(np.float32)
    return plane


def _columns(spec: SectionSpec, shape: tuple[int, int], unit: np.float32) -> tuple[Floats, Floats]:
    """Where each pixel's column stands, in spacings about the centre, two float32 (H, W)."""
    x: Floats = (np.arange(shape[1], dtype=np.float32) - np.float32(shape[1] / 2))[None, :] / unit
    y: Floats = (np.arange(shape[0], dtype=np.float32) - np.float32(shape[0] / 2))[:, None] / unit
    root = np.float32(np.sqrt(spec.elongation))
    cos, sin = np.float32(np.cos(spec.direction)), np.float32(np.sin(spec.direction))
    return np.divide(x * cos + y * sin, root), np.multiply(y * cos - x * sin, root)


def _halves(spec: SectionSpec, x: Floats, y: Floats, rng: np.random.Generator) -> tuple[_Half, _Half]:
    """Seeds below and above the crack."""
    margin = max(1.5, 4.0 * spec.size_sigma)
    half = np.array([np.abs(x).max() + margin, np.abs(y).max() + margin, 2.5 + margin])
    points, radii = slab(half, spec.size_sigma, rng)
    lower = points[:, 2] < 0.0
    return _Half.of(points[lower], radii[lower]), _Half.of(points[~lower], radii[~lower])


def _corners(below: _Half, above: _Half, x: Floats, y: Floats) -> tuple[Whole, Whole]:
    """Seeds on either side of the surface in each column; Newton's steps towards the crossing of two envelopes."""
    flat_x, flat_y = x.ravel(), y.ravel()
    z = np.zeros_like(flat_x)
    for _ in range(ROUNDS):
        where = np.column_stack((flat_x, flat_y, z))
        i, j = below.nearest(where), above.nearest(where)
        z = _crossing(below.terms(i, flat_x, flat_y), above.terms(j, flat_x, flat_y))
    return i.reshape(x.shape), j.reshape(x.shape)


def _crossing(low: tuple[Floats, Floats], high: tuple[Floats, Floats]) -> Floats:
    """Height at which a seed below and one above are equally far."""
    crossing: Floats = 0.5 * (high[0] - low[0]) / np.maximum(high[1] - low[1], np.float32(1e-3))
    return crossing


def _surface(
    below: _Half, above: _Half, i: Whole, j: Whole, x: Floats, y: Floats, step: int
) -> tuple[Floats, Labels, Labels]:
    """Height of every column in spacings, the seed that stayed, and the one that went; from the corners' seeds."""
    rows, columns = i.shape[0] - 1, i.shape[1] - 1
    stays, gone = (np.stack((v[:-1, :-1], v[:-1, 1:], v[1:, :-1], v[1:, 1:])).reshape(4, -1) for v in (i, j))
    block_x, block_y = (
        v.reshape(rows, step, columns, step).swapaxes(1, 2).reshape(rows * columns, step * step) for v in (x, y)
    )

    def whole(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values.reshape(rows, columns, step, step).swapaxes(1, 2).reshape(rows * step, columns * step)

    height, lower, upper = _envelope(below, above, stays, gone, block_x, block_y)
    # Parted grains leave no cliffs: where there is one, a facet lies between the corners that none of them is on.
    cliffs = np.zeros((rows, columns), dtype=np.bool_)
    relief, pixel = whole(height), float(np.hypot(x[0, 1] - x[0, 0], y[0, 1] - y[0, 0]))
    for axis in (0, 1):
        steep = np.argwhere(np.abs(np.diff(relief, axis=axis)) > CLIFF * pixel)
        for shift in (0, 1):
            at = (steep + np.array([shift, 0] if axis == 0 else [0, shift])) // step
            cliffs[at[:, 0], at[:, 1]] = True
    again = np.flatnonzero(cliffs)
    if len(again):
        row, column = np.divmod(again, columns)
        around = [
            (np.clip(row + a, 0, rows), np.clip(column + b, 0, columns)) for a in range(-1, 3) for b in range(-1, 3)
        ]
        low, high = (np.stack([v[place] for place in around]) for v in (i, j))
        found = _envelope(below, above, low, high, block_x[again], block_y[again])
        height[again], lower[again], upper[again] = found
    return whole(height), whole(lower), whole(upper)


def _envelope(
    below: _Half, above: _Half, stays: Whole, gone: Whole, x: Floats, y: Floats
) -> tuple[Floats, Labels, Labels]:
    """Height, and the seeds on either side, of the columns of blocks (B, n) that have candidates (K, B)."""
    height = np.full(x.shape, np.inf, dtype=np.float32)
    lower, upper = np.zeros(height.shape, dtype=np.int32), np.zeros(height.shape, dtype=np.int32)
    lows = [below.terms(seed[:, None], x, y) for seed in stays]
    for seed in gone:
        high = above.terms(seed[:, None], x, y)
        best = np.full(height.shape, -np.inf, dtype=np.float32)
        owner = np.zeros(height.shape, dtype=np.int32)
        for low, candidate in zip(lows, stays, strict=True):
            crossing = _crossing(low, high)
            better = crossing > best
            np.copyto(best, crossing, where=better)
            np.copyto(owner, candidate[:, None].astype(np.int32), where=better)
        better = best < height
        np.copyto(height, best, where=better)
        np.copyto(lower, owner, where=better)
        np.copyto(upper, seed[:, None].astype(np.int32), where=better)
    return height, lower, upper

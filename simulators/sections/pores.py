"""Pores of a sintered body: closed, rounded ones, and the open channels that are left between its particles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from simulators.sections.noise import smooth_noise

Cells = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

SHARE_TRIPLE, SHARE_BOUNDARY = 0.68, 0.17
"""Shares of the closed pores at triple points and on boundaries; the rest is trapped inside grains."""
FAR = np.float32(1e9)
EVENED = 0.9
"""Extent of the local mean that the gaps are compared with, in cells."""
UNEVEN = 0.05
"""How much the packing of the powder differed from place to place, in squared spacings of ``gap``."""
PATCH = 3.0
"""Extent of the places where it did, in cells."""
MERGED = 0.04
"""Width, in cells, over which the outline of pores that have met is smoothed."""
ROUNDING = 0.07
"""Radius, in cells, to which surface diffusion has rounded the walls of open channels."""
MOST_SMOOTHED = 0.125
"""Extent, in short sides of the field, beyond which nothing is smoothed: a field within one pore shows no outline."""


def open_pores(gap: Floats, count: int, cell_px: float, rng: np.random.Generator) -> Mask:
    """The channels between particles that have grown into each other: the deepest gaps, ``count`` pixels of them.

    Args:
        gap: squared distance of each pixel beyond its particle, in squared spacings, shape (H, W).
        count: pixels wanted.
        cell_px: mean cell diameter in pixels.
        rng: source of every random choice.
    """
    if count == 0:
        return np.zeros(gap.shape, dtype=np.bool_)
    rows, columns = gap.shape
    depth = evened(gap, cell_px) + np.float32(UNEVEN) * smooth_noise((rows, columns), PATCH * cell_px, rng)
    rounded = min(max(ROUNDING * cell_px, 0.5), MOST_SMOOTHED * min(gap.shape))
    depth = ndimage.gaussian_filter(depth, rounded, truncate=2.5)
    return highest(depth, count)


def evened(gap: Floats, cell_px: float) -> Floats:
    """``gap`` less most of its local mean: capillary forces have closed voids that random packing would leave open."""
    coarse = max(int(cell_px / 6.0), 1)
    mean = ndimage.gaussian_filter(gap[::coarse, ::coarse], EVENED * cell_px / coarse, truncate=2.5)
    rows, columns = (np.minimum(np.arange(n) // coarse, m - 1) for n, m in zip(gap.shape, mean.shape, strict=True))
    found: Floats = gap - np.float32(0.85) * mean[rows][:, columns]
    return found


def closed_pores(cells: Cells, free: Mask, count: int, cell_px: float, rng: np.random.Generator) -> Mask:
    """Rounded pores of ``count`` pixels in all, at triple points, on boundaries and inside grains.

    Every pore has a distance field scaled by its own size and outline; the mask is the set below one common level.

    Args:
        cells: owner of each pixel, shape (H, W).
        free: where closed pores may be.
        count: pixels wanted; fewer are given when there is no room.
        cell_px: mean cell diameter in pixels.
        rng: source of every random choice.
    """
    mask = np.zeros(cells.shape, dtype=np.bool_)
    if count == 0:
        return mask
    field = np.full(cells.shape, FAR, dtype=np.float32)
    for _ in range(4):
        _paint(field, *_sites(cells, free, count, cell_px, rng), rng)
        field[~free] = FAR
        if np.count_nonzero(field < FAR) >= count:
            rounded = -_rounded(field, cell_px)
            # All that is wanted lies near a pore: only there is a level to be found.
            inside: Mask = rounded >= highest_level(rounded[field < FAR], count)
            return inside
    return field < FAR


def _rounded(field: Floats, cell_px: float) -> Floats:
    """The field with the notches where pores have met smoothed out, as far as pixels show them."""
    if (width := min(MERGED * cell_px, MOST_SMOOTHED * min(field.shape))) < 0.6:
        return field
    smooth = ndimage.gaussian_filter(np.minimum(field, np.float32(3.0)), width, truncate=2.5)
    found: Floats = np.where(field < FAR, smooth, FAR)
    return found


def highest(field: Floats, count: int) -> Mask:
    """The ``count`` pixels with the highest values, shape (H, W); ties come in or stay out together."""
    if count == 0:
        return np.zeros(field.shape, dtype=np.bool_)
    mask: Mask = field >= highest_level(field.ravel(), count)
    return mask


def highest_level(values: Floats, count: int) -> np.float32:
    """The value that ``count`` of them, shape (N,), reach."""
    return np.float32(np.partition(values, values.size - count)[values.size - count])


def _sites(cells: Cells, free: Mask, count: int, cell_px: float, rng: np.random.Generator) -> tuple[Doubles, Doubles]:
    """Centres (N, 2) as row, column and relative sizes (N,) in pixels."""
    triple, edge = (points[free[points[:, 0], points[:, 1]]] for points in junctions(cells))
    # The more there is of it the larger are the pores: they have grown together.
    mean_area = np.pi * (rng.uniform(0.1, 0.17) * cell_px) ** 2 * (1.0 + 5.0 * count / cells.size)
    wanted = max(1, int(1.15 * count / mean_area))
    at_triple = _choose(triple, round(wanted * SHARE_TRIPLE), rng)
    at_edge = _choose(edge, round(wanted * SHARE_BOUNDARY), rng)
    inside = rng.random((round(wanted * (1.0 - SHARE_TRIPLE - SHARE_BOUNDARY)), 2)) * np.array(cells.shape)
    inside = inside[free[inside[:, 0].astype(np.intp), inside[:, 1].astype(np.intp)]]
    centres = np.concatenate((at_triple, at_edge, inside)) + rng.uniform(-0.5, 0.5, (1, 2))
    sizes = np.sqrt(mean_area / np.pi) * np.exp(0.38 * rng.standard_normal(len(centres)))
    sizes[len(at_triple) + len(at_edge) :] *= 0.6
    return centres, np.maximum(sizes, 0.8)


def junctions(cells: Cells) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pixels (N, 2) where three cells meet, and those where two do."""
    a, b, c, d = cells[:-1, :-1], cells[:-1, 1:], cells[1:, :-1], cells[1:, 1:]
    changes = (a != b).astype(np.int8) + (b != d) + (d != c) + (c != a)
    return np.argwhere(changes >= 3), np.argwhere(changes == 2)


def _choose(points: npt.NDArray[np.intp], number: int, rng: np.random.Generator) -> Doubles:
    """At most ``number`` of the points, shape (M, 2)."""
    picked = rng.permutation(len(points))[: max(number, 0)]
    return points[picked].astype(np.float64)


def _paint(field: Floats, centres: Doubles, sizes: Doubles, rng: np.random.Generator) -> None:
    """Lower ``field`` to the distance from each pore in units of its own outline, where that is smaller."""
    height, width = field.shape
    waves = rng.uniform(-1.0, 1.0, (len(centres), 4)) * np.array([0.16, 0.16, 0.12, 0.12])
    for (row, column), size, wave in zip(centres, sizes, waves, strict=True):
        reach = int(3.2 * size) + 2
        top, bottom = max(int(row) - reach, 0), min(int(row) + reach + 1, height)
        left, right = max(int(column) - reach, 0), min(int(column) + reach + 1, width)
        if top >= bottom or left >= right:
            continue
        ray = (np.arange(left, right) - column)[None, :] + 1j * (np.arange(top, bottom) - row)[:, None]
        radius = np.abs(ray) + 1e-9
        unit = ray / radius
        square = unit * unit
        cube = square * unit
        outline = 1.0 + wave[0] * square.real + wave[1] * square.imag + wave[2] * cube.real + wave[3] * cube.imag
        window = field[top:bottom, left:right]
        np.minimum(window, radius / (size * outline), out=window)

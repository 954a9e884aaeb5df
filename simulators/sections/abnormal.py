"""Abnormally grown grains: large, faceted, sometimes plate-like, with the fine matrix around them and bites in them.

They grow by facets of low energy that sweep up the matrix (Dillon, Harmer, Acta Mater. 55, 5247, 2007), so their
sections are convex polygons many grains wide. Where they meet, each keeps what is nearer to it by its own facets.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

WIDTH, SPREAD = 5.5, 0.28
"""Median diameter of the section of an abnormal grain in matrix grains, and the spread of its logarithm."""
FACETS = (5, 9)
PLATES = 0.9
"""Largest logarithm of the aspect ratio of their outlines."""
REMNANT = 0.4
"""A matrix grain of which less is left belongs to the grain that swept over it."""
BENT = 0.05
"""Share by which facets bulge out of their planes; their outline shrinks by as much."""


def grown(cells: Labels, fraction: float, cell_px: float, rng: np.random.Generator) -> tuple[Labels, tuple[int, ...]]:
    """Cells with abnormal grains over them, and the numbers of these grains in the map.

    Args:
        cells: owner of each pixel, shape (H, W).
        fraction: expected area fraction of abnormal grains, 0 to 0.8; a field scatters about it.
        cell_px: mean diameter of the matrix cells in pixels.
        rng: source of every random choice.
    """
    if fraction == 0.0:
        return cells, ()
    height, width = cells.shape
    margin = WIDTH * cell_px * 1.5
    area = np.pi / 4.0 * (WIDTH * cell_px) ** 2 * np.exp(2.0 * SPREAD**2)
    # Polygons at random places overlap: they cover 1 - exp(-n) of the plane (Boolean model; Serra, 1982).
    number = rng.poisson(-np.log(1.0 - fraction) * (height + 2 * margin) * (width + 2 * margin) / area)
    nearest = np.ones(cells.shape, dtype=np.float32)
    owner = np.full(cells.shape, -1, dtype=np.int32)
    for grain in range(number):
        centre = rng.random(2) * (height + 2 * margin, width + 2 * margin) - margin
        _put(
            grain,
            centre,
            WIDTH * cell_px * np.exp(SPREAD * rng.standard_normal()),
            nearest,
            owner,
            rng,
        )
    return _swept(cells, owner)


def _put(
    grain: int, centre: Doubles, diameter: float, nearest: Floats, owner: Labels, rng: np.random.Generator
) -> None:
    """Give one polygon the pixels where its gauge, 1 on its outline, is the least so far."""
    normals, distances = _outline((1.0 + BENT) * diameter, rng)
    reach = int(2.2 * diameter)
    low = np.maximum((centre - reach).astype(int), 0)
    high = np.minimum((centre + reach).astype(int) + 1, owner.shape)
    if (low >= high).any():
        return
    rows = (np.arange(low[0], high[0]) - centre[0]).astype(np.float32)
    columns = (np.arange(low[1], high[1]) - centre[1]).astype(np.float32)
    gauge = np.full((len(rows), len(columns)), -np.inf, dtype=np.float32)
    for (a, b), distance in zip((normals / distances[:, None]).astype(np.float32), distances, strict=True):
        bend = np.float32(BENT / distance**2)
        np.maximum(gauge, (a * rows + bend * rows**2)[:, None] + (b * columns + bend * columns**2)[None], out=gauge)
    window = np.s_[low[0] : high[0], low[1] : high[1]]
    wins = gauge < nearest[window]
    nearest[window][wins] = gauge[wins]
    owner[window][wins] = grain


def _outline(diameter: float, rng: np.random.Generator) -> tuple[Doubles, Doubles]:
    """Facet normals (N, 2) and distances (N,) of a convex polygon with the area of a circle of that diameter."""
    n = int(rng.integers(*FACETS))
    angles = 2.0 * np.pi * (np.arange(n) + rng.uniform(-0.28, 0.28, n)) / n + rng.uniform(0.0, 2.0 * np.pi)
    normals = np.column_stack((np.sin(angles), np.cos(angles)))
    distances = rng.uniform(0.8, 1.2, n)
    turn, stretch = rng.uniform(0.0, np.pi), np.exp(0.5 * rng.uniform(0.0, PLATES))
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    stretched = normals @ axes.T @ np.diag([1.0 / stretch, stretch]) @ axes
    length = np.linalg.norm(stretched, axis=1)
    normals, distances = stretched / length[:, None], distances / length
    rays = np.linspace(0.0, 2.0 * np.pi, 256, endpoint=False)
    along = np.column_stack((np.sin(rays), np.cos(rays))) @ (normals / distances[:, None]).T
    area = np.pi * np.mean(1.0 / along.max(axis=1) ** 2)
    return normals, distances * diameter * np.sqrt(np.pi / 4.0 / area)


def _swept(cells: Labels, owner: Labels) -> tuple[Labels, tuple[int, ...]]:
    """Cells under the grains, after small remnants of cells have gone to the grain that took the most of them."""
    covered = owner >= 0
    first = int(cells.max()) + 1
    whole = np.bincount(cells.ravel(), minlength=first)
    taken = np.bincount(cells[covered], minlength=first)
    lost = (taken > (1.0 - REMNANT) * whole) & (taken < whole)
    heir = np.zeros(first, dtype=np.int32)
    heir[cells[covered]] = owner[covered]
    rest = lost[cells] & ~covered
    owner = np.where(rest, heir[cells], owner)
    labels = np.where(owner >= 0, first + owner, cells).astype(np.int32)
    numbers = np.flatnonzero(np.bincount(labels.ravel(), minlength=first + 1)[first:])
    return labels, tuple(int(first + n) for n in numbers)

"""Pores of a sintered body: at triple points and boundaries, some left inside grains, a network when there are many."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Cells = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

SHARE_TRIPLE, SHARE_BOUNDARY = 0.68, 0.17
"""Shares of the pores at triple points and on boundaries; the rest is trapped inside grains."""
FAR = 1e9


def pore_mask(cells: Cells, porosity: float, cell_px: float, rng: np.random.Generator) -> Mask:
    """Pores whose area fraction meets ``porosity`` to a pixel.

    Every pore has a distance field scaled by its own size and outline; the mask is the set below one common level.
    A higher level grows the pores together, as in a body that is less sintered: an open network.

    Args:
        cells: owner of each pixel, shape (H, W).
        porosity: wanted area fraction, 0 to 0.6.
        cell_px: mean cell diameter in pixels.
        rng: source of every random choice.
    """
    count = round(porosity * cells.size)
    if count == 0:
        return np.zeros(cells.shape, dtype=np.bool_)
    centres, sizes = _sites(cells, porosity, cell_px, rng)
    field = _level_field(cells.shape, centres, sizes, rng)
    flat = field.ravel()
    level = np.partition(flat, count - 1)[count - 1]
    mask: Mask = field <= level
    return mask if level < FAR else field < FAR


def _sites(cells: Cells, porosity: float, cell_px: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Centres (N, 2) as row, column and relative sizes (N,) in pixels."""
    triple, edge = _junctions(cells)
    mean_area = np.pi * (rng.uniform(0.09, 0.17) * cell_px) ** 2
    wanted = max(1, int(1.15 * porosity * cells.size / mean_area))
    at_triple = _choose(triple, round(wanted * SHARE_TRIPLE), rng)
    at_edge = _choose(edge, round(wanted * SHARE_BOUNDARY), rng)
    inside = rng.random((max(0, wanted - len(at_triple) - len(at_edge)), 2)) * np.array(cells.shape)
    if porosity > 0.15:
        # A barely sintered body has open channels, not bubbles trapped in its grains.
        inside = inside[: max(len(inside) // 4, 1)]
    centres = np.concatenate((at_triple, at_edge, inside)) + rng.uniform(-0.5, 0.5, (1, 2))
    spread = 0.45 * (1.0 - porosity)
    sizes = 0.13 * cell_px * np.exp(spread * rng.standard_normal(len(centres)))
    sizes[len(at_triple) + len(at_edge) :] *= 0.6
    return centres, np.maximum(sizes, 0.8)


def _junctions(cells: Cells) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pixels (N, 2) where three cells meet, and those where two do."""
    a, b, c, d = cells[:-1, :-1], cells[:-1, 1:], cells[1:, :-1], cells[1:, 1:]
    changes = (a != b).astype(np.int8) + (b != d) + (d != c) + (c != a)
    return np.argwhere(changes >= 3), np.argwhere(changes == 2)


def _choose(points: npt.NDArray[np.intp], number: int, rng: np.random.Generator) -> Floats:
    """At most ``number`` of the points, shape (M, 2)."""
    picked = rng.permutation(len(points))[: max(number, 0)]
    return points[picked].astype(np.float64)


def _level_field(shape: tuple[int, ...], centres: Floats, sizes: Floats, rng: np.random.Generator) -> Floats:
    """Distance to the nearest pore in units of its own outline, shape (H, W); far pixels hold ``FAR``."""
    height, width = shape
    field = np.full((height, width), FAR)
    phases = rng.uniform(0.0, 2.0 * np.pi, (len(centres), 3))
    waves = rng.uniform(0.0, 1.0, (len(centres), 3)) * np.array([0.22, 0.2, 0.07])
    for (row, column), size, phase, wave in zip(centres, sizes, phases, waves, strict=True):
        reach = int(3.6 * size) + 2
        top, bottom = max(int(row) - reach, 0), min(int(row) + reach + 1, height)
        left, right = max(int(column) - reach, 0), min(int(column) + reach + 1, width)
        if top >= bottom or left >= right:
            continue
        dy = np.arange(top, bottom)[:, None] - row
        dx = np.arange(left, right)[None, :] - column
        angle = np.arctan2(dy, dx)
        outline = 1.0 + wave[0] * np.cos(2 * angle + phase[0]) + wave[1] * np.cos(3 * angle + phase[1])
        outline += wave[2] * np.cos(5 * angle + phase[2])
        window = field[top:bottom, left:right]
        np.minimum(window, np.hypot(dy, dx) / (size * outline), out=window)
    return field

"""A second phase: what an additive left between the grains and wets them, or grains of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from simulators.sections.noise import smooth_noise
from simulators.sections.pores import evened, highest

Cells = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

UNEVEN = 0.03
"""How much a residue differs from place to place, in squared spacings of ``gap``."""
FILM = 0.035
"""Half width of a film along boundaries, in cells."""
REACH = 0.06
"""How far a film runs on from a pocket: the fall of ``gap`` along it, in squared spacings."""


def residue(gap: Floats, boundaries: Mask, free: Mask, count: int, cell_px: float, rng: np.random.Generator) -> Mask:
    """Pockets with cusps at triple points that run out as films along boundaries, ``count`` pixels in all.

    A liquid that wets its grains fills the gaps between them up to one capillary pressure, hence one level
    (Lange, J. Am. Ceram. Soc. 65, C-23, 1982; German, Liquid Phase Sintering, 1985).

    Args:
        gap: squared distance of each pixel beyond its grain, in squared spacings, shape (H, W).
        boundaries: pixels on grain boundaries.
        free: where it may lie.
        count: pixels wanted.
        cell_px: mean cell diameter in pixels.
        rng: source of every random choice.
    """
    rows, columns = gap.shape
    level = evened(gap, cell_px) + np.float32(UNEVEN) * smooth_noise((rows, columns), 1.5 * cell_px, rng)
    film = boundaries
    if (widen := round(FILM * cell_px)) > 0:
        film = ndimage.binary_dilation(boundaries, iterations=widen)
    level += np.where(film, np.float32(REACH), np.float32(0.0))
    return highest(np.where(free, level, np.float32(-np.inf)), min(count, int(np.count_nonzero(free))))


def phase_grains(cells: Cells, free: Mask, count: int, rng: np.random.Generator) -> Mask:
    """Pixels of randomly chosen grains whose area comes closest to ``count`` pixels.

    Args:
        cells: owner of each pixel, shape (H, W).
        free: the solid.
        count: pixels wanted.
        rng: source of every random choice.
    """
    areas = np.bincount(cells[free], minlength=int(cells.max()) + 1)
    chosen = np.zeros(len(areas), dtype=np.bool_)
    left = count
    for cell in rng.permutation(np.flatnonzero(areas)):
        # The last grain may overshoot by less than it would otherwise fall short.
        if areas[cell] < 2 * left:
            chosen[cell] = True
            left -= int(areas[cell])
        if left <= 0:
            break
    mask: Mask = chosen[cells] & free
    return mask

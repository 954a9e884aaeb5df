"""Seeds of a polycrystal: log-normal spheres pushed apart in a periodic box, cut at any place and angle.

A Laguerre cell follows its sphere when the spheres are packed close to random close packing (Fan, Wu, Zhao, Lu,
Comput. Mater. Sci. 29, 301, 2004). Packing is dear and cutting is cheap, so one box for each spread of sizes is
packed once and kept; a plane that is tilted at random against it never meets the same section twice.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.intp]

EDGE = 20
"""Edge of the box in mean spacings of its seeds, which number ``EDGE ** 3``."""
BLOCKS = 5
"""Blocks on an edge, by which a plane finds the seeds beside it."""
ROUNDS = 3
FILLING = 0.6
"""Share of the box that the spheres would fill: just below random close packing."""


@lru_cache(maxsize=16)
def packed(size_sigma: float) -> tuple[Floats, Floats, Whole]:
    """A periodic box of seeds sorted by block, in units of their mean spacing.

    Args:
        size_sigma: standard deviation of the logarithm of the radius.

    Returns:
        Points (N, 3) in 0 to ``EDGE``, radii (N,), and where each block starts, (BLOCKS ** 3 + 1,).
    """
    rng = np.random.default_rng([20, round(1e4 * size_sigma)])
    number = EDGE**3
    points = rng.random((number, 3)) * EDGE
    mean = (FILLING * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0) * np.exp(-1.5 * size_sigma**2)
    radii = mean * np.exp(size_sigma * rng.standard_normal(number))
    for _ in range(ROUNDS):
        distance, index = cKDTree(points, boxsize=EDGE).query(points, k=10)
        overlap = np.maximum(radii[:, None] + radii[index] - distance, 0.0)
        overlap[:, 0] = 0.0
        apart = points[:, None, :] - points[index]
        apart -= EDGE * np.rint(apart / EDGE)
        apart /= np.maximum(distance, 1e-6)[:, :, None]
        points = (points + np.clip(0.4 * (overlap[:, :, None] * apart).sum(axis=1), -0.3, 0.3)) % EDGE
    cell = np.minimum((points * (BLOCKS / EDGE)).astype(np.intp), BLOCKS - 1)
    block = (cell[:, 0] * BLOCKS + cell[:, 1]) * BLOCKS + cell[:, 2]
    order = np.argsort(block, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(block, minlength=BLOCKS**3))))
    return points[order], radii[order], starts


def slab(half: Floats, size_sigma: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Seeds around a randomly placed and tilted plane through the box.

    Args:
        half: half extents of the slab along its two directions in the plane and across it, shape (3,), in spacings.
        size_sigma: standard deviation of the logarithm of the radius.
        rng: source of the place and the tilt.

    Returns:
        Points (N, 3) about the centre of the field, the third coordinate across the plane, and radii (N,).
    """
    points, radii, starts = packed(size_sigma)
    turn, origin = _rotation(rng), rng.random(3) * EDGE
    size = EDGE / BLOCKS
    reach = np.sqrt((np.abs(turn.T) @ half) ** 2).astype(np.float64)
    low, high = (np.floor((origin + sign * reach) / size).astype(np.intp) for sign in (-1.0, 1.0))
    axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    centre = ((grid + 0.5) * size - origin) @ turn.T
    grid = grid[(np.abs(centre) <= half + 0.5 * size * np.abs(turn).sum(axis=1)).all(axis=1)]
    image, inner = np.divmod(grid, BLOCKS)
    block = (inner[:, 0] * BLOCKS + inner[:, 1]) * BLOCKS + inner[:, 2]
    counts = starts[block + 1] - starts[block]
    first = np.repeat(starts[block] - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
    index = first + np.arange(int(counts.sum()))
    found = (points[index] + np.repeat(image * EDGE, counts, axis=0) - origin) @ turn.T
    near = (np.abs(found) <= half).all(axis=1)
    return found[near], radii[index[near]]


def _rotation(rng: np.random.Generator) -> Floats:
    """A rotation matrix, uniform: from a unit quaternion (Shoemake, Graphics Gems III, 124, 1992)."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )

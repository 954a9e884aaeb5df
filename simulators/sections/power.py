"""The power diagram of weighted points, drawn on pixels.

A plane section of a 3-D power diagram is a power diagram itself: a point ``p`` of the plane belongs to the seed with
the smallest ``|p - (x, y)|**2 + z**2 - r**2`` (Aurenhammer, SIAM J. Comput. 16, 78, 1987). Lifting each seed to
``(x, y, sqrt(z**2 - r**2 + c))`` turns that into an ordinary search for the nearest neighbour.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull, cKDTree

Labels = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Whole = npt.NDArray[np.intp]


def owners(sites: Doubles, offsets: Doubles, x: Floats, y: Floats, step: int) -> Labels:
    """Which site owns each pixel, int32 (H, W).

    Every ``step``-th pixel is searched for; a block between four of them that agree is filled, and in the others each
    pixel goes to the best of the four owners. Cells much smaller than a block may so be lost.

    Args:
        sites: shape (N, 2).
        offsets: ``z**2 - r**2`` of each, shape (N,).
        x: where each pixel lies along the first coordinate, shape (H, W), with H - 1 and W - 1 multiples of ``step``.
        y: along the second.
        step: pixels between the searched ones.
    """
    active = _active(sites, offsets)
    sites, offsets = sites[active], offsets[active]
    tree = cKDTree(np.column_stack((sites, np.sqrt(offsets - offsets.min()))), balanced_tree=False)
    corner_x, corner_y = x[::step, ::step], y[::step, ::step]
    where = np.stack((corner_x, corner_y, np.zeros_like(corner_x)), axis=-1)
    corners: Labels = tree.query(where)[1].astype(np.int32)
    if step == 1:
        return active[corners]
    four = np.stack((corners[:-1, :-1], corners[:-1, 1:], corners[1:, :-1], corners[1:, 1:]))
    rows, columns = corners.shape[0] - 1, corners.shape[1] - 1
    labels = np.empty((rows, step, columns, step), dtype=np.int32)
    labels[:] = four[0][:, None, :, None]
    mixed = np.nonzero((four[0] != four[1]) | (four[0] != four[2]) | (four[0] != four[3]))
    candidates = four[:, mixed[0], mixed[1]]
    block_x, block_y = (
        v[:-1, :-1].reshape(rows, step, columns, step)[mixed[0], :, mixed[1]].astype(np.float32) for v in (x, y)
    )
    best = np.full(block_x.shape, np.inf, dtype=np.float32)
    owner = np.zeros(block_x.shape, dtype=np.int32)
    for candidate in candidates:
        a, b, c = (v[candidate].astype(np.float32)[:, None, None] for v in (sites[:, 0], sites[:, 1], offsets))
        cost = (block_x - a) ** 2 + (block_y - b) ** 2 + c
        better = cost < best
        np.copyto(best, cost, where=better)
        np.copyto(owner, np.broadcast_to(candidate[:, None, None], owner.shape), where=better)
    labels[mixed[0], :, mixed[1]] = owner
    return active[labels.reshape(rows * step, columns * step)]


def _active(sites: Doubles, offsets: Doubles) -> Labels:
    """Sites that own any of the plane: those on the lower hull of the lifted sites (Aurenhammer, 1987)."""
    if len(sites) < 4:
        return np.arange(len(sites), dtype=np.int32)
    hull = ConvexHull(np.column_stack((sites, (sites**2).sum(axis=1) + offsets)))
    return np.unique(hull.simplices[hull.equations[:, 2] < 0.0]).astype(np.int32)


def gap(cells: Labels, sites: Doubles, offsets: Doubles, x: Floats, y: Floats) -> Floats:
    """Squared distance beyond the owner's sphere at each pixel, float32 (H, W): how far it lies between the spheres.

    Where it exceeds a level is what spheres that have grown into each other leave open between them.
    """
    a, b, c = (v.astype(np.float32)[cells] for v in (sites[:, 0], sites[:, 1], offsets))
    a -= x
    b -= y
    a *= a
    b *= b
    a += b
    a += c
    return a

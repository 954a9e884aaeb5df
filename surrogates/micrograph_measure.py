"""From probability maps to grains: pore mask, watershed on the boundary map, weak boundaries merged away."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components
from skimage.segmentation import watershed

from surrogates.stereology import Labels, Mask, boundary_mask, equivalent_diameters, mean_intercept

Maps = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

PORE_LEVEL = 0.5
BOUNDARY_LEVEL = 0.45
"""Mean boundary probability along the line between two watershed basins above which they are two grains."""
SMALLEST_GRAIN = 4
"""Basins of fewer pixels are the noise of the boundary map, not grains."""


@dataclass(frozen=True)
class Segmentation:
    """Grains and pores of one field, in pixels.

    Args:
        labels: int32, shape (H, W); grains from 1, pores 0.
        boundaries: bool, shape (H, W).
        pores: bool, shape (H, W).
        phase: bool, shape (H, W).
        cracks: bool, shape (H, W).
        diameter: number-mean equivalent circular diameter.
        intercept: mean lineal intercept.
        porosity: expected area fraction, the mean pore probability; pores of a pixel or two count with their chance.
        n_grains: grains seen, those cut by the frame counted half (ASTM E112, planimetric procedure).
        doubt: mean of 4 p (1 - p) of the boundary map over the found boundaries, 0 certain to 1 undecided.
        pore_doubt: share of the field where the network is undecided about a pore, mean of 4 p (1 - p).
        diameters: equivalent circular diameter of each grain that the frame does not cut.
    """

    labels: Labels
    boundaries: Mask
    pores: Mask
    phase: Mask
    cracks: Mask
    diameter: float
    intercept: float
    porosity: float
    n_grains: int
    doubt: float
    pore_doubt: float
    diameters: Floats = field(default_factory=lambda: np.empty(0))


def measure(maps: Maps) -> Segmentation:
    """Segment and count; ``maps`` holds the probabilities of boundary, pore, phase and crack, shape (4, H, W)."""
    edge, pore = maps[0], maps[1]
    nothing = np.zeros(edge.shape, dtype=np.bool_)
    phase, cracks = (maps[n] > 0.5 if len(maps) > n else nothing for n in (2, 3))
    pores: Mask = pore > PORE_LEVEL
    labels = _grains(edge, pores)
    boundaries = boundary_mask(labels)
    diameters, weights = equivalent_diameters(labels)
    whole = diameters
    if len(diameters) == 0:
        diameters, weights = np.array([np.sqrt(4.0 * np.count_nonzero(labels) / np.pi)]), np.ones(1)
    mean = float((diameters * weights).sum() / weights.sum())
    on_boundary = edge[boundaries]
    total = int(labels.max())
    inside = len(diameters)
    return Segmentation(
        labels=labels,
        boundaries=boundaries,
        pores=pores,
        phase=phase,
        cracks=cracks,
        diameter=mean,
        intercept=mean_intercept(labels),
        porosity=float(pore.mean()),
        n_grains=round(inside + 0.5 * max(total - inside, 0)),
        doubt=float((4.0 * on_boundary * (1.0 - on_boundary)).mean()) if len(on_boundary) else 1.0,
        pore_doubt=float((4.0 * pore * (1.0 - pore)).mean()),
        diameters=whole,
    )


def _grains(edge: Maps, pores: Mask) -> Labels:
    """Watershed basins (H, W) of the boundary map in the solid, merged where no boundary runs between them."""
    solid = ~pores
    inside = solid & (edge < 0.5)
    depth = ndimage.distance_transform_edt(inside).astype(np.float32)
    depth = ndimage.gaussian_filter(depth, 0.7)
    peaks = (depth >= ndimage.maximum_filter(depth, size=5)) & inside
    markers, n_markers = ndimage.label(peaks, structure=np.ones((3, 3)))
    if n_markers == 0:
        return solid.astype(np.int32)
    basins = watershed(edge, markers=markers, mask=solid).astype(np.int32)
    merged = _merged(basins, edge)
    return _without_specks(merged, edge)


def _merged(basins: Labels, edge: Maps) -> Labels:
    """Basins joined where the mean boundary probability along their common line is below ``BOUNDARY_LEVEL``."""
    first, second, strength = _contacts(basins, edge)
    size = int(basins.max()) + 1
    if len(first) == 0:
        return basins
    shape = (size, size)
    total = sparse.coo_matrix((strength, (first, second)), shape=shape).tocsr()
    count = sparse.coo_matrix((np.ones(len(first)), (first, second)), shape=shape).tocsr()
    total.sum_duplicates()
    count.sum_duplicates()
    pairs = total.tocoo()
    weak = pairs.data / count.data < BOUNDARY_LEVEL
    links = sparse.coo_matrix((np.ones(int(weak.sum())), (pairs.row[weak], pairs.col[weak])), shape=shape)
    _, group = connected_components(links, directed=False)
    return _renumbered(np.where(basins > 0, group[basins] + 1, 0))


def _contacts(basins: Labels, edge: Maps) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Floats]:
    """Neighbouring pixels of two basins: the lower and higher label, and the boundary probability between them."""
    first, second, strength = [], [], []
    for a, b, p, q in (
        (basins[:, :-1], basins[:, 1:], edge[:, :-1], edge[:, 1:]),
        (basins[:-1], basins[1:], edge[:-1], edge[1:]),
    ):
        meets = (a != b) & (a > 0) & (b > 0)
        first.append(np.minimum(a[meets], b[meets]))
        second.append(np.maximum(a[meets], b[meets]))
        strength.append(np.maximum(p[meets], q[meets]).astype(np.float64))
    return np.concatenate(first), np.concatenate(second), np.concatenate(strength)


def _without_specks(labels: Labels, edge: Maps) -> Labels:
    """Basins too small to be grains given to their neighbours by a second flooding."""
    small = np.bincount(labels.ravel()) < SMALLEST_GRAIN
    small[0] = False
    if not small.any():
        return labels
    kept = np.where(small[labels], 0, labels)
    if not kept.any():
        return labels
    return _renumbered(watershed(edge, markers=kept, mask=labels > 0))


def _renumbered(labels: npt.NDArray[np.integer]) -> Labels:
    """Labels without gaps; 0 stays 0."""
    present = np.flatnonzero(np.bincount(labels.ravel()))
    present = present[present > 0]
    table = np.zeros(int(labels.max()) + 1, dtype=np.int32)
    table[present] = np.arange(1, len(present) + 1)
    renumbered: Labels = table[labels]
    return renumbered

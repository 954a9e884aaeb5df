"""From probability maps to grains: pores, cracks and residues cut out, the solid parted along its boundaries."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import watershed

from surrogates.micrograph_basins import joined
from surrogates.micrograph_descriptors import Descriptors, described
from surrogates.stereology import Labels, Mask, boundary_mask

Maps = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

LEVEL = 0.5
"""Probability from which a pixel is pore, second phase or crack."""
RIM_LEVEL = 0.35
"""Mean boundary probability on the rim of a spot of second phase above which it is grains, below a residue."""
SMALLEST_SPOT = 6
"""Pixels: smaller spots of crack or second phase are specks."""


@dataclass(frozen=True)
class Segmentation:
    """Grains, pores, second phase and cracks of one field, in pixels.

    Args:
        labels: int32, shape (H, W); grains from 1; pores and a residue between the grains 0; a crack belongs to the
            grains beside it.
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
        phase_fraction: expected share of the second phase in the solid, from its mean probability.
        phase_doubt: mean of 4 p (1 - p) of the phase map.
        at_phases: share of the boundary that lies at the rim of the second phase.
        descriptors: all that is counted, or None where nothing was.
        clarity: median boundary probability on the found boundaries.
        disagreement: logarithm of the mean intercept at another scale over that at this one.
        factor: pixels of the map that was segmented for one of the image.
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
    phase_fraction: float = 0.0
    phase_doubt: float = 0.0
    at_phases: float = 0.0
    descriptors: Descriptors | None = None
    clarity: float = 1.0
    disagreement: float = 0.0
    factor: float = 1.0


def measure(maps: Maps) -> Segmentation:
    """Segment and count.

    Args:
        maps: probabilities of boundary, pore, phase and crack, shape (4, H, W); those after the second may lack.
    """
    edge, pore = maps[0], maps[1]
    pores: Mask = pore > LEVEL
    phase, cracks = (_spots(maps[n]) if len(maps) > n else np.zeros(edge.shape, dtype=np.bool_) for n in (2, 3))
    phase &= ~pores
    cracks &= ~(pores | phase)
    # A thick dark groove passes for a crack: either way it parts two grains, and the line runs in its middle.
    parting = np.maximum(edge, maps[3]) if len(maps) > 3 else edge
    labels = grains(parting, ~(pores | residue(phase, edge)))
    boundaries = boundary_mask(labels)
    found = described(labels, pores, phase, cracks)
    on_boundary = parting[boundaries]
    share, phase_doubt = _phase_share(maps)
    return Segmentation(
        labels=labels,
        boundaries=boundaries,
        pores=pores,
        phase=phase,
        cracks=cracks,
        diameter=found.diameter,
        intercept=found.intercept,
        porosity=float(pore.mean()),
        n_grains=found.n_grains,
        doubt=float((4.0 * on_boundary * (1.0 - on_boundary)).mean()) if len(on_boundary) else 1.0,
        pore_doubt=float((4.0 * pore * (1.0 - pore)).mean()),
        diameters=found.diameters,
        phase_fraction=share,
        phase_doubt=phase_doubt,
        at_phases=_at_rims(boundaries, phase),
        clarity=float(np.median(on_boundary)) if len(on_boundary) else 0.0,
        descriptors=found,
    )


def grains(edge: Maps, solid: Mask) -> Labels:
    """Watershed basins of the boundary map in the solid, joined where no boundary runs between them, (H, W)."""
    inside = solid & (edge < LEVEL)
    depth = ndimage.distance_transform_edt(inside).astype(np.float32)
    depth = ndimage.gaussian_filter(depth, 0.7)
    peaks = (depth >= ndimage.maximum_filter(depth, size=5)) & inside
    markers, n_markers = ndimage.label(peaks, structure=np.ones((3, 3)))
    if n_markers == 0:
        return solid.astype(np.int32)
    return joined(watershed(edge, markers=markers, mask=solid).astype(np.int32), edge)


def residue(phase: Mask, edge: Maps) -> Mask:
    """Second phase that is no grain of its own: no boundary runs along its rim, shape (H, W).

    Both pixels beside a boundary between two grains are boundary; beside what lies between the grains there is none.
    """
    if not phase.any():
        return phase
    spots, n = ndimage.label(phase, structure=np.ones((3, 3)))
    at_rim = phase & ~_shrunk(phase, 1, border=1)
    rim, along = spots[at_rim], edge[at_rim]
    length = np.maximum(np.bincount(rim, minlength=n + 1), 1)
    mean = np.bincount(rim, weights=along, minlength=n + 1) / length
    bare = mean < RIM_LEVEL
    bare[0] = False
    return np.asarray(bare[spots])


def _spots(probability: Maps) -> Mask:
    """Where something is likelier than not, without specks."""
    found: Mask = probability > LEVEL
    if not found.any():
        return found
    spots, n = ndimage.label(found, structure=np.ones((3, 3)))
    large = np.bincount(spots.ravel(), minlength=n + 1) >= SMALLEST_SPOT
    large[0] = False
    return np.asarray(large[spots])


def _phase_share(maps: Maps) -> tuple[float, float]:
    """Expected share of the second phase in the solid, and the doubt about it."""
    if len(maps) < 3:
        return 0.0, 0.0
    phase = maps[2]
    empty = maps[1] + maps[3] if len(maps) > 3 else maps[1]
    solid = max(1.0 - float(empty.mean()), 1e-3)
    return min(float(phase.mean()) / solid, 1.0), float((4.0 * phase * (1.0 - phase)).mean())


def _at_rims(boundaries: Mask, phase: Mask) -> float:
    """Share of the boundary pixels within two pixels of a rim of the second phase."""
    total = np.count_nonzero(boundaries)
    if total == 0 or not phase.any():
        return 0.0
    rim = ndimage.maximum_filter(phase.view(np.uint8), 5, mode="constant").view(np.bool_) & ~_shrunk(phase, 2, border=0)
    return float(np.count_nonzero(boundaries & rim) / total)


def _shrunk(mask: Mask, by: int, *, border: int) -> Mask:
    """The mask less ``by`` pixels on every side; ``border`` is what lies outside of the frame."""
    least = ndimage.minimum_filter(mask.view(np.uint8), 2 * by + 1, mode="constant", cval=border)
    return np.asarray(least.view(np.bool_))

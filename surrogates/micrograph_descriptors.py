"""What a metallographer notes about one section: counted on grains, pores, second phase and cracks, in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize

from surrogates.stereology import (
    Labels,
    Mask,
    aspect_ratio,
    boundary_length,
    equivalent_diameters,
    line_length,
    mean_intercept,
    weighted_quantiles,
)

Floats = npt.NDArray[np.float64]

SMALLEST_PORE = 3
"""Pixels: smaller spots count in the porosity, but are no pores whose size could be told."""
SHORTEST_CRACK = 12.0
"""Pixels: shorter lines are scratches and specks, not cracks."""
PERCENTILES = np.array([0.1, 0.5, 0.9])


@dataclass(frozen=True)
class Descriptors:
    """Numbers of one section; lengths in pixels, None where there is nothing to count.

    Args:
        diameter: number-mean equivalent circular diameter of the grains.
        intercept: mean lineal intercept.
        d10: tenth percentile, by number, of the equivalent circular diameters.
        d50: their median.
        d90: their ninetieth percentile.
        boundary_length: length of grain boundaries per area of the solid, 1/pixel.
        elongation: aspect ratio of the grains' mean second moments.
        porosity: area fraction.
        pore_size: mean equivalent circular diameter of the pores.
        phase_fraction: area fraction of the second phase in the solid.
        crack_length: length of cracks per area, 1/pixel.
        n_grains: grains, those cut by the frame counted half (ASTM E112, planimetric procedure).
        diameters: of each grain that the frame does not cut, shape (N,).
    """

    diameter: float
    intercept: float
    d10: float | None
    d50: float | None
    d90: float | None
    boundary_length: float
    elongation: float
    porosity: float
    pore_size: float | None
    phase_fraction: float
    crack_length: float
    n_grains: int
    diameters: Floats


def described(labels: Labels, pores: Mask, phase: Mask, cracks: Mask) -> Descriptors:
    """Count one section, found or true alike; every map has shape (H, W), labels are 0 outside of grains."""
    diameters, weights = equivalent_diameters(labels)
    quantiles: list[float | None] = [None, None, None]
    if len(diameters):
        mean = float((diameters * weights).sum() / weights.sum())
        quantiles = [float(value) for value in weighted_quantiles(diameters, weights, PERCENTILES)]
    else:
        mean = float(np.sqrt(4.0 * np.count_nonzero(labels) / np.pi))
    solid = np.count_nonzero(~(pores | cracks))
    return Descriptors(
        diameter=mean,
        intercept=mean_intercept(labels),
        d10=quantiles[0],
        d50=quantiles[1],
        d90=quantiles[2],
        boundary_length=boundary_length(labels),
        elongation=aspect_ratio(labels),
        porosity=float(pores.mean()),
        pore_size=pore_size(pores),
        phase_fraction=float(int(np.count_nonzero(phase)) / max(int(solid), 1)),
        crack_length=crack_length(cracks),
        n_grains=counted(int(labels.max()), len(diameters)),
        diameters=diameters,
    )


def counted(total: int, inside: int) -> int:
    """Number of grains where the frame cuts all but ``inside`` of them."""
    return round(inside + 0.5 * max(total - inside, 0))


def pore_size(pores: Mask) -> float | None:
    """Number-mean equivalent circular diameter in pixels of the pores, or None where there are none.

    Pores that the frame cuts are left out and the others weighted as grains are; where it cuts all, all count.
    """
    labels, n = ndimage.label(pores, structure=np.ones((3, 3)))
    if n == 0:
        return None
    diameters, weights = equivalent_diameters(labels.astype(np.int32))
    if not len(diameters):
        areas = np.bincount(labels.ravel())[1:]
        diameters, weights = np.sqrt(4.0 * areas / np.pi), np.ones(n)
    resolved = diameters >= np.sqrt(4.0 * SMALLEST_PORE / np.pi)
    if not resolved.any():
        return None
    return float(np.average(diameters[resolved], weights=weights[resolved]))


def crack_length(cracks: Mask) -> float:
    """Length of the cracks' middle lines per area, 1/pixel."""
    if not cracks.any():
        return 0.0
    lines = skeletonize(cracks)
    pieces, n = ndimage.label(lines, structure=np.ones((3, 3)))
    long = np.bincount(pieces.ravel(), minlength=n + 1) >= SHORTEST_CRACK
    long[0] = False
    return line_length(long[pieces]) / cracks.size

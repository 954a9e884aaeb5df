"""Stereology of label maps: what a metallographer counts on a plane section. Grains count from 1, pores are 0."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
FEWEST_BINS, MOST_BINS = 16, 24


def boundary_mask(labels: Labels) -> Mask:
    """Solid pixels, shape (H, W), whose right or lower neighbour is solid and of another grain; pores are 0."""
    mask = np.zeros(labels.shape, dtype=np.bool_)
    right = (labels[:, :-1] != labels[:, 1:]) & (labels[:, :-1] > 0) & (labels[:, 1:] > 0)
    below = (labels[:-1] != labels[1:]) & (labels[:-1] > 0) & (labels[1:] > 0)
    mask[:, :-1] |= right
    mask[:-1] |= below
    return mask


def mean_intercept(labels: Labels) -> float:
    """Mean lineal intercept in pixels: solid length of all rows and columns over the grain chords on them.

    Chords cut by the frame count half (ASTM E112, intercept procedure). Pores, cracks and what else is 0 belong to no
    chord, and end one only where another grain follows: a hole in a grain makes no two of it.
    """
    solid, chords = 0, 0.0
    for lines in (labels, labels.T):
        rows, columns = np.nonzero(lines)
        found = lines[rows, columns]
        solid += len(found)
        same_line = rows[1:] == rows[:-1]
        chords += float(np.count_nonzero(same_line & (found[1:] != found[:-1])))
        chords += float(len(found) > 0) + float(np.count_nonzero(~same_line))
        chords -= 0.5 * (np.count_nonzero(lines[:, 0] > 0) + np.count_nonzero(lines[:, -1] > 0))
    return float(solid / max(chords, 0.5))


def equivalent_diameters(labels: Labels) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Equivalent circular diameters in pixels of the grains not cut by the frame, and their weights, both (N,).

    The weight undoes that a large grain is more often cut: field area over the area in which its box fits the field
    (Miles-Lantuejoul; Serra, Image Analysis and Mathematical Morphology, 1982).
    """
    height, width = labels.shape
    areas = np.bincount(labels.ravel())
    diameters: list[float] = []
    weights: list[float] = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        rows, columns = box
        if rows.start == 0 or columns.start == 0 or rows.stop == height or columns.stop == width:
            continue
        free = (height - (rows.stop - rows.start)) * (width - (columns.stop - columns.start))
        diameters.append(float(np.sqrt(4.0 * areas[label] / np.pi)))
        weights.append(height * width / max(free, 1))
    return np.array(diameters), np.array(weights)


def diameter_histogram(diameters: npt.NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """How often each diameter was found: edges of bins of one width from 0, and the count in each.

    The width is that of Freedman and Diaconis (Z. Wahrscheinlichkeitstheorie 57, 453, 1981), kept between 16 and 24
    bins. Bins are linear: sections of equiaxed grains are spread by a factor of a few about their mean, and on a
    logarithmic scale specks would be drawn out, and the large grains that people look for pressed together.

    Args:
        diameters: at least one, positive; the edges have their unit.
    """
    top = float(diameters.max())
    first, third = np.quantile(diameters, [0.25, 0.75])
    width = 2.0 * float(third - first) / len(diameters) ** (1.0 / 3.0)
    n = int(np.clip(np.ceil(top / width) if width > 0.0 else FEWEST_BINS, FEWEST_BINS, MOST_BINS))
    counts, edges = np.histogram(diameters, bins=n, range=(0.0, top))
    return tuple(float(f"{edge:.6g}") for edge in edges), tuple(int(count) for count in counts)


def mean_diameter(labels: Labels) -> float:
    """Number-mean equivalent circular diameter in pixels; of the whole solid when every grain is cut by the frame."""
    diameters, weights = equivalent_diameters(labels)
    if len(diameters) == 0:
        return float(np.sqrt(4.0 * np.count_nonzero(labels) / np.pi))
    return float((diameters * weights).sum() / weights.sum())

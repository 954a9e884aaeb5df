"""Stereology of label maps: what a metallographer counts on a plane section. Grains count from 1, pores are 0."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
FEWEST_BINS, MOST_BINS = 16, 24
FEWEST_GRAINS = 5
"""Grains inside the frame that a mean shape needs; with fewer, cut ones are counted too."""


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


def aspect_ratio(labels: Labels) -> float:
    """Long over short axis of the ellipse of the grains' mean second moments; grains that the frame cuts do not count.

    An average of tensors, each scaled to unit area and weighted by area: grains that point everywhere give 1, whatever
    the shape of each.
    """
    flat = labels.ravel()
    n = int(flat.max()) + 1
    whole = np.bincount(flat, minlength=n) > 0
    whole[0] = False
    inside = whole.copy()
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        inside[edge] = False
    if np.count_nonzero(inside) >= FEWEST_GRAINS:
        whole = inside
    area = np.maximum(np.bincount(flat, minlength=n), 1)
    columns, rows = np.arange(labels.shape[1]), np.arange(labels.shape[0])
    x, y = np.tile(columns, labels.shape[0]).astype(np.float64), np.repeat(rows, labels.shape[1]).astype(np.float64)
    x, y = (v - (np.bincount(flat, weights=v, minlength=n) / area)[flat] for v in (x, y))
    xx, yy, xy = (float((np.bincount(flat, weights=v, minlength=n) / area)[whole].sum()) for v in (x * x, y * y, x * y))
    low, high = np.linalg.eigvalsh(np.array([[xx, xy], [xy, yy]]))
    return float(np.sqrt(high / low)) if low > 0.0 else 1.0


def boundary_length(labels: Labels) -> float:
    """Length of the boundaries between two grains per area of the solid, 1/pixel.

    Counted by test lines in four directions, whose crossings per length are 2 / pi of it: L_A = (pi / 2) P_L
    (Underwood, Quantitative Stereology, 1970; from Buffon's needle, and Cauchy and Crofton). Boundary pixels would be
    counted about a tenth too few or too many, by their direction. What faces a pore is a surface, no boundary.
    """
    crossings = []
    for near, far, step in (
        (labels[:, :-1], labels[:, 1:], 1.0),
        (labels[:-1], labels[1:], 1.0),
        (labels[:-1, :-1], labels[1:, 1:], float(np.sqrt(2.0))),
        (labels[:-1, 1:], labels[1:, :-1], float(np.sqrt(2.0))),
    ):
        solid = (near > 0) & (far > 0)
        crossings.append(np.count_nonzero(solid & (near != far)) / max(np.count_nonzero(solid) * step, 1.0))
    return float(np.pi / 2.0 * np.mean(crossings))


def line_length(skeleton: Mask) -> float:
    """Length in pixels of lines one pixel wide: 0.948 a straight step, 1.340 a diagonal one.

    Kulpa, Computer Graphics and Image Processing 6, 434 (1977): no bias on lines of every direction. A diagonal step
    beside a corner is no step of its own.
    """
    straight = np.count_nonzero(skeleton[:, 1:] & skeleton[:, :-1]) + np.count_nonzero(skeleton[1:] & skeleton[:-1])
    corner = skeleton[:-1, 1:] | skeleton[1:, :-1]
    diagonal = np.count_nonzero(skeleton[1:, 1:] & skeleton[:-1, :-1] & ~corner)
    corner = skeleton[:-1, :-1] | skeleton[1:, 1:]
    diagonal += np.count_nonzero(skeleton[1:, :-1] & skeleton[:-1, 1:] & ~corner)
    return 0.948 * straight + 1.340 * diagonal


def weighted_quantiles(
    values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Values below which the ``shares`` of the weight lie; half of a value's own weight counts as below it.

    Args:
        values: shape (N,), at least one.
        weights: shape (N,), positive.
        shares: shape (Q,), 0 to 1.
    """
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.asarray(np.interp(shares * weights.sum(), below, values[order]))

"""Stereology of label maps: what a metallographer counts on a plane section. Grains count from 1, pores are 0."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
FEWEST_BINS, MOST_BINS = 16, 24
FEWEST_GRAINS = 5
"""Grains inside the frame that a mean shape needs; with fewer, cut ones are counted too."""


class _Runs(NamedTuple):
    """Stretches of one grain along the lines of a label map, in reading order, all (N,)."""

    label: npt.NDArray[np.intp]
    line: npt.NDArray[np.intp]
    start: npt.NDArray[np.intp]
    length: npt.NDArray[np.intp]


def _runs(labels: Labels) -> _Runs:
    """Of the rows; there are as many as chords, so what is summed over them costs little."""
    width = labels.shape[1]
    begins = np.ones(labels.shape, dtype=np.bool_)
    np.not_equal(labels[:, 1:], labels[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    length = np.diff(starts, append=labels.size)
    label = labels.ravel()[starts]
    kept = label > 0
    line, start = np.divmod(starts[kept], width)
    return _Runs(label[kept].astype(np.intp), line, start, length[kept])


def boundary_mask(labels: Labels) -> Mask:
    """Solid pixels, shape (H, W), whose right or lower neighbour is solid and of another grain; pores are 0."""
    mask, solid = np.zeros(labels.shape, dtype=np.bool_), labels > 0
    right = (labels[:, :-1] != labels[:, 1:]) & solid[:, :-1] & solid[:, 1:]
    below = (labels[:-1] != labels[1:]) & solid[:-1] & solid[1:]
    mask[:, :-1] |= right
    mask[:-1] |= below
    return mask


def mean_intercept(labels: Labels) -> float:
    """Mean lineal intercept in pixels: solid length of all rows and columns over the grain chords on them.

    Chords cut by the frame count half (ASTM E112, intercept procedure). Pores, cracks and what else is 0 belong to no
    chord, and end one only where another grain follows: a hole in a grain makes no two of it.
    """
    solid, chords = 0, 0.0
    for lines in (labels, np.ascontiguousarray(labels.T)):
        found = _runs(lines)
        solid += int(found.length.sum())
        same_line = found.line[1:] == found.line[:-1]
        chords += float(np.count_nonzero(same_line & (found.label[1:] != found.label[:-1])))
        chords += float(len(found.line) > 0) + float(np.count_nonzero(~same_line))
        chords -= 0.5 * (np.count_nonzero(lines[:, 0] > 0) + np.count_nonzero(lines[:, -1] > 0))
    return float(solid / max(chords, 0.5))


def equivalent_diameters(labels: Labels) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Equivalent circular diameters in pixels of the grains not cut by the frame, and their weights, both (N,).

    The weight undoes that a large grain is more often cut: field area over the area in which its box fits the field
    (Miles-Lantuejoul; Serra, Image Analysis and Mathematical Morphology, 1982).
    """
    height, width = labels.shape
    found = _runs(labels)
    size = int(found.label.max(initial=0)) + 1
    areas = np.bincount(found.label, weights=found.length, minlength=size)
    top, left = np.full(size, height), np.full(size, width)
    bottom, right = np.zeros(size, dtype=np.intp), np.zeros(size, dtype=np.intp)
    np.minimum.at(top, found.label, found.line)
    np.maximum.at(bottom, found.label, found.line + 1)
    np.minimum.at(left, found.label, found.start)
    np.maximum.at(right, found.label, found.start + found.length)
    inside = (areas > 0) & (top > 0) & (left > 0) & (bottom < height) & (right < width)
    free = (height - (bottom - top)) * (width - (right - left))
    return np.sqrt(4.0 * areas[inside] / np.pi), height * width / np.maximum(free[inside], 1)


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
    found = _runs(labels)
    n = int(found.label.max(initial=0)) + 1
    area = np.bincount(found.label, weights=found.length, minlength=n)
    whole = area > 0
    inside = whole.copy()
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        inside[edge] = False
    if np.count_nonzero(inside) >= FEWEST_GRAINS:
        whole = inside
    area = np.maximum(area, 1.0)
    length = found.length.astype(np.float64)

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(np.bincount(found.label, weights=length * values, minlength=n) / area)

    x, y = found.start + 0.5 * (length - 1.0), found.line.astype(np.float64)
    x, y = x - mean(x)[found.label], y - mean(y)[found.label]
    # A run of L pixels has the variance (L^2 - 1) / 12 about its middle.
    moments = (x * x + (length**2 - 1.0) / 12.0, y * y, x * y)
    xx, yy, xy = (float(mean(moment)[whole].sum()) for moment in moments)
    low, high = np.linalg.eigvalsh(np.array([[xx, xy], [xy, yy]]))
    return float(np.sqrt(high / low)) if low > 0.0 else 1.0


def boundary_length(labels: Labels) -> float:
    """Length of the boundaries between two grains per area of the solid, 1/pixel.

    Counted by test lines in four directions, whose crossings per length are 2 / pi of it: L_A = (pi / 2) P_L
    (Underwood, Quantitative Stereology, 1970; from Buffon's needle, and Cauchy and Crofton). Boundary pixels would be
    counted about a tenth too few or too many, by their direction. What faces a pore is a surface, no boundary.
    """
    crossings, body = [], labels > 0
    ahead, behind, every = slice(1, None), slice(None, -1), slice(None)
    for near, far, step in (
        ((every, behind), (every, ahead), 1.0),
        ((behind, every), (ahead, every), 1.0),
        ((behind, behind), (ahead, ahead), float(np.sqrt(2.0))),
        ((behind, ahead), (ahead, behind), float(np.sqrt(2.0))),
    ):
        solid = body[near] & body[far]
        crossed = solid & (labels[near] != labels[far])
        crossings.append(np.count_nonzero(crossed) / max(np.count_nonzero(solid) * step, 1.0))
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

"""What the class of a micrograph is told from: the network's pooled features, and what its segmentation looks like.

Whether a picture is a section, a powder, a fracture or none of these shows in the network's own features. Which section
it is shows in counts that a metallographer makes: how many pores, how round, between how many grains; how unlike the
grains' sizes; how far they are drawn out; how long the cracks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from surrogates.micrograph_cnn import CHANNELS, Seen
from surrogates.micrograph_measure import Segmentation
from surrogates.stereology import Labels, Mask

Floats = npt.NDArray[np.float64]
SMALLEST_PART = 4
"""Pixels of a pore, or of a piece of the second phase, below which it is noise of the map."""
BLOCKS = 6
"""Parts into which each side is cut to see how even a map is over the field."""
FLOOR = 1e-3
"""Added to shares before their logarithm is taken."""


def class_features(seen: Seen, found: Segmentation) -> Floats:
    """Numbers that the classes are told apart by, shape (F,).

    Args:
        seen: the network's look at the image in its own pixels.
        found: the segmentation of the same image.
    """
    size = max(found.diameter, 4.0)
    return np.concatenate(
        (
            pooled(seen),
            np.concatenate([_map_features(part) for part in seen.maps[: len(CHANNELS)]]),
            _part_features(found.pores, found.labels, size),
            _part_features(found.phase, found.labels, size),
            _part_features(found.cracks, found.labels, size),
            _grain_features(found, size),
            _counted_features(found, size),
        )
    )


def pooled(seen: Seen) -> Floats:
    """What the network itself says of the whole picture: its logits of the classes, or else its pooled features."""
    if len(seen.kinds):
        return seen.kinds.astype(np.float64)
    return np.concatenate((seen.coarse, seen.fine)).astype(np.float64)


def _map_features(part: npt.NDArray[np.float32]) -> Floats:
    """Of one channel's probabilities (H, W): how much, how sure, how evenly over the field; shape (5,)."""
    undecided = float((4.0 * part * (1.0 - part)).mean())
    rows, columns = (n // BLOCKS for n in part.shape)
    blocks = part[: rows * BLOCKS, : columns * BLOCKS].reshape(BLOCKS, rows, BLOCKS, columns).mean(axis=(1, 3))
    mean = float(part.mean())
    shares = (mean, float((part > 0.5).mean()), float((part > 0.2).mean()), undecided)
    return np.array([*np.log(np.array(shares) + FLOOR), float(blocks.std()) / (mean + 0.01)])


def _part_features(mask: Mask, labels: Labels, size: float) -> Floats:
    """Of the pieces of a mask (H, W): number, size in grains, roundness, extent, and how many grains each touches.

    Returns:
        Shape (10,); zero throughout where the mask is empty but for the logarithms of nothing.
    """
    parts, number = ndimage.label(mask)
    areas = np.bincount(parts.ravel(), minlength=number + 1)[1:].astype(np.float64)
    kept = areas >= SMALLEST_PART
    if not kept.any():
        return np.array([np.log(FLOOR), np.log(FLOOR), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    perimeters, touched = _rims(parts, labels, number)
    boxes = [
        max(rows.stop - rows.start, columns.stop - columns.start)
        for rows, columns in (box for box in ndimage.find_objects(parts) if box is not None)
    ]
    extents = np.array(boxes, dtype=np.float64)[kept]
    areas, perimeters, touched = areas[kept], perimeters[kept], touched[kept]
    total = float(areas.sum())
    weights = areas / total
    # Crofton's formula on the pixels' four-connected outline: pi/4 of it is the length of a smooth one.
    round_ = np.clip(4.0 * np.pi * areas / np.maximum(0.25 * np.pi * perimeters, 1.0) ** 2, 0.0, 1.5)
    diameters = np.sqrt(4.0 * areas / np.pi)
    return np.array(
        [
            np.log(total / mask.size + FLOOR),
            np.log(len(areas) * size**2 / mask.size + FLOOR),
            np.log(float(weights @ diameters) / size + 0.01),
            np.log(float(np.median(diameters)) / size + 0.01),
            float(areas.max() / total),
            float(weights @ round_),
            float(np.median(round_)),
            np.log1p(float(weights @ touched)),
            float(np.mean(touched <= 2.0)),
            np.log(float(extents.max()) / min(mask.shape) + 0.02),
        ]
    )


def _rims(parts: Labels, labels: Labels, number: int) -> tuple[Floats, Floats]:
    """Outline in pixel edges of each piece, and how many grains it touches, both (number,)."""
    perimeter = np.zeros(number + 1)
    pairs = []
    for a, b in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        for near, far in ((a, b), (b, a)):
            rim = (parts[near] > 0) & (parts[far] == 0)
            piece, grain = parts[near][rim], labels[far][rim]
            perimeter += np.bincount(piece, minlength=number + 1)
            pairs.append((piece.astype(np.int64) << 32) | grain)
    unique = np.unique(np.concatenate(pairs))
    unique = unique[(unique & 0xFFFFFFFF) > 0]
    touched = np.bincount(unique >> 32, minlength=number + 1)
    return perimeter[1:], touched[1:].astype(np.float64)


def _grain_features(found: Segmentation, size: float) -> Floats:
    """Of the grains: sizes and how unlike they are, shape, how sure their boundaries, shape (15,)."""
    labels = found.labels
    areas = np.bincount(labels.ravel())[1:].astype(np.float64)
    areas = areas[areas >= SMALLEST_PART]
    if len(areas) == 0:
        areas = np.ones(1)
    logs = np.log(areas)
    middle, spread = float(logs.mean()), max(float(logs.std()), 1e-3)
    share = areas / areas.sum()
    diameters = np.sqrt(4.0 * areas / np.pi)
    usual = float(np.median(diameters))
    tail = [float(share[diameters > times * usual].sum()) for times in (1.7, 2.3, 3.0, 4.0)]
    largest = np.sort(diameters)[::-1]
    aspect, slant = _drawn_out(labels)
    solid = max(int(np.count_nonzero(labels)), 1)
    return np.array(
        [
            np.log(size),
            np.log(len(areas)),
            spread,
            float((((logs - middle) / spread) ** 3).mean()),
            np.log(float(share @ diameters) / usual),
            *tail,
            float(share.max()),
            np.log(float(largest[: max(len(largest) // 50, 1)].mean()) / usual),
            np.log(aspect),
            slant,
            found.doubt,
            np.log(float(np.count_nonzero(found.boundaries)) * size / solid + 0.01),
        ]
    )


def _counted_features(found: Segmentation, size: float) -> Floats:
    """Of what was measured: porosity, second phase, cracks by their length, agreement of two scales; shape (8,)."""
    counted = found.descriptors
    side = float(max(found.labels.shape))
    crack, pore, aspect = 0.0, 0.0, 1.0
    if counted is not None:
        crack, pore, aspect = counted.crack_length * side, counted.pore_size or 0.0, counted.elongation
    return np.array(
        [
            np.log(found.porosity + FLOOR),
            np.log(found.phase_fraction + FLOOR),
            found.at_phases,
            np.log(crack + 0.03),
            np.log(pore / size + 0.03),
            np.log(aspect),
            np.clip(found.disagreement, -2.0, 2.0),
            np.log(found.factor),
        ]
    )


def _drawn_out(labels: Labels) -> tuple[float, float]:
    """Aspect ratio of the grains' mean second moments, and how much more boundary crosses one axis than another."""
    thin = labels[::2, ::2]
    flat = thin.ravel()
    n = int(flat.max()) + 1
    area = np.maximum(np.bincount(flat, minlength=n), 1)
    whole = area >= SMALLEST_PART
    whole[0] = False
    for edge in (thin[0], thin[-1], thin[:, 0], thin[:, -1]):
        whole[edge] = False
    if np.count_nonzero(whole) < 5:
        return 1.0, 0.0
    y, x = (part.ravel().astype(np.float64) for part in np.indices(thin.shape))
    x, y = (v - (np.bincount(flat, weights=v, minlength=n) / area)[flat] for v in (x, y))
    # Each grain's tensor scaled to unit area and weighted by its area: the area cancels.
    xx, yy, xy = (float((np.bincount(flat, weights=v, minlength=n) / area)[whole].sum()) for v in (x * x, y * y, x * y))
    low, high = np.linalg.eigvalsh(np.array([[xx, xy], [xy, yy]]))
    own = np.array([(np.bincount(flat, weights=v, minlength=n) / area)[whole] for v in (x * x, y * y, x * y)])
    root = np.sqrt((own[0] - own[1]) ** 2 + 4.0 * own[2] ** 2)
    each = np.sqrt((own[0] + own[1] + root) / np.maximum(own[0] + own[1] - root, 1e-3))
    return float(np.sqrt(high / max(low, 1e-6))), float(np.log(np.median(each)))

"""How well a network tells what users labelled: overlap of areas, and lines within two pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from skimage.morphology import skeletonize

from surrogates.micrograph_cnn import MicrographNet, segment
from surrogates.micrograph_evaluation import boundary_f1
from surrogates.micrograph_labels.vocabulary import UNKNOWN, LabelledImage

LINES = frozenset({"boundary", "crack"})
"""Channels that are thin: judged by F1 of their middle lines within two pixels, too, however broad they are drawn."""
FROM = 0.5
"""Probability from which a pixel is of a channel."""


def scores(net: MicrographNet, images: Sequence[LabelledImage], told: Sequence[str]) -> dict[str, dict[str, float]]:
    """Figures of each channel over all images together, JSON-ready; empty without images.

    ``iou`` is intersection over union, of all pixels of all images; ``iou_worst`` of the worst image. A channel that
    the network does not have is found nowhere.
    """
    tallies: dict[str, list[tuple[float, float, float]]] = {name: [] for name in told}
    lines: dict[str, list[float]] = {name: [] for name in told if name in LINES}
    for each in images:
        maps = segment(net, each.image)
        for name, truth in zip(told, each.truth, strict=True):
            known = truth != UNKNOWN
            channels = net.shape.channels
            found = (maps[channels.index(name)] >= FROM) & known if name in channels else np.zeros_like(known)
            true = truth == 1
            tallies[name].append((float((found & true).sum()), float(found.sum()), float(true.sum())))
            if name in LINES:
                lines[name].append(boundary_f1(skeletonize(found), skeletonize(true)))
    result = {name: _summary(rows) for name, rows in tallies.items() if rows}
    for name, values in lines.items():
        if values:
            result[name]["f1_within_2_px"] = round(float(np.mean(values)), 4)
    return result


def _summary(rows: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    both, found, true = np.array(rows).T
    union = found + true - both
    each = np.where(union > 0.0, both / np.maximum(union, 1.0), 1.0)
    total = union.sum()
    return {
        "iou": round(float(both.sum() / total) if total > 0.0 else 1.0, 4),
        "iou_worst": round(float(each.min()), 4),
        "precision": round(float(both.sum() / max(found.sum(), 1.0)), 4),
        "recall": round(float(both.sum() / max(true.sum(), 1.0)), 4),
    }

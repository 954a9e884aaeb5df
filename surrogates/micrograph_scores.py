"""How well masks agree, pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from surrogates.stereology import Mask

TOLERANCE = 2.0
"""Pixels by which a line may lie beside the true one."""


@dataclass(frozen=True)
class LineMatch:
    """How many pixels of lines lie near lines of the other picture.

    Args:
        found: pixels found.
        found_right: of these, such as lie within the tolerance of a true one.
        true: true pixels.
        true_found: of these, such as lie within the tolerance of a found one.
    """

    found: int
    found_right: int
    true: int
    true_found: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where there is nothing and nothing was found."""
        if not self.found or not self.true:
            return float(self.found == self.true)
        precision, recall = self.found_right / self.found, self.true_found / self.true
        return 2.0 * precision * recall / max(precision + recall, 1e-9)


def line_match(found: Mask, true: Mask, tolerance: float = TOLERANCE) -> LineMatch:
    """Compare two masks of lines, both (H, W), with a tolerance in pixels."""
    if not found.any() or not true.any():
        return LineMatch(int(found.sum()), 0, int(true.sum()), 0)
    right = ndimage.distance_transform_edt(~true)[found] <= tolerance
    seen = ndimage.distance_transform_edt(~found)[true] <= tolerance
    return LineMatch(len(right), int(right.sum()), len(seen), int(seen.sum()))


def pooled(matches: Iterable[LineMatch]) -> LineMatch:
    """All pixels of several pictures as if they were one."""
    kept = list(matches)
    return LineMatch(
        sum(each.found for each in kept),
        sum(each.found_right for each in kept),
        sum(each.true for each in kept),
        sum(each.true_found for each in kept),
    )


def boundary_f1(found: Mask, true: Mask, tolerance: float = TOLERANCE) -> float:
    """Harmonic mean of precision and recall of boundary pixels within ``tolerance`` pixels of each other."""
    return line_match(found, true, tolerance).f1


def overlap(found: Mask, true: Mask) -> tuple[int, int]:
    """Pixels of both masks, and of either."""
    return int(np.count_nonzero(found & true)), int(np.count_nonzero(found | true))


def iou(found: Mask, true: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    both, either = overlap(found, true)
    return both / either if either else 1.0

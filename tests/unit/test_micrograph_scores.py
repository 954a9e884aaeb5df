"""Agreement of masks, against what can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.micrograph_scores import boundary_f1, iou, line_match, pooled


def _line(row: int) -> np.ndarray:
    mask = np.zeros((20, 20), dtype=np.bool_)
    mask[row] = True
    return mask


@pytest.mark.parametrize(("row", "f1"), [(10, 1.0), (12, 1.0), (13, 0.0)])
def test_a_line_counts_as_found_within_two_pixels(row: int, f1: float) -> None:
    assert boundary_f1(_line(row), _line(10)) == pytest.approx(f1)


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    # Two lines found of which one is right, one true: precision 1/2, recall 1.
    assert boundary_f1(_line(3) | _line(10), _line(10)) == pytest.approx(2 / 3)


def test_finding_nothing_is_right_only_where_there_is_nothing() -> None:
    nothing = np.zeros((20, 20), dtype=np.bool_)
    assert boundary_f1(nothing, nothing) == 1.0
    assert boundary_f1(nothing, _line(3)) == 0.0
    assert boundary_f1(_line(3), nothing) == 0.0


def test_pooling_weighs_pictures_by_their_lines() -> None:
    long, short = line_match(_line(10), _line(10)), line_match(_line(3)[:, :5], _line(10)[:, :5])
    both = pooled([long, short])
    assert (both.found, both.found_right, both.true_found) == (25, 20, 20)
    assert both.f1 == pytest.approx(0.8)


def test_overlap_is_intersection_over_union() -> None:
    a, b = np.zeros((4, 4), dtype=np.bool_), np.zeros((4, 4), dtype=np.bool_)
    a[:, :2], b[:, 1:3] = True, True
    assert iou(a, b) == pytest.approx(4 / 12)
    assert iou(~a & a, ~b & b) == 1.0

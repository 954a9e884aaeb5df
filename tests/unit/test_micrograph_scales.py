"""A picture is seen at the scale that fits its grains, and what was found there comes back in its own pixels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from surrogates.micrograph_measure import Maps, measure
from surrogates.micrograph_scales import (
    LARGE,
    SAY,
    SMALL,
    WANTED,
    blended,
    fitting,
    in_pixels_of,
    resized,
    rough_intercept,
)


def squares(pitch: int, side: int = 240) -> Maps:
    """Square grains whose boundaries are two pixels wide."""
    found = np.zeros((4, side, side), dtype=np.float32)
    for offset in (0, 1):
        found[0, pitch - 1 + offset :: pitch] = 0.97
        found[0, :, pitch - 1 + offset :: pitch] = 0.97
    return found


@pytest.mark.parametrize("factor", [0.5, 0.37, 1.6])
def test_a_picture_is_scaled_as_scipy_does(factor: float) -> None:
    image = np.random.default_rng(1).random((96, 131), dtype=np.float32)
    smooth = image if factor > 1.0 else ndimage.gaussian_filter(image, 0.5 * (1.0 / factor - 1.0))
    known = ndimage.zoom(smooth, factor, order=1)
    assert resized(image, factor) == pytest.approx(known, abs=2e-5)


def test_large_grains_are_reduced_and_small_ones_enlarged() -> None:
    shape = (768, 1024)
    assert fitting(0.5 * (SMALL + LARGE), shape) == 1.0
    assert fitting(2.0 * WANTED, shape) == pytest.approx(0.5)
    assert fitting(1e6, shape) == pytest.approx(128 / 768)
    assert fitting(8.0, (256, 256)) == 2.0
    assert fitting(8.0, (4096, 3072)) == 1.0


def test_the_rough_intercept_is_that_of_the_grains() -> None:
    # Twelve grains a line, and eleven lines between them: the one at the frame is none.
    assert rough_intercept(squares(20)) == pytest.approx(20.0 * 12.0 / 11.0, rel=0.05)
    assert rough_intercept(np.zeros((4, 64, 64), dtype=np.float32)) > 1000.0


def test_lengths_come_back_in_the_pictures_own_pixels() -> None:
    small = measure(squares(20))
    large = in_pixels_of(small, 0.5, (480, 480))
    assert small.descriptors is not None
    assert large.descriptors is not None
    assert large.intercept == pytest.approx(2.0 * small.intercept)
    assert large.descriptors.boundary_length == pytest.approx(0.5 * small.descriptors.boundary_length)
    assert large.descriptors.elongation == small.descriptors.elongation
    assert large.n_grains == small.n_grains
    assert large.labels.shape == large.boundaries.shape == large.pores.shape == (480, 480)
    assert set(np.unique(large.labels)) == set(np.unique(small.labels))


def test_the_coarser_look_has_a_say_where_grains_are_large_enough() -> None:
    fine, coarse = np.zeros((4, 64, 64), dtype=np.float32), np.ones((4, 32, 32), dtype=np.float32)
    assert blended(fine, coarse, SMALL) is fine
    assert blended(fine, coarse, WANTED) == pytest.approx(np.full((4, 64, 64), SAY), abs=1e-6)

"""Descriptors of sections whose numbers are known, and corrections that stay within what they were fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.micrograph_calibration import Calibration, Correction
from surrogates.micrograph_descriptors import crack_length, described, pore_size
from surrogates.stereology import boundary_length, weighted_quantiles

NOTHING = np.zeros((240, 240), dtype=np.bool_)


def disc(radius: float) -> np.ndarray:
    rows, columns = np.mgrid[0:240, 0:240]
    return np.asarray(np.hypot(rows - 120.3, columns - 119.6) < radius)


def test_boundary_length_of_a_disc_is_its_circumference() -> None:
    labels = np.where(disc(70.0), 2, 1).astype(np.int32)
    assert boundary_length(labels) * labels.size == pytest.approx(2.0 * np.pi * 70.0, rel=0.03)


def test_a_disc_of_pore_has_its_diameter_and_area() -> None:
    found = described((~disc(40.0)).astype(np.int32), disc(40.0), NOTHING, NOTHING)
    assert found.pore_size == pytest.approx(80.0, rel=0.01)
    assert found.porosity == pytest.approx(np.pi * 40.0**2 / 240**2, rel=0.01)
    assert pore_size(NOTHING) is None


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_the_length_of_a_crack_does_not_depend_on_its_direction(slope: float) -> None:
    rows, columns = np.mgrid[0:240, 0:240]
    line = (np.abs(rows - 40 - slope * columns) < 1.6 * np.hypot(1.0, slope)) & (columns >= 20) & (columns < 180)
    assert crack_length(line) * line.size == pytest.approx(160.0 * np.hypot(1.0, slope), rel=0.08)


def test_quantiles_of_equal_weights_are_numpys() -> None:
    values = np.random.default_rng(0).random(999)
    shares = np.array([0.1, 0.5, 0.9])
    assert weighted_quantiles(values, np.ones(999), shares) == pytest.approx(np.quantile(values, shares), abs=0.002)


def test_a_correction_is_constant_outside_of_what_it_was_fitted_on() -> None:
    found = Correction((0.0, 0.1), (-6.0, 0.0), (1.0, -0.5), (1.0, 0.5))
    assert found.size(10.0, np.array([1.0, 9.0]), 100) == found.size(10.0, np.array([1.0, 0.5]), 100)
    assert Calibration().of("diameter").size(10.0, np.ones(6), 100)[1] > 1.0

"""Intervals fitted on some fields hold as often as they say on others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from surrogates.micrograph_calibration import SHARES, SIZES, Calibration
from surrogates.micrograph_descriptors import described
from surrogates.micrograph_estimates import estimates_of
from surrogates.micrograph_fit import CalibrationPoint, fit
from surrogates.micrograph_measure import Segmentation

FIELDS, SHOWN = 100, 250


def points(seed: int, number: int) -> list[CalibrationPoint]:
    """Fields whose sizes are read 5% too small, with an error that grows with the doubt."""
    rng = np.random.default_rng(seed)
    labels = np.kron(np.arange(1, 65, dtype=np.int32).reshape(8, 8), np.ones((12, 12), dtype=np.int32))
    nothing = np.zeros(labels.shape, dtype=np.bool_)
    counted = described(labels, nothing, nothing, nothing)
    found = []
    for _ in range(number):
        size, doubt, pores = float(rng.uniform(10.0, 40.0)), float(rng.uniform(0.2, 0.7)), float(rng.uniform(0.0, 0.2))
        own = size * float(np.exp(0.3 / np.sqrt(100.0) * rng.normal()))
        read = 0.95 * own * float(np.exp(0.08 * doubt * rng.normal()))
        seen = Segmentation(
            labels, nothing, nothing, nothing, nothing, read, 0.8 * read, max(pores + 0.01 * rng.normal(), 0.0), 100,
            doubt, 0.02, descriptors=replace(counted, diameter=read, d10=None),
        )  # fmt: skip
        truth = {name: float(getattr(counted, name) or 0.0) for name in (*SIZES, *SHARES)}
        truth |= {"diameter": size, "intercept": 0.8 * own, "porosity": pores}
        found.append(CalibrationPoint(seen, truth, 100, own))
    return found


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return fit(points(1, FIELDS), [1.0] * FIELDS)


def test_nine_of_ten_intervals_hold_on_fields_that_took_no_part(calibration: Calibration) -> None:
    held: dict[str, list[bool]] = {"diameter": [], "intercept": [], "porosity": []}
    for point in points(2, SHOWN):
        given = estimates_of(point.read, calibration, 1.0)
        estimates = {
            "diameter": given.found["grain_size"], "intercept": given.found["intercept"], "porosity": given.porosity,
        }  # fmt: skip
        for name, estimate in estimates.items():
            assert estimate is not None
            low, high = estimate.interval()
            held[name].append(low <= point.truth[name] <= high)
    for name, each in held.items():
        assert 0.82 <= np.mean(each) <= 0.97, name


def test_what_is_read_too_small_is_corrected(calibration: Calibration) -> None:
    ratios = []
    for point in points(3, SHOWN):
        size = estimates_of(point.read, calibration, None).found["grain_size"]
        assert size is not None
        ratios.append(size.value / point.truth["diameter"])
    assert np.median(ratios) == pytest.approx(1.0, abs=0.015)


def test_limits_are_quantiles_of_the_good_fields(calibration: Calibration) -> None:
    doubts = [point.read.doubt for point in points(1, FIELDS)]
    assert float(np.mean(np.array(doubts) > calibration.doubt_limit)) == pytest.approx(0.03, abs=0.01)


def test_what_no_field_has_is_not_fitted(calibration: Calibration) -> None:
    assert "d10" not in calibration.corrections
    assert "diameter" in calibration.corrections

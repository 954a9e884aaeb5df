"""Figures of readings whose errors are known beforehand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulators.reader_data import labelled_field
from simulators.sections.microstructure import Kind
from surrogates.micrograph_descriptors import described
from surrogates.micrograph_evaluation import LEVELS, Row, confusion, network_row, reliability, summary, truth_of
from surrogates.micrograph_fields import LabelledField
from surrogates.micrograph_reading import Estimate, MicrographReading
from surrogates.stereology import boundary_mask


@pytest.fixture(scope="module")
def field() -> LabelledField:
    return labelled_field(np.random.default_rng(4), (128, 128), kind=Kind.TWO_PHASE)


def _reading(field: LabelledField, factor: float = 1.0, std: float = 1.0) -> MicrographReading:
    """A reading that finds every mask, and every length times ``factor``."""
    true, counted = truth_of(field), described(field.labels, field.pores, field.phase, field.cracks)
    size, chord, middle = (Estimate(true[name] * factor, std, "px") for name in ("grain_size", "intercept", "d50"))
    return MicrographReading(
        accepted=True, reason="", advice="", pixel_factor=1.0, microstructure=field.kind, class_probabilities={},
        astm_g=Estimate(true["astm_g"], 0.1, "1"), d10=None, d90=None, boundary_length=None,
        elongation=Estimate(counted.elongation, 0.1, "1"), porosity=Estimate(counted.porosity + 0.01, 0.02, "1"),
        pore_size=None, phase_fraction=Estimate(counted.phase_fraction, 0.01, "1"),
        crack_length=Estimate(0.0, 0.0, "1/px"), n_grains=counted.n_grains, boundary_mask=boundary_mask(field.labels),
        pore_mask=field.pores, phase_mask=field.phase, crack_mask=field.cracks,
        grain_size=size, intercept=chord, d50=middle,
    )  # fmt: skip


def test_a_reading_is_judged_by_its_errors(field: LabelledField) -> None:
    figures = summary([network_row(_reading(field, 1.1), field)])
    assert figures["boundary_f1"] == 1.0
    assert figures["phase_iou_pooled"] == 1.0
    assert figures["intercept_median_error"] == pytest.approx(0.1, rel=1e-3)
    assert figures["grain_size_bias"] == pytest.approx(0.1, rel=1e-3)
    assert figures["porosity_mae"] == pytest.approx(0.01, rel=1e-3)
    assert figures["porosity_90_coverage"] == 1.0
    assert figures["crack_f1"] is None


def test_the_grain_size_is_judged_against_the_material(field: LabelledField) -> None:
    assert truth_of(field)["grain_size"] == field.diameter


def test_intervals_hold_what_their_spread_says(field: LabelledField) -> None:
    rng = np.random.default_rng(0)
    row = network_row(_reading(field), field)
    true = row.true["grain_size"]
    rows = [
        replace(row, found={**row.found, "grain_size": true * (1.0 + 0.05 * off)}, std={"grain_size": 0.05 * true})
        for off in rng.normal(size=200)
    ]
    held = reliability(rows)["grain_size"]
    for level, share in zip(LEVELS, held, strict=True):
        assert share is not None
        assert abs(share - level) < 0.1
    narrow = [replace(each, std={"grain_size": 1e-6}) for each in rows]
    assert reliability(narrow)["grain_size"][-1] == 0.0


def test_what_is_withheld_counts_in_no_error(field: LabelledField) -> None:
    hidden = replace(_reading(field), grain_size=None, intercept=None, astm_g=None, d50=None, elongation=None)
    row: Row = network_row(hidden, field)
    figures = summary([row, network_row(_reading(field, 1.2), field)])
    assert figures["sizes_told_share"] == 0.5
    assert figures["intercept_median_error"] == pytest.approx(0.2, rel=1e-3)


def test_every_class_counts_alike() -> None:
    figures = confusion([("a", "a"), ("a", "a"), ("a", "a"), ("b", "a"), ("b", "")])
    assert figures["accuracy"] == 0.5
    assert figures["matrix"] == {"a": {"a": 3}, "b": {"a": 1, "none told": 1}}


def test_no_field_is_no_figure() -> None:
    assert summary([])["boundary_f1"] is None
    assert reliability([])["porosity"][0] is None

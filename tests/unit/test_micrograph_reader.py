"""The shipped reader measures what is there within its own uncertainty, and refuses what it cannot read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from envs.errors import UserError
from simulators.reader_data import faulty_images, fields, labelled_field
from simulators.sections.microstructure import SectionSpec
from simulators.sem import SemSettings, render
from simulators.tessellation import draw
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_overlay import overlay
from surrogates.micrograph_reader import MicrographReader
from surrogates.micrograph_reading import Estimate


def known(estimate: Estimate | None) -> Estimate:
    assert estimate is not None
    return estimate


@pytest.fixture(scope="module")
def reader() -> MicrographReader:
    torch.set_num_threads(1)
    return MicrographReader.load()


def test_sizes_porosity_and_their_intervals_on_unseen_fields(reader: MicrographReader) -> None:
    sizes, intercepts, porosities, covered = [], [], [], []
    for field in fields(4242, 12, (384, 384)):
        reading = reader.read(Micrograph(field.image, 0.05, "given"))
        if not reading.accepted or reading.grain_size is None:
            continue
        grain_size = known(reading.grain_size)
        low, high = grain_size.interval()
        covered.append(low <= field.diameter * 0.05 <= high)
        sizes.append(abs(grain_size.value / (field.diameter * 0.05) - 1.0))
        porosities.append(abs(known(reading.porosity).value - float(field.pores.mean())))
        intercepts.append(known(reading.intercept).value / grain_size.value)
    assert len(sizes) >= 9
    assert np.median(sizes) < 0.1
    assert np.median(porosities) < 0.02
    assert np.mean(covered) > 0.6
    assert all(0.5 < ratio < 1.0 for ratio in intercepts)


def test_values_scale_with_the_pixel_and_without_one_are_in_pixels(reader: MicrographReader) -> None:
    field = labelled_field(np.random.default_rng(1), (320, 320), SemSettings())
    small, large, bare = (reader.read(Micrograph(field.image, pixel, "given")) for pixel in (0.01, 1.0, None))
    fine, coarse, unscaled = (known(each.grain_size) for each in (small, large, bare))
    assert coarse.value == pytest.approx(100.0 * fine.value)
    assert coarse.std == pytest.approx(100.0 * fine.std)
    assert (coarse.unit, unscaled.unit, bare.astm_g) == ("um", "px", None)
    # A hundred times the length is 2 * 6.6439 grain size numbers less.
    assert known(small.astm_g).value - known(large.astm_g).value == pytest.approx(13.2878)


@pytest.mark.parametrize("fault", ["defocus_7px", "saturated", "empty_stage", "flat"])
def test_operators_mistakes_are_refused_with_advice(reader: MicrographReader, fault: str) -> None:
    for image in faulty_images(5, 3, (256, 256))[fault]:
        reading = reader.read(Micrograph(image, 0.05, "given"))
        assert not reading.accepted
        assert reading.reason
        assert reading.advice


def test_a_field_of_few_grains_asks_for_a_wider_one(reader: MicrographReader) -> None:
    ms = draw(SectionSpec(48.0, 1.0, (200, 200), porosity=0.02), np.random.default_rng(2))
    image = render(ms, SemSettings(), np.random.default_rng(2)).astype(np.float32) / 255.0
    reading = reader.read(Micrograph(image, 1.0, "given"))
    assert not reading.accepted
    assert "wider field" in reading.advice


def test_overlay_marks_boundaries_and_pores(reader: MicrographReader) -> None:
    field = labelled_field(np.random.default_rng(3), (256, 256), SemSettings())
    micrograph = Micrograph(field.image, 0.05, "given")
    reading = reader.read(micrograph)
    picture = overlay(micrograph, reading)
    assert picture.shape == (256, 256, 3)
    assert picture.dtype == np.uint8
    coloured = picture.max(axis=2).astype(int) - picture.min(axis=2) > 20
    assert coloured[reading.boundary_mask].mean() > 0.9


def test_a_file_that_is_no_model_is_a_user_error(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a micrograph network"):
        MicrographReader.load(path)

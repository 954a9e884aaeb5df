"""The virtual microscope's images show what the microstructure holds, and its files read back as real ones do."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile

from envs.errors import UserError
from simulators.sem import SemSettings, empty_stage, random_settings, render, training_sample
from simulators.sem_tiff import write_tiff
from simulators.tessellation import Microstructure, polycrystal
from surrogates.micrograph_io import read_micrograph


@pytest.fixture(scope="module")
def section() -> Microstructure:
    return polycrystal(
        grain_size_um=2.0, porosity=0.08, pixel_size_um=0.1, shape=(192, 256), rng=np.random.default_rng(0)
    )


def test_pores_and_grooves_are_darker_than_grains(section: Microstructure) -> None:
    image = render(section, SemSettings(), np.random.default_rng(1)).astype(float)
    inside = ~section.pores & ~section.boundaries
    assert image[section.pores].mean() < image[inside].mean() - 40
    assert image[section.boundaries].mean() < image[inside].mean() - 15


def test_the_same_seed_gives_the_same_frame_and_defocus_takes_away_detail(section: Microstructure) -> None:
    sharp, again, blurred = (
        render(section, SemSettings(defocus=blur), np.random.default_rng(2)) for blur in (0.6, 0.6, 5.0)
    )
    assert (sharp == again).all()
    # Detail between the noise and the grains: differences over four pixels.
    assert (
        np.abs(np.diff(sharp.astype(float)[:, ::4])).mean()
        > 1.5 * np.abs(np.diff(blurred.astype(float)[:, ::4])).mean()
    )


def test_random_settings_always_give_a_usable_exposure(section: Microstructure) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        image = render(section, random_settings(rng), rng)
        assert np.mean((image == 0) | (image == 255)) < 0.5
        assert image.std() > 3


def test_training_samples_are_aligned_masks_of_one_size() -> None:
    image, boundary, pore = training_sample(np.random.default_rng(4), 64)
    assert image.shape == boundary.shape == pore.shape == (64, 64)
    assert image.dtype == boundary.dtype == pore.dtype == np.float32
    assert set(np.unique(boundary)) <= {0.0, 1.0}
    assert not (boundary * pore).any()


def test_tiff_reads_back_with_scale_and_without_the_info_bar(section: Microstructure) -> None:
    frame = render(section, SemSettings(), np.random.default_rng(5))
    buffer = io.BytesIO()
    write_tiff(frame, 0.1, buffer)
    micrograph = read_micrograph(buffer.getvalue())
    assert micrograph.pixel_size_um == pytest.approx(0.1, rel=1e-9)
    assert micrograph.scale_source == "FEI metadata"
    assert (np.rint(micrograph.image * 255) == frame).all()
    with tifffile.TiffFile(io.BytesIO(buffer.getvalue())) as file:
        # tifffile's own parser of FEI metadata is the outside reader.
        assert file.fei_metadata["Image"]["ResolutionY"] == 192
        assert file.fei_metadata["Scan"]["PixelWidth"] == pytest.approx(1e-7)
        assert file.pages[0].shape[0] > 192


def test_an_empty_stage_is_dark_and_colour_frames_are_refused() -> None:
    image = empty_stage((64, 64), SemSettings(), np.random.default_rng(6))
    assert image.mean() < 60
    with pytest.raises(UserError, match="8-bit grey"):
        write_tiff(np.zeros((8, 8, 3), np.uint8), 0.1, io.BytesIO())

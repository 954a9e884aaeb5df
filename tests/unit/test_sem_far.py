"""Frames from too far away: flat grey but for what is really large, and refused rather than measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from simulators.body import Body
from simulators.field_of_view import powder_of, section_of
from simulators.optics.unresolved import Unresolved
from simulators.sections.microstructure import Surface
from simulators.sem import SemSettings, operator_settings, render
from simulators.tessellation import draw
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_reader import MicrographReader

GRAIN_UM, SHAPE = 0.66, (256, 256)
BODY = Body(density=0.97, grain_size=GRAIN_UM, open_share=0.2, abnormal=0.05, second_phase=0.02, cracks=0.0)
QUIET = SemSettings(shading=0.0, dwell_us=100.0)


def _frame(body: Body, grain_px: float, settings: SemSettings = QUIET, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    spec, fine = section_of(body, GRAIN_UM / grain_px, SHAPE, rng)
    return render(draw(spec, rng), settings, rng, fine).astype(float)


def _correlation(image: np.ndarray, pixels: int) -> float:
    """Of grey at a distance along the rows, beyond what slow changes give."""
    left, right = image[:, :-pixels].ravel(), image[:, pixels:].ravel()
    return float(np.corrcoef(left, right)[0, 1])


@pytest.mark.parametrize("porosity", [0.02, 0.4])
def test_grains_much_finer_than_a_pixel_leave_flat_grey_with_noise(porosity: float) -> None:
    body = Body(density=1.0 - porosity, grain_size=GRAIN_UM, open_share=0.9, abnormal=0.0, second_phase=0.0, cracks=0.0)
    image = _frame(body, 0.13)
    assert 1.0 < image.std() < 12.0
    assert abs(_correlation(image, 4)) < 0.2
    assert abs(_correlation(image, 10)) < 0.15


def test_contrast_fades_as_grains_fall_below_three_pixels() -> None:
    found = [_frame(BODY, px).std() for px in (3.0, 2.2, 1.0, 0.5, 0.15)]
    assert found == sorted(found, reverse=True)
    # No jump where drawing ends, or begins.
    for px in (1.0, 3.0):
        assert _frame(BODY, px * 0.999).std() == pytest.approx(_frame(BODY, px * 1.001).std(), rel=0.25)


def test_the_mean_of_many_grains_spreads_as_the_root_of_their_number() -> None:
    """Without noise of its own the picture's variance is that of the mean of independent grains."""
    settings = SemSettings(
        shading=0.0,
        dwell_us=1e5,
        read_noise=0.0,
        line_noise=0.0,
        bandwidth=0.0,
        defocus=0.0,
        skirt=0.0,
        channelling=0.2,
    )
    spread = [_frame(Body(1.0, GRAIN_UM, 0.0, 0.0, 0.0, 0.0), px, settings).std() for px in (0.2, 0.1)]
    assert spread[0] / spread[1] == pytest.approx(2.0, rel=0.1)


def test_a_crack_is_seen_from_any_distance() -> None:
    cracked = Body(density=0.97, grain_size=GRAIN_UM, open_share=0.0, abnormal=0.0, second_phase=0.0, cracks=1.0)
    whole = _frame(BODY, 0.2)
    image = _frame(cracked, 0.2)
    assert np.quantile(image, 0.002) < np.quantile(whole, 0.002) - 30


@pytest.mark.parametrize("surface", [Surface.POWDER, Surface.FRACTURE])
def test_a_rough_surface_from_afar_keeps_its_waves_only(surface: Surface) -> None:
    rng = np.random.default_rng(3)
    found = powder_of(0.3, 3.0, SHAPE) if surface is Surface.POWDER else section_of(BODY, 3.0, SHAPE, rng, surface)
    spec, fine = found
    assert fine is not None
    assert (fine.rough, fine.merged) == (True, True)
    assert 2.0 < render(draw(spec, rng), QUIET, rng, fine).std() < 40.0


def test_the_share_of_the_average_runs_from_nothing_to_all() -> None:
    found = [Unresolved(px).share for px in (3.0, 2.5, 2.0, 1.5, 1.0, 0.1)]
    assert found == sorted(found)
    assert (found[0], found[2], found[-1]) == pytest.approx((0.0, 0.5, 1.0))


@pytest.fixture(scope="module")
def reader() -> MicrographReader:
    torch.set_num_threads(1)
    return MicrographReader.load()


@pytest.mark.parametrize("grain_px", [0.13, 0.6, 1.2, 1.8])
def test_unresolved_grains_are_refused(reader: MicrographReader, grain_px: float) -> None:
    for seed in range(2):
        settings = operator_settings(np.random.default_rng(seed))
        image = _frame(BODY, grain_px, settings, seed)
        reading = reader.read(Micrograph(image.astype(np.float32) / 255.0, GRAIN_UM / grain_px, "given"))
        assert not reading.accepted, (grain_px, seed)

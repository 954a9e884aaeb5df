"""What is refused before anything is measured, and what is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from simulators.odd_pictures.drawn import bar_alone, page
from simulators.reader_data import labelled_field
from simulators.sections.microstructure import Kind
from simulators.sem import SemSettings, random_settings
from surrogates.micrograph_classes import CLASSES, Verdict
from surrogates.picture_blur import blur_px
from surrogates.quality import (
    FEWEST_GRAINS,
    exposure_problem,
    focus_problem,
    info_bar_problem,
    kind_problem,
    magnification_problem,
)

Grey = npt.NDArray[np.float32]
SHAPE = (256, 256)


def field(seed: int, **changes: float) -> Grey:
    rng = np.random.default_rng([seed, 5])
    settings = replace(random_settings(rng), **changes)  # type: ignore[arg-type]
    return labelled_field(rng, SHAPE, settings, Kind.EQUIAXED_DENSE).image


def discs(blur: float, noise: float, seed: int = 1) -> Grey:
    """Bright discs with sharp edges, blurred by a known amount."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    picture = np.zeros(SHAPE)
    for row, column, radius in rng.uniform((0, 0, 12), (256, 256, 40), (25, 3)):
        picture[np.hypot(y - row, x - column) < radius] = rng.uniform(0.2, 0.8)
    taken = ndimage.gaussian_filter(picture, blur) + rng.normal(0.0, noise, SHAPE)
    return np.asarray(np.clip(taken, 0.0, 1.0), dtype=np.float32)


@pytest.mark.parametrize("noise", [0.002, 0.03])
@pytest.mark.parametrize("blur", [2.0, 4.0, 7.0])
def test_the_blur_of_sharp_bodies_is_found_in_pixels(blur: float, noise: float) -> None:
    # A pixel of its own blurs by its width over the root of twelve.
    assert blur_px(discs(blur, noise)) == pytest.approx(blur, rel=0.25)


def test_contrast_and_brightness_do_not_change_the_blur() -> None:
    picture = discs(3.0, 0.01)
    assert blur_px((0.3 * picture + 0.4).astype(np.float32)) == pytest.approx(blur_px(picture), abs=0.26)


@pytest.mark.parametrize("seed", range(4))
def test_fields_in_focus_pass_and_those_out_of_focus_do_not(seed: int) -> None:
    assert focus_problem(field(seed)) is None
    for defocus in (4.0, 7.0):
        problem = focus_problem(field(seed, defocus=defocus, astigmatism=0.0))
        assert problem is not None
        assert "out of focus" in problem.reason
        assert "refocus" in problem.advice


def test_a_stage_that_shook_one_way_is_out_of_focus() -> None:
    moved = ndimage.gaussian_filter1d(field(2, defocus=0.6), 5.0, axis=1)
    assert focus_problem(moved) is not None


def test_a_calibration_widens_the_limit_a_little_at_most() -> None:
    blurred = field(1, defocus=7.0, astigmatism=0.0)
    assert focus_problem(blurred, 0.01) is not None
    assert focus_problem(field(1), 4.0) is None


@pytest.mark.parametrize("grey", [0.0, 0.3, 1.0])
def test_flat_pictures_are_refused(grey: float) -> None:
    assert exposure_problem(np.full(SHAPE, grey, dtype=np.float32)) is not None


def test_a_field_far_too_bright_is_saturated() -> None:
    problem = exposure_problem(field(3, brightness=2.5))
    assert problem is not None
    assert "saturated" in problem.reason


def test_a_bar_without_a_picture_is_named() -> None:
    rng = np.random.default_rng(4)
    bars = [bar_alone(np.random.default_rng([4, n]), (400, 512)) for n in range(6)]
    problems = [exposure_problem(bar) for bar in bars]
    assert all(problem is not None for problem in problems)
    assert any("info bar only" in problem.reason for problem in problems if problem)
    drawn = info_bar_problem(page(rng, (400, 512)))
    assert drawn is not None
    assert "drawn" in drawn.reason


@pytest.mark.parametrize("brightness", [0.5, 0.93])
def test_a_micrograph_is_no_drawing_though_it_is_nearly_white(brightness: float) -> None:
    assert info_bar_problem(field(6, brightness=brightness)) is None


def test_the_magnification_to_use_is_told() -> None:
    few = magnification_problem(FEWEST_GRAINS - 10, 40.0)
    small = magnification_problem(900, 5.0)
    assert few is not None
    assert small is not None
    assert few.pixel_factor > 1.0 > small.pixel_factor
    assert "wider" in few.advice
    assert "closer" in small.advice
    assert magnification_problem(FEWEST_GRAINS, 6.5) is None


def verdict(name: str, strangeness: float = 1.0) -> Verdict:
    return Verdict({each: 0.91 if each == name else 0.01 for each in CLASSES}, strangeness, 4.0, 0.6)


@pytest.mark.parametrize("name", CLASSES)
def test_only_sections_are_measured(name: str) -> None:
    problem = kind_problem(verdict(name))
    refused = name in {"powder", "fracture", "not a micrograph"}
    assert (problem is not None) == refused
    if problem is not None:
        assert "polish" in problem.advice


def test_what_lies_far_from_all_that_was_learned_is_refused() -> None:
    problem = kind_problem(verdict("two-phase", strangeness=9.0))
    assert problem is not None
    assert "unlike" in problem.reason


def test_an_empty_frame_of_the_microscope_is_refused() -> None:
    from simulators.sem import empty_stage

    frame = empty_stage(SHAPE, SemSettings(), np.random.default_rng(1)).astype(np.float32) / np.float32(255.0)
    assert exposure_problem(frame) is not None

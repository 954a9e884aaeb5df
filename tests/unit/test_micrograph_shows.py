"""A picture of something else than grains is a good one; one that shows too little of anything is sent back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from surrogates.micrograph_calibration import Calibration
from surrogates.micrograph_measure import Maps, Segmentation, measure
from surrogates.micrograph_shows import GRAIN_QUANTITIES, empty_problem, grain_problem, hidden_grains, parts_shown
from surrogates.quality import noise_problem

SIDE = 256
CALIBRATION = Calibration(doubt_limit=0.75)


def maps(*, pitch: int = 0, probability: float = 0.97, pores: int = 0, phase: int = 0) -> Maps:
    """Square grains of ``pitch`` pixels, and round pores and spots of second phase on a grid, ``n`` by ``n``."""
    found = np.zeros((4, SIDE, SIDE), dtype=np.float32)
    if pitch:
        for offset in (0, 1):
            found[0, pitch - 1 + offset :: pitch] = probability
            found[0, :, pitch - 1 + offset :: pitch] = probability
    for channel, number in ((1, pores), (2, phase)):
        if number:
            at = ((np.arange(number) + 0.5) * SIDE / number).astype(int)
            points = np.zeros((SIDE, SIDE), dtype=np.bool_)
            points[np.ix_(at, at)] = True
            found[channel][ndimage.distance_transform_edt(~points) < 4.0] = 0.99
    return found


def image() -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(5)
    smooth = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 6.0)
    return np.asarray(0.5 + smooth, dtype=np.float32)


def without_grains(found: Segmentation, **own: float) -> tuple[str, str | None]:
    hidden = hidden_grains(found, CALIBRATION)
    problem = empty_problem(image(), found, own, hidden["grain_size"])
    return hidden["grain_size"], None if problem is None else problem.advice


def test_grains_whose_boundaries_show_are_counted() -> None:
    found = measure(maps(pitch=20))
    assert hidden_grains(found, CALIBRATION) == {}
    assert grain_problem(image(), found) is None


def test_a_porous_body_without_boundaries_is_measured_but_for_its_grains() -> None:
    reason, advice = without_grains(measure(maps(pores=8)))
    assert "no grain boundary shows" in reason
    assert advice is None
    assert set(hidden_grains(measure(maps(pores=8)), CALIBRATION)) == set(GRAIN_QUANTITIES)


def test_a_few_pores_alone_are_no_field() -> None:
    reason, advice = without_grains(measure(maps(pores=3)))
    assert advice is not None
    assert "wider" in advice
    assert without_grains(measure(maps(pores=3)), precipitate=0.1)[1] is None
    assert reason


def test_doubtful_boundaries_withhold_the_sizes_and_not_the_pores() -> None:
    reason, advice = without_grains(measure(maps(pitch=20, probability=0.5 + 1e-3, pores=8)))
    assert "cannot be told apart" in reason
    assert "etch" in reason
    assert advice is None


def test_few_grains_are_too_few_unless_the_picture_is_one_of_something_else() -> None:
    few = measure(maps(pitch=64))
    problem = grain_problem(image(), few)
    assert hidden_grains(few, CALIBRATION) == {}
    assert problem is not None
    assert problem.pixel_factor > 1.0
    reason, advice = without_grains(measure(maps(pitch=64, pores=8)))
    assert reason.startswith("only 1")
    assert advice is None


def test_what_no_pixel_resolves_is_to_be_taken_from_nearer() -> None:
    noise = np.asarray(np.random.default_rng(6).normal(0.5, 0.1, (SIDE, SIDE)), dtype=np.float32)
    unsure = replace(measure(maps(pitch=64)), clarity=0.2)
    problem = grain_problem(noise, unsure)
    assert problem is not None
    assert problem.pixel_factor < 1.0
    nothing = empty_problem(noise, measure(maps()), {}, "no grain boundary shows in this picture")
    assert nothing is not None
    assert nothing.pixel_factor < 1.0
    assert noise_problem(image()) is None


def test_specks_are_no_parts() -> None:
    found = measure(maps(pores=8))
    specks = found.pores.copy()
    specks[::9, ::9] = True
    assert parts_shown(found) == 64
    assert parts_shown(replace(found, pores=np.zeros_like(specks), phase=specks & ~found.pores)) == pytest.approx(0)

"""The classical way measures plain pictures as a person would; what it cannot know it is told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from simulators.sections.microstructure import Microstructure, SectionSpec
from simulators.tessellation import draw
from surrogates.micrograph_classical import Tone, classical, otsu_porosity
from surrogates.micrograph_scores import boundary_f1, iou


@pytest.fixture(scope="module")
def section() -> Microstructure:
    return draw(SectionSpec(22.0, 1.0, (224, 224), porosity=0.08), np.random.default_rng(3))


def _picture(section: Microstructure, noise: float = 0.02) -> np.ndarray:
    """Dark grooves and darker pores on grey grains, softened, with noise: a textbook micrograph."""
    image = np.full(section.labels.shape, 0.7)
    image[ndimage.binary_dilation(section.boundaries)] = 0.5
    image[section.pores] = 0.15
    rng = np.random.default_rng(1)
    image = ndimage.gaussian_filter(image, 0.7) + rng.normal(0.0, noise, image.shape)
    return np.asarray(np.clip(image, 0.0, 1.0), dtype=np.float32)


def test_a_textbook_micrograph_is_measured(section: Microstructure) -> None:
    found = classical(_picture(section))
    assert boundary_f1(found.boundaries, section.boundaries) > 0.9
    assert found.intercept == pytest.approx(section.mean_intercept_um, rel=0.15)
    assert found.porosity == pytest.approx(section.porosity, abs=0.02)
    assert not found.phase.any()


def test_otsu_halves_what_has_no_pores() -> None:
    dense = np.random.default_rng(0).normal(0.5, 0.05, (96, 96)).astype(np.float32)
    assert otsu_porosity(dense) == pytest.approx(0.5, abs=0.1)
    assert classical(dense).porosity < 0.02
    assert otsu_porosity(np.full((32, 32), 0.4, dtype=np.float32)) == 0.0


@pytest.mark.parametrize(("tone", "grey"), [(Tone.DARK, 0.45), (Tone.BRIGHT, 0.95)])
def test_a_second_phase_is_found_by_its_tone(tone: Tone, grey: float) -> None:
    rng = np.random.default_rng(2)
    phase = ndimage.gaussian_filter(rng.normal(size=(128, 128)), 6.0)
    phase = phase > np.quantile(phase, 0.75)
    image = np.where(phase, grey, 0.7) + rng.normal(0.0, 0.02, phase.shape)
    found = classical(image.astype(np.float32), tone)
    assert iou(found.phase | found.pores, phase) > 0.8


def test_flat_pictures_are_no_trouble() -> None:
    found = classical(np.full((64, 64), 0.5, dtype=np.float32), Tone.DARK)
    assert found.porosity == 0.0
    assert not found.phase.any()

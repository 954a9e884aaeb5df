"""Grains are recovered from ideal boundary maps, and from maps with the faults that networks make."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.sections.microstructure import Microstructure, SectionSpec
from simulators.tessellation import draw
from surrogates.micrograph_evaluation import boundary_f1
from surrogates.micrograph_measure import measure


@pytest.fixture(scope="module")
def section() -> Microstructure:
    return draw(SectionSpec(22.0, 1.0, (320, 320), porosity=0.06), np.random.default_rng(0))


def _maps(section: Microstructure) -> np.ndarray:
    edges = section.boundaries.copy()
    edges[1:] |= section.boundaries[:-1]
    edges[:, 1:] |= section.boundaries[:, :-1]
    return np.stack((edges & ~section.pores, section.pores)).astype(np.float32)


def test_ideal_maps_give_the_true_measures(section: Microstructure) -> None:
    seen = measure(_maps(section))
    assert seen.diameter == pytest.approx(section.mean_diameter_um, rel=0.07)
    assert seen.intercept == pytest.approx(section.mean_intercept_um, rel=0.03)
    assert seen.porosity == pytest.approx(section.porosity, abs=1e-6)
    assert boundary_f1(seen.boundaries, section.boundaries) > 0.97


def test_gaps_in_boundaries_do_not_join_grains(section: Microstructure) -> None:
    maps = _maps(section)
    gaps = np.random.default_rng(1).random(section.labels.shape) < 0.1
    maps[0][gaps] = 0.0
    assert measure(maps).diameter == pytest.approx(section.mean_diameter_um, rel=0.1)


def test_faint_speckle_does_not_split_grains(section: Microstructure) -> None:
    maps = _maps(section)
    maps[0] = np.maximum(maps[0], 0.4 * np.random.default_rng(2).random(maps[0].shape).astype(np.float32))
    assert measure(maps).diameter == pytest.approx(section.mean_diameter_um, rel=0.1)


@pytest.mark.parametrize("pore", [0.0, 1.0])
def test_fields_without_a_boundary_are_one_grain_or_none(pore: float) -> None:
    seen = measure(np.stack((np.zeros((64, 64)), np.full((64, 64), pore))).astype(np.float32))
    assert seen.porosity == pore
    assert seen.n_grains <= 1

"""Powder and fracture: surfaces with relief, seen from above."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from simulators.sections.microstructure import SectionSpec, Surface
from simulators.tessellation import draw

POWDER = SectionSpec(1.0, 0.04, (256, 256), surface=Surface.POWDER)
FRACTURE = SectionSpec(1.0, 0.025, (256, 256), surface=Surface.FRACTURE)


@pytest.mark.parametrize("seed", range(3))
def test_a_powder_is_a_heap_of_particles_that_hide_each_other(seed: int) -> None:
    ms = draw(POWDER, np.random.default_rng(seed))
    assert ((ms.labels == 0) == ms.pores).all()
    assert 0.02 < ms.porosity < 0.25
    assert ms.height.mean() == pytest.approx(0.0, abs=1e-3)
    # A heap several particles deep, and its gaps at the bottom of it.
    assert np.ptp(ms.height) > 1.5 * 25.0
    assert ms.height[ms.pores].max() <= ms.height[~ms.pores].min() + 1e-3
    # Particles that hide others end in a step, not in a slope.
    edge = ms.labels[:, 1:] != ms.labels[:, :-1]
    step = np.abs(np.diff(ms.height, axis=1))
    assert np.median(step[edge]) > 4.0 * np.median(step[~edge])
    shown = np.sqrt(4.0 * np.bincount(ms.labels.ravel())[1:] / np.pi) * 0.04
    assert np.mean(shown) < ms.mean_diameter_um


def test_particle_sizes_are_log_normal_with_the_spread_asked_for() -> None:
    for spread in (0.15, 0.5):
        sizes = [
            draw(
                SectionSpec(1.0, 0.06, (256, 256), size_sigma=spread, surface=Surface.POWDER), np.random.default_rng(n)
            )
            for n in range(4)
        ]
        logs = np.log(np.concatenate([ms.diameters_um for ms in sizes]))
        assert np.std(logs) == pytest.approx(spread, rel=0.2, abs=0.04)


def test_a_fracture_shows_flat_facets_whose_slopes_break_at_their_edges() -> None:
    ms = draw(FRACTURE, np.random.default_rng(1))
    assert ms.height.mean() == pytest.approx(0.0, abs=1e-2)
    assert np.ptp(ms.height) > 25.0
    residual, tilt = [], []
    for facet in np.flatnonzero(np.bincount(ms.labels.ravel()) > 150):
        rows, columns = np.nonzero(ms.labels == facet)
        plane = np.column_stack((rows, columns, np.ones(len(rows))))
        fit, *_ = np.linalg.lstsq(plane, ms.height[rows, columns].astype(np.float64), rcond=None)
        residual.append(np.std(ms.height[rows, columns] - plane @ fit) / 40.0)
        tilt.append(np.degrees(np.arctan(np.hypot(fit[0], fit[1]))))
    assert np.median(residual) < 0.02
    # Facets point every way: many steep ones, as grains are round.
    assert 15.0 < np.median(tilt) < 60.0
    assert label(ms.labels, connectivity=2).max() < 1.25 * ms.n_grains


def test_pores_of_a_fracture_are_pits() -> None:
    spec = SectionSpec(1.0, 0.025, (256, 256), porosity=0.06, open_share=0.3, surface=Surface.FRACTURE)
    ms = draw(spec, np.random.default_rng(2))
    assert ms.porosity == pytest.approx(0.06, abs=1e-3)
    rim = np.zeros(ms.pores.shape, dtype=np.bool_)
    rim[1:-1, 1:-1] = ms.pores[1:-1, 1:-1]
    pits = [ms.height[label(ms.pores) == n] for n in range(1, 6)]
    assert all(pit.min() < np.quantile(pit, 0.9) for pit in pits)
    assert 0.3 < ms.closed.sum() / ms.pores.sum() < 0.95


def test_a_fracture_of_an_open_body_shows_round_particles_above_deep_gaps() -> None:
    spec = SectionSpec(1.0, 0.04, (256, 256), porosity=0.35, open_share=1.0, surface=Surface.FRACTURE)
    ms = draw(spec, np.random.default_rng(4))
    dense = draw(SectionSpec(1.0, 0.04, (256, 256), surface=Surface.FRACTURE), np.random.default_rng(4))
    assert ms.porosity == pytest.approx(0.35, abs=1e-3)
    assert not ms.closed.any()
    assert ms.height[ms.pores].mean() < ms.height[~ms.pores].mean() - 0.3 * 25.0
    # Balls are curved where facets are flat: the middle half of the second differences tells.
    bent = [np.median(np.abs(np.diff(m.height, 2, axis=0))[~m.pores[1:-1]]) for m in (ms, dense)]
    assert bent[0] > 4.0 * bent[1]


def test_a_fracture_shows_cracks_and_a_second_phase() -> None:
    spec = SectionSpec(1.0, 0.04, (256, 256), second_phase=0.1, cracks=100.0, surface=Surface.FRACTURE)
    ms = draw(spec, np.random.default_rng(5))
    assert ms.phase_fraction == pytest.approx(0.1, abs=0.02)
    assert ms.crack_length_mm == pytest.approx(100.0, rel=0.05)
    assert (ms.labels[ms.cracks] == 0).all()
    assert not (ms.phase & ms.cracks).any()

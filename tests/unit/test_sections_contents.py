"""What lies between and inside the grains of a section: as much as asked for, where it belongs, in its own shapes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label, perimeter_crofton, regionprops
from skimage.morphology import skeletonize

from simulators.sections.microstructure import Microstructure, SectionSpec
from simulators.tessellation import draw

PLAIN = SectionSpec(grain_size_um=1.0, pixel_size_um=0.04, shape=(300, 300))


def _drawn(seed: int = 0, **content: Any) -> Microstructure:
    return draw(replace(PLAIN, **content), np.random.default_rng(seed))


def _near_junction(ms: Microstructure, mask: np.ndarray[Any, Any], reach: float) -> float:
    """Share of the regions of ``mask`` within ``reach`` pixels of where three grains would meet without them."""
    nearest = ndimage.distance_transform_edt(ms.labels == 0, return_distances=False, return_indices=True)
    bare = ms.labels[tuple(nearest)]
    corners = np.stack((bare[:-1, :-1], bare[:-1, 1:], bare[1:, :-1], bare[1:, 1:]))
    triple = (np.diff(np.sort(corners, axis=0), axis=0) > 0).sum(axis=0) >= 2
    away = ndimage.distance_transform_edt(~triple)
    regions = label(mask)[:-1, :-1]
    return float(np.mean(ndimage.minimum(away, regions, np.arange(1, regions.max() + 1)) <= reach))


def _solidity(mask: np.ndarray[Any, Any]) -> float:
    """Share of the convex hulls of the larger regions that they fill, weighted by area."""
    regions = [region for region in regionprops(label(mask)) if region.area >= 25]
    return float(np.average([r.solidity for r in regions], weights=[r.area for r in regions]))


@pytest.mark.parametrize(
    ("porosity", "open_share"), [(0.003, 0.0), (0.08, 0.0), (0.08, 1.0), (0.2, 0.4), (0.45, 0.9), (0.6, 1.0)]
)
def test_open_and_closed_porosity_are_met_and_lie_apart(porosity: float, open_share: float) -> None:
    ms = _drawn(porosity=porosity, open_share=open_share)
    assert ms.porosity == ms.pores.mean() == pytest.approx(porosity, abs=1e-3)
    assert ms.closed.mean() == pytest.approx(porosity * (1.0 - open_share), abs=2e-3)
    channels = ms.pores & ~ms.closed
    assert not (ndimage.binary_dilation(channels) & ms.closed).any()


def test_closed_pores_are_round_and_sit_at_triple_points_on_boundaries_and_in_grains() -> None:
    ms = _drawn(porosity=0.04)
    pores = [r for r in regionprops(label(ms.closed)) if r.area >= 25]
    roundness = [4.0 * np.pi * r.area / perimeter_crofton(r.image_filled) ** 2 for r in pores]
    assert np.median(roundness) > 0.8
    assert 0.5 < _near_junction(ms, ms.closed, 5.0) < 0.97


def test_open_pores_run_together_as_closed_ones_do_not() -> None:
    reach = []
    for share in (0.0, 1.0):
        pores = [_drawn(seed, porosity=0.25, open_share=share).pores for seed in range(3)]
        # Share of the pore area in the largest region: a network percolates.
        reach.append(np.mean([np.bincount(label(p)[p]).max() / p.sum() for p in pores]))
    assert reach[1] > 2.0 * reach[0]
    assert reach[1] > 0.4


@pytest.mark.parametrize("fraction", [0.02, 0.12, 0.4])
def test_a_residue_wets_grains_from_their_triple_points(fraction: float) -> None:
    ms = _drawn(second_phase=fraction, porosity=0.02)
    assert ms.phase_fraction == pytest.approx(fraction, abs=2e-3)
    assert (ms.labels[ms.phase] == 0).all()
    if fraction < 0.2:
        assert _near_junction(ms, ndimage.binary_opening(ms.phase, np.ones((2, 2))), 5.0) > 0.8
        # Pockets have cusps: they fill less of their convex hulls than pores do.
        solidity = [_solidity(mask) for mask in (ms.phase, _drawn(porosity=fraction).closed)]
        assert solidity[0] < solidity[1] - 0.05


def test_a_second_phase_may_be_grains_of_its_own() -> None:
    for seed in range(3):
        ms = _drawn(seed, second_phase=0.2, phase_at_boundaries=False, porosity=0.05)
        assert ms.phase_fraction == pytest.approx(0.2, abs=0.015)
        share = np.bincount(ms.labels[ms.phase], minlength=ms.n_grains + 1)[1:] / np.bincount(ms.labels.ravel())[1:]
        assert set(np.unique(share)) == {0.0, 1.0}


@pytest.mark.parametrize("fraction", [0.1, 0.4])
def test_abnormal_grains_cover_their_share_on_average_and_dwarf_the_others(fraction: float) -> None:
    found, ratios = [], []
    for seed in range(10):
        ms = _drawn(seed, abnormal=fraction, pixel_size_um=0.1, shape=(240, 240))
        found.append(np.isin(ms.labels, ms.abnormal).mean())
        areas = np.bincount(ms.labels.ravel())
        normal = np.setdiff1d(np.arange(1, ms.n_grains + 1), ms.abnormal)
        if ms.abnormal:
            ratios.append(np.sqrt(areas[list(ms.abnormal)].max() / areas[normal].mean()))
    assert np.mean(found) == pytest.approx(fraction, abs=3.0 * np.std(found) / np.sqrt(10.0) + 0.02)
    assert np.std(found) < 0.12
    assert np.median(ratios) > 3.5


def test_abnormal_plates_of_one_field_point_every_way() -> None:
    ms = _drawn(1, abnormal=0.3, pixel_size_um=0.16, shape=(480, 480))
    angles = [
        region.orientation for region in regionprops(ms.labels)
        if region.label in ms.abnormal and region.axis_major_length > 1.25 * region.axis_minor_length
    ]  # fmt: skip
    assert len(angles) > 12
    # The resultant of doubled angles, which have no sense: 1 for parallel ones (Mardia, Jupp, Directional Statistics).
    assert abs(np.exp(2j * np.array(angles)).mean()) < 0.5


@pytest.mark.parametrize("density", [60.0, 250.0])
def test_cracks_are_as_long_as_asked_and_mostly_follow_boundaries(density: float) -> None:
    ms, bare = _drawn(cracks=density), _drawn()
    assert ms.crack_length_mm == pytest.approx(density, rel=0.01)
    assert (ms.labels[ms.cracks] == 0).all()
    line = skeletonize(ms.cracks)
    # A skeleton's length by its links, straight ones 1 and oblique ones the root of 2 (Freeman, 1970).
    straight = (line[1:] & line[:-1]).sum() + (line[:, 1:] & line[:, :-1]).sum()
    oblique = (line[1:, 1:] & line[:-1, :-1] & ~line[1:, :-1] & ~line[:-1, 1:]).sum()
    oblique += (line[1:, :-1] & line[:-1, 1:] & ~line[1:, 1:] & ~line[:-1, :-1]).sum()
    length = (straight + np.sqrt(2.0) * oblique) / line.size / 0.04e-3
    assert length == pytest.approx(density, rel=0.2)
    away = ndimage.distance_transform_edt(~bare.boundaries)[line]
    assert 0.55 < np.mean(away <= 3.0) < 0.99


def test_a_field_too_small_for_a_crack_shows_one_as_often_as_is_due() -> None:
    spec = replace(PLAIN, shape=(48, 48), cracks=60.0)
    lengths = [draw(spec, np.random.default_rng(seed)).crack_length_mm for seed in range(150)]
    assert 0.05 < np.mean(np.array(lengths) > 0.0) < 0.3
    assert np.mean(lengths) == pytest.approx(60.0, rel=0.4)


def test_cracks_narrow_towards_their_tips() -> None:
    ms = _drawn(3, cracks=150.0, pixel_size_um=0.01)
    width = ndimage.distance_transform_edt(ms.cracks)[skeletonize(ms.cracks)]
    assert np.quantile(width, 0.9) > 1.8 * np.quantile(width, 0.1)

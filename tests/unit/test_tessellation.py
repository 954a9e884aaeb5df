"""The virtual microstructures state a truth that independent measures confirm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from skimage.measure import label, regionprops

from envs.errors import UserError
from simulators.sections.microstructure import Kind, SectionSpec, Surface
from simulators.tessellation import draw
from surrogates.stereology import equivalent_diameters, mean_diameter, mean_intercept

PLAIN = SectionSpec(grain_size_um=2.0, pixel_size_um=0.1, shape=(256, 256))


def _rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"porosity": 0.06},
        {"porosity": 0.3, "open_share": 1.0},
        {"porosity": 0.15, "open_share": 0.5},
        {"second_phase": 0.15},
        {"second_phase": 0.2, "phase_at_boundaries": False},
        {"elongation": 3.0, "direction": 0.6},
        {"abnormal": 0.3},
        {"cracks": 60.0},
        {"surface": Surface.POWDER},
        {"surface": Surface.FRACTURE},
    ],
    ids=str,
)
def test_the_wanted_grain_size_is_met_on_average(content: dict[str, Any]) -> None:
    spec = SectionSpec(grain_size_um=1.3, pixel_size_um=0.1, shape=(160, 180), **content)
    means = []
    for seed in range(20):
        ms = draw(spec, _rng(seed))
        matrix = np.where(np.isin(ms.labels, ms.abnormal), 0, ms.labels).astype(np.int32)
        means.append(mean_diameter(matrix) * 0.1 if ms.abnormal else ms.mean_diameter_um)
    assert np.mean(means) == pytest.approx(1.3, rel=0.03)


@pytest.mark.parametrize(("pixels", "size"), [(3.5, 96), (7.0, 128), (30.0, 480)])
def test_the_wanted_grain_size_is_met_however_fine_the_pixels_are(pixels: float, size: int) -> None:
    spec = SectionSpec(grain_size_um=1.0, pixel_size_um=1.0 / pixels, shape=(size, size), porosity=0.02)
    means = [draw(spec, _rng(seed)).mean_diameter_um for seed in range(10)]
    assert np.mean(means) == pytest.approx(1.0, rel=0.03)


def test_sizes_are_spread_as_in_sections_of_real_polycrystals() -> None:
    fields = [draw(PLAIN, _rng(seed)) for seed in range(8)]
    diameters = [
        region.equivalent_diameter_area
        for ms in fields
        for region in regionprops(ms.labels)
        if min(region.bbox[:2]) > 0 and max(region.bbox[2:]) < 256
    ]
    assert np.sort(np.concatenate([ms.diameters_um for ms in fields]) * 10.0) == pytest.approx(np.sort(diameters))
    # Planar sections of Laguerre polycrystals: coefficient of variation 0.48, mean diameter over intercept 1.18.
    assert np.std(diameters) / np.mean(diameters) == pytest.approx(0.48, abs=0.04)
    chords = [ms.mean_diameter_um / ms.mean_intercept_um for ms in fields]
    assert np.mean(chords) == pytest.approx(1.18, abs=0.04)


def test_grains_are_whole_and_have_six_neighbours_on_average() -> None:
    ms = draw(replace(PLAIN, shape=(400, 400)), _rng(2))
    pieces = label(ms.labels, background=0, connectivity=2)
    assert pieces.max() < 1.02 * ms.n_grains
    # Euler: where three cells meet at each corner, a cell has six sides on average (Smith, Metal Interfaces, 1952).
    pairs = set()
    for a, b in ((ms.labels[:, :-1], ms.labels[:, 1:]), (ms.labels[:-1], ms.labels[1:])):
        pairs |= {(min(p), max(p)) for p in zip(a[a != b].tolist(), b[a != b].tolist(), strict=True)}
    cut = set(np.concatenate([ms.labels[0], ms.labels[-1], ms.labels[:, 0], ms.labels[:, -1]]).tolist())
    sides = np.bincount(np.array(list(pairs)).ravel(), minlength=ms.n_grains + 1)
    assert np.mean([n for grain, n in enumerate(sides) if grain and grain not in cut]) == pytest.approx(6.0, abs=0.35)


@pytest.mark.parametrize(("intercept_um", "number"), [(320.0, 0.0), (56.6, 5.0), (20.0, 8.0), (10.0, 10.0)])
def test_grain_numbers_are_those_of_the_table_of_astm_e112(intercept_um: float, number: float) -> None:
    ms = draw(PLAIN, _rng(0))
    scale = intercept_um / ms.mean_intercept_um
    larger = draw(replace(PLAIN, grain_size_um=2.0 * scale, pixel_size_um=0.1 * scale), _rng(0))
    assert larger.astm_g == pytest.approx(number, abs=0.01)


def test_weights_undo_that_large_grains_are_cut_more_often() -> None:
    ms = draw(replace(PLAIN, shape=(768, 768), pixel_size_um=0.1), _rng(4))
    plain, weighted = [], []
    for row in range(0, 768, 96):
        for column in range(0, 768, 96):
            diameters, weights = equivalent_diameters(ms.labels[row : row + 96, column : column + 96])
            plain.append((diameters.sum(), len(diameters)))
            weighted.append(((diameters * weights).sum(), weights.sum()))
    whole = ms.mean_diameter_um / 0.1
    assert np.divide(*np.sum(weighted, axis=0)) == pytest.approx(whole, rel=0.03)
    assert np.divide(*np.sum(plain, axis=0)) < 0.97 * whole


@pytest.mark.parametrize(("elongation", "direction"), [(1.0, 0.0), (2.0, 0.4), (4.0, 2.2)])
def test_grains_are_as_long_as_asked_and_lie_in_the_direction(elongation: float, direction: float) -> None:
    spec = replace(PLAIN, shape=(320, 320), elongation=elongation, direction=direction)
    ms = draw(spec, _rng(1))
    assert ms.elongation == pytest.approx(elongation, rel=0.08)
    inner = [r for r in regionprops(ms.labels) if min(r.bbox[:2]) > 0 and max(r.bbox[2:]) < 320]
    tensor = np.mean([r.area * r.inertia_tensor for r in inner], axis=0)
    low, high = np.linalg.eigvalsh(tensor)
    # The inertia of a grain about its long axis is its second moment across it.
    assert np.sqrt(high / low) == pytest.approx(ms.elongation, rel=0.08)
    if elongation > 1.0:
        angles = np.array([np.pi / 2 - r.orientation for r in inner])
        mean = 0.5 * np.angle(np.mean(np.exp(2j * angles)))
        assert abs(np.sin(mean + direction)) < 0.12 or abs(np.sin(mean - direction)) < 0.12


def test_a_flat_section_is_flat_and_its_maps_agree() -> None:
    spec = replace(PLAIN, porosity=0.15, open_share=0.4, second_phase=0.1, abnormal=0.2, cracks=60.0)
    ms = draw(spec, _rng(5))
    assert not ms.height.any()
    assert ms.height.dtype == np.float32
    assert ((ms.labels == 0) == (ms.pores | ms.cracks | ms.phase)).all()
    assert not (ms.pores & ms.cracks).any()
    assert not (ms.phase & (ms.pores | ms.cracks)).any()
    assert (ms.closed <= ms.pores).all()
    assert not (ms.boundaries & (ms.labels == 0)).any()
    assert len(np.unique(ms.labels[ms.labels > 0])) == ms.n_grains == ms.labels.max()
    assert ms.mean_intercept_um == pytest.approx(mean_intercept(ms.labels) * 0.1)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({}, Kind.EQUIAXED_DENSE),
        ({"porosity": 0.029, "second_phase": 0.049, "abnormal": 0.079, "elongation": 1.59}, Kind.EQUIAXED_DENSE),
        ({"elongation": 1.6}, Kind.ELONGATED),
        ({"porosity": 0.03}, Kind.POROUS_CLOSED),
        ({"porosity": 0.03, "open_share": 0.5}, Kind.POROUS_OPEN),
        ({"abnormal": 0.08, "porosity": 0.1}, Kind.BIMODAL),
        ({"second_phase": 0.05, "abnormal": 0.5}, Kind.TWO_PHASE),
        ({"cracks": 0.5, "second_phase": 0.3}, Kind.CRACKED),
        ({"surface": Surface.POWDER, "porosity": 0.3}, Kind.POWDER),
        ({"surface": Surface.FRACTURE, "cracks": 3.0}, Kind.FRACTURE),
    ],
)
def test_the_class_follows_from_the_content(content: dict[str, Any], kind: Kind) -> None:
    assert draw(SectionSpec(1.0, 0.1, (48, 48), **content), _rng(0)).kind is kind


@pytest.mark.parametrize("surface", list(Surface))
def test_the_same_generator_state_gives_the_same_field(surface: Surface) -> None:
    spec = replace(PLAIN, shape=(96, 120), porosity=0.1, open_share=0.5, abnormal=0.3, cracks=90.0, surface=surface)
    first, second, other = (draw(spec, _rng(seed)) for seed in (5, 5, 6))
    assert (first.labels == second.labels).all()
    assert (first.height == second.height).all()
    assert (first.labels != other.labels).any()


@pytest.mark.parametrize("surface", list(Surface))
@pytest.mark.parametrize(("grain", "shape"), [(3.0, (16, 33)), (90.0, (40, 64)), (400.0, (40, 48))])
def test_extremes_are_drawn(surface: Surface, grain: float, shape: tuple[int, int]) -> None:
    spec = SectionSpec(
        grain, 1.0, shape, 0.5, 0.7, abnormal=0.8, second_phase=0.5, elongation=8.0, cracks=40.0, size_sigma=0.6,
        surface=surface,
    )  # fmt: skip
    ms = draw(spec, _rng(1))
    assert ms.labels.shape == ms.height.shape == shape
    assert np.isfinite(ms.height).all()
    assert np.isfinite([ms.mean_diameter_um, ms.mean_intercept_um, ms.astm_g, ms.elongation, ms.porosity]).all()


@pytest.mark.parametrize(
    "change", [{"grain_size_um": 0.0}, {"porosity": 0.9}, {"grain_size_um": 0.01}, {"abnormal": -1.0}, {"cracks": -1.0}]
)
def test_impossible_requests_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(UserError):
        replace(PLAIN, **change)  # type: ignore[arg-type]


def test_measures_on_a_chessboard_are_those_of_its_squares() -> None:
    # Half a square at each edge: lines then cross a boundary every 20 pixels on average.
    rows, columns = (np.mgrid[0:120, 0:120] + 10) // 20
    labels = (rows * 7 + columns + 1).astype(np.int32)
    assert mean_intercept(labels) == pytest.approx(20.0)
    assert mean_diameter(labels) == pytest.approx(np.sqrt(4 / np.pi) * 20.0)

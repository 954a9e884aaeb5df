"""The virtual microstructures state a truth that independent measures confirm."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import regionprops

from envs.errors import UserError
from simulators.tessellation import polycrystal
from surrogates.stereology import mean_diameter, mean_intercept


def test_mean_diameter_and_its_spread_are_those_of_sections_of_real_polycrystals() -> None:
    ratios, spreads, chords = [], [], []
    for seed in range(4):
        ms = polycrystal(
            grain_size_um=2.0, porosity=0.0, pixel_size_um=0.1, shape=(384, 384), rng=np.random.default_rng(seed)
        )
        diameters = [region.equivalent_diameter_area for region in regionprops(ms.labels)]
        ratios.append(ms.mean_diameter_um / 2.0)
        spreads.append(np.std(diameters) / np.mean(diameters))
        chords.append(ms.mean_diameter_um / ms.mean_intercept_um)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.04)
    # Planar sections of Laguerre polycrystals: coefficient of variation 0.48, mean diameter over intercept 1.18.
    assert np.mean(spreads) == pytest.approx(0.48, abs=0.06)
    assert np.mean(chords) == pytest.approx(1.18, abs=0.05)


@pytest.mark.parametrize("porosity", [0.0, 0.003, 0.08, 0.4])
def test_porosity_is_met_and_the_masks_agree(porosity: float) -> None:
    ms = polycrystal(
        grain_size_um=1.0, porosity=porosity, pixel_size_um=0.05, shape=(200, 260), rng=np.random.default_rng(3)
    )
    assert ms.porosity == pytest.approx(porosity, abs=1e-3)
    assert ms.porosity == ms.pores.mean()
    assert ((ms.labels == 0) == ms.pores).all()
    assert not (ms.boundaries & ms.pores).any()
    assert len(np.unique(ms.labels[ms.labels > 0])) == ms.n_grains == ms.labels.max()


def test_measures_on_a_chessboard_are_those_of_its_squares() -> None:
    # Half a square at each edge: lines then cross a boundary every 20 pixels on average.
    rows, columns = (np.mgrid[0:120, 0:120] + 10) // 20
    labels = (rows * 7 + columns + 1).astype(np.int32)
    assert mean_intercept(labels) == pytest.approx(20.0)
    assert mean_diameter(labels) == pytest.approx(np.sqrt(4 / np.pi) * 20.0)


def test_the_same_generator_state_gives_the_same_field() -> None:
    first, second = (
        polycrystal(
            grain_size_um=1.0,
            porosity=0.1,
            pixel_size_um=0.05,
            shape=(96, 96),
            rng=np.random.default_rng(5),
            abnormal_fraction=0.3,
        )
        for _ in range(2)
    )
    assert (first.labels == second.labels).all()


def test_abnormal_grains_widen_the_distribution() -> None:
    largest = [
        max(
            np.bincount(
                polycrystal(
                    grain_size_um=1.0,
                    porosity=0.0,
                    pixel_size_um=0.08,
                    shape=(256, 256),
                    rng=np.random.default_rng(seed),
                    abnormal_fraction=fraction,
                ).labels.ravel()
            )
        )
        for fraction in (0.0, 0.4)
        for seed in range(4)
    ]
    assert sum(largest[4:]) > 2 * sum(largest[:4])


@pytest.mark.parametrize(
    "change", [{"grain_size_um": 0.0}, {"porosity": 0.9}, {"grain_size_um": 0.01}, {"abnormal_fraction": -1.0}]
)
def test_impossible_requests_are_refused(change: dict[str, float]) -> None:
    wanted: dict[str, float] = {"grain_size_um": 1.0, "porosity": 0.1, "abnormal_fraction": 0.0, **change}
    with pytest.raises(UserError):
        polycrystal(**wanted, pixel_size_um=0.05, shape=(64, 64), rng=np.random.default_rng(0))

"""The cut of a packing is drawn as the power diagram that it is."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.sections.packing import EDGE, packed, slab
from simulators.sections.power import gap, owners


@pytest.mark.parametrize(("step", "agreement"), [(1, 1.0), (2, 0.998), (4, 0.985)])
def test_every_pixel_goes_to_the_seed_of_least_power_distance(step: int, agreement: float) -> None:
    points, radii = slab(np.array([4.0, 4.0, 1.5]), 0.35, np.random.default_rng(3))
    axis = np.linspace(-2.5, 2.5, 97, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    found = owners(points[:, :2], points[:, 2] ** 2 - radii**2, x, y, step)
    n = len(found)
    power = ((x[:n, :n, None] - points[:, 0]) ** 2 + (y[:n, :n, None] - points[:, 1]) ** 2) + (
        points[:, 2] ** 2 - radii**2
    )
    assert np.mean(power.argmin(axis=-1) == found) >= agreement
    beyond = gap(found, points[:, :2], points[:, 2] ** 2 - radii**2, x[:n, :n], y[:n, :n])
    if step == 1:
        assert beyond == pytest.approx(power.min(axis=-1), abs=1e-5)


def test_a_slab_holds_one_seed_a_unit_of_volume_wherever_it_is_cut() -> None:
    counts = [len(slab(np.array([15.0, 12.0, 1.5]), 0.35, np.random.default_rng(seed))[0]) for seed in range(12)]
    assert np.mean(counts) == pytest.approx(8 * 15.0 * 12.0 * 1.5, rel=0.02)


def test_spheres_of_a_packing_are_log_normal_and_scarcely_overlap() -> None:
    points, radii, starts = packed(0.35)
    assert len(points) == EDGE**3 == starts[-1]
    assert np.std(np.log(radii)) == pytest.approx(0.35, rel=0.05)
    assert np.sum(4.0 / 3.0 * np.pi * radii**3) / EDGE**3 == pytest.approx(0.6, rel=0.06)
    overlaps = []
    for seed in range(0, len(points), 80):
        apart = points - points[seed]
        apart -= EDGE * np.rint(apart / EDGE)
        depth = radii[seed] + radii - np.linalg.norm(apart, axis=1)
        overlaps.append(np.delete(depth, seed).max() / radii[seed])
    assert np.median(overlaps) < 0.4

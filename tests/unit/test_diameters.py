"""The histogram of grains: what scikit-image measures on the same picture, kept in an event."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree
from skimage.measure import regionprops
from skimage.segmentation import clear_border
from test_imaging import Network, read
from typing_extensions import override

from agent import events as ev
from agent.events.forms import parse_event
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_measure import measure
from surrogates.micrograph_reading import MicrographReading
from surrogates.stereology import FEWEST_BINS, MOST_BINS, Labels, diameter_histogram, equivalent_diameters


@pytest.fixture(scope="module")
def voronoi() -> Labels:
    rng = np.random.default_rng(7)
    rows, columns = np.mgrid[0:240, 0:320]
    seeds = rng.random((180, 2)) * (240, 320)
    nearest = KDTree(seeds).query(np.column_stack((rows.ravel(), columns.ravel())))[1]
    return np.asarray(nearest.reshape(240, 320) + 1, dtype=np.int32)


def whole(labels: Labels) -> list[float]:
    return sorted(r.equivalent_diameter_area for r in regionprops(clear_border(labels)))


def test_diameters_are_those_of_regionprops_without_the_grains_on_the_border(voronoi: Labels) -> None:
    found, _ = equivalent_diameters(voronoi)
    assert sorted(found) == pytest.approx(whole(voronoi))


def test_the_segmentation_finds_the_same_grains_from_their_boundaries(voronoi: Labels) -> None:
    edge = np.zeros(voronoi.shape, dtype=np.float32)
    edge[:, 1:][voronoi[:, 1:] != voronoi[:, :-1]] = 1.0
    edge[1:][voronoi[1:] != voronoi[:-1]] = 1.0
    seen = measure(np.stack((edge, np.zeros_like(edge))))
    assert sorted(seen.diameters) == pytest.approx(whole(seen.labels))
    assert len(seen.diameters) == pytest.approx(len(whole(voronoi)), rel=0.05)
    assert seen.diameters.mean() == pytest.approx(np.mean(whole(voronoi)), rel=0.05)


def test_every_grain_is_in_one_bin(voronoi: Labels) -> None:
    diameters, _ = equivalent_diameters(voronoi)
    edges, counts = diameter_histogram(diameters)
    assert FEWEST_BINS <= len(counts) <= MOST_BINS
    assert list(counts) == np.histogram(diameters, bins=len(counts), range=(0.0, diameters.max()))[0].tolist()
    assert sum(counts) == len(diameters)
    assert edges[0] == 0.0
    assert edges[-1] == pytest.approx(diameters.max())


def test_grains_of_one_size_are_a_histogram_too() -> None:
    edges, counts = diameter_histogram(np.full(5, 2.0))
    assert counts[-1] == sum(counts) == 5
    assert np.all(np.diff(edges) > 0.0)


class Sized(Network):
    """Sees grains of these diameters."""

    @override
    def read(self, micrograph: Micrograph) -> MicrographReading:
        return replace(super().read(micrograph), diameters=np.linspace(0.2, 1.0, 90))


def test_the_event_holds_it_and_events_from_before_are_still_read(tmp_path: Path) -> None:
    event = read(tmp_path, Sized())
    assert event.diameters is not None
    assert (sum(event.diameters.counts), event.diameters.unit) == (90, "um")
    assert parse_event(event.model_dump_json()) == event
    older = json.loads(event.model_dump_json())
    del older["diameters"]
    assert parse_event(json.dumps(older)) == event.model_copy(update={"diameters": None})
    assert read(tmp_path, Network()).diameters is None
    planned = ev.RoundPlanned(campaign="c", round=1, candidates={"bo": 3}).model_dump(mode="json")
    del planned["effects"]
    assert parse_event(json.dumps(planned)) == ev.RoundPlanned(campaign="c", round=1, candidates={"bo": 3})

"""How far is far is told by how far known things are apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from surrogates.reach import LARGEST, Reach, apart

CLOUD = np.random.default_rng(0).normal(size=(400, 5))


def test_distances_to_the_nearest_are_those_of_the_whole_table() -> None:
    table = cdist(CLOUD, CLOUD)
    np.fill_diagonal(table, np.inf)
    assert apart(CLOUD) == pytest.approx(table.min(axis=1))
    others = CLOUD[:50] + 0.5
    assert apart(others, CLOUD) == pytest.approx(cdist(others, CLOUD).min(axis=1))


def test_what_is_like_the_known_is_mostly_inside_and_what_is_not_is_outside() -> None:
    reach = Reach.of(apart(CLOUD))
    more = np.random.default_rng(1).normal(size=(2000, 5))
    verdicts = [reach.verdict(d) for d in apart(more, CLOUD)]
    assert verdicts.count("inside") / 2000 == pytest.approx(0.9, abs=0.03)
    assert {reach.verdict(d) for d in apart(more + 20.0, CLOUD)} == {"outside"}
    assert reach.score(0.0) == 0.0
    assert reach.verdict(0.0) == "inside"


@given(st.lists(st.floats(0.0, 1e6), max_size=30), st.floats(0.0, 1e7))
def test_the_score_is_one_where_outside_begins(distances: list[float], distance: float) -> None:
    reach = Reach.of(np.array(distances))
    assert reach.edge <= reach.limit
    assert (reach.verdict(distance) == "outside") == (reach.score(distance) >= 1.0 and distance > reach.edge)
    assert 0.0 <= reach.score(distance) <= LARGEST


def test_limits_that_are_the_same_are_told_once() -> None:
    assert Reach(2.75, 2.8).words == "outside from 2.8"
    assert Reach(1.9, 2.8).words == "edge from 1.9, outside from 2.8"


def test_one_known_thing_has_no_other_to_be_near_to() -> None:
    reach = Reach.of(apart(CLOUD[:1]))
    assert (reach.verdict(0.0), reach.verdict(0.1)) == ("inside", "outside")

"""A course in a word's height: nothing that matters is left out, and all of it is in words, too."""

import math
import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from agent.dashboard.drawing.spark import HEIGHT, WIDTH, spark, thinned

POINTS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=600).map(
    lambda values: [(float(n), value) for n, value in enumerate(values)]
)


@given(POINTS)
def test_thinning_keeps_the_extremes_the_last_and_the_order(points: list[tuple[float, float]]) -> None:
    kept = thinned(points, most=50)

    assert len(kept) <= 50
    assert kept == sorted(kept)
    assert set(kept) <= set(points)
    assert kept[-1] == points[-1]
    assert {min(v for _, v in kept), max(v for _, v in kept)} == {min(v for _, v in points), max(v for _, v in points)}


@given(POINTS)
def test_every_point_is_inside_the_picture(points: list[tuple[float, float]]) -> None:
    found = re.findall(r"(-?[\d.]+) (-?[\d.]+)(?=[ML\"])", spark(points, "t"))

    assert found
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in found)


def test_it_is_well_formed_and_says_what_it_shows() -> None:
    drawn = spark([(float(n), math.sin(n)) for n in range(500)], 'temperature "<now>" & then')

    root = ET.fromstring(drawn)  # noqa: S314 - our own
    assert root.attrib["aria-label"] == 'temperature "<now>" & then'
    assert root.attrib["role"] == "img"
    assert root[0].text == 'temperature "<now>" & then'


def test_where_nothing_was_read_for_long_there_is_no_line() -> None:
    times = [*range(20), *range(200, 220)]

    drawn = spark([(float(t), 1.0 + t % 3) for t in times], "t")

    line = re.search(r'class="line" d="([^"]+)"', drawn)
    assert line is not None
    assert line[1].count("M") == 2


def test_nothing_is_drawn_of_nothing() -> None:
    assert "<path" not in spark([], "nothing read")

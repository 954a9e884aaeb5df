"""The small pictures in a line of text: where their marks stand, and what they say to those who do not see them."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from dashboard_samples import NOW, sample_picture

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.drawing.bars import effect_svg, interval_bar, limit_bar, reach_of, share_bar
from agent.dashboard.views import proposal_parts as parts
from agent.dashboard.views.proposal_card import card_of
from agent.dashboard.views.proposal_limits import Limit, limits_of
from agent.roles import Role
from instruments.messages import Quantity
from instruments.profile.agent_messages import Check, Estimate
from instruments.profile.model_messages import EffectPoint, FactorEffect, Goal

TEMPERATURE = FactorEffect(
    factor="process.temperature",
    unit="Cel",
    share=0.4,
    points=tuple(
        EffectPoint(at=float(at), value=value, low=value - 1.0, high=value + 1.0)
        for at, value in ((1200, 20.0), (1300, 24.0), (1400, 22.0))
    ),
)
ADDITIVE = FactorEffect(
    factor="process.additive",
    points=(EffectPoint(at="none", value=20.0, low=19.0, high=21.0), EffectPoint(at="<b>", value=25, low=24, high=26)),
)


def lefts(markup: str) -> dict[str, float]:
    return {name: float(at) for name, at in re.findall(r'class="(\w+)" style="left:([\d.]+)%', markup)}


def test_an_interval_has_its_marks_in_their_places() -> None:
    goal = Goal(property="hardness", unit="GPa")
    estimate = {"hardness": Estimate(value=30.0, unit="GPa", std=1.0, low=28.0, high=33.0)}
    (one,) = parts.predictions_of(estimate, (goal,), {"hardness": Quantity(value=31.0, unit="GPa")})
    bar = interval_bar(one, (20.0, 40.0))
    assert lefts(bar) == {"band": 40.0, "goal": 55.0, "mark": 50.0}
    assert "width:25.0%" in bar
    own = lefts(interval_bar(one))
    assert 0.0 < own["band"] < own["mark"] < own["goal"] < 100.0


def test_a_limit_is_drawn_only_between_two() -> None:
    def check(low: float | None, high: float | None) -> Limit:
        value = Quantity(value=1500.0, unit="Cel")
        (limit,) = limits_of(
            [Check(instrument="f", command="sinter", parameter="temperature", value=value, low=low, high=high)]
        )
        return limit

    assert lefts(limit_bar(check(1000.0, 2000.0))) == {"mark": 50.0}
    assert limit_bar(check(None, 2000.0)) == ""
    assert lefts(limit_bar(check(1000.0, 1400.0))) == {"mark": 100.0}
    assert "width:100.0%" in share_bar(1.7)


def test_a_curve_rings_the_design_and_says_what_it_shows() -> None:
    design: dict[str, Quantity | str] = {"process.temperature": Quantity(value=1300.0, unit="Cel")}
    (effect,) = parts.effects_of([TEMPERATURE], design)
    root = ET.fromstring(effect_svg(effect, reach_of([effect]), "hardness"))  # noqa: S314 - our own
    said = root.attrib["aria-label"].replace("\N{NO-BREAK SPACE}", " ")
    assert said == "Expected hardness by temperature: 20 at 1200 °C, 24 at 1300 °C; here 1300 °C"
    (ring,) = root.iter("circle")
    (line,) = root.iter("polyline")
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert (float(ring.attrib["cx"]), float(ring.attrib["cy"])) == points[1]
    assert points[1][1] < points[2][1] < points[0][1]  # upwards is more
    assert points[1][0] - points[0][0] == points[2][0] - points[1][0]


def test_the_best_level_is_the_lowest_expectation_where_less_is_better() -> None:
    design: dict[str, Quantity | str] = {"process.temperature": Quantity(value=1400.0, unit="Cel")}
    for direction, best in (("maximize", "1300"), ("minimize", "1200")):
        goal = Goal(property="resistivity", unit="Ohm.m", direction=direction)  # type: ignore[arg-type]
        (effect,) = parts.effects_of([TEMPERATURE], design, goal)
        assert effect.best.startswith(best)


def test_words_stand_side_by_side_and_stay_words() -> None:
    (effect,) = parts.effects_of([ADDITIVE], {"process.additive": "none"})
    picture = effect_svg(effect, reach_of([effect]))
    root = ET.fromstring(picture)  # noqa: S314 - our own
    assert "<b>" not in picture
    assert [text.text for text in root.iter("text")][-1] == "<b>"
    assert len([line for line in root.iter("line") if line.attrib["class"] == "whisker"]) == 2


def test_all_curves_of_a_proposal_stay_in_their_frames() -> None:
    picture = sample_picture(8)
    for waiting in picture.proposals.values():
        card = card_of(waiting, picture, NOW, Visitor("ben", Role.APPROVER, "s"))
        for effect in card.effects:
            root = ET.fromstring(effect_svg(effect, reach_of(card.effects)))  # noqa: S314 - our own
            _, _, width, height = map(float, root.attrib["viewBox"].split())
            for shape in (*root.iter("polygon"), *root.iter("polyline")):
                for point in shape.attrib["points"].split():
                    x, y = map(float, point.split(","))
                    assert 0.0 <= x <= width
                    assert 0.0 <= y <= height
    assert reach_of([]) == (0.0, 1.0)

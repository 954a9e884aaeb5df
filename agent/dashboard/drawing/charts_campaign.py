"""Charts of a campaign: how it got better, and how well its models foresaw that."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from agent.dashboard.drawing.charts import (
    CROSS,
    DOWN,
    Options,
    axis,
    band,
    bars,
    counted,
    line,
    named,
    options,
    point,
    scatter,
    span,
)
from agent.dashboard.drawing.theme import SOFT, colour
from agent.dashboard.views import words
from agent.dashboard.views.campaign_curve import Curve, CurvePoint, Mark
from agent.dashboard.views.campaign_parity import Parity, ParityPoint
from agent.dashboard.views.campaign_pools import PoolOutcomes
from instruments.profile.model_messages import FactorEffect, Goal

MEASURED, BEST, RETRACTED = "measured", "best so far", "taken back"
BAND = f"{BEST} ± standard uncertainty"
INFEASIBLE, FAILED = "cannot be made", "no result"
LABELS = 4096
"""Labels of points that are remembered: a long campaign's are the same but for one when an experiment ends."""
_POOL_COLOURS = {
    "completed": "green", "infeasible": "vermillion", "invalid_measurement": "orange", "retryable": "yellow",
    "aborted": "purple", "superseded": "grey", "retracted": "grey", "open": "blue",
}  # fmt: skip
_POOL_WORDS = {"infeasible": INFEASIBLE, "invalid_measurement": "image refused", "retracted": RETRACTED}


def best_so_far(curve: Curve) -> Options:
    """Measured values by experiment, with the best so far and its standard uncertainty as a band."""
    goal = curve.goal
    shown = [one for one in curve.points if one.value is not None]
    reach = span(
        [v + s for one in shown for v in (one.value or 0.0,) for s in (-(one.std or 0.0), one.std or 0.0)], room=0.12
    )
    floor = reach["min"]
    lows = [(float(one.n), one.value - one.std) for one in curve.best]
    highs = [(float(one.n), one.value + one.std) for one in curve.best]
    series = [
        *band(BAND, lows, highs, colour("vermillion"), step="end"),
        line(BEST, [(float(one.n), one.value) for one in curve.best], colour("vermillion"), step="end"),
        bars("standard uncertainty", _whiskers(shown), colour("blue")),
        scatter(MEASURED, _points(shown, "measured", goal), colour("blue")),
        scatter(RETRACTED, _points(shown, "retracted", goal), colour("grey"), hollow=True),
        scatter(INFEASIBLE, _failed(curve.points, "infeasible", floor), colour("grey"), symbol=CROSS),
        scatter(FAILED, _failed(curve.points, "failed", floor), colour("grey"), symbol=DOWN),
    ]
    last = curve.last
    text = f"{words.title(goal.property)} by experiment, {len(curve.points)} experiments. " + (
        f"Best: {words.uncertain(last.value, last.std, goal.unit)} by {last.experiment}."
        if last
        else "None counts yet."
    )
    legend = [
        MEASURED,
        BEST,
        *([BAND] if any(one.std for one in curve.best) else []),
        *(name for name, mark in _SHAPES if any(one.mark == mark for one in curve.points)),
    ]
    x = axis("Experiment, in the order of their ends", **counted(max(len(curve.points) + 1, 4)))
    y = axis(named(words.title(goal.property), goal.unit), vertical=True, **reach)
    return options(text, x=x, y=y, series=series, legend=legend)


_SHAPES: tuple[tuple[str, Mark], ...] = ((RETRACTED, "retracted"), (INFEASIBLE, "infeasible"), (FAILED, "failed"))


def _whiskers(shown: Sequence[CurvePoint]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    return [
        ((one.n, one.value - one.std), (one.n, one.value + one.std))
        for one in shown
        if one.value is not None and one.std and one.mark == "measured"
    ]


def _points(shown: Sequence[CurvePoint], mark: Mark, goal: Goal) -> list[Options]:
    return [
        point(one.n, one.value, _said(one, goal.unit)) for one in shown if one.mark == mark and one.value is not None
    ]


@lru_cache(maxsize=LABELS)
def _said(one: CurvePoint, unit: str) -> str:
    value = words.uncertain(one.value or 0.0, one.std, unit)
    more = ", taken back" if one.mark == "retracted" else ", corrected" if one.amended else ""
    return f"{one.experiment}: {value}{more}"


def _failed(points: Sequence[CurvePoint], mark: Mark, floor: float) -> list[Options]:
    word = INFEASIBLE if mark == "infeasible" else FAILED
    return [point(one.n, floor, f"{one.experiment}: {word}") for one in points if one.mark == mark]


def parity(data: Parity) -> Options:
    """Predictions with their 90% intervals against measured values, and the line on which both are the same."""
    goal = data.goal
    reach = span(
        [v for one in data.points for v in (one.low, one.high, one.measured - one.std, one.measured + one.std)]
    )
    ends = (reach["min"], reach["max"])
    series = [
        line(
            "as predicted",
            [(end, end) for end in ends],
            SOFT,
            lineStyle={"color": SOFT, "width": 1.2, "type": "dashed"},
        ),
        bars("90% interval", [((p.measured, p.low), (p.measured, p.high)) for p in data.points], colour("blue")),
        bars(
            "standard uncertainty",
            [((p.measured - p.std, p.predicted), (p.measured + p.std, p.predicted)) for p in data.points if p.std],
            colour("grey"),
        ),
        scatter("inside its interval", _parity(data, inside=True), colour("blue")),
        scatter("outside", _parity(data, inside=False), colour("vermillion"), symbol="diamond", size=12),
    ]
    name = words.label(goal.property)
    return options(
        f"Predicted against measured {name}. {data.words}",
        x=axis(named(f"Measured {name}", goal.unit), **reach),
        y=axis(named("Predicted", goal.unit), vertical=True, **reach),
        series=series,
        legend=["inside its interval", "outside"],
    )


def _parity(data: Parity, *, inside: bool) -> list[Options]:
    return [
        point(one.measured, one.predicted, _foreseen(one, data.goal.unit))
        for one in data.points
        if one.inside is inside
    ]


@lru_cache(maxsize=LABELS)
def _foreseen(one: ParityPoint, unit: str) -> str:
    measured = words.uncertain(one.measured, one.std, unit)
    return f"{one.experiment}: measured {measured}, predicted {words.interval(one.low, one.high, unit)} (90%)"


def effect(data: FactorEffect, goal: Goal, reach: Options) -> Options:
    """What the models expect along one factor, the others averaged: a line with its band, or marks for words.

    Args:
        data: the factor's effect.
        goal: whose unit the values have.
        reach: of the vertical axis; the same for all factors, so that they can be compared (``effects_reach``).
    """
    numbers = [(p.at, p) for p in data.points if not isinstance(p.at, str)]
    words_only = len(numbers) < len(data.points)
    name = words.title(data.factor)
    text = f"Effect of {name} on {words.label(goal.property)}, {words.percent(data.share)} of the spread."
    y = axis(named(words.title(goal.property), goal.unit), vertical=True, **reach)
    tone = colour("purple")
    if words_only:
        places = [words.formula(str(p.at)) for p in data.points]
        series = [
            bars("90% interval", [((i, p.low), (i, p.high)) for i, p in enumerate(data.points)], tone, width=4),
            scatter("expected", [
                point(i, p.value, f"{at}: {words.interval(p.low, p.high, goal.unit)} (90%)")
                for i, (p, at) in enumerate(zip(data.points, places, strict=True))
            ], tone),
        ]  # fmt: skip
        return options(text, x=axis(name, type="category", data=places, boundaryGap=True), y=y, series=series)
    ordered = sorted(((float(at), p) for at, p in numbers), key=lambda one: one[0])
    series = [
        *band("90% interval", [(at, p.low) for at, p in ordered], [(at, p.high) for at, p in ordered], tone),
        line("expected", [(at, p.value) for at, p in ordered], tone),
        scatter("expected", [
            point(at, p.value, f"{words.plain(at, data.unit)}: {words.interval(p.low, p.high, goal.unit)} (90%)")
            for at, p in ordered
        ], tone, size=6),
    ]  # fmt: skip
    x = axis(named(name, data.unit), splitNumber=4)
    return options(text, x=x, y=y, series=series)


def effects_reach(effects: Sequence[FactorEffect]) -> Options:
    """The vertical axis that all factors' charts share."""
    return span([value for one in effects for p in one.points for value in (p.low, p.high)], ticks=4)


def pools(data: PoolOutcomes) -> Options:
    """Experiments by pool, one bar each, divided by what became of them; patterns tell the parts apart too."""
    rows = list(reversed(data.pools))
    series = [
        {
            "type": "bar", "stack": "outcomes", "name": _word(kind), "barMaxWidth": 26,
            "itemStyle": {"color": colour(_POOL_COLOURS[kind])},
            "data": [
                {"value": data.of(kind, pool), "name": f"{pool}: {data.of(kind, pool)} {_word(kind)}"} for pool in rows
            ],
        }
        for kind in _POOL_COLOURS
    ]  # fmt: skip
    said = "; ".join(f"{pool}: " + ", ".join(
        f"{data.of(kind, pool)} {_word(kind)}" for kind in data.kinds if data.of(kind, pool)
    ) for pool in data.pools)  # fmt: skip
    plot = options(
        f"Outcomes by pool. {said}",
        x=axis("experiments", min=0, minInterval=1, splitNumber=4),
        y={**axis("", vertical=True), "type": "category", "data": rows, "splitLine": {"show": False}},
        series=series,
        legend=[_word(kind) for kind in data.kinds],
    )
    plot["grid"]["top"] = 8
    plot["aria"]["decal"] = {"show": True}
    return plot


def _word(kind: str) -> str:
    return _POOL_WORDS.get(kind, words.label(kind))

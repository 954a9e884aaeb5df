"""The chart of a trade-off between two quantities."""

from __future__ import annotations

from collections.abc import Iterable

from agent.dashboard.drawing.charts import Options, axis, bars, line, named, options, point, scatter, span
from agent.dashboard.drawing.theme import colour
from agent.dashboard.views import words
from agent.dashboard.views.campaign_pareto import Axis, Front, FrontPoint

FRONT, BEATEN, EXPECTED = "not beaten in both", "beaten", "proposed (expected)"


def front(data: Front) -> Options:
    """Samples in two quantities: those that no other beats, joined by the edge of what was reached; the rest grey."""
    x, y = data.x, data.y
    every = [*data.points, *data.expected]
    best = data.best
    # Between two samples of the front nothing better was reached than what the one further on gives.
    step = "start" if x.direction == "maximize" else "end"
    series = [
        bars("standard uncertainty", _whiskers(data.points), colour("grey")),
        line("front", [(one.x, one.y) for one in best], colour("green"), step=step),
        scatter(BEATEN, _points((one for one in data.points if not one.front), data), colour("grey"), size=8),
        scatter(FRONT, _points(best, data), colour("green"), symbol="diamond", size=12),
        scatter(EXPECTED, _points(data.expected, data), colour("orange"), size=9, hollow=True),
    ]
    legend = [FRONT, BEATEN, *([EXPECTED] if data.expected else [])]
    names = words.listed([one.id for one in best]) or "none yet"
    return options(
        f"{words.title(x.name)} against {words.label(y.name)}. Not beaten in both: {names}.",
        x=axis(_name(x), **span([v for one in every for v in (one.x - one.x_std, one.x + one.x_std)])),
        y=axis(_name(y), vertical=True, **span([v for one in every for v in (one.y - one.y_std, one.y + one.y_std)])),
        series=series,
        legend=legend,
    )


def _name(one: Axis) -> str:
    better = "higher" if one.direction == "maximize" else "lower"
    return f"{named(words.title(one.name), one.unit)}, {better} is better"


def _whiskers(points: Iterable[FrontPoint]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    ends = []
    for one in points:
        if one.x_std:
            ends.append(((one.x - one.x_std, one.y), (one.x + one.x_std, one.y)))
        if one.y_std:
            ends.append(((one.x, one.y - one.y_std), (one.x, one.y + one.y_std)))
    return ends


def _points(points: Iterable[FrontPoint], data: Front) -> list[Options]:
    return [
        point(
            one.x,
            one.y,
            f"{one.id}: {words.label(data.x.name)} {words.uncertain(one.x, one.x_std, data.x.unit)}, "
            f"{words.label(data.y.name)} {words.uncertain(one.y, one.y_std, data.y.unit)}",
        )
        for one in points
    ]

"""Small pictures that stand in a line of text: intervals, limits, shares, and the curve of one factor's effect.

All are markup whose every value is escaped; what they show stands beside them in words, so that a screen reader is
told once and not twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape

from agent.dashboard.views import words
from agent.dashboard.views.proposal_limits import Limit
from agent.dashboard.views.proposal_parts import Effect, Prediction

_WIDTH, _HEIGHT = 200.0, 84.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 30.0, 10.0, 8.0, 18.0


def interval_bar(one: Prediction, scale: tuple[float, float] | None = None) -> str:
    """The 90% interval with the expectation, and the best so far.

    Args:
        one: what is expected.
        scale: least and greatest value of the bar; its own by default.
    """
    least, greatest = scale or one.scale
    low, mark, high = (_share(value, least, greatest) for value in (one.low, one.value, one.high))
    goal = "" if one.best is None else f'<i class="goal" style="left:{_share(one.best, least, greatest):.1f}%"></i>'
    return (
        f'<span class="lw-bar" aria-hidden="true"><i class="band" style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
        f'{goal}<i class="mark" style="left:{mark:.1f}%"></i></span>'
    )


def limit_bar(limit: Limit) -> str:
    """Where a value stands between its limits; empty where it has not both."""
    if limit.at is None:
        return ""
    return (
        f'<span class="lw-bar lw-limit {limit.tone}" aria-hidden="true">'
        f'<i class="mark" style="left:{100 * limit.at:.1f}%"></i></span>'
    )


def share_bar(share: float) -> str:
    """A share of 1."""
    return (
        f'<span class="lw-bar" aria-hidden="true">'
        f'<i class="band" style="left:0;width:{100 * min(max(share, 0.0), 1.0):.1f}%"></i></span>'
    )


def reach_of(effects: Sequence[Effect]) -> tuple[float, float]:
    """Least and greatest value of all curves: they are drawn to one scale, so that the eye may compare them."""
    values = [end for effect in effects for point in effect.effect.points for end in (point.low, point.high)]
    if not values:
        return 0.0, 1.0
    least, greatest = min(values), max(values)
    return (least, greatest) if greatest > least else (least - 0.5, greatest + 0.5)


def effect_svg(effect: Effect, reach: tuple[float, float], objective: str = "objective") -> str:
    """One factor's effect: expectation with its 90% band along the levels, and a ring at the design's own level.

    Args:
        effect: of one factor.
        reach: of all curves, of ``reach_of``.
        objective: what is expected, for the accessible name.
    """
    points = effect.effect.points
    xs = _places(effect)
    ys = [tuple(_up(value, reach) for value in (point.value, point.low, point.high)) for point in points]
    if all(isinstance(point.at, str) for point in points):
        drawn = _whiskers(xs, ys)
    else:
        band = " ".join(f"{x:.1f},{y[2]:.1f}" for x, y in zip(xs, ys, strict=True))
        band += " " + " ".join(f"{x:.1f},{y[1]:.1f}" for x, y in reversed(list(zip(xs, ys, strict=True))))
        line = " ".join(f"{x:.1f},{y[0]:.1f}" for x, y in zip(xs, ys, strict=True))
        drawn = f'<polygon class="band" points="{band}"/><polyline class="line" points="{line}"/>'
    ring = ""
    if effect.index is not None:
        x, y = xs[effect.index], ys[effect.index][0]
        ring = (
            f'<line class="here" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
            f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        )
    return (
        f'<svg class="lw-effect" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" '
        f'aria-label="{escape(_said(effect, objective))}">{_frame(effect, xs, reach)}{drawn}{ring}</svg>'
    )


def _said(effect: Effect, objective: str) -> str:
    points = effect.effect.points
    least, most = min(points, key=lambda p: p.value), max(points, key=lambda p: p.value)
    at = effect.effect.unit
    return (
        f"Expected {objective} by {effect.name.lower()}: {words.number(least.value, 3)} at "
        f"{words.plain(least.at, at)}, {words.number(most.value, 3)} at {words.plain(most.at, at)}; here {effect.here}"
    )


def _places(effect: Effect) -> list[float]:
    points = effect.effect.points
    levels = [point.at for point in points if not isinstance(point.at, str)]
    room = _WIDTH - _LEFT - _RIGHT
    if len(levels) == len(points) and len(levels) > 1 and _is_even(levels):
        least, greatest = min(levels), max(levels)
        return [_LEFT + room * (level - least) / (greatest - least) for level in levels]
    # Levels that double from one to the next would crowd on the left: they stand one step apart, as they are chosen.
    return [_LEFT + room * (i + 0.5) / len(points) for i in range(len(points))]


def _is_even(levels: Sequence[float]) -> bool:
    steps = [b - a for a, b in itertools.pairwise(levels)]
    return min(steps) > 0.0 and max(steps) <= 3.0 * min(steps)


def _whiskers(xs: Sequence[float], ys: Sequence[Sequence[float]]) -> str:
    return "".join(
        f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{y[1]:.1f}" y2="{y[2]:.1f}"/>'
        f'<circle class="dot" cx="{x:.1f}" cy="{y[0]:.1f}" r="2.5"/>'
        for x, y in zip(xs, ys, strict=True)
    )


def _frame(effect: Effect, xs: Sequence[float], reach: tuple[float, float]) -> str:
    floor = _HEIGHT - _BOTTOM
    first, last = (_level(effect.effect.points[i].at) for i in (0, -1))
    ticks = f'<text x="{xs[0]:.1f}" y="{_HEIGHT - 5}" text-anchor="{_anchor(xs[0])}">{first}</text>'
    if len(xs) > 1:
        ticks += f'<text x="{xs[-1]:.1f}" y="{_HEIGHT - 5}" text-anchor="{_anchor(xs[-1])}">{last}</text>'
    return (
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{floor}" y2="{floor}"/>'
        f'<text x="{_LEFT - 4}" y="{_TOP + 4}" text-anchor="end">{words.number(reach[1], 2)}</text>'
        f'<text x="{_LEFT - 4}" y="{floor}" text-anchor="end">{words.number(reach[0], 2)}</text>{ticks}'
    )


def _anchor(x: float) -> str:
    return "start" if x < _LEFT + 12 else "end" if x > _WIDTH - _RIGHT - 12 else "middle"


def _level(level: float | str) -> str:
    return escape(words.formula(level[:12]) if isinstance(level, str) else words.number(level, 4))


def _up(value: float, reach: tuple[float, float]) -> float:
    share = (value - reach[0]) / (reach[1] - reach[0])
    return _TOP + (_HEIGHT - _BOTTOM - _TOP) * (1.0 - min(max(share, 0.0), 1.0))


def _share(value: float, least: float, greatest: float) -> float:
    return 100.0 * min(max((value - least) / max(greatest - least, 1e-12), 0.0), 1.0)

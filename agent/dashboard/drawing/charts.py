"""What all charts have: options of Apache ECharts as plain dictionaries, to be drawn as SVG.

Charts are still (no animation), tell screen readers what they show, take their colours from the page's CSS variables,
and have few ticks, so that they are read on a phone. The number of a chart's series never changes with its data: then
an update moves what is there, and draws nothing anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from agent.dashboard.drawing.theme import INK, LINE, SOFT, SURFACE_NOW
from agent.dashboard.views.words import pretty_unit

Options = dict[str, Any]
Point = tuple[float, float]
CROSS = "path://M2,0 L5,3 L8,0 L10,2 L7,5 L10,8 L8,10 L5,7 L2,10 L0,8 L3,5 L0,2 Z"
DOWN = "path://M0,1 L10,1 L5,9 Z"
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
# The width of words is measured before they are drawn: in the very font of the pages (``--lw-sans``).
_SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", sans-serif'
_FONT = {"color": SOFT, "fontSize": 12}


def options(description: str, *, x: Options, y: Options, series: list[Options], legend: Sequence[str] = ()) -> Options:
    """A chart with two axes.

    Args:
        description: what a screen reader says of it.
        x: the horizontal axis.
        y: the vertical axis.
        series: what is drawn, the first at the back.
        legend: names of the series that are explained; none where there is only one.
    """
    return {
        "animation": False,
        "useUTC": True,
        "aria": {"enabled": True, "label": {"description": description}},
        "textStyle": {"fontFamily": _SANS, **_FONT},
        "grid": {"left": 8, "right": 20, "top": 32, "bottom": _foot(legend), "containLabel": True},
        "legend": {
            "show": bool(legend), "data": list(legend), "type": "plain", "bottom": 0, "left": "center",
            "itemWidth": 18, "itemHeight": 10, "itemGap": 12, "textStyle": dict(_FONT), "selectedMode": False,
        },
        "tooltip": {
            "trigger": "item", "confine": True, "formatter": "{b}", "backgroundColor": SURFACE_NOW,
            "borderColor": LINE, "textStyle": {"color": INK, "fontSize": 12},
            "extraCssText": "max-width: 280px; white-space: normal; box-shadow: none;",
        },
        "xAxis": x,
        "yAxis": y,
        "series": series,
    }  # fmt: skip


def _foot(legend: Sequence[str]) -> int:
    """Room below the axis, px: the legend takes two lines on a phone where its words are long."""
    if not legend:
        return 30
    return 58 if sum(40 + 7 * len(name) for name in legend) < 330 else 80


def axis(name: str, *, vertical: bool = False, **more: Any) -> Options:
    """An axis of numbers with its name: below the middle, or above its end where it is vertical."""
    place: Options = (
        {"nameLocation": "end", "nameGap": 12, "nameTextStyle": {**_FONT, "align": "left", "padding": [0, 0, 0, -30]}}
        if vertical
        else {"nameLocation": "middle", "nameGap": 28, "nameTextStyle": dict(_FONT)}
    )
    return {
        "type": "value",
        "name": name,
        "scale": True,
        "axisLabel": {**_FONT, "hideOverlap": True},
        "axisLine": {"show": not vertical, "onZero": False, "lineStyle": {"color": LINE}},
        "axisTick": {"lineStyle": {"color": LINE}},
        "splitLine": {"show": vertical, "lineStyle": {"color": LINE}},
        **place,
        **more,
    }


def span(values: Iterable[float], *, ticks: int = 6, room: float = 0.05) -> Options:
    """Least and greatest value and step of an axis, round numbers: at most so many steps.

    Args:
        values: all that must be seen; those that are not finite are left out.
        ticks: steps at most.
        room: at both ends, as a share of what the values cover.
    """
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    wide = (high - low) or max(abs(high) * 0.1, 1e-9)
    # What cannot be negative is not shown as if it could.
    low, high = max(low - room * wide, min(low, 0.0)), high + room * wide
    step = _nice((high - low) / ticks)
    while math.ceil(high / step) - math.floor(low / step) > ticks:
        step = _nice(step * 1.01)
    return {
        "min": _round(math.floor(low / step) * step, step),
        "max": _round(math.ceil(high / step) * step, step),
        "interval": step,
    }


def counted(most: int, *, ticks: int = 6) -> Options:
    """An axis of things that are counted, from 0: it has no halves."""
    step = next((n * 10**power for power in range(9) for n in (1, 2, 5) if n * 10**power * ticks >= most), 10**9)
    return {"min": 0, "max": math.ceil(most / step) * step, "interval": step}


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next((_round(n * power, power) for n in _STEPS if n * power >= step * (1 - 1e-9)), 10.0 * power)


def _round(value: float, step: float) -> float:
    return round(value, max(0, 2 - math.floor(math.log10(step)))) + 0.0


def scatter(
    name: str, data: list[Options], color: str, *, symbol: str = "circle", size: int = 9, hollow: bool = False
) -> Options:
    """Points, each with its name for the tooltip."""
    style = {"color": "transparent", "borderColor": color, "borderWidth": 2} if hollow else {"color": color}
    return {
        "type": "scatter", "name": name, "data": data, "symbol": symbol, "symbolSize": size, "itemStyle": style, "z": 4,
    }  # fmt: skip


def point(x: float, y: float, text: str) -> Options:
    """One point of ``scatter``."""
    return {"value": [x, y], "name": text}


def line(name: str, data: Sequence[Point | None], color: str, **more: Any) -> Options:
    """A line without marks; it is broken at None."""
    return {
        "type": "line", "name": name, "data": [["-", "-"] if at is None else [*at] for at in data], "symbol": "none",
        "lineStyle": {"color": color, "width": 2}, "itemStyle": {"color": color}, "silent": True, "z": 3, **more,
    }  # fmt: skip


def bars(name: str, ends: Iterable[tuple[Point, Point]], color: str, *, width: float = 1.3) -> Options:
    """Error bars: short lines, each from one point to another."""
    data: list[Point | None] = []
    for low, high in ends:
        data += [low, high, None]
    return line(name, data, color, lineStyle={"color": color, "width": width, "opacity": 0.75}, z=2)


def band(name: str, low: Sequence[Point], high: Sequence[Point], color: str, **more: Any) -> list[Options]:
    """What lies between two lines over the same places, filled."""
    # Its edges are drawn, too: a band that is a few pixels high would not be seen behind its line.
    bare: Options = {
        "lineStyle": {"color": color, "width": 1, "opacity": 0.6},
        "stack": name,
        "stackStrategy": "all",
        "z": 1,
        **more,
    }
    tops = [(x, above - below) for (x, below), (_, above) in zip(low, high, strict=True)]
    return [
        line(f"{name} from", low, color, **bare),
        line(name, tops, color, **bare, areaStyle={"color": color, "opacity": 0.25}),
    ]


def named(name: str, unit: str) -> str:
    """An axis' name with its unit."""
    written = pretty_unit(unit)
    return f"{name} ({written})" if written else name

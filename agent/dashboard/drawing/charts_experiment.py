"""Charts of one experiment: an instrument's readings while it worked, and the diameters of the grains."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from agent.dashboard.drawing.charts import Options, Point, axis, counted, line, named, options, span
from agent.dashboard.drawing.theme import colour
from agent.dashboard.views import shares, words
from instruments.messages import Quantity
from instruments.profile.experiment_messages import Histogram

GAPS = 5.0
"""Readings further apart than so many usual distances are not joined: nobody knows what was between."""
_TONES = {"temperature": "vermillion", "density": "blue"}


def telemetry(
    name: str, unit: str, readings: Sequence[tuple[datetime, float]], period_s: float | None = None
) -> Options:
    """Readings of one channel over time; the line is broken where none came.

    Args:
        name: of the channel.
        unit: UCUM code.
        readings: time and value, the oldest first.
        period_s: usual time between readings, in seconds of lab time; taken from the readings where it is not known.
    """
    called = shares.title(name, unit)
    if shares.is_share(name, unit):
        unit, readings = "%", [(at, 100.0 * value) for at, value in readings]
    data = broken(readings, period_s)
    last = f" Last: {words.plain(readings[-1][1], unit, 4)}." if readings else " Nothing came."
    tone = colour(_TONES.get(name, "green"))
    x = axis("lab time (UTC)", type="time", splitNumber=4)
    x.pop("scale")
    y = axis(named(called, unit), vertical=True, **span([value for _, value in readings], ticks=4))
    return options(
        f"{called} over time, {words.counted(len(readings), 'reading')}.{last}",
        x=x, y=y, series=[line(name, data, tone)],
    )  # fmt: skip


def broken(readings: Sequence[tuple[datetime, float]], period_s: float | None = None) -> list[Point | None]:
    """Readings as points in milliseconds since 1970, with None where nothing came for long."""
    times = [at.timestamp() for at, _ in readings]
    steps = [later - earlier for earlier, later in pairwise(times)]
    # A virtual laboratory's readings are as far apart as its time runs fast, whatever is announced.
    usual = max([statistics.median(steps), period_s or 0.0]) if steps else 0.0
    data: list[Point | None] = []
    for i, (at, (_, value)) in enumerate(zip(times, readings, strict=True)):
        if i and steps[i - 1] > GAPS * usual > 0.0:
            data.append(None)
        data.append((1000.0 * at, value))
    return data


def histogram(data: Histogram, mean: Quantity | None = None, name: str = "Grain diameter") -> Options:
    """How often each diameter was found, with the mean.

    Args:
        data: bins and counts.
        mean: in the bins' unit, drawn as a line; in any other it is left out.
        name: of what was measured.
    """
    outline: list[Point | None] = [(data.edges[0], 0.0)]
    outline += [(edge, float(n)) for edge, n in zip(data.edges, data.counts, strict=False)]
    outline += [(data.edges[-1], float(data.counts[-1])), (data.edges[-1], 0.0)]
    most = float(max(data.counts))
    known = mean is not None and mean.unit == data.unit
    mark: list[Point | None] = [(mean.value, 0.0), (mean.value, 1.05 * most)] if mean is not None and known else []
    tone = colour("blue")
    said = f"mean {words.quantity(mean)}" if mean is not None and known else "mean"
    series = [
        line("grains", outline, tone, step="end", areaStyle={"color": tone, "opacity": 0.3}),
        line(said, mark, colour("vermillion"), lineStyle={"color": colour("vermillion"), "width": 2, "type": "dashed"}),
    ]
    return options(
        f"{name}: {words.counted(sum(data.counts), 'grain')}, {said}.",
        x=axis(named(name, data.unit), **span([min(0.0, data.edges[0]), data.edges[-1]], ticks=5, room=0.0)),
        y=axis("Grains", vertical=True, **counted(math.ceil(1.05 * most), ticks=4)),
        series=series,
        legend=["grains", said] if known else [],
    )  # fmt: skip

"""Sparklines: the course of one number in a word's height (E. Tufte, Beautiful Evidence, 2006, p. 46)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from statistics import median

WIDTH, HEIGHT = 240.0, 40.0
_MARGIN = 4.0
_MOST = 160
"""Points that are drawn: more than there are pixels would only be weight."""
_GAP = 6.0
"""Times the usual distance between readings, from which on the line is broken: nothing was read there."""

Point = tuple[float, float]
"""Time and value, in any units."""


def spark(points: Sequence[Point], label: str) -> str:
    """An SVG of a course, its last value marked; without axes, as wide as what it stands in.

    Args:
        points: in the order of their times; finite.
        label: the same in words, for people who do not see it.
    """
    words = escape(label, quote=True)
    body = _course(thinned(points)) if points else ""
    return (
        f'<svg class="lw-spark" role="img" aria-label="{words}" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
        f'preserveAspectRatio="none" focusable="false"><title>{words}</title>{body}</svg>'
    )


def thinned(points: Sequence[Point], most: int = _MOST) -> list[Point]:
    """At most so many points that look the same: of each stretch the lowest and the highest, and the last of all.

    Args:
        points: in the order of their times.
        most: of them.
    """
    if len(points) <= most:
        return list(points)
    n_stretches = max(most // 2 - 1, 1)
    found: list[Point] = []
    for n in range(n_stretches):
        stretch = points[n * len(points) // n_stretches : (n + 1) * len(points) // n_stretches]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        found += sorted(ends)
    return found if found[-1] == points[-1] else [*found, points[-1]]


def _course(points: Sequence[Point]) -> str:
    times, values = [point[0] for point in points], [point[1] for point in points]
    begin, span = times[0], (times[-1] - times[0]) or 1.0
    low, height = min(values), max(values) - min(values)

    def place(point: Point) -> str:
        x = _MARGIN + (WIDTH - 2 * _MARGIN) * ((point[0] - begin) / span if times[-1] > begin else 1.0)
        y = HEIGHT / 2 if height <= 0.0 else HEIGHT - _MARGIN - (HEIGHT - 2 * _MARGIN) * (point[1] - low) / height
        return f"{x:.1f} {y:.1f}"

    lines = " ".join("M" + "L".join(place(point) for point in piece) for piece in _unbroken(points))
    last = place(points[-1])
    # A line of no length with round ends stays round however the picture is stretched.
    return (
        f'<path class="line" d="{lines}" vector-effect="non-scaling-stroke"/>'
        f'<path class="last" d="M{last}L{last}" vector-effect="non-scaling-stroke"/>'
    )


def _unbroken(points: Sequence[Point]) -> list[list[Point]]:
    """Stretches between which nothing was read for long."""
    steps = [later[0] - point[0] for point, later in pairwise(points)]
    usual = median(steps) if steps else 0.0
    pieces: list[list[Point]] = [[points[0]]]
    for step, point in zip(steps, points[1:], strict=True):
        if usual > 0.0 and step > _GAP * usual:
            pieces.append([])
        pieces[-1].append(point)
    return pieces

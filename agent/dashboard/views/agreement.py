"""Whether what was measured agrees with what was expected of it."""

from __future__ import annotations

import math

from agent.dashboard.views.words import Z90


def foreseen(expected: float, low: float, high: float, std: float) -> tuple[float, float]:
    """From and to where nine of ten measurements should lie.

    An interval of what a sample is says where it is, not what an instrument will say of it: each side is widened by the
    measurement's own uncertainty, in quadrature (GUM, 5.1.2).

    Args:
        expected: value of the prediction.
        low: end of its 90% interval.
        high: likewise.
        std: standard uncertainty of the measurement; all in one unit.
    """
    room = Z90 * std
    return expected - math.hypot(max(expected - low, 0.0), room), expected + math.hypot(max(high - expected, 0.0), room)


def agrees(found: float, expected: float, low: float, high: float, std: float) -> bool:
    """Whether a measured value lies where it should; other arguments as of ``foreseen``."""
    begin, end = foreseen(expected, low, high, std)
    return begin <= found <= end

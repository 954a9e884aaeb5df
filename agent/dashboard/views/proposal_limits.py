"""What is ordered, held against the limits: value by value, and all of it in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.dashboard.views import words
from agent.words import NO_VALUE
from instruments.messages import Quantity

if TYPE_CHECKING:
    from agent.dashboard.views.proposal_parts import Tone
    from instruments.profile.agent_messages import Check

NEAR_LIMIT = 0.05
"""A value within this share of its range from a limit is near it."""


@dataclass(frozen=True)
class Limit:
    """One ordered value against its limits, both to the last digit.

    Args:
        instrument: that it is for.
        name: command and parameter.
        value: with its unit.
        allowed: from and to, or one of both, with the unit.
        at: where the value stands between both, 0 to 1; None without both.
        tone: good within limits, warn near one, bad beyond; empty where none is told.
        words: the same.
    """

    instrument: str
    name: str
    value: str
    allowed: str
    at: float | None
    tone: Tone
    words: str


def limits_of(checks: Iterable[Check]) -> tuple[Limit, ...]:
    """Each ordered value against its limits."""
    return tuple(_limit(check) for check in checks)


def _limit(check: Check) -> Limit:
    unit = check.value.unit if isinstance(check.value, Quantity) else "1"
    value = check.value.value if isinstance(check.value, Quantity) else None
    at = None
    if value is not None and check.low is not None and check.high is not None and check.high > check.low:
        at = min(max((value - check.low) / (check.high - check.low), 0.0), 1.0)
    tone, said = _standing(value, check.low, check.high, at)
    return Limit(
        instrument=check.instrument,
        name=f"{words.label(check.command)}: {words.label(check.parameter)}",
        value=words.formula(words.ordered(check.value)),
        allowed=_allowed(check.low, check.high, unit),
        at=at,
        tone=tone,
        words=said,
    )


def _allowed(low: float | None, high: float | None, unit: str) -> str:
    if low is not None and high is not None:
        return words.with_unit(f"{words.exact(low)} to {words.exact(high)}", unit)
    if high is not None:
        return f"at most {words.plain(high, unit)}"
    return f"at least {words.plain(low, unit)}" if low is not None else NO_VALUE


def _standing(value: float | None, low: float | None, high: float | None, at: float | None) -> tuple[Tone, str]:
    if value is None or (low is None and high is None):
        return "", "no limit is told"
    if (low is not None and value < low) or (high is not None and value > high):
        return "bad", "beyond the limit"
    if at is None and high is not None and high > 0.0:
        at = value / high  # what has no lower limit begins at zero
    for end, place in ((high, "upper"), (low, "lower")):
        if value == end and value != 0.0:
            return "warn", f"at the {place} limit"
    if at is not None and at > 1.0 - NEAR_LIMIT:
        return "warn", "near the upper limit"
    # Of a range from 0.05 to 10, four times the least is not near it, and nothing is near zero.
    if at is not None and low is not None and 0.0 < at < NEAR_LIMIT and value - low <= NEAR_LIMIT * abs(low):
        return "warn", "near the lower limit"
    return "good", "within"


def kept_in(limits: Sequence[Limit]) -> tuple[Tone, str]:
    """All limits in a few words, with the tone of them; only where every value has one, all are kept."""
    beyond, near, unknown = (sum(limit.tone == tone for limit in limits) for tone in ("bad", "warn", ""))
    if beyond:
        return "bad", f"{words.counted(beyond, 'value')} beyond limits"
    if near:
        return "warn", f"{words.counted(near, 'value')} near a limit"
    if unknown == len(limits):
        return "", "no limits told"
    return ("", f"limits kept, {unknown} of {len(limits)} values have none") if unknown else ("good", "limits kept")

"""What a campaign has spent, and how long it will take: an estimate that says what it is made of."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.dashboard.views import words
from agent.dashboard.views.campaign_curve import in_order
from instruments.profile.campaign_messages import BudgetLine
from instruments.profile.experiment_messages import ExperimentState

EXPERIMENTS = "experiments"
"""Name of the budget line that counts experiments, those under way included."""
RECENT = 30
"""Experiments, the latest, that the estimate is made from: a campaign's habits change."""


@dataclass(frozen=True)
class Spending:
    """One thing that a campaign may spend.

    Args:
        name: for people.
        used: so far, with its unit.
        limit: at most, likewise; empty where there is no limit.
        share: used of the limit, 0 to 1 and more; None where there is no limit.
    """

    name: str
    used: str
    limit: str = ""
    share: float | None = None


@dataclass(frozen=True)
class TimeLeft:
    """How long a campaign will go on.

    Args:
        left: experiments that are still to end; None where nothing limits them.
        seconds: estimate of lab time; None where it cannot be told.
        ends_at: when that would be.
        basis: what the estimate is made of, or why there is none.
    """

    left: int | None
    seconds: float | None
    ends_at: datetime | None
    basis: str


def spending_of(budget: Mapping[str, BudgetLine]) -> tuple[Spending, ...]:
    """A budget for people: what is limited first."""
    lines = sorted(budget.items(), key=lambda one: (one[1].limit is None, one[0] != EXPERIMENTS, one[0]))
    return tuple(_line(name, line) for name, line in lines)


def _line(name: str, line: BudgetLine) -> Spending:
    used = words.plain(line.used, line.unit, 4)
    if line.limit is None:
        return Spending(words.title(name), used)
    share = line.used / line.limit if line.limit > 0.0 else math.inf if line.used > 0.0 else 1.0
    return Spending(words.title(name.removeprefix("cost.")), used, words.plain(line.limit, line.unit, 4), share)


def time_left(
    experiments: Sequence[ExperimentState], budget: Mapping[str, BudgetLine], now: datetime, *, goes_on: bool = True
) -> TimeLeft:
    """Experiments left, times the median duration of those that ended, shared by those that ran at a time.

    Args:
        experiments: of one campaign.
        budget: of it; its line ``experiments`` says how many there may be.
        now: the laboratory's present.
        goes_on: whether it may begin further ones; only those that began count else.
    """
    open_ones = [one for one in experiments if one.phase != "ended"]
    line = budget.get(EXPERIMENTS)
    if line is None or line.limit is None:
        return TimeLeft(None, None, None, "No budget limits the number of experiments.")
    left = len(open_ones) + (max(0, math.floor(line.limit - line.used)) if goes_on else 0)
    if not left:
        return TimeLeft(0, 0.0, None, "No experiment is left.")
    spans = _spans(experiments)
    if not spans:
        return TimeLeft(left, None, None, f"{_many(left)} left; the first must end before the time can be told.")
    median = statistics.median([(end - begin).total_seconds() for begin, end in spans])
    at_once = parallel(spans)
    seconds = left * median / at_once
    shared = f", {words.number(at_once, 2)} at a time" if at_once > 1.05 else ", one at a time"
    took = f"{words.duration(median)} each (median of the last {len(spans)})" if len(spans) > 1 else (
        f"{words.duration(median)} each (as the only one that ended)"
    )  # fmt: skip
    waiting = "; waiting for people comes on top" if goes_on else ""
    return TimeLeft(
        left, seconds, now + timedelta(seconds=seconds), f"Estimate: {_many(left)} left, {took}{shared}{waiting}."
    )


def _many(n: int) -> str:
    return words.counted(n, "experiment")


def _spans(experiments: Sequence[ExperimentState]) -> list[tuple[datetime, datetime]]:
    ended = [(one.begun_at, one.ended_at) for one in in_order(experiments) if one.outcome == "completed"]
    spans = [(begin, end) for begin, end in ended if begin is not None and end is not None and end > begin]
    return spans[-RECENT:]


def parallel(spans: Sequence[tuple[datetime, datetime]]) -> float:
    """How many ran at a time, while any ran: the sum of their durations over the time in which one ran or more.

    Args:
        spans: begin and end of each, of positive length; at least one.
    """
    busy, until = timedelta(), min(begin for begin, _ in spans)
    for begin, end in sorted(spans):
        busy += max(timedelta(), end - max(begin, until))
        until = max(until, end)
    return sum((end - begin for begin, end in spans), timedelta()) / busy

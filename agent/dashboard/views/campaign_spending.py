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
_COST = "cost."
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
    used, title = _amount(line.used, line.unit), words.title(_plain_name(name))
    if line.limit is None:
        return Spending(title, used)
    share = line.used / line.limit if line.limit > 0.0 else math.inf if line.used > 0.0 else 1.0
    return Spending(title, used, _amount(line.limit, line.unit), share)


def _amount(value: float, unit: str) -> str:
    """Counts are whole: nothing of them is rounded."""
    return words.plain(value, unit, 15 if value == math.floor(value) and not words.pretty_unit(unit) else 4)


def _plain_name(name: str) -> str:
    return name.removeprefix(_COST)


def time_left(
    experiments: Sequence[ExperimentState],
    budget: Mapping[str, BudgetLine],
    now: datetime,
    *,
    goes_on: bool = True,
    runs: bool = True,
) -> TimeLeft:
    """Experiments left, times the median duration of those that ended, shared by those that ran at a time.

    Args:
        experiments: of one campaign.
        budget: of it: the line that is spent first says how many there may be.
        now: the laboratory's present.
        goes_on: whether it may begin further ones; only those that began count else.
        runs: whether it does so now; when it ends cannot be told else.
    """
    open_ones = sum(one.phase != "ended" for one in experiments)
    further = _further(budget, open_ones) if goes_on else _Further(0)
    if further is None:
        return TimeLeft(None, None, None, "No budget limits the number of experiments.")
    left = open_ones + further.n
    if not left:
        said = f"{words.title(further.because)} are spent" if further.because else "No experiment is left"
        return TimeLeft(0, 0.0, None, f"{said}.")
    why = f" until {further.because} are spent" if further.because else ""
    spans = _spans(experiments)
    if not spans:
        return TimeLeft(left, None, None, f"{_many(left)} left{why}; the first must end before the time can be told.")
    median = statistics.median([(end - begin).total_seconds() for begin, end in spans])
    at_once = min(parallel(spans), left)
    seconds = left * median / at_once
    more = "; waiting for people comes on top" if goes_on else ""
    more += "" if runs else ". None is begun now: this is the time from when it goes on"
    basis = f"Estimate: {_many(left)} left{why}, {_took(median, len(spans))}{_shared(at_once)}{more}."
    return TimeLeft(left, seconds, now + timedelta(seconds=seconds) if runs else None, basis)


@dataclass(frozen=True)
class _Further:
    """How many more a budget lets begin, and the line that says so where that is not the count of experiments."""

    n: int
    because: str = ""


def _further(budget: Mapping[str, BudgetLine], open_ones: int) -> _Further | None:
    line = budget.get(EXPERIMENTS)
    begun = line.used if line is not None else 0.0
    allowed = [(_room(line, 1.0, 0), "")] if line is not None and line.limit is not None else []
    for name, one in budget.items():
        # Estimates are charged when experiments begin, all else as they go: those under way are still to be paid for.
        unpaid = 0 if name.startswith(_COST) else open_ones
        if name != EXPERIMENTS and one.limit is not None and one.used > 0.0 and begun > unpaid:
            allowed.append((_room(one, one.used / (begun - unpaid), unpaid), words.label(_plain_name(name))))
    return _Further(*min(allowed, key=lambda found: found[0])) if allowed else None


def _room(line: BudgetLine, each: float, committed: int) -> int:
    return max(0, math.floor(((line.limit or 0.0) - line.used) / each + 1e-9) - committed)


def _took(median: float, n: int) -> str:
    return f"{words.duration(median)} each ({f'median of the last {n}' if n > 1 else 'as the only one that ended'})"


def _shared(at_once: float) -> str:
    return f", {words.number(at_once, 2)} at a time" if at_once > 1.05 else ", one at a time"


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

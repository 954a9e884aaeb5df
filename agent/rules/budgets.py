"""How much may be spent: runs a day, hours of an instrument, failures in a row, and whatever a cost is counted in.

A day is the 24 hours before now, so that no midnight lets twice as much through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pydantic import ConfigDict, Field

from agent.rules.section import Section, read
from envs.errors import ConfigError

DAY = timedelta(days=1)
HOURS = "_hours"
"""Ends the name of a cost, or of a budget, that is time of a kind of instrument."""
HOURS_PER_DAY = "_hours_per_day"
SLACK = 1e-9
"""Sums of hours are not exact: a budget that is used up to the last second is not exceeded."""


@dataclass(frozen=True)
class Spent:
    """What has been spent so far; every method gives a new one. Entries older than a day are dropped.

    Args:
        starts: when the newest experiments began, oldest first.
        hours: of each kind of instrument, h.
        failures: experiments in a row that ended without a result, newest campaign-wide.
        recent: hours of the last day: when they were over, of which kind, and how many.
        cost: estimates of all experiments that began, by name.
    """

    starts: tuple[datetime, ...] = ()
    hours: Mapping[str, float] = field(default_factory=dict)
    failures: int = 0
    recent: tuple[tuple[datetime, str, float], ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict)

    def started(self, at: datetime, cost: Mapping[str, float] = {}) -> Spent:
        """An experiment began, and its estimated cost is taken as spent."""
        total = {name: self.cost.get(name, 0.0) + value for name, value in cost.items()}
        return replace(self, starts=(*_newer(self.starts, at), at), cost={**self.cost, **total})

    def worked(self, kind: str, hours: float, at: datetime) -> Spent:
        """An instrument of a kind was at work for so many hours, until ``at``."""
        recent = tuple(entry for entry in self.recent if entry[0] > at - DAY)
        total = {**self.hours, kind: self.hours.get(kind, 0.0) + hours}
        return replace(self, hours=total, recent=(*recent, (at, kind, hours)))

    def ended(self, ok: bool) -> Spent:
        """An experiment ended, with a result or without."""
        return replace(self, failures=0 if ok else self.failures + 1)

    def resumed(self) -> Spent:
        """A person resumed the campaign: failures count anew."""
        return replace(self, failures=0)


@dataclass(frozen=True)
class Held:
    """Why nothing may begin now: ``code`` for machines, ``reason`` for people."""

    code: str
    reason: str


@dataclass(frozen=True)
class Budgets:
    """What one campaign, or the whole laboratory, may spend; without arguments anything.

    Args:
        runs_per_day: experiments that begin within 24 hours.
        hours: of a kind of instrument in total, h.
        hours_per_day: likewise within 24 hours.
        consecutive_failures: experiments in a row without a result, after which a person must resume the campaign.
        cost: sum of the estimates, by name.
    """

    runs_per_day: int | None = None
    hours: Mapping[str, float] = field(default_factory=dict)
    hours_per_day: Mapping[str, float] = field(default_factory=dict)
    consecutive_failures: int | None = None
    cost: Mapping[str, float] = field(default_factory=dict)

    def holds(
        self, spent: Spent, now: datetime, estimate: Mapping[str, float] = {}
    ) -> Held | None:  # fmt: skip
        """Why no further experiment may begin now; None when it may.

        Args:
            spent: so far.
            now: time of the question.
            estimate: what the next experiment would cost, by name; a name such as furnace_hours counts against the
                hours of that kind too. What would exceed a budget does not begin.
        """
        return (
            self._failures(spent)
            or self._hours(spent, estimate)
            or self._cost(spent, estimate)
            or self._runs_today(spent, now)
            or self._hours_today(spent, now, estimate)
        )

    def used(self, spent: Spent, now: datetime) -> Mapping[str, tuple[float, float, str]]:
        """Each budget by its name in the file: what is used, the limit, and the unit (UCUM)."""
        lines: dict[str, tuple[float, float, str]] = {}
        if self.runs_per_day is not None:
            lines["runs_per_day"] = (float(len(_newer(spent.starts, now))), float(self.runs_per_day), "1")
        for kind, limit in self.hours.items():
            lines[f"{kind}{HOURS}"] = (spent.hours.get(kind, 0.0), limit, "h")
        for kind, limit in self.hours_per_day.items():
            lines[f"{kind}{HOURS_PER_DAY}"] = (sum(h for _, h in _of_kind(spent, kind, now)), limit, "h")
        if self.consecutive_failures is not None:
            lines["consecutive_failures"] = (float(spent.failures), float(self.consecutive_failures), "1")
        for name, limit in self.cost.items():
            lines[f"cost.{name}"] = (spent.cost.get(name, 0.0), limit, cost_unit(name))
        return lines

    def _failures(self, spent: Spent) -> Held | None:
        most = self.consecutive_failures
        if most is None or spent.failures < most:
            return None
        return Held(
            "budget_consecutive_failures",
            f"{spent.failures} experiments in a row ended without a result, and {most} are allowed: it goes on when a "
            "person has looked and resumes the campaign",
        )

    def _runs_today(self, spent: Spent, now: datetime) -> Held | None:
        starts = sorted(_newer(spent.starts, now))
        if self.runs_per_day is None or len(starts) < self.runs_per_day:
            return None
        ends = starts[len(starts) - self.runs_per_day] + DAY if self.runs_per_day else None
        return Held(
            "budget_runs_per_day",
            f"{len(starts)} experiments began within 24 hours, and {self.runs_per_day} are allowed: "
            + (f"the next can begin at {_time(ends)}" if ends else "none can begin until a person raises the budget"),
        )

    def _hours(self, spent: Spent, estimate: Mapping[str, float]) -> Held | None:
        for kind, limit in self.hours.items():
            used, more = spent.hours.get(kind, 0.0), estimate.get(f"{kind}{HOURS}", 0.0)
            if not _within(used, more, limit):
                return Held(f"budget_{kind}{HOURS}", _exceeded(f"hours of {kind}", used, more, limit))
        return None

    def _cost(self, spent: Spent, estimate: Mapping[str, float]) -> Held | None:
        for name, limit in self.cost.items():
            used, more = spent.cost.get(name, 0.0), estimate.get(name, 0.0)
            if not _within(used, more, limit):
                return Held(f"budget_cost_{name}", _exceeded(name, used, more, limit))
        return None

    def _hours_today(self, spent: Spent, now: datetime, estimate: Mapping[str, float]) -> Held | None:
        for kind, limit in self.hours_per_day.items():
            recent, more = _of_kind(spent, kind, now), estimate.get(f"{kind}{HOURS}", 0.0)
            used = sum(h for _, h in recent)
            if _within(used, more, limit):
                continue
            text = f"{kind}: {used:.1f} h within 24 hours, the next experiment takes {more:.1f} h, and {limit:g} h are "
            if more > limit + SLACK:
                return Held(f"budget_{kind}{HOURS_PER_DAY}", f"{text}allowed: it never fits, whatever the day")
            at = _fits(recent, limit - more, more)
            text += (
                f"allowed: it can begin at {_time(at)}" if at else "allowed: none can begin until a person raises it"
            )
            return Held(f"budget_{kind}{HOURS_PER_DAY}", text)
        return None


def cost_unit(name: str) -> str:
    """Unit of a cost by its name, UCUM: ``h`` of hours, else 1."""
    return "h" if name.endswith(HOURS) else "1"


def _within(used: float, more: float, limit: float) -> bool:
    """Whether there is something left, and enough; written so that NaN is not enough."""
    return used < limit - SLACK and used + more <= limit + SLACK


def _newer(times: Iterable[datetime], now: datetime) -> tuple[datetime, ...]:
    return tuple(at for at in times if at > now - DAY)


def _of_kind(spent: Spent, kind: str, now: datetime) -> list[tuple[datetime, float]]:
    return sorted((at, hours) for at, which, hours in spent.recent if which == kind and at > now - DAY)


def _fits(recent: list[tuple[datetime, float]], room: float, more: float) -> datetime | None:
    """When enough of the last day's hours is past; None where that never is."""
    left = sum(h for _, h in recent)
    for at, hours in recent:
        left -= hours
        if left <= room + SLACK and (more > 0.0 or left < room - SLACK):
            return at + DAY
    return None


def _exceeded(what: str, used: float, more: float, limit: float) -> str:
    would = f" and the next experiment would take {more:.4g}" if more else ""
    return f"{what}: {used:.4g} of {limit:g} are spent{would}: it goes on when a person raises the budget"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


class BudgetsSection(Section):
    """``[budgets]`` and ``[campaign.budgets]``.

    Further keys are hours of a kind of instrument: ``furnace_hours = 400``, ``furnace_hours_per_day = 20``.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float]

    runs_per_day: int | None = None
    consecutive_failures: int | None = None
    cost: dict[str, float] = Field(default_factory=dict)

    def build(self, source: str = "", key: str = "budgets") -> Budgets:
        """The budgets.

        Raises:
            ConfigError: a key is unknown, or a number negative.
        """
        hours: dict[str, float] = {}
        per_day: dict[str, float] = {}
        for name, limit in (self.__pydantic_extra__ or {}).items():
            found = re.fullmatch(r"([A-Za-z0-9_.\-]+?)(_hours|_hours_per_day)", name)
            if not found:
                allowed = "runs_per_day, consecutive_failures, cost, KIND_hours and KIND_hours_per_day"
                raise ConfigError(f"{key}.{name}", limit, f"the keys {allowed}", source=source)
            (hours if found[2] == HOURS else per_day)[found[1]] = limit
        counts = {"runs_per_day": self.runs_per_day, "consecutive_failures": self.consecutive_failures}
        costs = {f"cost.{name}": limit for name, limit in self.cost.items()}
        for name, number in {**counts, **(self.__pydantic_extra__ or {}), **costs}.items():
            least = 1 if name == "consecutive_failures" else 0
            if number is not None and number < least:
                raise ConfigError(f"{key}.{name}", number, f"at least {least}", source=source)
        return Budgets(self.runs_per_day, hours, per_day, self.consecutive_failures, dict(self.cost))


def read_budgets(raw: Mapping[str, object], *, source: str = "", key: str = "budgets") -> Budgets:
    """The budgets of a table as the file has it.

    Raises:
        ConfigError: something in it is wrong; names the key, the value and what is allowed.
    """
    return read(BudgetsSection, raw, key, source=source).build(source, key)

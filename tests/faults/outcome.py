"""What a run found: counts, floors, and which of them it misses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .books import Audit

MEMORY_MB = 24.0
"""What a process may hold more after a run than when it was warm: payloads of 900 KB leave gaps in the heap ..."""
OBJECTS = 25_000
"""... so the count of living objects is the sharper sign: two for each message in which a process keeps anything."""


@dataclass
class Outcome:
    """One run.

    Attributes:
        name: of the run.
        counts: what was done and seen.
        misses: the floors that were missed, in words; empty when all is well.
    """

    name: str
    counts: dict[str, Any] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)

    def at_least(self, what: str, count: float, floor: float) -> None:
        """Count something of which there must be enough."""
        self.counts[what] = count
        if count < floor:
            self.misses.append(f"{self.name}: {what} {count:g}, at least {floor:g} were asked for")

    def at_most(self, what: str, count: float, ceiling: float) -> None:
        """Count something of which there must not be much."""
        self.counts[what] = count
        if count > ceiling:
            self.misses.append(f"{self.name}: {what} {count:g}, at most {ceiling:g} are allowed")

    def note_agent(self, report: Mapping[str, Any]) -> None:
        """Count what the agent (its last incarnation) had to do about it."""
        self.counts["commits put off"] = report["put_off"]
        self.counts["orders without an answer at first"] = report["retried"]

    def take(self, books: Audit, *, n_jobs: int) -> None:
        """The audit's floors: nothing twice, nothing lost."""
        self.at_least("jobs", books.jobs, n_jobs)
        self.counts["ends"] = dict(sorted(books.ends.items()))
        for what, count in (
            ("done twice", books.twice),
            ("results lost", books.lost),
            ("succeeded undone", books.undone),
            ("done unordered", books.strange),
        ):
            self.at_most(what, count, 0)
        self.misses += [f"{self.name}: {example}" for example in books.examples]

    def compare(self, before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> None:
        """No process may hold more threads, tasks or files than before, nor much more memory."""
        leaks, objects, grown = 0, 0, 0.0
        for name, then in before.items():
            now = after[name]
            if now["pid"] != then["pid"]:
                self.misses.append(f"{self.name}: {name} did not live through it")
            grown = max(grown, now["rss_mb"] - then["rss_mb"])
            objects = max(objects, now["blocks"] - then["blocks"])
            for what, more in (
                ("threads", len(now["threads"]) - len(then["threads"])),
                ("tasks", now["tasks"] - then["tasks"]),
                ("files", now["files"] - then["files"]),
            ):
                if more > 0:
                    leaks += more
                    self.misses.append(f"{self.name}: {name} has {more} more {what} than before")
        self.at_most("threads, tasks, files leaked", leaks, 0)
        self.at_most("memory grown by, MB", round(grown, 1), MEMORY_MB)
        self.at_most("memory grown by, objects", objects, OBJECTS)

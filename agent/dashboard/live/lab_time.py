"""The laboratory's time, going on between two messages; a virtual laboratory's runs ahead of the machine's."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from instruments.clock import Clock

if TYPE_CHECKING:
    from instruments.profile.laboratory import Laboratory

STALE_S = 30.0
"""Real seconds without a word after which nothing is known of now (the profile's rule for presences)."""
_SKEW_S = 5.0
"""Real seconds by which two machines' clocks may differ before the one's time says nothing to the other."""


class LabTime:
    """What time it is in the laboratory.

    Args:
        clock: the machine's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._speed = 1.0
        self._base: tuple[datetime, float] | None = None
        self._lab: Laboratory | None = None

    def heard(self, at: datetime, *, ago_s: float = 0.0) -> None:
        """An agent has said what time it is.

        Args:
            at: what it said.
            ago_s: how many real seconds ago.
        """
        moment_s = self._clock.elapsed() - ago_s
        if self._base is None or moment_s >= self._base[1]:
            self._base = at, moment_s

    def learned(self, lab: Laboratory, *, kept: bool) -> None:
        """How the laboratory's time runs.

        Args:
            lab: what an agent said.
            kept: whether the broker had kept it: then it is of some time ago.
        """
        self._speed, self._lab = lab.speed, lab
        ago = (self._clock.now() - lab.wall).total_seconds() if kept else 0.0
        self._base = lab.ts, self._clock.elapsed() - max(ago, 0.0)

    def age(self, ts: datetime) -> float | None:
        """How many real seconds ago something was said that the broker had kept; None where that cannot be told.

        Args:
            ts: when, in the laboratory's time.
        """
        if self._lab is None:
            return None
        try:
            wall = self._lab.wall + (ts - self._lab.ts) / self._lab.speed
        except OverflowError:
            return None  # no clock ever showed it: it is what somebody wrote
        age = (self._clock.now() - wall).total_seconds()
        return max(age, 0.0) if age >= -_SKEW_S else None

    def now(self) -> datetime:
        """The present; the machine's own time while nothing was heard.

        A virtual laboratory's time does not go on long after the last word: without an agent it stands still.
        """
        if self._base is None:
            return self._clock.now()
        at, elapsed = self._base
        passed = self._clock.elapsed() - elapsed
        if self._speed != 1.0:
            passed = min(passed, STALE_S)
        try:
            return at + timedelta(seconds=passed * self._speed)
        except OverflowError:
            return at

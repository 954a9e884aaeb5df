"""How much may be spent: runs a day, hours of an instrument, failures in a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Spent:
    """What has been spent so far.

    Args:
        starts: when the newest experiments began, oldest first.
        hours: of each kind of instrument, h.
        failures: experiments in a row that ended without a result, newest campaign-wide.
    """

    starts: tuple[datetime, ...] = ()
    hours: Mapping[str, float] = field(default_factory=dict)
    failures: int = 0


@dataclass(frozen=True)
class Held:
    """Why nothing may begin now: ``code`` for machines, ``reason`` for people."""

    code: str
    reason: str


@dataclass(frozen=True)
class Budgets:
    """What one campaign, or the whole laboratory, may spend."""

    def holds(self, spent: Spent, now: datetime) -> Held | None:
        """Why no further experiment may begin now; None when it may."""
        del spent, now
        return None

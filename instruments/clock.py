"""Clocks are injected: live code reads the system's, simulations and fault tests move one by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

Sleeper = Callable[[float], Awaitable[None]]
"""Waits for a number of seconds; ``asyncio.sleep`` in live use, something faster in tests."""


class Clock(Protocol):
    """A wall clock and a monotonic one."""

    def now(self) -> datetime:
        """The present time in UTC, timezone-aware."""
        ...

    def elapsed(self) -> float:
        """Seconds since some fixed moment; never runs backwards."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """The present time in UTC."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()


class SimClock:
    """A clock that stands still until somebody advances it.

    Args:
        start: first instant, timezone-aware.

    Raises:
        ValueError: when ``start`` is naive.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a simulated clock must start at a timezone-aware time")
        self._start = start.astimezone(UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        """The simulated time in UTC."""
        return self._start + timedelta(seconds=self._elapsed)

    def elapsed(self) -> float:
        """Simulated seconds since the start."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move forward.

        Raises:
            ValueError: when ``seconds`` is negative or not finite.
        """
        if not 0.0 <= seconds < float("inf"):
            raise ValueError(f"a clock advances by a finite number of seconds >= 0, not {seconds}")
        self._elapsed += seconds


async def wait_forever(_seconds: float) -> None:
    """A sleeper whose timeouts never come: for a reliable in-process bus, where resending is never needed."""
    await asyncio.Event().wait()

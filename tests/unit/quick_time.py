"""Time that costs nothing: an event loop whose sleeps end at once, while its clock tells that they lasted."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from typing_extensions import override

from instruments.ids import SeededIds

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
_T = TypeVar("_T")


class _Selector(selectors.DefaultSelector):
    """Instead of waiting it lets the loop's clock jump."""

    jumped = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0 if timeout is not None else None)
        if not found and timeout:
            self.jumped += timeout
        return found


class LoopClock:
    """The clock of the running loop."""

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed())

    def elapsed(self) -> float:
        return asyncio.get_running_loop().time()


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    @override
    def time(self) -> float:
        # Steps of a microsecond of its own: nothing here depends on how fast the machine is.
        return self._clock.jumped


def in_a_moment(work: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end on a loop whose sleeps take no time."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)


def ids() -> SeededIds:
    return SeededIds(LoopClock(), random.Random(5))

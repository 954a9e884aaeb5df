"""Time that costs none: an event loop that jumps to its next timer when nobody has anything to do."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from typing_extensions import override

from instruments.own_thread import OwnThread

T = TypeVar("T")
_STALLED = "nobody does anything any more, and no timer is set"
_LOOK_S = 0.05
"""How often a computation is looked after that ends without a word."""


class StalledError(RuntimeError):
    """Nothing can happen any more, and what was waited for has not."""


class VirtualTime:
    """A laboratory's clock on a ``VirtualTimeLoop``; implements ``instruments.clock.Clock``.

    Args:
        start: lab time at the beginning, timezone-aware.
        speed: seconds of lab time in one that is waited for: what takes hours in a furnace is not asked after each
            minute then.

    Raises:
        ValueError: the start is naive, or the speed is not above 0.
    """

    def __init__(self, start: datetime, speed: float = 1.0) -> None:
        if start.tzinfo is None:
            raise ValueError("virtual time must start at a timezone-aware time")
        if not 0.0 < speed < float("inf"):
            raise ValueError(f"time runs at a speed above 0, not {speed}")
        self.speed = speed
        self._start = start.astimezone(UTC)
        self._passed = 0.0

    def now(self) -> datetime:
        """Lab time, in UTC."""
        return self._start + timedelta(seconds=self._passed * self.speed)

    def elapsed(self) -> float:
        """Seconds that were waited for since the start."""
        return self._passed

    def pass_by(self, seconds: float) -> None:
        """Let time go by."""
        self._passed += seconds


class _Jumping(selectors.SelectSelector):
    """Lets time jump where a selector would wait, unless a thread works for the loop: computing takes no lab time."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time
        self.n_executing = 0
        self.stalled: Callable[[], None] | None = None

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        while True:
            # Asked before the pipe is: who has ended since then has put its word into the pipe.
            working = self.n_executing > 0 or any(isinstance(t, OwnThread) for t in threading.enumerate())
            events = super().select(0)
            if events or (timeout is not None and timeout <= 0.0):
                return events
            if not working:
                break
            if events := super().select(_LOOK_S):
                return events
        if timeout is None:
            self._stall()
            return []
        self._time.pass_by(timeout)
        return []

    def _stall(self) -> None:
        stalled, self.stalled = self.stalled, None
        if stalled is None:
            raise StalledError(_STALLED)
        stalled()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time. It waits in earnest for threads alone, and has no use for sockets of others.

    Args:
        time: moves as the loop waits.
    """

    def __init__(self, time: VirtualTime) -> None:
        self._virtual = time
        self._jumping = _Jumping(time)
        super().__init__(self._jumping)

    @override
    def time(self) -> float:
        return self._virtual.elapsed()

    def when_stalled(self, act: Callable[[], None]) -> None:
        """Have a function called when nothing can happen any more; without one ``StalledError`` comes out of the loop.

        Args:
            act: makes that something happens.
        """
        self._jumping.stalled = act

    @override
    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        self._jumping.n_executing += 1
        done = super().run_in_executor(executor, func, *args)
        done.add_done_callback(self._executed)
        return done

    @override
    async def shutdown_default_executor(self) -> None:
        self._jumping.n_executing += 1  # a thread of its own waits for the others there
        await super().shutdown_default_executor()
        self._jumping.n_executing -= 1

    def _executed(self, _done: object) -> None:
        self._jumping.n_executing -= 1


def run(work: Coroutine[Any, Any, T], time: VirtualTime) -> T:
    """Like ``asyncio.run``, in virtual time.

    Raises:
        StalledError: nothing can happen any more, and the work has not ended.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(time)) as runner:
        return runner.run(_watched(work))


async def _watched(work: Coroutine[Any, Any, T]) -> T:
    loop, task, stalled = asyncio.get_running_loop(), asyncio.current_task(), False

    def end() -> None:
        nonlocal stalled
        stalled = True
        if task is not None:
            task.cancel()

    if isinstance(loop, VirtualTimeLoop):
        loop.when_stalled(end)
    try:
        return await work
    except asyncio.CancelledError:
        if stalled:
            raise StalledError(_STALLED) from None
        raise

"""Virtual time: an event loop that jumps to its next timer instead of waiting for it, without threads or sockets."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from asyncio import base_events
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from typing_extensions import override

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
"""A Monday morning, on which every schedule begins."""
owner: contextvars.ContextVar[str] = contextvars.ContextVar("owner", default="")
"""Whose process a task belongs to; tasks inherit it."""
_T = TypeVar("_T")


class StalledError(RuntimeError):
    """Nothing can happen any more, and what was waited for has not."""


class Killed(BaseException):
    """The process that this code ran in does not exist any more."""


class _Jump:
    """Stands where the selector would: lets the clock jump to the first timer."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise StalledError("nobody does anything any more, and no timer is set")
        if timeout > 0.0:
            self._loop.jump()
        return []


class _Timer(asyncio.TimerHandle):
    """One that lets those go first that were set before it for the same time."""

    number = 0

    @override
    def __lt__(self, other: object) -> bool:
        if not isinstance(other, _Timer):
            return NotImplemented
        return (self._when, self.number) < (other._when, other.number)  # type: ignore[attr-defined]


class VirtualLoop(base_events.BaseEventLoop):
    """Ready callbacks run in the order of their registration, timers in the order of their times.

    Args:
        limit_s: virtual seconds after which a run counts as one that does not end.
    """

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, limit_s: float = 30 * 86_400.0) -> None:
        super().__init__()
        self._selector = _Jump(self)
        self._now = 0.0
        self._limit_s = limit_s
        self._n_timers = 0
        self._owned: dict[str, dict[asyncio.Task[Any], None]] = {}
        self.failures: list[str] = []
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]  # the protocol is newer than Python 3.11
        self.set_exception_handler(self._note)

    @override
    def time(self) -> float:
        return self._now

    def jump(self) -> None:
        """Let it be the time of the first timer."""
        self._now = max(self._now, self._scheduled[0].when())
        if self._now > self._limit_s:
            raise StalledError(f"{self._now:.0f} s have passed, and it has not come to an end")

    def tasks_of(self, name: str) -> list[asyncio.Task[Any]]:
        """The tasks of one process that have not ended, in the order in which they were begun."""
        return [task for task in self._owned.get(name, ()) if not task.done()]

    @override
    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        self._n_timers += 1
        timer.number = self._n_timers
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    @override
    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    @override
    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        raise RuntimeError(f"{func!r} would run in a thread: nothing in a simulated schedule may")

    def _process_events(self, _events: list[Any]) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There are no threads to wake it from."""

    def _make_task(self, loop: asyncio.AbstractEventLoop, wanted: Coroutine[Any, Any, _T], **more: Any) -> Any:
        task: asyncio.Task[_T] = asyncio.Task(wanted, loop=loop, **more)
        context: contextvars.Context | None = more.get("context")
        name = owner.get() if context is None else context.get(owner, "")
        mine = self._owned.setdefault(name or "", {})
        mine[task] = None
        task.add_done_callback(lambda done: mine.pop(done, None))
        return task

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), Killed):
            self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")


def run(work: Callable[[VirtualLoop], Coroutine[Any, Any, _T]], *, limit_s: float = 30 * 86_400.0) -> _T:
    """Run to the end in virtual time, and leave no task behind.

    Args:
        work: gets the loop.
        limit_s: virtual seconds that it may take.

    Raises:
        StalledError: nothing can happen any more, or the time is up.
    """
    loop = VirtualLoop(limit_s)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work(loop))
    finally:
        _tidy(loop)
        asyncio.set_event_loop(None)
        loop.close()


def _tidy(loop: VirtualLoop) -> None:
    for _ in range(3):
        left = [task for name in list(loop._owned) for task in loop.tasks_of(name)]
        if not left:
            return
        for task in left:
            task.cancel()
        try:
            loop.run_until_complete(asyncio.wait(left, timeout=1.0))
        except StalledError:
            return


class VirtualClock:
    """A machine's clocks on the loop's time; ``offset_s`` is by how much its wall clock is wrong."""

    def __init__(self, loop: VirtualLoop, offset_s: float = 0.0) -> None:
        self._loop = loop
        self.offset_s = offset_s

    def now(self) -> datetime:
        """The wall clock."""
        return START + timedelta(seconds=round(self._loop.time() + self.offset_s, 6))

    def elapsed(self) -> float:
        """The monotonic clock, which no correction touches."""
        return self._loop.time()

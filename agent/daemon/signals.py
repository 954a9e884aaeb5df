"""Signals of the daemon's process: stop in order, leave at once, read the configuration again.

SIGTERM and SIGINT ask for an orderly stop: nothing new is ordered, and what runs is left to run. A second SIGINT leaves
at once: the instruments go on with their jobs, which are adopted at the next start. SIGHUP reloads. None of them ever
reaches an instrument.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

_log = logging.getLogger(__name__)

LEFT = 130
"""Exit status of who left at once: 128 and SIGINT's number, as shells have it."""

GRACE_S = 2.0

Reload = Callable[[], Awaitable[None] | None]


class Signals:
    """Handles the signals while the context lasts, in the running loop of the main thread; then all is as before.

    The second SIGINT sets ``at_once`` and, a moment later, cancels what still runs inside the context, which then ends
    without an error; the third ends the process without tidying up.

    Args:
        leave: ends the process.
        grace_s: for the last word in the record, once it is to leave at once.
        starting: until ``up`` is called nothing is under way yet, and one signal cancels what waits for a broker or a
            database that is away.

    Attributes:
        stop: set when the daemon is to stop.
        at_once: set when it is to leave what it waits for, too.
    """

    def __init__(
        self, leave: Callable[[int], object] = os._exit, *, grace_s: float = GRACE_S, starting: bool = False
    ) -> None:
        self.stop, self.at_once = asyncio.Event(), asyncio.Event()
        self._leave, self._grace_s = leave, grace_s
        self._cut: asyncio.TimerHandle | None = None
        self._callbacks: list[Reload] = []
        self._reload: asyncio.Task[None] | None = None
        self._wanted, self._starting = False, starting
        self._cancels = 0
        self._task: asyncio.Task[Any] | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def exit_code(self) -> int:
        """With which the process ends: 0 after an orderly stop."""
        return LEFT if self.at_once.is_set() else 0

    def on_reload(self, callback: Reload) -> None:
        """Call this on SIGHUP, one after the other; what it raises is logged, and the daemon goes on as it was."""
        self._callbacks.append(callback)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        handlers = {
            signal.SIGTERM: self._told_to_stop,
            signal.SIGINT: self._interrupted,
            signal.SIGHUP: self.reload,
        }
        for signum, handler in handlers.items():
            self._before[signum] = signal.getsignal(signum)
            loop.add_signal_handler(signum, handler)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        loop = asyncio.get_running_loop()
        for signum, before in self._before.items():
            loop.remove_signal_handler(signum)
            # None stands for a handler that was not made by Python, which cannot be put back.
            signal.signal(signum, signal.SIG_DFL if before is None else before)
        self._before.clear()
        if self._reload is not None:
            self._reload.cancel()
            await asyncio.gather(self._reload, return_exceptions=True)
        if self._cut is not None:
            self._cut.cancel()
        return kind is asyncio.CancelledError and self._by_us()

    def _by_us(self) -> bool:
        """Whether the cancellation that ends the context is ours alone; then it is taken back."""
        if self._task is None or not self._cancels:
            return False
        left = self._task.cancelling()
        for _ in range(min(self._cancels, left)):
            left = self._task.uncancel()
        return left == 0

    def up(self) -> None:
        """From now on a signal asks for an orderly stop; it is the body's to see that it came meanwhile."""
        self._starting = False

    def _told_to_stop(self) -> None:
        if self._starting and not self.stop.is_set() and self._task is not None:
            self._cancel(self._task)
        self.stop.set()

    def _interrupted(self) -> None:
        if not self.stop.is_set():
            self._told_to_stop()
        elif not self.at_once.is_set():
            self.at_once.set()
            if self._task is not None:
                self._cut = asyncio.get_running_loop().call_later(self._grace_s, self._cancel, self._task)
        else:
            self._leave(LEFT)

    def _cancel(self, task: asyncio.Task[Any]) -> None:
        self._cancels += 1
        task.cancel()

    def reload(self) -> None:
        """Have the callbacks called, as SIGHUP does."""
        self._wanted = True
        if self._reload is None or self._reload.done():
            self._reload = asyncio.get_running_loop().create_task(self._reloading(), name="reload")

    async def _reloading(self) -> None:
        while self._wanted:
            self._wanted = False
            for callback in self._callbacks:
                await self._called(callback)

    async def _called(self, callback: Reload) -> None:
        try:
            answer = callback()
            if inspect.isawaitable(answer):
                await answer
        except Exception:  # noqa: BLE001 - of whatever kind: a bad file must not end the daemon
            _log.exception("reloading failed; everything stays as it was")

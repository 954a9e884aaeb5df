"""Waiting in the event loop: for something to become true, or for the next item of a stream that never fills memory."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from instruments.clock import Sleeper

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Bell:
    """Rung when something may have become true; a wait costs one task, its sleeper."""

    def __init__(self, sleeper: Sleeper) -> None:
        self._sleeper = sleeper
        self._waiters: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Let everybody look again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, true: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true; False when the sleeper has slept for ``seconds`` before."""
        if true():
            return True
        nap = asyncio.ensure_future(self._sleeper(seconds))
        nap.add_done_callback(self._woken)
        try:
            while not true():
                if nap.done():
                    return False
                waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiters.add(waiter)
                try:
                    await waiter
                finally:
                    self._waiters.discard(waiter)
            return True
        finally:
            nap.cancel()

    def _woken(self, nap: asyncio.Future[None]) -> None:
        if not nap.cancelled():
            nap.exception()  # a sleeper that fails has slept: the timeout is what counts
            self.ring()


class Stream(Generic[T]):
    """Items as they come, for one reader; a slow one loses the oldest.

    Args:
        limit: most items that wait.

    Attributes:
        dropped: how many were lost so far.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[T] = deque()
        self._news = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Add an item."""
        if len(self._items) >= self._limit:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._news.set()

    def close(self) -> None:
        """Let the reader come to an end after what waits."""
        self._closed = True
        self._news.set()

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._items.popleft()


async def at_most(wanted: Awaitable[object], seconds: float) -> None:
    """Wait for what a broker does when one takes leave, on the event loop's own clock."""
    try:
        await asyncio.wait_for(wanted, seconds)
    except TimeoutError:
        _log.warning("the broker did not take leave within %g s", seconds)

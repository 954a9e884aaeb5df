"""Messages on their way to the broker: counted in the event loop, acknowledged by paho's thread without waking it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Outgoing:
    """Numbers of the messages of QoS 1 that the broker has not acknowledged yet.

    The event loop is only woken for an acknowledgement when somebody waits for one: else each would cost more than
    the message itself.
    """

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._acknowledged: deque[int] = deque()
        self._n_waiting = 0
        self._news = asyncio.Event()

    def __len__(self) -> int:
        while self._acknowledged:
            self._open.discard(self._acknowledged.popleft())
        return len(self._open)

    def add(self, mid: int) -> None:
        """A message has been handed to paho; in the step of the event loop in which that was done."""
        self._open.add(mid)

    def acknowledge(self, mid: int) -> bool:
        """The broker has a message; in any thread. True when ``wake`` is to be called in the event loop."""
        self._acknowledged.append(mid)
        return self._n_waiting > 0

    def wake(self) -> None:
        """Let those who wait look again."""
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true of the number of messages or of the connection."""
        self._n_waiting += 1  # before looking: what is acknowledged from now on wakes
        try:
            while not true():
                self._news.clear()
                await self._news.wait()
        finally:
            self._n_waiting -= 1

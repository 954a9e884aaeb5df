"""How many jobs an agent has at an instrument at a time: as many as the instrument says that it takes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Slots:
    """The places of one instrument, handed out in the order of asking.

    Args:
        size: how many there are now; it may change when the instrument describes itself anew.
    """

    def __init__(self, size: Callable[[], int]) -> None:
        self._size = size
        self._n_taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and keep it while the context lasts."""
        if self._waiting or self._n_taken >= self._size():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave()  # the place was given in the same moment
                else:
                    self._waiting.remove(turn)
                raise
        else:
            self._n_taken += 1
        try:
            yield
        finally:
            self._leave()

    @asynccontextmanager
    async def seat(self) -> AsyncIterator[None]:
        """Take a place for a job that runs already, whether there is one or not."""
        self._n_taken += 1
        try:
            yield
        finally:
            self._leave()

    def look(self) -> None:
        """Hand out what has become free, as after a new description."""
        while self._waiting and self._n_taken < self._size():
            turn = self._waiting.popleft()
            if not turn.done():
                self._n_taken += 1
                turn.set_result(None)

    def _leave(self) -> None:
        self._n_taken -= 1
        self.look()

"""Whose turn it is: one at a time, in the order in which they came, and those who give way after all others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """One turn at a time."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._giving_way: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def take(self, *, gives_way: bool = False) -> AsyncIterator[None]:
        """Wait for a turn, and have it.

        Args:
            gives_way: comes after all who do not, also after those who come later.
        """
        await self._wait(self._giving_way if gives_way else self._waiting)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, line: deque[asyncio.Future[None]]) -> None:
        if not self._taken:
            self._taken = True
            return
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came in the same moment in which nobody wanted it any more
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        for line in (self._waiting, self._giving_way):
            while line:
                turn = line.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._taken = False

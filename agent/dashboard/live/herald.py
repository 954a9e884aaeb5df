"""Tells those who listen what has changed: the first change at once, and then a few times a second at most."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from instruments.clock import Sleeper

if TYPE_CHECKING:
    from agent.dashboard.live.picture import Change
    from agent.dashboard.ports import Listener

PAUSE_S = 0.25
"""Between two words to the same listener: a flood of readings is four of them a second."""
BREATH = 8
"""Listeners that are told before others have a turn."""
_log = logging.getLogger(__name__)


class Herald:
    """Collects changes and tells them together.

    Args:
        sleeper: waits between two tellings.
        moment: entered while all are told: for all of them it is the same moment.
    """

    def __init__(self, sleeper: Sleeper, moment: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self._sleeper = sleeper
        self._moment = moment
        self._listeners: list[Listener] = []
        self._changes: set[Change] = set()
        self._news: asyncio.Event | None = None

    def note(self, changes: Iterable[Change]) -> None:
        """Something has changed; in the event loop."""
        self._changes.update(changes)
        if self._changes and self._news is not None:
            self._news.set()

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Have a function called while the context lasts."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    async def run(self) -> None:
        """Tell, until cancelled."""
        news = self._news = asyncio.Event()
        if self._changes:
            news.set()
        try:
            while True:
                await news.wait()
                news.clear()
                await self.tell()
                await self._sleeper(PAUSE_S)
        finally:
            self._news = None

    async def tell(self) -> None:
        """Tell what has changed since it was told last.

        What the first listeners make of it can leave while the others are told.
        """
        changes, self._changes = frozenset(self._changes), set()
        if not changes:
            return
        with self._moment():
            for number, listener in enumerate(list(self._listeners), 1):
                if listener not in self._listeners:
                    continue  # gone while others were told
                try:
                    listener(changes)
                except Exception:  # noqa: BLE001 - one page that fails must not keep the others from knowing
                    _log.exception("a listener failed")
                if number % BREATH == 0:
                    await asyncio.sleep(0)

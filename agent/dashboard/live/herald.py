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
"""Between two words to the same listener."""
READINGS_EVERY = 2
"""Readings of instruments are part of every second word at most: of a flood of them a page draws two a second."""
BREATH, BREATH_S = 8, 0.005
"""Listeners that are told, and seconds that they take, before others have a turn: orders and decisions among them."""
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
        self._readings: set[Change] = set()
        self._words_since = READINGS_EVERY
        self._news: asyncio.Event | None = None

    def note(self, changes: Iterable[Change]) -> None:
        """Something has changed; in the event loop."""
        for change in changes:
            (self._readings if change.kind == "telemetry" else self._changes).add(change)
        if (self._changes or self._readings) and self._news is not None:
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
        if self._changes or self._readings:
            news.set()
        try:
            while True:
                await news.wait()
                news.clear()
                await self.tell()
                await self._sleeper(PAUSE_S)
                if self._readings:
                    news.set()
                elif not self._changes:
                    self._words_since = READINGS_EVERY
        finally:
            self._news = None

    async def tell(self) -> None:
        """Tell what has changed since it was told last.

        What the first listeners make of it can leave while the others are told.
        """
        changes = self._due()
        if not changes:
            return
        with self._moment():
            clock = asyncio.get_running_loop().time
            since_s = clock()
            for number, listener in enumerate(list(self._listeners), 1):
                if listener not in self._listeners:
                    continue  # gone while others were told
                try:
                    listener(changes)
                except Exception:  # noqa: BLE001 - one page that fails must not keep the others from knowing
                    _log.exception("a listener failed")
                if number % BREATH == 0 or clock() - since_s >= BREATH_S:
                    await asyncio.sleep(0)
                    since_s = clock()

    def _due(self) -> frozenset[Change]:
        self._words_since += 1
        due, self._changes = self._changes, set()
        if self._readings and self._words_since >= READINGS_EVERY:
            due, self._readings, self._words_since = due | self._readings, set(), 0
        return frozenset(due)

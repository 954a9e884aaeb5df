"""Watches a laboratory's broker and keeps a picture of what it says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from agent.dashboard.live.fold import Fold, patterns
from agent.dashboard.live.herald import Herald
from agent.dashboard.live.picture import Change, LabPicture
from agent.dashboard.live.standing import Link, judge
from agent.dashboard.live.upkeep import kept_up
from instruments.clock import Clock, Sleeper
from instruments.topics import Lab
from instruments.transport import Message, Transport

if TYPE_CHECKING:
    from agent.dashboard.live.freshness import Freshness
    from agent.dashboard.ports import Listener

LOOK_S = 0.25
"""How often the connection is looked at: nobody tells when it is lost."""
QUIET_S = 1.0
"""After a loss the broker has brought all that it keeps when it has brought nothing for so long."""
UNSEEN_S = 2.0
"""A loss that nobody saw was shorter than this: clients wait a second before they connect again."""
_LINK = Change("link")
_ENDED = "the dashboard does not listen to it any more: see its log, and start it again"
_log = logging.getLogger(__name__)


class Watch:
    """``agent.dashboard.ports.Live`` at a broker.

    Args:
        transport: not connected yet; ``agent.dashboard.live.patience`` has one that never gives up.
        topics: the laboratory.
        clock: the machine's.
        sleeper: waits.
        trouble: why the transport is not connected, in words.
    """

    def __init__(
        self,
        transport: Transport,
        topics: Lab,
        *,
        clock: Clock,
        sleeper: Sleeper = asyncio.sleep,
        trouble: Callable[[], str] = lambda: "",
    ) -> None:
        self._transport = transport
        self._topics = topics
        self._clock = clock
        self._sleeper = sleeper
        self._trouble = trouble
        self._ended = False
        self._fold = Fold(topics, clock, LabPicture())
        self._herald = Herald(sleeper, self._one_moment)
        self._moment: datetime | None = None
        self._link = Link(connected=False, since_s=clock.elapsed())
        self._standing = ""
        self._lost_s: float | None = None
        self._kept_s = self._link.since_s

    # The port ---------------------------------------------------------------------------------------------------------

    @property
    def picture(self) -> LabPicture:
        """All of it, as it is now; not to be changed."""
        return self._fold.picture

    @property
    def name(self) -> str:
        """The laboratory's id."""
        return self._topics.lab

    def freshness(self) -> Freshness:
        """Whether it is how things stand."""
        self._look()
        trouble = _ENDED if self._ended else self._trouble()
        return judge(self.picture, replace(self._link, trouble=trouble), self._clock.elapsed())

    def now(self) -> datetime:
        """The laboratory's time; one moment for all that are told of a change, so that one answer serves them all."""
        return self._moment if self._moment is not None else self._fold.time.now()

    @contextmanager
    def _one_moment(self) -> Iterator[None]:
        self._moment = self._fold.time.now()
        try:
            yield
        finally:
            self._moment = None

    def listening(self, listener: Listener) -> AbstractContextManager[None]:
        """Have a function called a few times a second at most, when anything has changed, while the context lasts."""
        return self._herald.listening(listener)

    # Its life ---------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Watch]:
        """Watch while the context lasts; it begins before the broker is there."""
        task = asyncio.create_task(self.run(), name="dashboard watch")
        task.add_done_callback(self._note_end)
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._ended = True
            _log.error("the dashboard does not listen to its broker any more", exc_info=task.exception())

    async def run(self) -> None:
        """Connect, and watch until cancelled; the transport is closed then.

        Raises:
            TransportError: the transport gave up before it was connected.
        """
        self._transport.on_reconnect(self._returned)
        for pattern in patterns(self._topics):
            await self._transport.subscribe(pattern, self._note)
        telling = asyncio.create_task(kept_up(self._herald.run, "the news", self._sleeper), name="dashboard news")
        looking = asyncio.create_task(
            kept_up(self._keep_looking, "the look at its broker", self._sleeper), name="dashboard link"
        )
        try:
            await self._transport.connect()
            await asyncio.gather(telling, looking)
        finally:
            telling.cancel()
            looking.cancel()
            await asyncio.gather(telling, looking, return_exceptions=True)
            await self._transport.close()
            self._look()

    async def _keep_looking(self) -> None:
        while True:
            self._look()
            if self._link.settling and self._clock.elapsed() - self._kept_s >= QUIET_S:
                self._settle()
            standing = judge(self.picture, self._link, self._clock.elapsed()).standing
            if standing != self._standing:
                self._standing = standing
                self._herald.note((_LINK,))
            await self._sleeper(LOOK_S)

    # The connection ---------------------------------------------------------------------------------------------------

    async def _note(self, message: Message) -> None:
        self._look()
        if message.retained:
            self._kept_s = self._clock.elapsed()
        self._herald.note(self._fold.take(message))

    def _look(self) -> None:
        """Note that the connection was lost, or has come about."""
        connected, now = self._transport.connected, self._clock.elapsed()
        if connected == self._link.connected:
            return
        if connected:
            # What was heard before says nothing of afterwards: an agent is there when it is heard again.
            self.picture.heard_s = None
            self._link = Link(connected=True, since_s=now, ever=True, settling=self._link.ever)
            self._kept_s = now
        else:
            self._lost_s = now
            self._link = Link(connected=False, since_s=now, lost_at=self._clock.now(), ever=True)
        self._herald.note((_LINK,))

    async def _returned(self) -> None:
        """The connection is back: what the broker keeps is coming, and what it does not bring is gone."""
        self._look()
        self._kept_s = self._clock.elapsed()
        if self._lost_s is None:
            self._lost_s = self._kept_s - UNSEEN_S  # it was so short that nobody saw it
        self._link = replace(self._link, settling=True)

    def _settle(self) -> None:
        lost_s, self._lost_s = self._lost_s, None
        self._link = replace(self._link, settling=False)
        if lost_s is not None:
            self._herald.note(self._fold.forget_before(lost_s))

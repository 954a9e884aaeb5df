"""A look at one instrument on a bus: what is kept of it, whether it answers, and whether this user may order at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from instruments.bus.waiting import Bell
from instruments.messages import Control, MalformedMessageError, Status
from instruments.topics import Lab
from instruments.transport import Message, Transport

ANSWER_S = 3.0
"""How long an instrument may take to present itself when told to, and a message to the broker and back."""
QUIET_S = 0.3
"""Some brokers send retained messages a little after they have granted a subscription."""


class Look:
    """What a newcomer learns of an instrument.

    Args:
        transport: connected.
        topics: the laboratory.
        iid: the instrument.
        name: of this connection, as nobody else is called.

    Attributes:
        kept: what the broker retains of it, by topic.
        answered: it presented itself when told to, or of itself.
        may_order: this user's messages to instruments are passed on: one came back, or the instrument obeyed one.
    """

    def __init__(self, transport: Transport, topics: Lab, iid: str, name: str) -> None:
        self.kept: dict[str, bytes] = {}
        self.answered = False
        self.may_order = False
        self.iid = iid
        self._transport = transport
        self._topics = topics
        self._name = name
        self._cleared: set[str] = set()
        self._news = Bell(asyncio.sleep)

    async def around(self) -> None:
        """Listen to it, and tell it to present itself; returns as soon as it is known how it is present."""
        await self._transport.subscribe(self._topics.control(self._name), self._on_echo)
        await self._transport.subscribe(self._topics.status(self.iid), self._on_message)
        await self._transport.subscribe(self._topics.desc(self.iid), self._on_message)
        await self._transport.subscribe(self._topics.pattern("job", iid=self.iid), self._on_message)
        # To itself, too: a broker that forbids a message takes it all the same, and passes it on to nobody.
        for iid in (self.iid, self._name):
            await self._transport.publish(self._topics.control(iid), Control(op="republish").to_bytes())
        await self.within(ANSWER_S, lambda: self.may_order or self.offline)
        await self._quiet()
        await self.within(ANSWER_S, lambda: self.answered or self.offline or not (self.kept and self.may_order))

    async def others(self) -> tuple[str, ...]:
        """The instruments of which the broker keeps a description."""
        found: set[str] = set()

        async def note(message: Message) -> None:
            if message.payload:
                found.add(self._topics.parse(message.topic).iid)

        await self._transport.subscribe(self._topics.every("desc"), note)
        await asyncio.sleep(QUIET_S)
        return tuple(sorted(found))

    @property
    def status(self) -> Status | None:
        """The last status, None where there is none that can be read."""
        try:
            return Status.parse(self.kept.get(self._topics.status(self.iid), b""))
        except MalformedMessageError:
            return None

    @property
    def offline(self) -> bool:
        """Whether it took its leave, or the broker took it in its stead."""
        return self.status is not None and self.status.state == "offline"

    async def clear(self) -> int:
        """Have the broker forget all that it keeps of it.

        Returns:
            How many messages it did forget; fewer than were ``kept`` where this user may not do that.
        """
        topics = set(self.kept)
        for topic in topics:
            await self._transport.publish(topic, b"", retain=True)
        await self.within(ANSWER_S, lambda: topics <= self._cleared)
        return len(topics & self._cleared)

    async def within(self, seconds: float, true: Callable[[], bool]) -> bool:
        """Wait until something is true of what was heard; False when it is not after so many seconds."""
        return await self._news.until(true, seconds)

    async def _quiet(self) -> None:
        n = -1
        while len(self.kept) > n:
            n = len(self.kept)
            await asyncio.sleep(QUIET_S)

    async def _on_echo(self, _message: Message) -> None:
        self.may_order = True
        self._news.ring()

    async def _on_message(self, message: Message) -> None:
        if message.payload:
            self.kept[message.topic] = message.payload
            if not message.retained and message.topic == self._topics.status(self.iid):
                self.answered = not self.offline
            if not message.retained and message.topic == self._topics.desc(self.iid):
                self.may_order = True  # heartbeats bring statuses alone
        else:
            self._cleared.add(message.topic)
        self._news.ring()

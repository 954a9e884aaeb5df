"""The checker's connection: writes raw bytes, and remembers everything that a device says, when and how."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from instruments.clock import Clock, Sleeper
from instruments.messages import Description, JobState, MalformedMessageError, Payload, Status, Telemetry
from instruments.topics import Lab
from instruments.transport import Message, Transport

_Model = TypeVar("_Model", bound=Payload)
_FIRST_S = 2.0
"""How long what the bus keeps may take to come."""
Connect = Callable[[str], Transport]
"""Gives a connection of its own, not yet connected, for a name."""


@dataclass(frozen=True)
class Heard(Generic[_Model]):
    """One message of the device.

    Attributes:
        raw: as it arrived.
        said: what it says, None when it is not what the profile puts on its topic.
        fault: why it is not.
        at: when it arrived, on the monotonic clock, s.
        wall: when it arrived, UTC.
        name: job or channel, or empty.
    """

    raw: Message
    said: _Model | None
    fault: str
    at: float
    wall: datetime
    name: str = ""


class Probe:
    """Listens to one device and speaks to it.

    Args:
        iid: the device.
        connect: gives connections.
        topics: the laboratory.
        name: of the checker's connections, as a client id.
        clock: when messages arrive.
        sleeper: waits for timeouts.
    """

    def __init__(self, iid: str, connect: Connect, topics: Lab, *, name: str, clock: Clock, sleeper: Sleeper) -> None:
        self.iid = iid
        self.topics = topics
        self.descriptions: list[Heard[Description]] = []
        self.statuses: list[Heard[Status]] = []
        self.readings: list[Heard[Telemetry]] = []
        self.jobs: defaultdict[str, list[Heard[JobState]]] = defaultdict(list)
        self.n_asides = 0
        self._clock = clock
        self._sleeper = sleeper
        self._connect = connect
        self._name = name
        self._transport = connect(name)
        self._news = asyncio.Event()

    async def open(self) -> None:
        """Connect and listen.

        Raises:
            TransportError: when the broker does not answer or refuses.
        """
        await self._transport.connect()
        topics, iid, listen = self.topics, self.iid, self._transport.subscribe
        # Jobs first: what is said about one must not be missed by a subscription that is still on its way.
        await listen(topics.job(iid, "x").removesuffix("x") + "+", self._keeper(JobState, self._on_job))
        await listen(topics.telemetry(iid, "x").removesuffix("x") + "+", self._keeper(Telemetry, self.readings.append))
        known: list[tuple[str, list[Any], Callable[[Message], Awaitable[None]]]] = [
            (topics.status(iid), self.statuses, self._keeper(Status, self.statuses.append)),
            (topics.desc(iid), self.descriptions, self._keeper(Description, self.descriptions.append)),
        ]
        for topic, _, note in known:
            await listen(topic, note)
        await self.until(lambda: all(heard for _, heard, _ in known), _FIRST_S)
        for topic, heard, note in known:
            if not heard:  # a development broker under load may lose what it keeps on the way to a newcomer
                for message in await self.retained(topic, _FIRST_S):
                    await note(message)

    async def close(self) -> None:
        """Leave."""
        await self._transport.close()

    async def order(self, job: str, payload: bytes, *, iid: str = "", retain: bool = False) -> None:
        """Publish bytes as an order."""
        await self._transport.publish(self.topics.command(iid or self.iid, job), payload, retain=retain)

    async def control(self, payload: bytes) -> None:
        """Publish bytes on the device's control topic."""
        await self._transport.publish(self.topics.control(self.iid), payload)

    async def forget(self, topic: str) -> None:
        """Clear a retained message."""
        await self._transport.publish(topic, b"", retain=True)

    async def aside(self, topic: str, payload: bytes) -> bool:
        """Publish once on a connection of its own, for what a broker may cut a connection for.

        Returns:
            Whether the connection stood afterwards.
        """
        # Quality of service 0: what the broker will not have must not be sent again after a reconnection.
        async with _Aside(self._another()) as transport:
            await transport.publish(topic, payload, qos=0)
            await self.nap(0.2)
            return transport.connected

    async def retained(self, pattern: str, seconds: float = 5.0) -> list[Message]:
        """What the bus keeps under a pattern, as a newcomer gets it; waits shortly for a first message."""
        found: list[Message] = []

        async def note(message: Message) -> None:
            if message.retained:
                found.append(message)
            self._news.set()

        async with _Aside(self._another()) as transport:
            await transport.subscribe(pattern, note)
            await self.until(lambda: bool(found), seconds)
            await self.nap(0.05)
        return found

    async def until(self, wanted: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true of what was heard; False when it is not after so many seconds."""

        async def come_true() -> None:
            while not wanted():
                self._news.clear()
                await self._news.wait()

        return await self._within(come_true(), seconds)

    async def nap(self, seconds: float) -> None:
        """Let time pass."""
        await self._sleeper(seconds)

    def elapsed(self) -> float:
        """The monotonic clock by which ``Heard.at`` is told, s."""
        return self._clock.elapsed()

    def said(self, job: str) -> list[JobState]:
        """Every live, well-formed state of a job, in the order of arrival."""
        return [h.said for h in self.jobs[job] if h.said is not None and not h.raw.retained]

    def _another(self) -> Transport:
        self.n_asides += 1
        return self._connect(f"{self._name}-aside-{self.n_asides}")

    async def _within(self, wanted: Awaitable[object], seconds: float) -> bool:
        hope = asyncio.ensure_future(wanted)
        nap = asyncio.ensure_future(self._sleeper(seconds))
        try:
            await asyncio.wait({hope, nap}, return_when=asyncio.FIRST_COMPLETED)
            return hope.done()
        finally:
            hope.cancel()
            nap.cancel()
            await asyncio.gather(hope, nap, return_exceptions=True)

    def _on_job(self, heard: Heard[JobState]) -> None:
        self.jobs[heard.name].append(heard)

    def _keeper(
        self, model: type[_Model], keep: Callable[[Heard[_Model]], None]
    ) -> Callable[[Message], Awaitable[None]]:
        async def note(message: Message) -> None:
            if message.payload:  # an empty one only clears what was retained
                name = message.topic.rsplit("/", 1)[1]
                said, fault = _read(model, message.payload)
                keep(Heard(message, said, fault, self._clock.elapsed(), self._clock.now(), name))
                self._news.set()

        return note


class _Aside:
    """A connection for one act."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def __aenter__(self) -> Transport:
        await self._transport.connect()
        return self._transport

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()


def _read(model: type[_Model], payload: bytes) -> tuple[_Model | None, str]:
    try:
        return model.parse(payload), ""
    except MalformedMessageError as error:
        return None, str(error)

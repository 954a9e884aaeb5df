"""A small laboratory on any bus: one furnace that counts how often it fires, clients, and a cable to cut."""

import asyncio
import itertools
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from instruments.client import InstrumentClient
from instruments.clock import SimClock
from instruments.device import Device, InfeasibleFault, JobContext, JobResult, Parameter, Quantity, command
from instruments.ids import SeededIds
from instruments.journal import JobJournal
from instruments.local import LocalTransport
from instruments.messages import Command
from instruments.mqtt import MqttTransport
from instruments.topics import Lab
from instruments.transport import Message, Transport

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOT: dict[str, Quantity | str] = {"temperature": Quantity(value=1500, unit="Cel")}
_labs = itertools.count()


class Furnace(Device):
    """Counts how often it really fired; ``hold`` lasts until the test opens the door."""

    kind = "furnace"
    fired = 0
    door: asyncio.Event

    @command(summary="Sinter", parameters={"temperature": Parameter(unit="Cel", low=20, high=1700)})
    async def sinter(self, job: JobContext, *, temperature: float) -> JobResult:
        self.fired += 1
        await job.progress(0.5, remaining_s=1800)
        job.spend(3600)
        if temperature > 1650:
            raise InfeasibleFault("sample_melted", "the pellet had melted")
        return JobResult(values={"peak": Quantity(value=temperature, unit="Cel", std=2.0), "air": "dry"})

    @command(summary="Hold until somebody opens the door")
    async def hold(self, job: JobContext) -> JobResult:
        self.fired += 1
        self.door = asyncio.Event()
        await self.door.wait()
        return JobResult()


@dataclass
class Bench:
    """A lab on one bus, with everything that was opened on it."""

    make: Callable[[str], Transport]
    lab: str = field(default_factory=lambda: f"lab{next(_labs)}")
    clock: SimClock = field(default_factory=lambda: SimClock(START))
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        self.ids = SeededIds(self.clock, random.Random(1))
        self.topics = Lab("labwright", self.lab)

    async def transport(self) -> Transport:
        transport = self.make(self.ids.new())
        await transport.connect()
        self.stack.push_async_callback(transport.close)
        return transport

    async def furnace(self, journal: JobJournal | None = None) -> tuple[Furnace, Transport]:
        transport = self.make(self.ids.new())
        furnace = Furnace("furnace-1", transport, lab=self.lab, clock=self.clock, ids=self.ids, journal=journal)
        await furnace.start()
        self.stack.push_async_callback(furnace.stop)
        return furnace, transport

    async def client(self) -> InstrumentClient:
        client = InstrumentClient(
            self.make(self.ids.new()), lab=self.lab, agent="agent-1", clock=self.clock, ids=self.ids
        )
        await client.start()
        self.stack.push_async_callback(client.close)
        await client.wait_for(["furnace-1"], timeout=5.0)
        return client

    async def record(self, pattern: str) -> list[Message]:
        """Everything that arrives under a pattern from now on."""
        heard: list[Message] = []

        async def note(message: Message) -> None:
            heard.append(message)

        await (await self.transport()).subscribe(pattern, note)
        return heard

    def order(self, job: str, temperature: float = 1500.0, *, expires_s: float = 600.0) -> bytes:
        parameters: dict[str, Quantity | str] = {"temperature": Quantity(value=temperature, unit="Cel")}
        until_then = START + timedelta(seconds=expires_s)
        return Command(
            job=job, command="sinter", parameters=parameters, issued_at=START, not_after=until_then
        ).to_bytes()


def cut(transport: Transport) -> Awaitable[None]:
    """Lose a connection without a word, as a pulled cable does."""
    if isinstance(transport, LocalTransport):
        return transport.drop()
    assert isinstance(transport, MqttTransport)

    async def pull() -> None:
        connection = transport._client.socket()
        assert isinstance(connection, socket.socket)
        connection.shutdown(socket.SHUT_RDWR)

    return pull()


Make = Callable[[str], Transport]
Play = Callable[[Callable[[Bench], Awaitable[None]]], None]
"""Runs a test's coroutine with a bench on one of the buses."""

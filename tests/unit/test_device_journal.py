"""A device whose journal fails for a while says so, does nothing meanwhile, and goes on when there is room again."""

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta

import pytest
from typing_extensions import override

from envs.errors import JournalError
from instruments.clock import SimClock
from instruments.device import Device, JobContext, command
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal
from instruments.local import LocalBus
from instruments.messages import Command, Control, JobState, Status
from instruments.topics import Lab
from instruments.transport import Message

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPICS = Lab("labwright", "demo")


class Disk(MemoryJournal):
    """A journal on a disk that is full, or cannot be read, when a test says so."""

    full = False
    broken = False

    @override
    def get(self, job: str) -> JobState | None:
        if self.broken:
            raise JournalError("the disk image is malformed")
        return super().get(job)

    @override
    def put(self, state: JobState) -> None:
        if self.full:
            raise JournalError("the disk is full")
        super().put(state)


class Stirrer(Device):
    """Stirs until the test lets it."""

    kind = "stirrer"
    turns = 0
    done: asyncio.Event

    @command(summary="Stir")
    async def stir(self, job: JobContext) -> None:
        self.turns += 1
        self.done = asyncio.Event()
        await self.done.wait()


class Bench:
    """A stirrer with a disk, and what it says of its jobs."""

    async def begin(self) -> None:
        self.bus, clock = LocalBus(), SimClock(START)
        self.ids, self.disk = SeededIds(clock, random.Random(1)), Disk()
        self.stirrer = Stirrer("s", self.bus.transport(), lab="demo", clock=clock, ids=self.ids, journal=self.disk)
        self.agent, self.heard = self.bus.transport(), list[JobState]()
        await self.agent.connect()
        await self.stirrer.start()
        await self.agent.subscribe(TOPICS.job("s", "_").replace("_", "+"), self._note)

    async def _note(self, message: Message) -> None:
        self.heard.append(JobState.parse(message.payload))

    async def order(self) -> str:
        job = self.ids.new()
        order = Command(job=job, command="stir", parameters={}, issued_at=START, not_after=START + timedelta(hours=1))
        await self.agent.publish(TOPICS.command("s", job), order.to_bytes())
        await settle()
        return job

    async def ask(self, job: str) -> JobState:
        self.heard.clear()
        await self.agent.publish(TOPICS.control("s"), Control(op="query", job=job).to_bytes())
        await settle()
        return self.heard[-1]

    @property
    def presence(self) -> str:
        return Status.parse(self.bus.retained(TOPICS.status("s"))[0].payload).state

    async def end(self) -> None:
        await self.stirrer.stop()
        await self.agent.close()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_disk_with_room_again_is_used_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def run() -> None:
        bench = Bench()
        await bench.begin()
        first = await bench.order()
        bench.disk.full = True
        bench.stirrer.done.set()
        await settle()
        assert (bench.heard[-1].state, bench.presence) == ("succeeded", "error")
        assert (await bench.ask(first)).state == "succeeded"  # not what the journal says, which is older
        await bench.order()
        assert (bench.heard[-1].state, bench.stirrer.turns) == ("rejected", 1)
        bench.disk.full = False
        await bench.order()
        assert bench.presence == "online"
        kept = bench.disk.get(first)
        assert kept is not None
        assert kept.state == "succeeded"
        await bench.order()
        assert (bench.heard[-1].state, bench.stirrer.turns) == ("running", 2)
        await bench.end()

    asyncio.run(run())


def test_a_journal_that_cannot_be_read_is_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def run() -> None:
        bench = Bench()
        await bench.begin()
        bench.disk.broken = True
        await bench.order()
        assert (bench.heard, bench.presence, bench.stirrer.turns) == ([], "error", 0)
        await bench.end()

    asyncio.run(run())

"""A device reaches its safe state whatever fails on the way: hardware, workers, stops, a broker that is away."""

import asyncio
import logging
import random
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from patience import until
from typing_extensions import override

from envs.errors import InstrumentError
from instruments.address import BrokerAddress
from instruments.clock import SimClock, wait_forever
from instruments.device import BlockingJob, Device, JobContext, command
from instruments.driving.serve import Place, serve_device
from instruments.errors import TransportError
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal
from instruments.local import LocalBus, LocalTransport
from instruments.messages import Command, Control, JobState, Status
from instruments.topics import Lab

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPICS = Lab("labwright", "demo")


class Heater(Device):
    """What was done to the hardware is in ``acts``; ``fails`` times it does not listen when it shall be made safe."""

    kind = "heater"
    safe_state = "heater off"
    lease_s = 60.0
    fails = 0

    def __init__(self, *args: Any, **base: Any) -> None:
        super().__init__(*args, **base)
        self.acts: list[str] = []
        self.entered, self.release = threading.Event(), threading.Event()
        self.slow: asyncio.Event | None = None

    @override
    async def make_safe(self) -> None:
        if self.fails:
            self.fails -= 1
            raise OSError("the line is silent")
        if self.slow is not None:
            await self.slow.wait()
        self.acts.append("off")

    @command(summary="Heat until cancelled")
    async def heat(self, job: JobContext) -> None:
        self.acts.append("on")
        await wait_forever(0.0)

    @command(summary="Talk to hardware that does not answer")
    def stick(self, job: BlockingJob) -> None:
        self.entered.set()
        self.release.wait(10)
        self.acts.append("on")


class Bench:
    """A heater at a bus whose clock a test moves, and everything that was said of its jobs."""

    def __init__(self, journal: MemoryJournal | None = None) -> None:
        self.bus, self.clock = LocalBus(), SimClock(START)
        self.journal = journal or MemoryJournal()
        self.ids = SeededIds(self.clock, random.Random(1))
        self.agent = self.bus.transport()
        self.grace = asyncio.Event()
        self.heater = self.new(self.bus.transport())

    def new(self, transport: LocalTransport) -> Heater:
        return Heater(
            "h", transport, lab="demo", clock=self.clock, ids=self.ids, journal=self.journal, sleeper=self.nap
        )

    async def nap(self, _seconds: float) -> None:
        await self.grace.wait()

    async def order(self, name: str) -> str:
        job = self.ids.new()
        order = Command(job=job, command=name, parameters={}, issued_at=START, not_after=START + timedelta(hours=1))
        await self.agent.publish(TOPICS.command("h", job), order.to_bytes())
        await settle()
        return job

    def last(self, job: str) -> JobState | None:
        kept = self.bus.retained(TOPICS.job("h", job))
        return JobState.parse(kept[0].payload) if kept else None

    def status(self) -> Status:
        return Status.parse(self.bus.retained(TOPICS.status("h"))[0].payload)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def play(act: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        bench = Bench()
        await bench.agent.connect()
        await bench.heater.start()
        bench.heater.acts.clear()
        try:
            await act(bench)
        finally:
            bench.heater.release.set()
            if bench.heater.slow is not None:
                bench.heater.slow.set()
            await bench.heater.stop()
            await bench.agent.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_a_safe_state_that_fails_is_tried_again_and_nothing_is_taken_meanwhile(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def act(bench: Bench) -> None:
        await bench.order("heat")
        bench.heater.fails = 2
        bench.clock.advance(61.0)
        await bench.heater.check_lease()
        assert bench.heater.acts == ["on"]
        await bench.heater.check_lease()
        await settle()
        assert (bench.status().state, "silent" in bench.status().message) == ("error", True)
        refused = bench.last(await bench.order("heat"))
        assert refused is not None
        assert (refused.state, refused.error and refused.error.kind) == ("rejected", "retryable")
        await bench.heater.check_lease()
        assert bench.heater.acts == ["on", "off"]
        await settle()
        assert bench.status().state == "online"
        await bench.heater.check_lease()
        assert bench.heater.acts == ["on", "off"]

    play(act)


def test_a_worker_that_does_not_stop_does_not_keep_the_heater_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def act(bench: Bench) -> None:
        job = await bench.order("stick")
        await asyncio.to_thread(bench.heater.entered.wait, 5)
        bench.clock.advance(61.0)
        watch = asyncio.create_task(bench.heater.check_lease())
        await settle()
        assert bench.heater.acts == []
        bench.grace.set()
        await until(lambda: bench.heater.acts == ["off"])
        bench.heater.release.set()
        await watch
        assert bench.heater.acts == ["off", "on", "off"]
        end = bench.last(job)
        assert end is not None
        assert end.terminal

    play(act)


def test_a_job_goes_on_as_long_as_its_worker_however_often_it_is_cancelled() -> None:
    async def act(bench: Bench) -> None:
        job = await bench.order("stick")
        await asyncio.to_thread(bench.heater.entered.wait, 5)
        await bench.agent.publish(TOPICS.control("h"), Control(op="cancel", job=job).to_bytes())
        await settle()
        bench.clock.advance(61.0)
        watch = asyncio.create_task(bench.heater.check_lease())
        await settle()
        state = bench.last(job)
        assert state is not None
        assert not state.terminal  # the worker has the hardware still
        assert bench.heater.acts == []
        bench.heater.release.set()
        await watch
        assert bench.heater.acts == ["on", "off"]

    play(act)


@pytest.mark.parametrize("leave", ["stop", "lease"])
def test_no_job_begins_while_a_device_makes_itself_safe(leave: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def act(bench: Bench) -> None:
        await bench.order("heat")
        bench.heater.slow = asyncio.Event()
        bench.clock.advance(61.0)
        going = asyncio.create_task(bench.heater.stop() if leave == "stop" else bench.heater.check_lease())
        await settle()
        job = await bench.order("heat")
        assert bench.heater.acts == ["on"]
        assert bench.journal.get(job) is None
        bench.heater.slow.set()
        await going
        assert bench.heater.acts[:2] == ["on", "off"]
        if leave == "stop":
            assert bench.journal.get(job) is None  # not acknowledged: the broker keeps it for the next start

    play(act)


def test_a_stop_whose_safe_state_fails_says_goodbye_with_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def act(bench: Bench) -> None:
        await bench.order("heat")
        bench.heater.fails = 1
        await bench.heater.stop()
        assert bench.status().state == "offline"
        assert "silent" in bench.status().message

    play(act)


def test_what_a_restart_interrupted_is_told_although_the_broker_was_away_at_first() -> None:
    class Absent(LocalTransport):
        @override
        async def connect(self) -> None:
            raise TransportError("no broker")

    journal = MemoryJournal()
    journal.put(JobState(job="j", boot_id="0", seq=3, state="running", ts=START))

    async def run() -> None:
        bench = Bench(journal)
        with pytest.raises(TransportError):
            await bench.new(Absent(bench.bus)).start()
        assert bench.last("j") is None
        await bench.heater.start()
        end = bench.last("j")
        assert end is not None
        assert (end.state, end.error and end.error.code) == ("failed", "interrupted")
        await bench.heater.stop()

    asyncio.run(run())


def test_a_start_whose_safe_state_fails_goes_on_trying_and_takes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def run() -> None:
        bench = Bench()
        bench.heater.fails = 1
        await bench.agent.connect()
        await bench.heater.start()
        assert (bench.status().state, "silent" in bench.status().message) == ("error", True)
        refused = bench.last(await bench.order("heat"))
        assert refused is not None
        assert refused.state == "rejected"
        await bench.heater.heartbeat()
        assert bench.heater.acts == ["off"]
        assert bench.status().state == "online"
        await bench.heater.stop()
        await bench.agent.close()

    asyncio.run(run())


def test_two_drivers_of_one_instrument_see_each_other_and_neither_takes_orders(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def act(bench: Bench) -> None:
        bench.clock.advance(1.0)
        rival = bench.new(bench.bus.transport())
        rival.journal = MemoryJournal()
        await rival.start()
        bench.clock.advance(1.0)
        await bench.heater.heartbeat()
        await rival.heartbeat()
        await settle()
        job = await bench.order("heat")
        assert (bench.heater.acts, rival.acts) == ([], ["off"])
        end = bench.last(job)
        assert end is not None
        assert (end.state, end.error and end.error.kind) == ("rejected", "retryable")
        assert end.error is not None
        assert "another driver" in end.error.message
        await rival.stop()
        await settle()
        await bench.order("heat")
        assert bench.heater.acts == ["on"]

    play(act)


def test_what_a_predecessor_said_is_no_rival() -> None:
    async def act(bench: Bench) -> None:
        before = Status(state="online", boot_id="0", seq=1, ts=START - timedelta(seconds=1))
        await bench.agent.publish(TOPICS.status("h"), before.to_bytes())
        await settle()
        await bench.order("heat")
        assert bench.heater.acts == ["on"]

    play(act)


def test_a_start_that_fails_after_it_connected_leaves_no_connection() -> None:
    class Deaf(LocalTransport):
        @override
        async def publish(self, *_args: Any, **_more: Any) -> None:
            raise TransportError("too large")

    async def run() -> None:
        bench = Bench()
        cable = Deaf(bench.bus)
        with pytest.raises(TransportError):
            await bench.new(cable).start()
        assert not cable.connected

    asyncio.run(run())


def test_a_status_that_cannot_be_published_does_not_end_a_device(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    class Full(LocalTransport):
        full = False

        @override
        async def publish(self, topic: str, payload: bytes, **more: Any) -> None:
            if self.full:
                raise TransportError("too many messages wait")
            await super().publish(topic, payload, **more)

    async def run() -> None:
        bench = Bench()
        cable = Full(bench.bus)
        heater = bench.new(cable)
        await heater.start()
        cable.full = True
        await heater.heartbeat()
        cable.full = False
        await heater.stop()

    asyncio.run(run())


def test_hardware_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    class Unplugged(Heater):
        @override
        async def open(self) -> None:
            raise FileNotFoundError(2, "could not open port", "/dev/ttyUSB0")

    async def run() -> None:
        place = Place(BrokerAddress("127.0.0.1", 1), tmp_path / "state", "demo")
        with pytest.raises(InstrumentError, match=r"h: the hardware cannot be reached.*ttyUSB0"):
            await serve_device("h", Unplugged, place, stop=asyncio.Event(), tell=print)

    asyncio.run(run())

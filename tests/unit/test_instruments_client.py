"""What an agent does as time passes: leases, silence, clocks that differ, devices that leave. A clock moved by hand."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from typing_extensions import override

from instruments.client import InstrumentClient, Sighting
from instruments.clock import SimClock, wait_forever
from instruments.device import Device, JobContext, JobResult, Quantity, command
from instruments.errors import NoAnswerError
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal
from instruments.local import LocalBus, LocalTransport
from instruments.messages import Command, Control, Status, Telemetry, UploadTicket
from instruments.topics import Lab
from instruments.transport import Message, Mirror

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LAB = Lab("labwright", "demo")


class Timer:
    """Sleeps that end when the test says that time has passed."""

    def __init__(self) -> None:
        self.clock = SimClock(START)
        self._sleeping: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        entry = (self.clock.elapsed() + seconds, asyncio.get_running_loop().create_future())
        self._sleeping.append(entry)
        try:
            await entry[1]
        finally:
            self._sleeping.remove(entry)

    async def advance(self, seconds: float) -> None:
        await settle()
        end = self.clock.elapsed() + seconds
        while due := [entry for entry in self._sleeping if entry[0] <= end and not entry[1].done()]:
            when, sleeper = min(due, key=lambda entry: entry[0])
            self.clock.advance(max(0.0, when - self.clock.elapsed()))
            sleeper.set_result(None)
            await settle()
        self.clock.advance(end - self.clock.elapsed())
        await settle()


async def settle() -> None:
    for _ in range(40):
        await asyncio.sleep(0)


class Oven(Device):
    """Heats until the test opens the door."""

    kind = "oven"
    safe_state = "heater off"
    lease_s = 60.0
    door: asyncio.Event

    @command(summary="Heat until the door is opened")
    async def heat(self, job: JobContext) -> JobResult:
        self.door = asyncio.Event()
        await self.door.wait()
        return JobResult()


class Recorder(LocalTransport):
    """Remembers the mirrors that it passes over."""

    def __init__(self, bus: LocalBus) -> None:
        super().__init__(bus)
        self.mirrors: dict[str, Mirror | None] = {}

    @override
    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, mirror: Mirror | None = None
    ) -> None:
        self.mirrors[topic] = mirror
        await super().publish(topic, payload, qos=qos, retain=retain, mirror=mirror)


class Room:
    """An oven, a client on a clock of its own, and a witness."""

    def __init__(self) -> None:
        self.bus, self.timer = LocalBus(), Timer()
        self.ids = SeededIds(self.timer.clock, random.Random(1))
        self.journal = MemoryJournal()
        self.oven, self.oven_cable = self.new_oven()
        self.cable = Recorder(self.bus)
        self.client = InstrumentClient(
            self.cable, lab="demo", agent="agent-1", clock=self.timer.clock, ids=self.ids, sleeper=self.timer.sleep
        )
        self.witness = self.bus.transport()
        self.heard: list[Message] = []

    def new_oven(self) -> tuple[Oven, LocalTransport]:
        cable = self.bus.transport()
        oven = Oven(
            "oven-1", cable, lab="demo", clock=self.timer.clock, ids=self.ids, journal=self.journal,
            sleeper=wait_forever,
        )  # fmt: skip
        return oven, cable

    async def note(self, message: Message) -> None:
        self.heard.append(message)

    def controls(self, op: str) -> list[Control]:
        found = [Control.parse(m.payload) for m in self.heard if m.topic == LAB.control("oven-1")]
        return [control for control in found if control.op == op]

    async def status(self, *, seq: int, ahead_s: float = 0.0, retain: bool = True) -> None:
        stamp = self.timer.clock.now() + timedelta(seconds=ahead_s)
        status = Status(state="online", boot_id=self.oven.boot_id, seq=seq, ts=stamp)
        await self.witness.publish(LAB.status("oven-1"), status.to_bytes(), retain=retain)
        await settle()


def play(act: Callable[[Room], Awaitable[None]]) -> None:
    async def run() -> None:
        room = Room()
        await room.oven.start()
        await room.witness.connect()
        await room.witness.subscribe(LAB.everything, room.note)
        await room.client.start()
        await room.client.wait_for(["oven-1"])
        try:
            await act(room)
        finally:
            await room.client.close()
            await room.witness.close()
            if room.oven_cable.connected:
                await room.oven.stop()
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


# Leases -------------------------------------------------------------------------------------------------------------


def test_the_lease_is_kept_while_a_job_runs_and_no_longer() -> None:
    async def act(room: Room) -> None:
        running = asyncio.create_task(room.client.execute("oven-1", "heat", {}, job=room.ids.new()))
        await room.timer.advance(100.0)
        assert [c.lease_s for c in room.controls("lease")] == [60.0] * 5
        await room.oven.check_lease()
        room.oven.door.set()
        assert (await running).state == "succeeded"
        await room.timer.advance(100.0)
        assert len(room.controls("lease")) == 5
        await room.oven.check_lease()  # it has run out, and nothing runs

    play(act)


def test_the_lease_of_an_adopted_job_is_renewed_at_once() -> None:
    async def act(room: Room) -> None:
        job = room.ids.new()
        ordered = asyncio.create_task(room.client.execute("oven-1", "heat", {}, job=job))
        await settle()
        ordered.cancel()  # as an agent that dies
        await asyncio.gather(ordered, return_exceptions=True)
        await room.timer.advance(55.0)
        adopted = asyncio.create_task(room.client.adopt("oven-1", job))
        await room.timer.advance(10.0)
        await room.oven.check_lease()
        room.oven.door.set()
        assert (await adopted).state == "succeeded"

    play(act)


# Silence ------------------------------------------------------------------------------------------------------------


def test_a_device_that_goes_and_comes_back_is_asked_at_once() -> None:
    async def act(room: Room) -> None:
        running = asyncio.create_task(room.client.execute("oven-1", "heat", {}, job=room.ids.new()))
        await settle()
        assert not room.controls("query")
        await room.oven_cable.drop()
        await settle()
        assert len(room.controls("query")) == 1
        await room.oven_cable.reconnect()
        await settle()
        assert len(room.controls("query")) == 2
        assert room.timer.clock.elapsed() == 0.0
        room.oven.door.set()
        assert (await running).state == "succeeded"

    play(act)


def test_a_device_that_stays_away_is_one_clear_error_after_the_patience() -> None:
    async def act(room: Room) -> None:
        job = room.ids.new()
        running = asyncio.create_task(room.client.execute("oven-1", "heat", {}, job=job))
        await settle()
        await room.oven_cable.drop()
        await room.timer.advance(200.0)
        assert not running.done()
        await room.timer.advance(200.0)
        with pytest.raises(NoAnswerError, match=r"nothing was heard of it for .*the instrument is offline; adopt it"):
            await running
        await room.oven_cable.reconnect()
        adopted = asyncio.create_task(room.client.adopt("oven-1", job))
        await settle()
        room.oven.door.set()
        assert (await adopted).state == "succeeded"

    play(act)


def test_an_order_to_a_device_that_has_left_is_one_clear_error() -> None:
    async def act(room: Room) -> None:
        await room.oven.stop()
        running = asyncio.create_task(room.client.execute("oven-1", "heat", {}, job=room.ids.new()))
        await room.timer.advance(60.0)
        with pytest.raises(NoAnswerError, match="not confirmed after 3 sendings; the instrument is offline") as caught:
            await running
        assert caught.value.seen is None

    play(act)


def test_a_restart_that_lost_its_journal_is_told_at_once() -> None:
    async def act(room: Room) -> None:
        running = asyncio.create_task(room.client.execute("oven-1", "heat", {}, job=room.ids.new()))
        await settle()
        before = room.oven
        await room.oven_cable.drop()
        await room.oven_cable.close()
        room.journal = MemoryJournal()
        room.oven, room.oven_cable = room.new_oven()
        await room.oven.start()
        with pytest.raises(NoAnswerError, match="does not know the job any more") as caught:
            await running
        assert caught.value.seen is False
        for task in before._desk._tasks.values():
            task.cancel()
        await settle()

    play(act)


def test_a_long_quiet_job_is_asked_after_every_minute_and_waited_for() -> None:
    async def act(room: Room) -> None:
        running = asyncio.create_task(room.client.execute("oven-1", "heat", {}, job=room.ids.new()))
        await room.timer.advance(3600.0)
        assert 50 <= len(room.controls("query")) <= 60
        assert not running.done()
        room.oven.door.set()
        assert (await running).state == "succeeded"

    play(act)


# Presence and clocks ------------------------------------------------------------------------------------------------


def test_sightings_tell_who_comes_changes_falls_silent_and_goes() -> None:
    async def act(room: Room) -> None:
        async with room.client.watch() as sightings:
            first = await anext(sightings)
            assert (first.iid, first.what, first.presence) == ("oven-1", "appeared", "online")
            assert first.description is not None
            assert first.description.kind == "oven"
            await room.timer.advance(36.0)
            assert await told(sightings) == ("presence", "stale")
            await room.oven.heartbeat()
            assert await told(sightings) == ("presence", "online")
            changed = room.oven.describe().model_copy(update={"serial": "B-2"})
            await room.witness.publish(LAB.desc("oven-1"), changed.to_bytes(), retain=True)
            assert await told(sightings) == ("changed", "online")
            await room.oven.stop()
            assert await told(sightings) == ("presence", "offline")
            await room.client.close()
            with pytest.raises(StopAsyncIteration):
                await anext(sightings)

    async def told(sightings: object) -> tuple[str, str]:
        sighting = await anext(sightings)  # type: ignore[call-overload]
        assert isinstance(sighting, Sighting)
        return sighting.what, sighting.presence

    play(act)


def test_a_description_of_somebody_else_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    async def act(room: Room) -> None:
        await room.witness.publish(LAB.desc("oven-2"), room.oven.describe().to_bytes(), retain=True)
        await settle()
        assert list(room.client.instruments) == ["oven-1"]
        assert "it is of instrument oven-1" in caplog.text

    play(act)


def test_clocks_that_differ_are_flagged_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def act(room: Room) -> None:
        await room.status(seq=100, ahead_s=1.9)
        assert room.client.skew("oven-1") == 0.0
        for seq in (101, 102):
            await room.status(seq=seq, ahead_s=7.25)
        assert room.client.skew("oven-1") == pytest.approx(7.25)
        await room.status(seq=103, ahead_s=-3.0)
        room.timer.clock.advance(10.0)
        await room.status(seq=104, ahead_s=-3.0)
        assert room.client.skew("oven-1") == pytest.approx(-3.0)
        await room.status(seq=105)
        assert room.client.skew("oven-1") == 0.0

    with caplog.at_level(logging.WARNING):
        play(act)
    assert [r.getMessage() for r in caplog.records if "clock" in r.getMessage()] == [
        "oven-1: its clock is 7.2 s ahead of the agent's: set one of them, or have both follow a time server"
    ]


def test_statuses_that_waited_at_the_broker_say_nothing_of_clocks(caplog: pytest.LogCaptureFixture) -> None:
    """A persistent session brings them without the retained flag, all at once, and then the next heartbeat."""

    async def act(room: Room) -> None:
        for seq, late_s in ((100, 16.8), (101, 7.2), (102, 6.8)):
            await room.status(seq=seq, ahead_s=-late_s, retain=False)
        room.timer.clock.advance(3.2)
        await room.status(seq=103)
        room.timer.clock.advance(60.0)
        await room.status(seq=104, ahead_s=-6.8)  # one alone, late on its way
        room.timer.clock.advance(10.0)
        await room.status(seq=105)
        assert room.client.skew("oven-1") == 0.0

    with caplog.at_level(logging.WARNING):
        play(act)
    assert not [r for r in caplog.records if "clock" in r.getMessage()]


def test_an_agent_on_a_simulated_clock_judges_nobodys(caplog: pytest.LogCaptureFixture) -> None:
    async def act(room: Room) -> None:
        calm = InstrumentClient(
            room.bus.transport(), lab="demo", agent="calm", clock=SimClock(START - timedelta(days=300)), ids=room.ids,
            sleeper=wait_forever, judge_clocks=False,
        )  # fmt: skip
        await calm.start()
        await room.status(seq=100)
        assert calm.skew("oven-1") == 0.0
        await calm.close()

    with caplog.at_level(logging.WARNING):
        play(act)
    assert not [r for r in caplog.records if "clock" in r.getMessage()]


def test_what_the_bus_kept_and_a_last_will_say_nothing_of_clocks() -> None:
    async def act(room: Room) -> None:
        room.timer.clock.advance(100.0)
        late = InstrumentClient(
            room.bus.transport(), lab="demo", agent="late", clock=room.timer.clock, ids=room.ids, sleeper=wait_forever
        )
        await late.start()
        await late.wait_for(["oven-1"])
        await room.oven_cable.drop()
        await settle()
        assert (late.presence("oven-1"), late.skew("oven-1")) == ("offline", 0.0)
        await late.close()

    play(act)


# What goes out ------------------------------------------------------------------------------------------------------


def test_a_command_carries_its_ticket_and_its_mirror() -> None:
    async def act(room: Room) -> None:
        ticket = UploadTicket(uri="http://127.0.0.1:1/artefacts", token="t" * 32, limit=20_000_000)
        job = room.ids.new()
        until = START + timedelta(seconds=90)
        running = asyncio.create_task(
            room.client.execute("oven-1", "heat", {}, job=job, not_after=until, upload=ticket)
        )
        await settle()
        room.oven.door.set()
        await running
        sent = [Command.parse(m.payload) for m in room.heard if m.topic == LAB.command("oven-1", job)]
        assert [order.upload for order in sent] == [ticket]
        assert "t" * 32 not in repr(sent[0])
        assert room.cable.mirrors[LAB.command("oven-1", job)] == Mirror(LAB.job("oven-1", job), job.encode(), 90.0)

    play(act)


def test_events_are_published_for_everyone() -> None:
    async def act(room: Room) -> None:
        await room.client.publish_event(b'{"proto":"1.0"}')
        await settle()
        assert [m.payload for m in room.heard if m.topic == LAB.agent_event("agent-1")] == [b'{"proto":"1.0"}']
        presence = [Status.parse(m.payload).state for m in room.heard if m.topic == LAB.agent_status("agent-1")]
        assert presence == ["online"]
        await room.cable.drop()
        await room.cable.reconnect()
        await settle()
        presence = [Status.parse(m.payload).state for m in room.heard if m.topic == LAB.agent_status("agent-1")]
        assert presence == ["online", "offline", "online"]

    play(act)


def test_a_slow_reader_of_telemetry_loses_the_oldest_readings_and_knows_it() -> None:
    async def act(room: Room) -> None:
        async with room.client.telemetry("oven-1", limit=3) as stream:
            for value in range(10):
                await room.oven.telemetry("temperature", Quantity(value=float(value), unit="Cel"))
            await settle()
            assert [(await anext(stream)).telemetry.value for _ in range(3)] == [7.0, 8.0, 9.0]
            assert stream.dropped == 7
            again = Telemetry(ts=START, value=9.0, unit="Cel", seq=10_000)
            for _ in range(2):  # overlapping subscriptions bring a reading twice
                await room.witness.publish(LAB.telemetry("oven-1", "temperature"), again.to_bytes(), qos=0)
            await room.witness.publish(LAB.telemetry("oven-1", "temperature"), b"{}", qos=0)
            await room.oven.telemetry("door", Quantity(value=1.0, unit="1"))
            assert [(await anext(stream)).channel for _ in range(2)] == ["temperature", "door"]
        await room.oven.telemetry("temperature", Quantity(value=1.0, unit="Cel"))
        await settle()
        assert stream.dropped == 7

    play(act)

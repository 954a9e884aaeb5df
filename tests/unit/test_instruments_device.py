"""A device refuses what it should, survives its own mistakes, and a client insists without ever doubling an order."""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import pytest
from typing_extensions import override

from envs.errors import InstrumentError, JournalError, UserError
from instruments.artefacts import inline_artefact
from instruments.bulk.fetch import read as read_artefact
from instruments.client import InstrumentClient
from instruments.clock import SimClock, Sleeper, wait_forever
from instruments.device import (
    Choice,
    Device,
    InfeasibleFault,
    JobContext,
    JobResult,
    Parameter,
    Quantity,
    RetryableFault,
    Text,
    command,
)
from instruments.errors import NoAnswerError
from instruments.ids import SeededIds
from instruments.journal import JobJournal, MemoryJournal
from instruments.local import LocalBus, LocalTransport
from instruments.messages import Command, Control, JobState, Telemetry, Value
from instruments.topics import Lab
from instruments.transport import Message, Mirror

TOPICS = Lab("labwright", "demo")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Furnace(Device):
    """Fails on demand."""

    kind = "furnace"
    fired = 0
    made_safe = 0

    @command(
        summary="Sinter one pellet",
        parameters={
            "temperature": Parameter(unit="Cel", low=20, high=1700),
            "additive": Choice(("none", "MgO")),
            "sample": Text(max_length=8),
        },
    )
    async def sinter(self, job: JobContext, *, temperature: float, additive: str, sample: str) -> JobResult:
        self.fired += 1
        job.spend(60.0)
        match sample:
            case "melts":
                raise InfeasibleFault("sample_melted", "the pellet had melted")
            case "jams":
                raise RetryableFault("door_jammed", "the door did not open")
            case "breaks":
                raise InstrumentError("the heater circuit is open")
            case "bug":
                raise ZeroDivisionError("division by zero")
        image = inline_artefact(f"{temperature} {additive}".encode(), "text/plain")
        return JobResult(values={"peak": Quantity(value=temperature, unit="Cel")}, artefacts={"log": image})

    @override
    async def make_safe(self) -> None:
        self.made_safe += 1


class LossyTransport(LocalTransport):
    """Loses the first messages that a test dooms."""

    losses = 0

    def doomed(self, topic: str, payload: bytes) -> bool:
        return "/cmd/" in topic

    @override
    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, mirror: Mirror | None = None
    ) -> None:
        if self.losses > 0 and self.doomed(topic, payload):
            self.losses -= 1
            return
        await super().publish(topic, payload, qos=qos, retain=retain, mirror=mirror)


class EndLosingTransport(LossyTransport):
    """Loses what says that a job has succeeded."""

    @override
    def doomed(self, topic: str, payload: bytes) -> bool:
        return "/job/" in topic and b'"succeeded"' in payload


class Room:
    """A furnace and a client on one bus, both on a simulated clock; ``naps`` are the timeouts that were waited for."""

    def __init__(self, *, journal: JobJournal | None = None, sleeper: Sleeper | None = None) -> None:
        self.bus, self.clock, self.naps = LocalBus(), SimClock(START), list[float]()
        self.ids = SeededIds(self.clock, random.Random(1))
        self.furnace_cable = EndLosingTransport(self.bus)
        self.furnace = Furnace(
            "furnace-1", self.furnace_cable, lab="demo", clock=self.clock, ids=self.ids, journal=journal
        )
        self.cable = LossyTransport(self.bus)
        self.client = InstrumentClient(
            self.cable, lab="demo", agent="agent-1", clock=self.clock, ids=self.ids, sleeper=sleeper or self.nap
        )
        self.watcher = self.bus.transport()
        self.heard: list[Message] = []

    async def nap(self, seconds: float) -> None:
        """A timeout passes as soon as nothing else has anything to do."""
        for _ in range(30):
            await asyncio.sleep(0)
        self.naps.append(seconds)
        self.clock.advance(seconds)

    async def note(self, message: Message) -> None:
        self.heard.append(message)

    async def sinter(self, **changes: Value) -> JobState:
        parameters: Mapping[str, Value] = {
            "temperature": Quantity(value=1500, unit="Cel"),
            "additive": "MgO",
            "sample": "good",
            **changes,
        }
        return await self.client.execute("furnace-1", "sinter", parameters, job=self.ids.new())


def play(act: Callable[[Room], Awaitable[None]], room: Room | None = None) -> None:
    async def run() -> None:
        here = room or Room()
        await here.watcher.connect()
        await here.watcher.subscribe("#", here.note)
        await here.furnace.start()
        await here.client.start()
        await here.client.wait_for(["furnace-1"])
        await act(here)
        await here.client.close()
        await here.furnace.stop()
        await here.watcher.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "something was left running"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"temperature": Quantity(value=1700.1, unit="Cel")}, "limits", "outside 20 to 1700 Cel"),
        ({"temperature": Quantity(value=1500, unit="MPa")}, "unit", "in Cel, not in MPa"),
        ({"temperature": Quantity(value=2000, unit="K")}, "limits", "1726.85 Cel is outside"),
        ({"temperature": "hot"}, "parameters", "must be a quantity"),
        ({"additive": "Y2O3"}, "limits", "not one of none, MgO"),
        ({"additive": Quantity(value=1, unit="1")}, "parameters", "must be one of"),
        ({"sample": "much too long"}, "limits", "longer than 8"),
        ({"pressure": Quantity(value=1, unit="MPa")}, "parameters", "pressure is unknown"),
    ],
)
def test_the_device_refuses_what_breaks_its_own_limits(changes: dict[str, Value], code: str, word: str) -> None:
    async def act(room: Room) -> None:
        end = await room.sinter(**changes)
        assert end.error is not None
        assert (end.state, end.error.code) == ("rejected", code)
        assert word in end.error.message
        assert room.furnace.fired == 0

    play(act)


def test_an_unknown_command_and_a_missing_parameter_are_refused() -> None:
    async def act(room: Room) -> None:
        end = await room.client.execute("furnace-1", "dance", {}, job=room.ids.new())
        assert end.error is not None
        assert (end.error.code, "known: sinter" in end.error.message) == ("unknown_command", True)
        end = await room.client.execute("furnace-1", "sinter", {}, job=room.ids.new())
        assert end.error is not None
        assert end.error.code == "parameters"

    play(act)


@pytest.mark.parametrize(
    ("sample", "code", "kind"),
    [
        ("melts", "sample_melted", "infeasible"),
        ("jams", "door_jammed", "retryable"),
        ("breaks", "instrument", "other"),
        ("bug", "internal", "other"),
    ],
)
def test_failures_say_what_they_mean(sample: str, code: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def act(room: Room) -> None:
        end = await room.sinter(sample=sample)
        assert end.error is not None
        assert (end.state, end.error.code, end.error.kind, end.elapsed_s) == ("failed", code, kind, 60.0)
        assert (await room.sinter()).state == "succeeded"  # the device itself goes on

    play(act)


def test_results_carry_bulk_data_by_reference() -> None:
    async def act(room: Room) -> None:
        end = await room.sinter()
        assert end.result is not None
        assert read_artefact(end.result.artefacts["log"]) == b"1500.0 MgO"

    play(act)


def test_a_device_in_maintenance_takes_nothing() -> None:
    async def act(room: Room) -> None:
        await room.furnace.set_presence("maintenance", "new heating elements")
        end = await room.sinter()
        assert end.error is not None
        assert (end.error.code, room.furnace.fired) == ("maintenance", 0)
        assert room.client.presence("furnace-1") == "maintenance"

    play(act)


def test_without_a_journal_the_device_does_not_act(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    class FullDisk(MemoryJournal):
        @override
        def put(self, state: JobState) -> None:
            raise JournalError("no space left on device")

    async def act(room: Room) -> None:
        end = await room.sinter()
        assert end.error is not None
        assert (end.state, end.error.code, room.furnace.fired) == ("rejected", "journal", 0)
        assert room.client.presence("furnace-1") == "error"

    play(act, Room(journal=FullDisk()))


def test_malformed_and_misaddressed_commands_are_answered() -> None:
    async def act(room: Room) -> None:
        job, other = room.ids.new(), room.ids.new()
        good = Command(job=other, command="sinter", parameters={}, issued_at=START, not_after=START)
        for payload in (b"not json", good.to_bytes()):
            await room.watcher.publish(TOPICS.command("furnace-1", job), payload)
        await room.nap(0)
        answers = [JobState.parse(m.payload) for m in room.heard if m.topic == TOPICS.job("furnace-1", job)]
        assert [a.error.code for a in answers if a.error] == ["malformed", "malformed"]
        assert await room.client.query("furnace-1", job) is None

    play(act)


def test_a_lease_that_runs_out_makes_the_device_safe_once() -> None:
    async def act(room: Room) -> None:
        await room.client.renew_lease("furnace-1", 60)
        await room.nap(59)
        await room.furnace.heartbeat()
        assert room.furnace.made_safe == 0
        room.clock.advance(2)
        await room.furnace.heartbeat()
        await room.furnace.heartbeat()
        assert room.furnace.made_safe == 1

    play(act)


def test_telemetry_and_republishing_are_heard() -> None:
    async def act(room: Room) -> None:
        await room.nap(0)
        room.heard.clear()
        await room.furnace.telemetry("hot-zone", Quantity(value=843.0, unit="Cel"))
        await room.watcher.publish(TOPICS.control("furnace-1"), Control(op="republish").to_bytes())
        await room.nap(0)
        topics = [m.topic for m in room.heard]
        assert Telemetry.parse(room.heard[0].payload).value == 843.0
        assert topics[2:] == [TOPICS.desc("furnace-1"), TOPICS.status("furnace-1")]

    play(act)


# The client ---------------------------------------------------------------------------------------------------------


def test_lost_orders_are_sent_again_with_backoff_and_done_once() -> None:
    async def act(room: Room) -> None:
        room.cable.losses = 2
        assert (await room.sinter()).state == "succeeded"
        assert room.naps[:2] == [5.0, 10.0]
        assert room.furnace.fired == 1

    play(act)


def test_an_order_that_never_arrives_is_reported_as_never_seen() -> None:
    async def act(room: Room) -> None:
        room.cable.losses = 99
        with pytest.raises(NoAnswerError, match="not confirmed after 3 sendings") as caught:
            await room.sinter()
        assert caught.value.seen is False  # the device itself says so; order again, under the same id
        assert room.naps[:3] == [5.0, 10.0, 20.0]
        assert room.furnace.fired == 0

    play(act)


def test_a_device_that_is_silent_is_reported_as_silent() -> None:
    async def act(room: Room) -> None:
        await room.furnace.stop()
        await room.nap(0)
        assert room.client.presence("furnace-1") == "offline"
        with pytest.raises(NoAnswerError) as caught:
            await room.sinter()
        assert caught.value.seen is None  # nobody knows: only a query can tell later
        with pytest.raises(NoAnswerError, match="no answer to a query"):
            await room.client.query("furnace-1", room.ids.new())

    play(act)


def test_the_end_is_asked_for_when_its_announcement_was_lost() -> None:
    async def act(room: Room) -> None:
        room.furnace_cable.losses = 1
        assert (await room.sinter()).state == "succeeded"
        assert 60.0 in room.naps
        assert room.furnace.fired == 1

    play(act)


def test_one_job_is_not_executed_by_two_calls_at_once() -> None:
    async def act(room: Room) -> None:
        job = room.ids.new()
        first = asyncio.create_task(room.client.execute("furnace-1", "dance", {}, job=job))
        await asyncio.sleep(0)
        with pytest.raises(UserError, match="being executed"):
            await room.client.execute("furnace-1", "dance", {}, job=job)
        await first

    play(act)


def test_an_absent_instrument_is_named() -> None:
    async def act(room: Room) -> None:
        with pytest.raises(NoAnswerError, match=r"microscope-1.*switched on"):
            await room.client.wait_for(["furnace-1", "microscope-1"], timeout=3.0)

    play(act)


def test_garbage_on_the_bus_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    async def act(room: Room) -> None:
        for topic in (TOPICS.job("furnace-1", "j"), TOPICS.status("furnace-1"), TOPICS.control("furnace-1")):
            await room.watcher.publish(topic, b"\xff\x00")
        assert (await room.sinter()).state == "succeeded"
        assert caplog.text.count("ignored a") == 4  # of the status, both sides take note

    play(act)


# The whole in process -----------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_traffic_to_the_byte() -> None:
    def traffic() -> list[tuple[str, bytes]]:
        room = Room(sleeper=wait_forever)

        async def act(here: Room) -> None:
            samples = ("good", "melts", "good", "jams")
            await asyncio.gather(*(here.sinter(sample=sample) for sample in samples))

        play(act, room)
        return [(m.topic, m.payload) for m in room.heard]

    once = traffic()
    assert len(once) > 20
    assert once == traffic()


def test_descriptions_are_json_schema() -> None:
    room = Room()
    schemas: list[bytes] = []

    async def act(room: Room) -> None:
        schemas.append(room.furnace.describe().to_bytes())

    play(act, room)
    parameters = json.loads(schemas[0])["commands"]["sinter"]["parameters"]
    assert parameters["required"] == ["temperature", "additive", "sample"]
    assert parameters["additionalProperties"] is False
    assert parameters["properties"]["additive"] == {"type": "string", "enum": ["none", "MgO"]}
    assert parameters["properties"]["temperature"]["properties"]["unit"] == {"const": "Cel"}

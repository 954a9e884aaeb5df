"""What anybody may send costs little, says little, and never ends another's job."""

import asyncio
import json
import logging
from datetime import UTC, datetime

import pytest

from instruments.client import InstrumentClient
from instruments.clock import SystemClock
from instruments.device import Device, JobContext, command
from instruments.errors import NoAnswerError
from instruments.ids import SystemIds
from instruments.local import LocalBus, LocalTransport
from instruments.messages import Command, JobError, JobState, MalformedMessageError, Status
from instruments.ordering.directory import Directory
from instruments.profile.legibility import Complaints
from instruments.session import JobTracker
from instruments.topics import Lab
from instruments.transport import Message

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rejected(code: str, seq: int, digest: str = "") -> JobState:
    error = JobError(code=code, message="no")
    return JobState(job="j", boot_id="b", seq=seq, state="rejected", digest=digest, ts=NOW, error=error)


def test_what_a_device_could_not_read_does_not_end_the_job_whose_topic_it_came_on() -> None:
    tracker = JobTracker("j", "a" * 64)
    assert not tracker.offer(rejected("malformed", 5))
    assert not tracker.terminal
    assert tracker.offer(rejected("limits", 6, "a" * 64))


def test_an_adopted_job_does_not_end_by_it_either() -> None:
    tracker = JobTracker("j", None)
    tracker.offer(rejected("malformed", 5))
    assert not tracker.terminal


def test_an_order_that_the_device_cannot_read_is_told_of_with_the_reason() -> None:
    async def act() -> None:
        bus, topics = LocalBus(), Lab("labwright", "demo")
        client = InstrumentClient(LocalTransport(bus), lab="demo", agent="a", clock=SystemClock(), ids=SystemIds())
        device = LocalTransport(bus)
        heard: list[int] = []

        async def on_order(message: Message) -> None:
            heard.append(Command.parse(message.payload).attempt)
            answer = rejected("malformed", len(heard))
            await device.publish(str(topics.job("oven", "j")), answer.to_bytes())

        async def on_control(message: Message) -> None:
            await device.publish(str(topics.job("oven", "j")), rejected("unknown_job", 9).to_bytes())

        await device.connect()
        await device.subscribe(topics.commands_of("oven"), on_order)
        await device.subscribe(topics.control("oven"), on_control)
        await client.start()
        with pytest.raises(NoAnswerError, match="could not read an order: no") as caught:
            await client.execute("oven", "bake", {}, job="j")
        assert caught.value.seen is False
        assert heard == [1, 2, 3]
        await client.close()
        await device.close()

    asyncio.run(act())


@pytest.mark.parametrize(
    "parameters",
    [{f"p{n}": {} for n in range(50_000)}, {f"p{n}": {} for n in range(999)}, {"k" * 500_000: 1}],
    ids=["very many", "many", "long"],
)
def test_a_complaint_about_a_large_message_is_short(parameters: dict[str, object]) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        Command.parse(json.dumps({"job": "j", "parameters": parameters}).encode())
    assert len(str(caught.value)) < 1_500


def test_complaints_stop_filling_the_log(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints(logging.getLogger("of a test"))
    with caplog.at_level(logging.WARNING):
        for number in range(100_000):
            complaints.add(f"{number} " + "x" * 10_000)
    assert 100 <= len(caplog.records) <= 120
    assert max(len(record.getMessage()) for record in caplog.records) < 600
    assert "number 51200" in caplog.records[-1].getMessage()


def test_made_up_jobs_and_instruments_do_not_fill_the_memory(caplog: pytest.LogCaptureFixture) -> None:
    topics = Lab("labwright", "demo")
    news: list[str] = []

    def on_status(iid: str, status: Status, *, back: bool) -> None:
        news.append(iid)

    directory = Directory(topics, clock=SystemClock(), sleeper=asyncio.sleep, on_status=on_status)
    for number in range(2_500):
        state = JobState(job=f"j{number}", boot_id="b", seq=number, state="running", ts=NOW)
        directory.note_job("oven", state)
    running = directory.open_jobs("oven")
    assert len(running) == 1_000
    assert "j2499" in running

    payload = Status(state="online", boot_id="b", seq=1, ts=NOW).to_bytes()

    async def hear() -> None:
        for number in range(10_500):
            await directory.on_status(Message(topics.status(f"made-up-{number}"), payload, retained=True))
        await directory.on_status(Message(topics.status("made-up-7"), payload))

    asyncio.run(hear())
    assert len(set(news)) == 10_000
    assert news[-1] == "made-up-7"
    assert "one instrument too many" in caplog.text
    assert len(caplog.records) < 120


def test_a_message_that_cannot_be_read_on_a_running_jobs_topic_changes_nothing() -> None:
    class Oven(Device):
        door: asyncio.Event

        @command(summary="Bake until the door opens")
        async def bake(self, job: JobContext) -> None:
            await self.door.wait()

    async def act() -> None:
        bus, topics = LocalBus(), Lab("labwright", "demo")
        oven = Oven("oven", LocalTransport(bus), lab="demo", clock=SystemClock(), ids=SystemIds())
        oven.door = asyncio.Event()
        client = InstrumentClient(LocalTransport(bus), lab="demo", agent="a", clock=SystemClock(), ids=SystemIds())
        stranger = LocalTransport(bus)
        await oven.start()
        await client.start()
        await stranger.connect()
        topic = topics.command("oven", "j")
        await stranger.publish(topic, b"{")  # before the order
        states: list[str] = []
        baking = asyncio.create_task(
            client.execute("oven", "bake", {}, job="j", on_update=lambda state: states.append(state.state))
        )
        while "running" not in states:
            await stranger.publish(topic, b"{")
            await asyncio.sleep(0)
        for payload in (b"{", b'{"job": 1}', b"NaN"):
            await stranger.publish(topic, payload)
        await asyncio.sleep(0.01)
        oven.door.set()
        assert (await baking).state == "succeeded"
        assert states[-1] == "succeeded"
        await client.close()
        await oven.stop()
        await stranger.close()

    asyncio.run(act())

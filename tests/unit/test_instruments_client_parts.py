"""The parts below the client: routing against the plain rule, bounded queues, waits that end."""

import asyncio
import logging
import random
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.errors import UserError
from instruments.bus.inbox import Arrival, Inbox
from instruments.bus.routing import Router
from instruments.bus.waiting import Bell, Stream
from instruments.client import InstrumentClient
from instruments.clock import SimClock
from instruments.errors import NotCommittedError, TransportError
from instruments.ids import SeededIds
from instruments.local import LocalBus, LocalTransport
from instruments.messages import JobError, JobPhase, JobState, Quantity
from instruments.session import CONFLICT, UNKNOWN_JOB, JobTracker
from instruments.topics import matches
from instruments.transport import Handler, Message

LEVELS = st.sampled_from(["a", "b", "$SYS", ""])
TOPICS = st.lists(LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
PATTERNS = st.tuples(
    st.lists(st.one_of(LEVELS, st.just("+")), min_size=1, max_size=4), st.sampled_from([[], ["#"]])
).map(lambda parts: "/".join(parts[0] + parts[1])).filter(bool) | st.just("#")


def handler() -> Handler:
    async def handle(_message: Message) -> None:
        pass

    return handle


@given(patterns=st.lists(PATTERNS, max_size=8), gone=st.sets(st.integers(0, 7)), topics=st.lists(TOPICS, min_size=1))
def test_routing_finds_what_the_rule_of_mqtt_matches(patterns: list[str], gone: set[int], topics: list[str]) -> None:
    router, wanted = Router(), [(pattern, handler()) for pattern in patterns]
    for pattern, handle in wanted:
        router.add(pattern, handle)
    for index in gone & set(range(len(wanted))):
        router.remove(*wanted[index])
        router.remove(*wanted[index])
    stays = [entry for index, entry in enumerate(wanted) if index not in gone]
    assert set(router.patterns) == {pattern for pattern, _ in stays}
    for topic in topics:
        assert router.find(topic) == [handle for pattern, handle in stays if matches(pattern, topic)]


def arrival(number: int, qos: int) -> Arrival:
    return Arrival(Message("t", str(number).encode()), qos)


@given(st.lists(st.sampled_from([0, 1]), max_size=60), st.integers(1, 10))
def test_an_inbox_keeps_the_order_and_drops_only_the_oldest_that_may_be(kinds: list[int], limit: int) -> None:
    inbox = Inbox(limit)
    for number, qos in enumerate(kinds):
        inbox.put(arrival(number, qos))
    taken = []
    while (next_one := inbox.take()) is not None:
        taken.append(next_one)
    droppable = [number for number, qos in enumerate(kinds) if qos == 0]
    dropped = set(droppable[: max(0, len(droppable) - limit)])
    assert inbox.dropped == len(dropped)
    assert taken == [arrival(number, qos) for number, qos in enumerate(kinds) if number not in dropped]


def test_an_inbox_wakes_its_reader_once_and_forgets_what_comes_again() -> None:
    inbox = Inbox(10)
    assert [inbox.put(arrival(number, number % 2)) for number in range(4)] == [True, False, False, False]
    inbox.forget_unacknowledged()
    assert [inbox.take(), inbox.take(), inbox.take()] == [arrival(0, 0), arrival(2, 0), None]
    assert inbox.put(arrival(5, 1))


def test_a_bell_ends_every_wait_and_survives_a_broken_sleeper() -> None:
    async def broken(_seconds: float) -> None:
        raise OSError("no timer")

    async def act() -> None:
        done: list[int] = []
        bell = Bell(asyncio.sleep)
        waits = [asyncio.create_task(bell.until(lambda: bool(done), 60.0)) for _ in range(3)]
        await asyncio.sleep(0)
        bell.ring()
        await asyncio.sleep(0.001)
        assert not any(wait.done() for wait in waits)
        done.append(1)
        bell.ring()
        assert await asyncio.gather(*waits) == [True] * 3
        assert not await Bell(asyncio.sleep).until(lambda: False, 0.001)
        assert not await Bell(broken).until(lambda: False, 60.0)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(act())


def test_a_stream_gives_what_waits_before_it_ends() -> None:
    async def act() -> None:
        stream: Stream[int] = Stream(2)
        for item in range(5):
            stream.put(item)
        stream.close()
        assert ([item async for item in stream], stream.dropped) == ([3, 4], 3)

    asyncio.run(act())


def test_the_bus_in_process_has_limits_too(caplog: pytest.LogCaptureFixture) -> None:
    async def act() -> None:
        bus, heard, naps, door = LocalBus(), list[bytes](), list[float](), asyncio.Event()

        async def nap(seconds: float) -> None:
            naps.append(seconds)

        async def handle(message: Message) -> None:
            await door.wait()
            heard.append(message.payload)
            if len(naps) < 2:
                raise NotCommittedError("later")

        listener = LocalTransport(bus, sleeper=nap, payload_limit=10, qos0_limit=2)
        sender = LocalTransport(bus, offline_limit=2)
        await listener.connect()
        await listener.subscribe("t", handle)
        await sender.connect()
        await sender.publish("t", bytes(11))
        for number in range(5):
            await sender.publish("t", str(number).encode(), qos=0)
        assert listener.dropped == 3
        await sender.publish("t", b"kept")
        door.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert heard == [b"3", b"3", b"3", b"4", b"kept"]
        assert naps == [0.1, 0.2]
        await sender.drop()
        await sender.publish("t", b"1")
        await sender.publish("t", b"reading", qos=0)
        await sender.publish("t", b"2")
        with pytest.raises(TransportError, match="2 messages wait for the bus already"):
            await sender.publish("t", b"3")
        await sender.close()
        await listener.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(act())
    assert [m for m in caplog.messages if "unread" in m] == ["dropped 11 bytes on t unread: the limit is 10"]


def state(phase: JobPhase, seq: int, *, digest: str = "", code: str = "broken") -> JobState:
    error = JobError(code=code, message="why") if phase in {"rejected", "failed"} else None
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return JobState(job="j1", boot_id="b1", seq=seq, state=phase, digest=digest, ts=now, error=error)


def test_an_adopted_job_is_the_one_that_runs_and_no_other_under_its_id() -> None:
    tracker = JobTracker("j1", None)
    assert not tracker.offer(state("rejected", 1, digest="b" * 64, code=CONFLICT))
    assert tracker.offer(state("running", 2, digest="a" * 64))
    assert not tracker.offer(state("rejected", 3, digest="b" * 64, code=CONFLICT))
    assert tracker.offer(state("cancelled", 4, digest="a" * 64))


def test_an_answer_from_before_the_order_arrived_says_nothing_any_more() -> None:
    tracker = JobTracker("j1", "a" * 64)
    assert tracker.offer(state("accepted", 5, digest="a" * 64))
    tracker.offer(state("rejected", 4, code=UNKNOWN_JOB))
    assert not tracker.unseen
    tracker.offer(state("rejected", 6, code=UNKNOWN_JOB))
    assert tracker.unseen


def test_a_bare_number_is_one_clear_error_before_anything_is_sent() -> None:
    async def order() -> None:
        bus = LocalBus()
        clock = SimClock(datetime(2026, 3, 1, tzinfo=UTC))
        ids = SeededIds(clock, random.Random(1))
        client = InstrumentClient(bus.transport(), lab="demo", agent="a", clock=clock, ids=ids)
        await client.execute("pump-1", "dose", {"volume": cast("Quantity", 5)}, job="job-1")

    with pytest.raises(UserError, match=r"dose: volume = 5 is neither a quantity nor a word"):
        asyncio.run(order())

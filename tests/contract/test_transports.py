"""One suite for every bus: the profile's rules hold in process, on Mosquitto and on amqtt alike."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Literal

import pytest
from instrument_bench import HOT, START, Bench, cut, until

from envs.errors import InstrumentError
from instruments.address import BrokerAddress
from instruments.broker import embedded_broker, find_mosquitto
from instruments.errors import NoAnswerError, NotCommittedError, TopicError, TransportError
from instruments.journal import MemoryJournal
from instruments.local import LocalBus, LocalTransport
from instruments.messages import JobState, Quantity, Status
from instruments.mqtt import MqttTransport
from instruments.transport import Message, Mirror, Transport

Make = Callable[[str], Transport]


async def soon(_seconds: float) -> None:
    """A pause that a test need not wait for."""
    await asyncio.sleep(0.001)


@pytest.fixture(scope="module", params=["local", "mosquitto", "mosquitto-5", "amqtt"])
def bus(request: pytest.FixtureRequest) -> Iterator[BrokerAddress | None]:
    kind, _, _ = request.param.partition("-")
    if kind == "local":
        yield None
        return
    if kind == "mosquitto" and find_mosquitto() is None:
        pytest.skip("Mosquitto is not installed")
    if kind == "amqtt":
        pytest.importorskip("amqtt", reason="amqtt is not installed")
    with embedded_broker(kind) as address:
        yield address


@pytest.fixture
def connections(bus: BrokerAddress | None, request: pytest.FixtureRequest) -> Callable[[], Make]:
    """Makes the connections of one test, all to the same bus."""
    protocol: Literal["3.1.1", "5"] = "5" if "mosquitto-5" in request.node.name else "3.1.1"

    def fresh() -> Make:
        local = LocalBus()
        if bus is None:
            return lambda _name: LocalTransport(local, sleeper=soon)
        return lambda name: MqttTransport(bus, client_id=name, protocol=protocol, sleeper=soon)

    return fresh


Play = Callable[[Callable[[Bench], Awaitable[None]]], None]


@pytest.fixture
def play(connections: Callable[[], Make]) -> Play:
    """Run a test's coroutine with a bench, and close whatever it opened."""

    async def run(act: Callable[[Bench], Awaitable[None]]) -> None:
        bench = Bench(connections())
        async with bench.stack:
            await act(bench)

    return lambda act: asyncio.run(run(act))


# The transport ------------------------------------------------------------------------------------------------------


def test_messages_arrive_complete_and_in_order(play: Play) -> None:
    async def act(bench: Bench) -> None:
        heard = await bench.record(f"{bench.lab}/numbers/+")
        sender = await bench.transport()
        for number in range(200):
            await sender.publish(f"{bench.lab}/numbers/{number % 3}", str(number).encode())
        await until(lambda: len(heard) >= 200)
        assert [int(m.payload) for m in heard] == list(range(200))
        assert heard[4].topic == f"{bench.lab}/numbers/1"
        assert not any(m.retained for m in heard)

    play(act)


def test_retained_messages_wait_for_late_subscribers_until_cleared(play: Play) -> None:
    async def act(bench: Bench) -> None:
        sender = await bench.transport()
        early = await bench.record(f"{bench.lab}/#")
        for topic, payload in (("a", b"old"), ("a", b"new"), ("b", b"gone"), ("b", b"")):
            await sender.publish(f"{bench.lab}/{topic}", payload, retain=True)
        await until(lambda: len(early) == 4)
        late = await bench.record(f"{bench.lab}/#")
        await sender.publish(f"{bench.lab}/c", b"live")
        await until(lambda: any(not m.retained for m in late))
        assert list(dict.fromkeys(late)) == [  # at least once: amqtt delivers retained messages twice
            Message(f"{bench.lab}/a", b"new", retained=True),
            Message(f"{bench.lab}/c", b"live", retained=False),
        ]

    play(act)


def test_wildcards_select(play: Play) -> None:
    async def act(bench: Bench) -> None:
        one = await bench.record(f"{bench.lab}/+/cmd/+")
        rest = await bench.record(f"{bench.lab}/x/#")
        sender = await bench.transport()
        for topic in ("x/cmd/1", "y/cmd/2", "x/job/3", "x/cmd", "y/cmd/2/3"):
            await sender.publish(f"{bench.lab}/{topic}", b"!")
        await until(lambda: len(one) >= 2 and len(rest) >= 3)
        assert [m.topic.removeprefix(f"{bench.lab}/") for m in one] == ["x/cmd/1", "y/cmd/2"]
        assert [m.topic.removeprefix(f"{bench.lab}/") for m in rest] == ["x/cmd/1", "x/job/3", "x/cmd"]

    play(act)


def test_a_lost_connection_leaves_its_will_and_a_closed_one_does_not(play: Play) -> None:
    async def act(bench: Bench) -> None:
        heard = await bench.record(f"{bench.lab}/will/+")
        for name, lose in (("closed", False), ("lost", True)):
            transport = bench.make(bench.ids.new())
            transport.set_will(f"{bench.lab}/will/{name}", b"offline")
            await transport.connect()
            bench.stack.push_async_callback(transport.close)
            await (cut(transport) if lose else transport.close())
        await until(lambda: bool(heard))
        assert [m.topic for m in heard] == [f"{bench.lab}/will/lost"]

    play(act)


def test_a_handler_that_fails_does_not_stop_the_others(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    async def act(bench: Bench) -> None:
        async def fail(_message: Message) -> None:
            raise ValueError("a mistake in a handler")

        await (await bench.transport()).subscribe(f"{bench.lab}/t", fail)
        heard = await bench.record(f"{bench.lab}/t")
        sender = await bench.transport()
        await sender.publish(f"{bench.lab}/t", b"1")
        await sender.publish(f"{bench.lab}/t", b"2")
        await until(lambda: len(heard) == 2 and caplog.text.count("a mistake in a handler") >= 2)

    play(act)


def test_a_closed_transport_says_so(play: Play) -> None:
    async def act(bench: Bench) -> None:
        transport = await bench.transport()
        await transport.close()
        await transport.close()
        assert not transport.connected
        with pytest.raises(InstrumentError, match="not connected"):
            await transport.publish(f"{bench.lab}/t", b"1")

    play(act)


def test_what_could_not_be_committed_comes_again_before_anything_else(play: Play) -> None:
    async def act(bench: Bench) -> None:
        seen: list[bytes] = []

        async def commit(message: Message) -> None:
            seen.append(message.payload)
            if len(seen) < 4:
                raise NotCommittedError("the disk is full")

        await (await bench.transport()).subscribe(f"{bench.lab}/t", commit)
        sender = await bench.transport()
        for payload in (b"1", b"2"):
            await sender.publish(f"{bench.lab}/t", payload)
        await until(lambda: len(seen) >= 5)
        assert seen == [b"1"] * 4 + [b"2"]

    play(act)


def test_a_subscription_before_the_connection_stands_and_one_that_is_over_does_not(play: Play) -> None:
    async def act(bench: Bench) -> None:
        sender = await bench.transport()
        await sender.publish(f"{bench.lab}/kept", b"old", retain=True)
        early, heard = bench.make(bench.ids.new()), list[bytes]()

        async def note(message: Message) -> None:
            heard.append(message.payload)

        await early.subscribe(f"{bench.lab}/+", note)
        await early.connect()
        bench.stack.push_async_callback(early.close)
        await sender.publish(f"{bench.lab}/t", b"new")
        await until(lambda: b"new" in heard)
        assert set(heard) == {b"old", b"new"}
        await early.unsubscribe(f"{bench.lab}/+", note)
        await early.unsubscribe(f"{bench.lab}/+", note)
        later = await bench.record(f"{bench.lab}/t")
        await sender.publish(f"{bench.lab}/t", b"unheard")
        await until(lambda: bool(later))
        assert b"unheard" not in heard

    play(act)


def test_bulk_data_do_not_go_by_message(play: Play) -> None:
    async def act(bench: Bench) -> None:
        sender = await bench.transport()
        heard = await bench.record(f"{bench.lab}/t")
        with pytest.raises(TransportError, match=r"1000001 bytes .* by reference"):
            await sender.publish(f"{bench.lab}/t", bytes(1_000_001))
        with pytest.raises(TopicError, match="wildcard"):
            await sender.publish(f"{bench.lab}/+", b"")
        mirror = Mirror(f"{bench.lab}/answers", b"question 1", 60.0)  # passed over where there is no MQTT 5
        await sender.publish(f"{bench.lab}/t", bytes(1_000_000), mirror=mirror)
        await until(lambda: bool(heard))
        assert len(heard[0].payload) == 1_000_000

    play(act)


# The profile on it --------------------------------------------------------------------------------------------------


def test_a_command_goes_its_whole_way(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client = await bench.client()
        assert client.instruments["furnace-1"].kind == "furnace"
        schema = client.instruments["furnace-1"].commands["sinter"].parameters
        assert schema["properties"]["temperature"]["properties"]["value"]["maximum"] == 1700
        seen: list[JobState] = []
        end = await client.execute("furnace-1", "sinter", HOT, job=bench.ids.new(), on_update=seen.append)
        assert end.state == "succeeded"
        assert end.elapsed_s == 3600
        assert end.result is not None
        assert end.result.values == {"peak": Quantity(value=1500, unit="Cel", std=2.0), "air": "dry"}
        assert [s.state for s in seen] == ["accepted", "running", "running", "succeeded"]
        assert seen[2].eta == START + timedelta(minutes=30)
        assert furnace.fired == 1

    play(act)


def test_a_command_that_comes_five_times_is_done_once_and_echoed(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        heard = await bench.record(bench.topics.every("job"))
        sender, job = await bench.transport(), bench.ids.new()
        for _ in range(5):
            await sender.publish(bench.topics.command("furnace-1", job), bench.order(job))
        await until(lambda: len(heard) >= 8)
        bench.clock.advance(86400)  # long after not_after the answer is still the same
        await sender.publish(bench.topics.command("furnace-1", job), bench.order(job))
        await until(lambda: len(heard) >= 9)
        assert furnace.fired == 1
        states = [JobState.parse(m.payload) for m in heard]
        assert {s.seq for s in states if s.state == "succeeded"} == {states[-1].seq}  # an echo is the same message

    play(act)


def test_another_order_under_a_used_id_is_a_conflict_and_harms_nothing(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client, job = await bench.client(), bench.ids.new()
        await client.execute("furnace-1", "sinter", HOT, job=job)
        other: dict[str, Quantity | str] = {"temperature": Quantity(value=1600, unit="Cel")}
        end = await client.execute("furnace-1", "sinter", other, job=job)
        assert end.error is not None
        assert (end.state, end.error.code) == ("rejected", "conflict")
        first = await client.query("furnace-1", job)
        assert first is not None
        assert first.state == "succeeded"
        assert furnace.fired == 1

    play(act)


def test_a_retained_command_is_ignored(play: Play) -> None:
    async def act(bench: Bench) -> None:
        sender, ghost = await bench.transport(), bench.ids.new()
        kept = await bench.record(bench.topics.commands_of("furnace-1"))
        await sender.publish(bench.topics.command("furnace-1", ghost), bench.order(ghost), retain=True)
        await until(lambda: bool(kept))
        furnace, _ = await bench.furnace()
        client = await bench.client()
        await client.execute("furnace-1", "sinter", HOT, job=bench.ids.new())
        assert furnace.fired == 1
        assert await client.query("furnace-1", ghost) is None

    play(act)


def test_an_expired_command_is_rejected(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client = await bench.client()
        past = START - timedelta(seconds=1)
        end = await client.execute("furnace-1", "sinter", HOT, job=bench.ids.new(), not_after=past)
        assert end.error is not None
        assert (end.error.code, furnace.fired) == ("expired", 0)

    play(act)


def test_a_job_that_a_restart_interrupted_failed_and_is_not_run_again(play: Play) -> None:
    async def act(bench: Bench) -> None:
        journal = MemoryJournal()
        before, cable = await bench.furnace(journal)
        client, job = await bench.client(), bench.ids.new()
        waiting = asyncio.create_task(client.execute("furnace-1", "hold", {}, job=job))
        await until(lambda: before.fired == 1)
        await cut(cable)  # the old process is gone from the bus without a word ...
        await cable.close()
        after, _ = await bench.furnace(journal)  # ... and the new one finds its journal
        end = await waiting
        assert end.error is not None
        assert (end.state, end.error.code, end.error.kind) == ("failed", "interrupted", "retryable")
        again = await client.execute("furnace-1", "hold", {}, job=job)
        assert again == end
        assert after.fired == 0
        before._desk._live.clear()  # its process is dead: nothing is left to settle when the bench is cleared

    play(act)


def test_an_agent_that_restarts_adopts_its_jobs(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        first, done, unsent = await bench.client(), bench.ids.new(), bench.ids.new()
        end = await first.execute("furnace-1", "sinter", HOT, job=done)
        await first.close()
        second = await bench.client()
        assert await second.query("furnace-1", done) == end
        assert await second.query("furnace-1", unsent) is None
        assert await second.execute("furnace-1", "sinter", HOT, job=done) == end
        assert furnace.fired == 1

    play(act)


def test_a_running_job_can_be_cancelled(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client, job = await bench.client(), bench.ids.new()
        waiting = asyncio.create_task(client.execute("furnace-1", "hold", {}, job=job))
        await until(lambda: furnace.fired == 1)
        await client.cancel("furnace-1", job)
        assert (await waiting).state == "cancelled"
        await client.cancel("furnace-1", job)  # too late changes nothing
        state = await client.query("furnace-1", job)
        assert state is not None
        assert state.state == "cancelled"

    play(act)


def test_more_orders_than_a_device_takes_wait_their_turn(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client = await bench.client()
        ends = await asyncio.gather(
            *(client.execute("furnace-1", "sinter", HOT, job=bench.ids.new()) for _ in range(8))
        )
        assert [end.state for end in ends] == ["succeeded"] * 8
        assert furnace.fired == 8

    play(act)


def test_a_job_that_ends_while_the_device_is_cut_off_is_told_afterwards(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, cable = await bench.furnace()
        client, job = await bench.client(), bench.ids.new()
        waiting = asyncio.create_task(client.execute("furnace-1", "hold", {}, job=job))
        await until(lambda: furnace.fired == 1)
        await cut(cable)
        await until(lambda: not cable.connected)
        furnace.door.set()
        await until(lambda: not furnace._desk._tasks)
        if isinstance(cable, LocalTransport):
            await cable.reconnect()  # MQTT comes back by itself, after a second
        assert (await waiting).state == "succeeded"
        assert furnace.fired == 1

    play(act)


def test_an_agent_without_memory_finds_and_adopts_what_runs(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        first, job = await bench.client(), bench.ids.new()
        forgotten = asyncio.create_task(first.execute("furnace-1", "hold", {}, job=job))
        await until(lambda: furnace.fired == 1)
        forgotten.cancel()
        await asyncio.gather(forgotten, return_exceptions=True)
        await first.close()
        second = await bench.client()
        await until(lambda: [s.state for s in second.open_jobs("furnace-1").values()] == ["running"])
        orders = await bench.record(bench.topics.commands_of("furnace-1"))
        following = asyncio.create_task(second.adopt("furnace-1", job))
        await asyncio.sleep(0.01)
        furnace.door.set()
        assert (await following).state == "succeeded"
        assert (await second.adopt("furnace-1", job)).state == "succeeded"
        with pytest.raises(NoAnswerError, match="never seen"):
            await second.adopt("furnace-1", bench.ids.new())
        assert (second.open_jobs("furnace-1"), orders, furnace.fired) == ({}, [], 1)

    play(act)


def test_telemetry_arrives_as_a_stream(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client = await bench.client()
        async with client.telemetry("furnace-1", "temperature") as one, client.telemetry() as every:
            for value in (20.0, 21.0):
                await furnace.telemetry("temperature", Quantity(value=value, unit="Cel"))
            await furnace.telemetry("pressure", Quantity(value=101.0, unit="kPa"))
            readings = [await anext(one) for _ in range(2)]
            assert [(r.iid, r.channel, r.telemetry.value, r.telemetry.unit) for r in readings] == [
                ("furnace-1", "temperature", 20.0, "Cel"),
                ("furnace-1", "temperature", 21.0, "Cel"),
            ]
            assert [(await anext(every)).channel for _ in range(3)] == ["temperature", "temperature", "pressure"]
        await client.close()

    play(act)


def test_presence_follows_the_device_off_the_bus_and_back(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, cable = await bench.furnace()
        client = await bench.client()
        statuses = await bench.record(bench.topics.status("furnace-1"))
        descriptions = await bench.record(bench.topics.desc("furnace-1"))
        await cut(cable)
        await until(lambda: any(Status.parse(m.payload).state == "offline" for m in statuses))
        if isinstance(cable, LocalTransport):
            await cable.reconnect()  # MQTT comes back by itself, after a second
        await until(lambda: any(not m.retained for m in descriptions))  # it has announced itself anew
        await furnace.heartbeat()  # amqtt may publish the will after the new announcement
        await until(lambda: client.presence("furnace-1") == "online")
        assert (await client.execute("furnace-1", "sinter", HOT, job=bench.ids.new())).state == "succeeded"
        bench.clock.advance(31)
        assert client.presence("furnace-1") == "stale"

    play(act)

"""One suite for every bus: what the port promises holds in process, on Mosquitto and on amqtt alike."""

import pytest
from instrument_bench import Bench, Play, cut
from patience import until

from envs.errors import InstrumentError
from instruments.errors import NotCommittedError, TopicError, TransportError
from instruments.transport import Message, Mirror

pytest_plugins = ["bus_fixtures"]


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


def test_a_handler_may_close_its_own_connection(play: Play) -> None:
    async def act(bench: Bench) -> None:
        transport, heard = await bench.transport(), list[bytes]()

        async def leave(message: Message) -> None:
            heard.append(message.payload)
            await transport.close()
            heard.append(b"closed")

        await transport.subscribe(f"{bench.lab}/t", leave)
        sender = await bench.transport()
        await sender.publish(f"{bench.lab}/t", b"1")
        await sender.publish(f"{bench.lab}/t", b"2")
        await until(lambda: len(heard) >= 2)
        assert heard == [b"1", b"closed"]
        assert not transport.connected

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

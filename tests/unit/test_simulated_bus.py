"""The simulated bus keeps the port's promises where nothing is wrong, and breaks none of MQTT's where everything is."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from faults.simulation.bus import Broker, SimTransport
from faults.simulation.loop import Killed, VirtualLoop, run
from faults.simulation.weather import Weather

from instruments.errors import NotCommittedError, TransportError
from instruments.transport import Message

Act = Callable[[Broker], Awaitable[None]]


def play(act: Act, weather: Weather | None = None) -> None:
    async def work(_loop: VirtualLoop) -> None:
        await act(Broker(random.Random(7), weather))

    run(work)


async def listener(broker: Broker, pattern: str, name: str = "listener") -> tuple[SimTransport, list[Message]]:
    transport, heard = broker.transport(name), list[Message]()

    async def note(message: Message) -> None:
        heard.append(message)

    await transport.subscribe(pattern, note)
    await transport.connect()
    return transport, heard


async def sender(broker: Broker) -> SimTransport:
    transport = broker.transport("sender")
    await transport.connect()
    return transport


def test_messages_arrive_complete_and_in_order() -> None:
    async def act(broker: Broker) -> None:
        _, heard = await listener(broker, "numbers/+")
        one = await sender(broker)
        for number in range(200):
            await one.publish(f"numbers/{number % 3}", str(number).encode())
        await asyncio.sleep(10.0)
        assert [int(m.payload) for m in heard] == list(range(200))

    play(act)


def test_retained_messages_wait_until_cleared() -> None:
    async def act(broker: Broker) -> None:
        one = await sender(broker)
        for topic, payload in (("a", b"old"), ("a", b"new"), ("b", b"gone"), ("b", b"")):
            await one.publish(topic, payload, retain=True)
        await asyncio.sleep(1.0)
        _, heard = await listener(broker, "#")
        await asyncio.sleep(1.0)
        assert heard == [Message("a", b"new", retained=True)]

    play(act)


def test_every_topic_keeps_its_order_in_bad_weather_and_nothing_is_lost_after_a_lost_connection() -> None:
    weather = Weather(double=0.2, late=0.5, late_s=3.0, reorder=True)

    async def act(broker: Broker) -> None:
        link, heard = await listener(broker, "numbers/+")
        one = await sender(broker)
        for number in range(300):
            await one.publish(f"numbers/{number % 3}", str(number).encode())
            if number in {100, 200}:
                link.lose()
                one.lose()
            await asyncio.sleep(0.05)
        broker.weather.calm()
        await asyncio.sleep(60.0)
        for topic in range(3):
            numbers = [int(m.payload) for m in heard if m.topic == f"numbers/{topic}"]
            assert set(numbers) == set(range(topic, 300, 3))
        assert len(heard) > 300

    play(act, weather)


def test_what_was_not_committed_comes_again_to_the_next_process() -> None:
    async def act(broker: Broker) -> None:
        one = await sender(broker)
        first, seen = broker.transport("agent"), list[bytes]()

        async def refuse(message: Message) -> None:
            seen.append(message.payload)
            raise NotCommittedError("the disk is full")

        await first.subscribe("t", refuse)
        await first.connect()
        await one.publish("t", b"1")
        await asyncio.sleep(0.5)
        first.die(will_in_s=0.0)
        await first.close()
        await one.publish("t", b"2")
        _, heard = await listener(broker, "t", name="agent")
        await asyncio.sleep(5.0)
        assert set(seen) == {b"1"}
        assert [m.payload for m in heard] == [b"1", b"2"]

    play(act)


def test_a_lost_connection_leaves_its_will_and_a_closed_one_does_not() -> None:
    async def act(broker: Broker) -> None:
        _, heard = await listener(broker, "will/+")
        for name, lose in (("closed", False), ("lost", True)):
            transport = broker.transport(name)
            transport.set_will(f"will/{name}", b"offline")
            await transport.connect()
            if lose:
                transport.lose(back_in_s=1000.0, will_in_s=2.0)
            else:
                await transport.close()
        await asyncio.sleep(10.0)
        assert [m.topic for m in heard] == ["will/lost"]

    play(act)


def test_a_broker_that_restarts_without_its_memory_is_told_again() -> None:
    async def act(broker: Broker) -> None:
        one = await sender(broker)

        async def again() -> None:
            await one.publish("status", b"again", retain=True)

        one.on_reconnect(again)
        await one.publish("status", b"first", retain=True)
        await asyncio.sleep(1.0)
        broker.stop()
        await asyncio.sleep(20.0)
        assert not one.connected
        await one.publish("later", b"queued")
        broker.begin(remember=False)
        _, heard = await listener(broker, "#")
        await asyncio.sleep(20.0)
        assert sorted(m.payload for m in heard) == [b"again", b"queued"]

    play(act)


def test_a_process_dies_at_the_moment_that_is_chosen() -> None:
    async def act(broker: Broker) -> None:
        _, heard = await listener(broker, "t")
        left = [3]

        def touch(_where: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        one = broker.transport("sender", touch=touch)
        await one.connect()
        await one.publish("t", b"1")
        with pytest.raises(Killed):
            await one.publish("t", b"2")
        await asyncio.sleep(5.0)
        assert [m.payload for m in heard] == [b"1"]

    play(act)


def test_a_broker_that_is_down_is_told_and_so_is_a_closed_transport() -> None:
    async def act(broker: Broker) -> None:
        broker.stop()
        transport = broker.transport("early")
        with pytest.raises(TransportError, match="no MQTT broker"):
            await transport.connect()
        with pytest.raises(TransportError, match="not connected"):
            await transport.publish("t", b"1")

    play(act)

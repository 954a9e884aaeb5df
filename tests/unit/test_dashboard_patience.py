"""A connection that waits for its broker, and messages that share what is the same in them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dashboard_samples import sample_experiment, sample_proposal
from quick_time import in_a_moment
from typing_extensions import override

from agent.dashboard.live.patience import PatientTransport
from agent.dashboard.live.thrift import thrifty
from instruments.errors import TransportError
from instruments.local import LocalBus, LocalTransport
from instruments.transport import Message


class Late(LocalTransport):
    """Nobody answers the first connections."""

    refusals = 0
    closed = 0
    meanwhile: Callable[[], Awaitable[None]] | None = None

    @override
    async def connect(self) -> None:
        if Late.refusals > 0:
            Late.refusals -= 1
            raise TransportError("no MQTT broker at localhost:1 after 1 s: no answer")
        if Late.meanwhile is not None:
            await Late.meanwhile()
        await super().connect()

    @override
    async def close(self) -> None:
        Late.closed += 1
        await super().close()


def test_it_tries_until_the_broker_is_there_and_then_hears_all_that_was_asked_for() -> None:
    async def run() -> None:
        bus, heard, naps = LocalBus(), list[str](), list[float]()
        bus.route("a", b"1", retain=True)
        bus.route("b", b"2", retain=True)

        async def note(message: Message) -> None:
            heard.append(message.topic)

        async def nap(seconds: float) -> None:
            naps.append(seconds)
            assert "no MQTT broker" in transport.trouble
            assert not transport.connected

        Late.refusals, Late.closed = 7, 0
        transport = PatientTransport(lambda: Late(bus), sleeper=nap)
        Late.meanwhile = lambda: transport.subscribe("b", note)
        await transport.subscribe("a", note)
        await transport.connect()
        Late.meanwhile = None
        await asyncio.sleep(0.01)
        assert heard == ["a", "b"]
        assert naps == [1, 2, 4, 8, 16, 30, 30]
        assert (transport.connected, transport.trouble, Late.closed) == (True, "", 7)
        await transport.unsubscribe("a", note)
        bus.route("a", b"3", retain=True)
        await asyncio.sleep(0.01)
        assert heard == ["a", "b"]
        await transport.close()
        await transport.close()

    in_a_moment(run())


def test_closed_while_it_waits_it_tries_no_more() -> None:
    async def run() -> None:
        Late.refusals, Late.closed = 1000, 0
        transport = PatientTransport(lambda: Late(LocalBus()))
        connecting = asyncio.create_task(transport.connect())
        await asyncio.sleep(10)
        await transport.close()
        await connecting
        assert Late.refusals > 990
        Late.refusals = 0

    in_a_moment(run())


def test_sharing_changes_nothing_that_a_message_says() -> None:
    for message in (sample_proposal(3), sample_experiment(4)):
        again = thrifty(type(message).parse(message.to_bytes()))
        assert again == message
        assert again.to_bytes() == message.to_bytes()
        assert again.model_fields_set == type(message).parse(message.to_bytes()).model_fields_set


def test_a_copy_of_what_is_shared_is_its_own() -> None:
    one, other = (thrifty(type(p).parse(p.to_bytes())) for p in (sample_proposal(1), sample_proposal(2)))
    before = set(other.model_fields_set)
    assert one.edited_by is None
    assert one.model_copy(update={"edited_by": "anna"}).edited_by == "anna"
    assert other.model_fields_set == before

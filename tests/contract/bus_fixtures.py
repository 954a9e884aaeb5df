"""Fixtures of the suites that run on every bus: in process, on Mosquitto with both versions of MQTT, and on amqtt."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Literal

import pytest
from instrument_bench import Bench, Make, Play
from patience import require_broker

from instruments.address import BrokerAddress
from instruments.broker import embedded_broker
from instruments.local import LocalBus, LocalTransport
from instruments.mqtt import MqttTransport


async def soon(_seconds: float) -> None:
    """A pause that a test need not wait for."""
    await asyncio.sleep(0.001)


@pytest.fixture(scope="module", params=["local", "mosquitto", "mosquitto-5", "amqtt"])
def bus(request: pytest.FixtureRequest) -> Iterator[BrokerAddress | None]:
    kind, _, _ = request.param.partition("-")
    if kind == "local":
        yield None
        return
    require_broker(kind)
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


@pytest.fixture
def play(connections: Callable[[], Make]) -> Play:
    """Run a test's coroutine with a bench, and close whatever it opened."""

    async def run(act: Callable[[Bench], Awaitable[None]]) -> None:
        bench = Bench(connections())
        async with bench.stack:
            await act(bench)

    return lambda act: asyncio.run(run(act))

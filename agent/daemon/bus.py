"""The daemon's way to instruments and people: its own broker or another, and the virtual laboratory behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from agent.crash_points import reached
from agent.daemon import logs
from agent.daemon.config import LabConfig
from agent.daemon.embedded import embedded
from agent.daemon.house import House
from agent.daemon.virtual import VirtualLaboratory, virtual_laboratory
from agent.daemon.virtual_section import VirtualSection
from envs.errors import ConfigError
from instruments.address import BrokerAddress
from instruments.broker import LocalBroker
from instruments.bulk.fetch import Sources
from instruments.bulk.server import ArtefactServer
from instruments.client import InstrumentClient
from instruments.mqtt import MqttTransport
from instruments.transport import Mirror

_log = logs.get("bus")


@dataclass(frozen=True)
class Bus:
    """The connection, not yet open, and what may be reached over it.

    Attributes:
        address: of the broker, as the agent.
        transport: the agent's connection.
        client: orders instruments over it.
        sources: where the instruments' bulk data may come from.
        server: gives leave to upload.
        broker: of our own, or None.
        virtual: the virtual laboratory, or None.
    """

    address: BrokerAddress
    transport: MqttTransport
    client: InstrumentClient
    sources: Sources
    server: ArtefactServer
    broker: LocalBroker | None = None
    virtual: VirtualLaboratory | None = None


@asynccontextmanager
async def at_the_bus(house: House, server: ArtefactServer) -> AsyncIterator[Bus]:
    """Have a broker, and in virtual mode a laboratory; the client is not started yet.

    Raises:
        ConfigError: the laboratory's file names no broker.
        TransportError: our own does not start.
        ChildError: the virtual laboratory does not.
    """
    config = house.config
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(embedded(config)) if config.broker.embedded else None
        address = broker.address(config.lab.agent) if broker else _address(config)
        virtual = None
        if house.launch.mode == "virtual":
            virtual = await stack.enter_async_context(_virtual(house, broker, address))
        sources = virtual.sources if virtual else _sources(house, server)
        transport = _Marked(address, client_id=_session(house), persistent=True)
        client = InstrumentClient(
            transport, lab=config.lab.name, agent=config.lab.agent, clock=house.clock, ids=house.ids,
            root=config.lab.root, judge_clocks=house.launch.mode != "virtual",
        )  # fmt: skip
        yield Bus(address, transport, client, sources, server, broker, virtual)


class _Marked(MqttTransport):
    """Marks the moment at which an order was handed over, and no instrument has confirmed it."""

    @override
    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, mirror: Mirror | None = None
    ) -> None:
        await super().publish(topic, payload, qos=qos, retain=retain, mirror=mirror)
        if mirror is not None:  # an order has one, and nothing else does
            reached("after-send")


def _session(house: House) -> str:
    """Name of what the broker keeps while the agent is away: words to the live one must not be taken by its shadow."""
    name = f"{house.config.lab.name}-{house.config.lab.agent}"
    return f"{name}-shadow" if house.launch.mode == "shadow" else name


def _sources(house: House, server: ArtefactServer) -> Sources:
    directories = [house.config.home / name for name in house.config.lab.files]
    return Sources(directories=directories, own=(server.uri, house.store))


def _address(config: LabConfig) -> BrokerAddress:
    if not config.broker.url:
        raise ConfigError("broker.url", "", "mqtt://... or mqtts://..., or embedded = true", source=config.source)
    return config.address()


@asynccontextmanager
async def _virtual(
    house: House, broker: LocalBroker | None, address: BrokerAddress
) -> AsyncIterator[VirtualLaboratory]:
    config, virtual = house.config, house.config.virtual or VirtualSection(seed=house.launch.seed)
    async with virtual_laboratory(
        broker.address if broker else lambda _iid: address,
        directory=_directory(config),
        clock=house.clock,
        seed=virtual.seed,
        lab=config.lab.name,
        root=config.lab.root,
        instruments=virtual.instruments,
        fault_rate=virtual.fault_rate,
        fault_seed=virtual.fault_seed,
        on_line=lambda line: _log.info("virtual laboratory", line=line),
    ) as laboratory:
        yield laboratory


def _directory(config: LabConfig) -> Path:
    return config.state / "virtual" / "laboratory"

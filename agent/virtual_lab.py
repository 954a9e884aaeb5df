"""What ``labwright instrument virtual`` does, and the process by which a daemon has its own virtual laboratory.

As a child (``python -m agent.virtual_lab``) its first line of standard input is its orders, as ``VirtualOrders`` writes
them, and it leaves when that closes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from agent.daemon.children import die_with_parent, tell_ready
from agent.daemon.lab_clock import Anchor, LabClock
from agent.daemon.virtual import VirtualOrders
from agent.instrument_run import stop_by_signal
from agent.wiring import virtual_lab
from envs.errors import LabwrightError, UserError
from instruments.address import BrokerAddress
from instruments.brokers.child import Lifeline
from instruments.clock import SystemClock
from instruments.device import Device
from instruments.ids import SystemIds
from instruments.mqtt import MqttTransport
from instruments.transport import Transport


class Laboratory(Protocol):
    """Instruments that are switched on and off together."""

    @property
    def devices(self) -> Sequence[Device]:
        """Those that are on."""
        ...

    async def start(self, connect: Callable[[str], Transport]) -> None:
        """Switch them on, each with a connection of its own."""
        ...

    async def close(self) -> None:
        """Switch them off."""
        ...


def run_virtual_lab(address: BrokerAddress, *, lab: str, root: str, seed: int, state: Path, speed: float = 0.0) -> None:
    """Run the virtual laboratory's instruments until SIGINT or SIGTERM.

    Args:
        address: the broker.
        lab: the laboratory's id.
        root: first level of all topics.
        seed: of the hidden truth.
        state: directory of samples, images and journals.
        speed: seconds of lab time in a real one; 0 does everything at once. Whatever it is, the
            instruments tell the machine's time.

    Raises:
        ConfigError: when the speed is neither 0 nor 1 or more.
        JournalError: when the directory belongs to a laboratory of another seed.
        TransportError: when there is no broker, or it refuses.
    """

    async def run() -> None:
        # The agents that order here tell the machine's time: on any other every order would come too late.
        virtual = virtual_lab(seed, state, clock=SystemClock(), ids=SystemIds(), lab=lab, root=root, speed=speed)
        said = f"virtual laboratory {seed} is online at {address.place}, lab {lab}: Ctrl-C ends it"
        await _run(
            virtual,
            lambda iid: MqttTransport(address, client_id=f"{lab}-{iid}"),
            stop=stop_by_signal(),
            up=lambda: print(said, flush=True),  # noqa: T201
        )

    asyncio.run(run())


async def _run(
    virtual: Laboratory, connect: Callable[[str], Transport], *, stop: asyncio.Event, up: Callable[[], None]
) -> None:
    """Keep the instruments on the bus until told to stop; one without its heartbeat would only look alive."""
    try:
        await virtual.start(connect)
        up()
        tasks: list[asyncio.Task[object]] = [asyncio.create_task(stop.wait(), name="stop")]
        tasks += [asyncio.create_task(device.run(), name=f"{device.iid} run") for device in virtual.devices]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
    finally:
        await virtual.close()


async def _run_as_child(orders: VirtualOrders, lifeline: Lifeline) -> None:
    addresses: Mapping[str, BrokerAddress] = orders.addresses
    virtual = virtual_lab(
        orders.seed,
        orders.directory,
        clock=LabClock.beside(orders.speed, Anchor.from_text(orders.anchor)),
        ids=SystemIds(),
        lab=orders.lab,
        root=orders.root,
        speed=orders.speed,
    )
    with lifeline.watched(lambda _order: None):
        await _run(
            virtual,
            lambda iid: MqttTransport(addresses[iid], client_id=f"{orders.lab}-{iid}"),
            stop=lifeline.closed,
            up=lambda: tell_ready(instruments=[d.iid for d in virtual.devices], images=str(virtual.images)),
        )


def main() -> int:
    """Read the orders and run; returns the exit status."""
    # What ends the daemon in order may reach its children, too; it waits for a hot furnace first, then closes the
    # lifeline.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    lifeline = Lifeline(sys.stdin.fileno())
    orders = lifeline.first()
    die_with_parent(int(orders.pop("parent")))
    os.umask(0o077)
    try:
        asyncio.run(_run_as_child(VirtualOrders.from_dict(orders), lifeline))
    except LabwrightError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return 2 if isinstance(error, UserError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

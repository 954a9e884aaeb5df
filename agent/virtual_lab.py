"""What ``labwright instrument virtual`` does."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.instrument_run import stop_by_signal
from agent.wiring import virtual_lab
from instruments.address import BrokerAddress
from instruments.clock import SystemClock
from instruments.ids import SystemIds
from instruments.mqtt import MqttTransport


def run_virtual_lab(address: BrokerAddress, *, lab: str, root: str, seed: int, state: Path) -> None:
    """Run the virtual laboratory's instruments until SIGINT or SIGTERM.

    Args:
        address: the broker.
        lab: the laboratory's id.
        root: first level of all topics.
        seed: of the hidden truth.
        state: directory of samples, images and journals.

    Raises:
        JournalError: when the directory belongs to a laboratory of another seed.
        TransportError: when there is no broker, or it refuses.
    """
    asyncio.run(_virtual_lab(address, lab, root, seed, state))


async def _virtual_lab(address: BrokerAddress, lab: str, root: str, seed: int, state: Path) -> None:
    stop = stop_by_signal()
    virtual = virtual_lab(seed, state, clock=SystemClock(), ids=SystemIds(), lab=lab, root=root)
    try:
        await virtual.start(lambda iid: MqttTransport(address, client_id=f"{lab}-{iid}"))
        print(f"virtual laboratory {seed} is online at {address.place}, lab {lab}: Ctrl-C ends it", flush=True)  # noqa: T201
        tasks: list[asyncio.Task[object]] = [asyncio.create_task(stop.wait(), name="stop")]
        tasks += [asyncio.create_task(device.run(), name=f"{device.iid} run") for device in virtual.devices]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):  # an instrument without its heartbeat would only look alive
                raise end
    finally:
        await virtual.close()

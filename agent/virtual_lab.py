"""What ``labwright lab run`` does, and the process by which a daemon has its own virtual laboratory.

As a child (``python -m agent.virtual_lab``) its first line of standard input is its orders, as ``VirtualOrders`` writes
them, and it leaves when that closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console

from agent.connection import DEFAULT_LAB, PASSWORD, watching
from agent.daemon.children import die_with_parent, tell_ready
from agent.daemon.lab_clock import Anchor, LabClock
from agent.daemon.virtual import VirtualOrders
from agent.instrument_look import Look
from agent.instrument_run import stop_by_signal
from agent.lab_tally import CountedTransport, Tally, show
from agent.remote_broker import ROOT
from agent.wiring import virtual_instruments, virtual_lab
from envs.errors import ConfigError, LabwrightError, UserError
from instruments.address import BrokerAddress
from instruments.brokers.child import Lifeline
from instruments.bus.waiting import Bell
from instruments.clock import SystemClock
from instruments.device import Device
from instruments.ids import SystemIds
from instruments.messages import MalformedMessageError, Status
from instruments.mqtt import MqttTransport
from instruments.topics import Lab
from instruments.transport import Message, Transport

SEEN_S = 10.0
"""How long the broker may take to pass on what an instrument says of itself."""


class Laboratory(Protocol):
    """Instruments that are switched on and off together."""

    @property
    def devices(self) -> Sequence[Device]:
        """Those that are on."""
        ...

    async def start(self, connect: Callable[[str], Transport]) -> None:
        """Switch them on, each with a connection of its own."""
        ...

    async def run(self) -> None:
        """Let them beat, until cancelled or one can no more."""
        ...

    async def close(self) -> None:
        """Switch them off."""
        ...

    @property
    def injected(self) -> Mapping[str, int]:
        """Number of faults that have taken place, by kind."""
        ...


@dataclass(frozen=True)
class LabRun:
    """What a person wants to run.

    Args:
        address: the broker.
        lab: the laboratory's id.
        root: first level of all topics.
        seed: of the hidden truth.
        state: directory of samples, images and journals.
        speed: seconds of lab time in a real one; 0 does everything at once. Whatever it is, the instruments tell the
            machine's time.
        instruments: ids of those that it has; all where none is named.
        fault_rate: share of orders that meet a fault, 0 to 1.
        fault_seed: of the draws of faults.
    """

    address: BrokerAddress
    lab: str
    root: str
    seed: int
    state: Path
    speed: float = 0.0
    instruments: tuple[str, ...] = ()
    fault_rate: float = 0.0
    fault_seed: int = 0


def run_virtual_lab(wanted: LabRun) -> None:
    """Run the virtual laboratory's instruments until SIGINT or SIGTERM.

    Raises:
        ConfigError: when the speed is neither 0 nor 1 or more, or there is no instrument of an id.
        UserError: when instruments of these ids are there already, or the broker does not pass on what they say.
        JournalError: when the directory belongs to a laboratory of another seed.
        TransportError: when there is no broker, or it refuses.
    """
    topics = Lab(wanted.root, wanted.lab)
    try:
        iids = virtual_instruments(wanted.instruments)
    except ConfigError as error:
        raise ConfigError("--instruments", error.value, error.allowed) from error
    asyncio.run(_serve(wanted, iids, topics, Console(stderr=True)))


async def _serve(wanted: LabRun, iids: tuple[str, ...], topics: Lab, console: Console) -> None:
    address, session, tally = wanted.address, SystemIds().new(), Tally(topics)
    await refuse_where_taken(address, topics, iids)  # before anything is written
    fresh, online = _is_unused(wanted.state), False
    # The agents that order here tell the machine's time: on any other every order would come too late.
    virtual = virtual_lab(
        wanted.seed, wanted.state, clock=SystemClock(), ids=SystemIds(), lab=wanted.lab, root=wanted.root,
        speed=wanted.speed, instruments=iids, fault_rate=wanted.fault_rate, fault_seed=wanted.fault_seed,
    )  # fmt: skip

    def up() -> None:
        nonlocal online
        online = True
        print(greeting(wanted, virtual.devices, topics), flush=True)  # noqa: T201
        tally.begin()

    try:
        await _run(
            virtual,
            # Two labs of one name at one broker must not throw each other out for ever: each has sessions of its own.
            lambda iid: CountedTransport(tally, address, client_id=f"{wanted.root}:{wanted.lab}:{iid}:{session}"),
            stop=stop_by_signal(),
            up=up,
            beside=lambda: show(tally, lambda: virtual.devices, console),
            check=lambda: see_on_the_bus(address, topics, lambda: virtual.devices),
        )
    except BaseException:
        if fresh and not online:  # another seed may try again in the same place
            shutil.rmtree(wanted.state, ignore_errors=True)
        raise
    faults = "".join(f", {n} × {kind}" for kind, n in virtual.injected.items() if n)
    print(f"The virtual laboratory is off: {tally.words()}{faults}.", flush=True)  # noqa: T201


def _is_unused(state: Path) -> bool:
    return not state.exists() or (state.is_dir() and os.access(state, os.R_OK) and not any(state.iterdir()))


async def refuse_where_taken(address: BrokerAddress, topics: Lab, iids: Sequence[str]) -> None:
    """Look whether instruments of these ids are on the bus.

    Who may not order hears nobody answer; two instruments of one id then hear each other, and neither takes orders.

    Raises:
        UserError: some are; names them.
        TransportError: when there is no broker, or it refuses.
    """
    name = f"look-{SystemIds().new()}"
    transport = MqttTransport(address, client_id=name)
    await transport.connect()
    try:
        looks = [Look(transport, topics, iid, name) for iid in iids]
        await asyncio.gather(*(look.around() for look in looks))
    finally:
        await transport.close()
    taken = [look.iid for look in looks if look.answered]
    if taken:
        raise UserError(
            f"{', '.join(taken)}: already in the laboratory {topics.lab!r} at {address.url}, and an id belongs to one "
            "instrument: stop the other one, or choose another laboratory with --lab"
        )


async def see_on_the_bus(address: BrokerAddress, topics: Lab, devices: Callable[[], Sequence[Device]]) -> None:
    """Look whether the broker keeps what instruments that are on say of themselves.

    Raises:
        UserError: it does not: a broker that forbids a message takes it all the same, and passes it on to nobody.
        TransportError: when there is no broker, or it refuses.
    """
    transport = MqttTransport(address, client_id=f"look-{SystemIds().new()}")
    missing, news = {device.iid for device in devices()}, Bell(asyncio.sleep)

    async def note(message: Message) -> None:
        with contextlib.suppress(MalformedMessageError):
            said = (topics.parse(message.topic).iid, Status.parse(message.payload).boot_id)
            if said in {(device.iid, device.boot_id) for device in devices()}:  # and no status of an earlier run
                missing.discard(said[0])
                news.ring()

    await transport.connect()
    try:
        for iid in sorted(missing):
            await transport.subscribe(topics.status(iid), note)
        await news.until(lambda: not missing, SEEN_S)
    finally:
        await transport.close()
    if missing:
        raise UserError(
            f"the broker at {address.place} passes on nothing that {', '.join(sorted(missing))} say below "
            f"{topics.prefix}/: "
            "are --root and --lab right, and may this user write there? (labwright broker knows the root labwright "
            "alone, and an instrument's own user that instrument)"
        )


def greeting(wanted: LabRun, devices: Sequence[Device], topics: Lab) -> str:
    """What people are told once it is online: what there is, how long it takes, and how to look at it."""
    address, width = wanted.address, max(len(device.iid) for device in devices)
    there = f"--broker {shlex.quote(address.url)}" + ("" if wanted.lab == DEFAULT_LAB else f" --lab {wanted.lab}")
    if wanted.root != ROOT:
        there += f" --root {wanted.root}"
    pace = (
        f"Jobs last as in a laboratory, {wanted.speed:g} seconds of it in one of yours: a firing of 8 h takes "
        f"{8 * 3600.0 / wanted.speed:.3g} s."
        if wanted.speed
        else "Jobs are done at once (--speed 3600 makes an hour last a second)."
    )
    n = f"{len(devices)} instrument{'' if len(devices) == 1 else 's'}"
    lines = [
        f"Virtual laboratory {wanted.seed} is online at {address.place}, lab {wanted.lab}, with {n}:",
        *(f"  {d.iid:{width}}  {', '.join(d.describe().commands)}" for d in devices),
        pace,
        *([f"{wanted.fault_rate:.0%} of orders meet a fault: a check may fail by one."] if wanted.fault_rate else []),
        f"What each takes:    labwright instrument list {there}   (details: labwright lab list)",
        f"Try one out:        labwright instrument check {devices[0].iid} {there}",
        f"Watch the messages: {watching(address, topics.everything)}",
        f"Samples, images and job journals are in {wanted.state}. Ctrl-C ends it.",
    ]
    if address.password:
        lines.insert(-1, f"These take the password from {PASSWORD}, or in the URL.")
    return "\n".join(lines)


async def _run(
    virtual: Laboratory,
    connect: Callable[[str], Transport],
    *,
    stop: asyncio.Event,
    up: Callable[[], None],
    check: Callable[[], Awaitable[None]] | None = None,
    beside: Callable[[], Coroutine[object, object, object]] | None = None,
) -> None:
    """Keep the instruments on the bus until told to stop; one without its heartbeat would only look alive."""
    try:
        await virtual.start(connect)
        if check is not None:
            await check()
        up()
        tasks: list[asyncio.Task[object]] = [asyncio.create_task(stop.wait(), name="stop")]
        tasks.append(asyncio.create_task(virtual.run(), name="instruments"))
        if beside is not None:
            tasks.append(asyncio.create_task(beside(), name="status line"))
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
        instruments=tuple(addresses),
        fault_rate=orders.fault_rate,
        fault_seed=orders.fault_seed,
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

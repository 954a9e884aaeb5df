"""Runs one device on a broker until it is told to stop: what an instrument PC starts at boot."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from envs.errors import InstrumentError, UserError
from instruments.address import BrokerAddress
from instruments.bulk.keeping import remove_leftovers
from instruments.clock import Sleeper, SystemClock
from instruments.declare import Instrument
from instruments.device import Device
from instruments.errors import TransportError
from instruments.ids import SystemIds
from instruments.journal import SqliteJournal

_log = logging.getLogger(__name__)

_LONGEST_WAIT_S = 30.0
ARTEFACTS = "artefacts"
"""The directory, in that of a device's state, of its bulk data."""


Build = Callable[..., Device]
"""Makes a device that is not yet started: ``build(iid, transport, **base)``, with what ``Device`` takes as its base."""


@dataclass(frozen=True)
class Place:
    """Where a device stands.

    Args:
        address: the broker.
        state: directory for its job journal and its bulk data; made when it does not exist.
        lab: the laboratory's id.
        root: first level of all topics.
    """

    address: BrokerAddress
    state: Path
    lab: str
    root: str = "labwright"


async def serve_device(
    iid: str,
    build: Build,
    place: Place,
    *,
    stop: asyncio.Event,
    tell: Callable[[str], None],
    sleeper: Sleeper = asyncio.sleep,
) -> None:
    """Run a device until ``stop`` is set; a broker that is away is waited for.

    Args:
        iid: the instrument's id.
        build: makes the device.
        place: where it stands.
        stop: set it to have the device leave in order.
        tell: shows a line to whoever watches.
        sleeper: waits.

    Raises:
        JournalError: when the job journal cannot be used, as when another driver of this instrument runs.
        InstrumentError: when the hardware cannot be reached.
    """
    place.state.mkdir(parents=True, exist_ok=True)
    journal = SqliteJournal(place.state / "jobs.sqlite")
    try:
        # Whoever has the journal is the only driver here, so nobody is writing.
        await asyncio.to_thread(remove_leftovers, place.state / ARTEFACTS)
        device = await _start(iid, build, place, journal, stop=stop, tell=tell, sleeper=sleeper)
        if device is None:
            return
        tell(f"{iid} ({device.kind}) is online at {place.address.place}, lab {place.lab}: Ctrl-C ends it")
        running = asyncio.create_task(device.run(), name=f"{iid} run")
        stopping = asyncio.create_task(stop.wait(), name=f"{iid} stop")
        try:
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (running, stopping):
                task.cancel()
            ends = await asyncio.gather(running, stopping, return_exceptions=True)
            await device.stop()
        if isinstance(ends[0], Exception):
            raise ends[0]
    finally:
        journal.close()


async def _start(
    iid: str,
    build: Build,
    place: Place,
    journal: SqliteJournal,
    *,
    stop: asyncio.Event,
    tell: Callable[[str], None],
    sleeper: Sleeper,
) -> Device | None:
    """A started device; None when it was stopped before the broker answered."""
    from instruments.mqtt import MqttTransport

    pause = 1.0
    while not stop.is_set():
        # The broker keeps orders for a device that is away for a moment; what comes too late it refuses by itself.
        name = f"{place.root}:{place.lab}:{iid}"  # a colon stands in no name, so no two instruments have one id
        transport = MqttTransport(place.address, client_id=name, persistent=True)
        device = build(
            iid,
            transport,
            lab=place.lab,
            root=place.root,
            clock=SystemClock(),
            ids=SystemIds(),
            journal=journal,
            artefacts=place.state / ARTEFACTS,
            ca=place.address.tls.ca if place.address.tls else None,
        )
        try:
            await device.start()
        except TransportError as error:
            tell(f"{error}; trying again in {pause:g} s")
            waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(sleeper(pause))]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            pause = min(2.0 * pause, _LONGEST_WAIT_S)
        except OSError as error:  # as a serial port raises that is not there
            raise InstrumentError(f"{iid}: the hardware cannot be reached: {error}") from error
        else:
            return device
    return None


def driver_in(file: Path, name: str = "") -> Build:
    """The driver in a Python file.

    Args:
        file: it defines one subclass of ``Device``, or one ``Instrument``.
        name: which one, where there are several.

    Raises:
        UserError: when the file cannot be run, or holds none, or several and no name.
    """
    module = _run_file(file)
    found: dict[str, Build] = {}
    for key, value in vars(module).items():
        if isinstance(value, Instrument):
            found[key] = value.on
        elif isinstance(value, type) and issubclass(value, Device) and value.__module__ == module.__name__:
            found[key] = value
    if name:
        if name not in found:
            raise UserError(f"{file} defines no device {name!r}; it has: {', '.join(found) or 'none'}")
        return found[name]
    if len(found) != 1:
        have = f"{len(found)} devices ({', '.join(found)}): say which, as {file}:NAME" if found else "no device"
        raise UserError(f"{file} defines {have}; it needs a subclass of instruments.device.Device")
    return next(iter(found.values()))


def _run_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise UserError(f"{file} is not there")
    name = "labwright_driver_" + re.sub(r"\W", "_", file.stem)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and annotations look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{file} cannot be run: {type(error).__name__}: {error}") from error
    return module

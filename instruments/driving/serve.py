"""Runs one device on a broker until it is told to stop: what an instrument PC starts at boot."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import re
import secrets
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from envs.errors import InstrumentError, LabwrightError, UserError
from instruments.address import BrokerAddress
from instruments.bulk.keeping import remove_leftovers
from instruments.clock import Sleeper, SystemClock
from instruments.declare import Instrument
from instruments.device import Device
from instruments.driving.driver_check import check_device
from instruments.errors import TransportError
from instruments.ids import SystemIds
from instruments.journal import SqliteJournal
from instruments.topics import Lab
from instruments.transport import Transport

_log = logging.getLogger(__name__)

_LONGEST_WAIT_S = 30.0
_LOOK_S = 1.0
_WELL = frozenset({"online", "busy"})
ECHO_S = 5.0
"""How long a status may take to the broker and back."""
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
        UserError: when the driver declares something wrongly, or the directory of its state cannot be made.
        JournalError: when the job journal cannot be used, as when another driver of this instrument runs.
        InstrumentError: when the hardware cannot be reached, or the broker lets nobody see the instrument.
    """
    try:
        place.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{place.state} cannot be the directory of {iid}'s state ({error.strerror}): choose another with --state"
        ) from error
    journal = SqliteJournal(place.state / "jobs.sqlite")
    try:
        # Whoever has the journal is the only driver here, so nobody is writing.
        await asyncio.to_thread(remove_leftovers, place.state / ARTEFACTS)
        device = await _start(iid, build, place, journal, stop=stop, tell=tell, sleeper=sleeper)
        if device is not None:
            await _live(device, place, stop=stop, tell=tell, sleeper=sleeper)
    finally:
        journal.close()


async def _live(
    device: Device, place: Place, *, stop: asyncio.Event, tell: Callable[[str], None], sleeper: Sleeper
) -> None:
    """Let a started device be on the bus until it shall leave."""
    tell(_greeting(device, place))
    tasks: list[asyncio.Task[object]] = [
        asyncio.create_task(device.run(), name=f"{device.iid} run"),
        asyncio.create_task(_tell_trouble(device, tell, sleeper), name=f"{device.iid} trouble"),
        asyncio.create_task(stop.wait(), name=f"{device.iid} stop"),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await _stop(device)
    for end in ends:
        if isinstance(end, Exception):
            raise end


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
    """A started device that the bus lets be seen; None when it was stopped before the broker answered."""
    from instruments.mqtt import MqttTransport

    pause, told = 1.0, ""
    # A colon stands in no name, so no two instruments have one id; nor have two drivers of one instrument, which would
    # throw each other out without end and never hear of each other.
    name = f"{place.root}:{place.lab}:{iid}:{_session(place.state)}"
    while not stop.is_set():
        # The broker keeps orders for a device that is away for a moment; what comes too late it refuses by itself.
        try:
            if told and not await _unless(stop, _answers(place, name)):
                return None  # the hardware was told already that nobody is there: it is left alone meanwhile
            transport = MqttTransport(place.address, client_id=name, persistent=True)
            device = _made(iid, build, place, journal, transport)
            if not await _unless(stop, _set_out(device)):
                return None
        except TransportError as error:
            if str(error) != told:
                tell(f"{error}; trying again, at most {_LONGEST_WAIT_S:g} s apart")
            told = str(error)
            await _unless(stop, sleeper(pause))
            pause = min(2.0 * pause, _LONGEST_WAIT_S)
            continue
        try:
            seen = await _unless(stop, _seen(device, transport, place))
        except BaseException:
            await _stop(device)
            raise
        if seen:
            return device
        await _stop(device)
    return None


async def _unless(stop: asyncio.Event, work: Awaitable[object]) -> bool:
    """Whether something was done before the stop; raises what it raises."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)
    if doing.cancelled():
        return False
    doing.result()
    return True


async def _answers(place: Place, name: str) -> None:
    """Wait for the broker without the instrument.

    Raises:
        TransportError: when it does not answer, or refuses.
    """
    from instruments.mqtt import MqttTransport

    caller = MqttTransport(place.address, client_id=f"{name}:waiting")
    try:
        await caller.connect()
    finally:
        await caller.close()


def _made(iid: str, build: Build, place: Place, journal: SqliteJournal, transport: Transport) -> Device:
    try:
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
    except LabwrightError:
        raise
    except Exception as error:
        raise UserError(f"{iid}: its driver cannot be made: {_place_of(error)}") from error
    check_device(device)
    return device


async def _set_out(device: Device) -> None:
    try:
        await device.start()
    except LabwrightError:
        raise
    except OSError as error:  # as a serial port raises that is not there
        raise InstrumentError(f"{device.iid}: the hardware cannot be reached: {error}") from error
    except Exception as error:
        raise InstrumentError(f"{device.iid}: its driver failed at the start: {_place_of(error)}") from error


async def _stop(device: Device) -> None:
    try:
        await device.stop()
    except LabwrightError:
        raise
    except Exception as error:
        raise InstrumentError(f"{device.iid}: its driver failed at the end: {_place_of(error)}") from error


async def _seen(device: Device, transport: Transport, place: Place) -> None:
    """Wait for the device's own status to come back: a broker takes what it forbids, and passes it on to nobody.

    Raises:
        InstrumentError: when it does not.
    """
    while not device.heard_itself.is_set():
        try:
            await asyncio.wait_for(device.heard_itself.wait(), ECHO_S)
        except TimeoutError:
            if transport.connected:
                user = f"the user {place.address.username!r}" if place.address.username else "somebody without a user"
                topic = Lab(place.root, place.lab).status(device.iid)
                raise InstrumentError(
                    f"the broker at {place.address.place} lets nobody see {device.iid}: what {user} says on {topic} "
                    "does not come back. Is this the instrument's own login, and its broker's --lab?"
                ) from None


def _session(state: Path) -> str:
    """The name, in a directory of state, of what the broker keeps for it; random, made at its first use."""
    file = state / "session"
    try:
        known = file.read_text(encoding="ascii", errors="replace").strip() if file.exists() else ""
        if not re.fullmatch(r"[0-9a-f]{16}", known):
            known = secrets.token_hex(8)
            file.write_text(f"{known}\n", encoding="ascii")
    except OSError as error:
        raise UserError(f"{file} cannot be used ({error.strerror}): choose another directory with --state") from error
    return known


def _greeting(device: Device, place: Place) -> str:
    state, why = device.presence
    where = f"at {place.address.place}, lab {place.lab}"
    if state in _WELL:
        return f"{device.iid} ({device.kind}) is online {where}: Ctrl-C ends it"
    return f"{device.iid} ({device.kind}) is on the bus {where}, but in {state}: {why}: Ctrl-C ends it"


async def _tell_trouble(device: Device, tell: Callable[[str], None], sleeper: Sleeper) -> None:
    """Show what keeps the device from taking orders, and when it takes them again; each once."""
    told = device.presence
    while True:
        await sleeper(_LOOK_S)
        now = device.presence
        if now[0] not in _WELL and now != told:
            tell(f"{device.iid} is in {now[0]} and takes no orders: {now[1]}")
        elif now[0] in _WELL and told[0] not in _WELL:
            tell(f"{device.iid} is online again")
        told = now


def _place_of(error: Exception) -> str:
    """An error of a driver with the line of its file; its traceback goes into the log of whoever wants it."""
    _log.debug("a driver failed", exc_info=error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


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
    except (Exception, SystemExit) as error:
        raise UserError(f"{file} cannot be run: {type(error).__name__}: {error}") from error
    return module

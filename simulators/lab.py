"""The virtual laboratory: any of the virtual instruments around one hidden truth, on a bus."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from envs.crystals import CrystalLibrary
from envs.errors import ConfigError, JournalError
from envs.moduli import Moduli
from instruments.artefacts import write_durably
from instruments.clock import Clock
from instruments.commands import Channel, CommandSpec, declared_commands
from instruments.device import Device
from instruments.errors import TransportError
from instruments.ids import Ids
from instruments.journal import JobJournal, MemoryJournal, SqliteJournal
from instruments.transport import Transport
from simulators.devices.balance import Balance
from simulators.devices.bench import SHAPE, Bench, BenchDevice, Faultless, Mishaps
from simulators.devices.diffractometer import Diffractometer
from simulators.devices.furnace import Furnace
from simulators.devices.indenter import Indenter
from simulators.devices.microscope import Microscope
from simulators.devices.pace import check_speed
from simulators.devices.robot import Robot
from simulators.devices.ultrasonic import Ultrasonic
from simulators.faults import Faults
from simulators.potential import PotentialTruth
from simulators.reference import reference_body
from simulators.samples import SampleStore
from simulators.stock import Stock
from simulators.truth import LabTruth, difference, fingerprint

_log = logging.getLogger(__name__)
_SEED = "seed "
FURNACE, MICROSCOPE, INDENTER = "furnace-1", "sem-1", "indenter-1"
ROBOT, DIFFRACTOMETER = "robot-1", "diffractometer-1"
ULTRASONIC, BALANCE = "ultrasonic-1", "balance-1"
INSTRUMENTS = (FURNACE, MICROSCOPE, INDENTER)
"""Ids of the instruments that the flagship's recipe orders from: they are on the bus where nobody chooses others."""
MAKERS: Mapping[str, type[BenchDevice]] = MappingProxyType(
    {
        ROBOT: Robot,
        FURNACE: Furnace,
        MICROSCOPE: Microscope,
        INDENTER: Indenter,
        ULTRASONIC: Ultrasonic,
        BALANCE: Balance,
        DIFFRACTOMETER: Diffractometer,
    }
)
"""All that there are, by id, in the order in which they are switched on."""


@dataclass(frozen=True)
class Entry:
    """What one virtual instrument is and can do, as it would describe itself.

    Args:
        iid: its id.
        kind: what a recipe asks for.
        driver: its name.
        commands: by name.
        channels: of telemetry, by name.
        safe_state: in words; empty where it neither heats nor moves.
    """

    iid: str
    kind: str
    driver: str
    commands: Mapping[str, CommandSpec]
    channels: Mapping[str, Channel]
    safe_state: str = ""


def catalogue() -> tuple[Entry, ...]:
    """All virtual instruments that there are; none is switched on for it."""
    return tuple(
        Entry(iid, maker.kind, maker.driver, declared_commands(maker), dict(maker.channels), maker.safe_state)
        for iid, maker in MAKERS.items()
    )


def chosen(wanted: Iterable[str]) -> tuple[str, ...]:
    """The ids of some virtual instruments, each once, in the order in which they are switched on.

    Raises:
        ConfigError: there is none of an id, or none is wanted; names those that there are.
    """
    named = list(wanted)
    unknown = [iid for iid in dict.fromkeys(named) if iid not in MAKERS]
    if unknown or not named:
        raise ConfigError("instruments", ", ".join(unknown), f"one or more of {', '.join(MAKERS)}")
    return tuple(iid for iid in MAKERS if iid in named)


class VirtualLab:
    """A laboratory whose truth is drawn from a seed.

    Args:
        seed: equal seeds, libraries and orders give equal data, in any order of the orders and after any restart.
        library: crystals whose powders are in stock.
        moduli: the true moduli of every one of them.
        directory: samples, images and the devices' job journals are kept here, so that a killed campaign finds them
            again; without one samples and journals live in memory, images in a temporary directory until ``close``.
        clock: the devices' clocks.
        ids: gives their boot ids.
        lab: the laboratory's id on the bus.
        root: first level of all topics.
        image_shape: rows and columns of the microscope's frames.
        speed: seconds of lab time in a real one, at which jobs last; 0 does everything at once.
        instruments: ids of those that are switched on, of ``MAKERS``.
        mishaps: what goes wrong inside them.
        faults: what goes wrong inside and around them; then ``mishaps`` are those of the faults.

    Raises:
        ConfigError: when the speed is neither 0 nor 1 or more, or an instrument is none of ``MAKERS``.
        JournalError: when the directory cannot be used or belongs to a laboratory of another seed, library or physics.
        KeyError: when a crystal has no moduli.
    """

    def __init__(
        self,
        seed: int,
        library: CrystalLibrary,
        moduli: Mapping[str, Moduli],
        *,
        directory: Path | None,
        clock: Clock,
        ids: Ids,
        lab: str = "virtual",
        root: str = "labwright",
        image_shape: tuple[int, int] = SHAPE,
        speed: float = 0.0,
        instruments: Sequence[str] = INSTRUMENTS,
        mishaps: Mishaps | None = None,
        faults: Faults | None = None,
    ) -> None:
        check_speed(speed)  # both said before anything is written
        self._instruments = chosen(instruments)
        # It loads its potential at the first generated crystal: a campaign on the library never does.
        generated = PotentialTruth(None if directory is None else directory / "potential")
        self._truth = LabTruth(seed, library, moduli, generated)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if directory is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="virtual-lab-")
        else:
            _claim(directory, fingerprint(self._truth), seed)
        self._directory = directory
        images = (directory or Path(self._temporary.name if self._temporary else ".")) / "images"
        samples = SampleStore(None if directory is None else directory / "samples", reference=reference_body())
        stock = Stock(None if directory is None else directory / "stock", seed=seed)
        self._faults = faults
        self._bench = Bench(self._truth, samples, images, speed, image_shape, self._mishaps(mishaps), stock)
        self._base: dict[str, Any] = {"clock": clock, "ids": ids, "lab": lab, "root": root}
        self._devices: tuple[Device, ...] = ()
        self._journals: dict[str, JobJournal] = {}
        self._connect: Callable[[str], Transport] | None = None
        self._changed = asyncio.Event()
        if faults is not None:
            faults.restarts_by(self.restart)

    @property
    def devices(self) -> tuple[Device, ...]:
        """The instruments, once started."""
        return self._devices

    @property
    def images(self) -> Path:
        """Where the microscope leaves its frames."""
        return self._bench.images

    @property
    def injected(self) -> Mapping[str, int]:
        """Number of faults that have taken place, by kind."""
        return {} if self._faults is None else self._faults.ledger.injected

    async def start(self, connect: Callable[[str], Transport]) -> None:
        """Switch the instruments on.

        Args:
            connect: gives each instrument, named by its id, a connection of its own, not yet connected.
        """
        self._connect = connect
        for iid in self._instruments:
            device = await self._switched_on(iid)
            # Only what has started is stopped by ``close``, also when a later one finds no broker.
            self._devices = (*self._devices, device)

    async def run(self) -> None:
        """Let every instrument beat until cancelled, also one that restarts meanwhile; for live use, after ``start``.

        Raises:
            Exception: what ended the beating of one.
        """
        beating: dict[Device, asyncio.Task[None]] = {}
        try:
            while True:
                self._changed.clear()
                for gone in [device for device in beating if device not in self._devices]:
                    beating.pop(gone).cancel()
                for device in self._devices:
                    if device not in beating:
                        beating[device] = asyncio.create_task(device.run(), name=f"{device.iid} run")
                changed = asyncio.create_task(self._changed.wait(), name="instruments")
                try:
                    await asyncio.wait([changed, *beating.values()], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
                for task in beating.values():
                    if task.done():
                        task.result()
        finally:
            for task in beating.values():
                task.cancel()
            await asyncio.gather(*beating.values(), return_exceptions=True)

    async def restart(self, iid: str, down_s: float) -> None:
        """Switch an instrument off and, after a while, on again: of its jobs it then knows nothing.

        Args:
            iid: the instrument, switched on.
            down_s: how long it is off, s.
        """
        device = next(device for device in self._devices if device.iid == iid)
        await device.stop()
        await device.sleeper(down_s)
        self._journals.pop(iid).close()
        if self._directory is not None:
            for path in self._directory.glob(f"{iid}.jobs.sqlite*"):
                path.unlink()
        started = await self._back_on(iid, down_s)
        self._devices = tuple(started if old is device else old for old in self._devices)
        self._changed.set()

    async def _back_on(self, iid: str, pause_s: float) -> Device:
        """Switch it on as often as it takes: a broker may be away just then."""
        while True:
            try:
                return await self._switched_on(iid)
            except TransportError as error:
                _log.warning("%s finds no broker after its restart: %s", iid, error)
                self._journals.pop(iid).close()
                await asyncio.sleep(pause_s)

    async def _switched_on(self, iid: str) -> Device:
        if self._connect is None:
            raise RuntimeError("the laboratory has not been started")
        transport = self._connect(iid)
        if self._faults is not None:
            transport = self._faults.line(iid, transport)
        self._journals[iid] = journal = self._journal(iid)
        device = MAKERS[iid](iid, transport, bench=self._bench, journal=journal, **self._base)
        await device.start()
        return device

    async def close(self) -> None:
        """Switch everything off; what was kept in a temporary directory is gone."""
        if self._faults is not None:  # first: what is just restarting would come up behind our back
            await self._faults.close()
        devices, self._devices = self._devices, ()
        try:
            for device in devices:
                await device.stop()
        finally:
            while self._journals:
                self._journals.popitem()[1].close()
            if self._temporary is not None:
                self._temporary.cleanup()

    def _mishaps(self, own: Mishaps | None) -> Mishaps:
        return self._faults.mishaps if self._faults is not None else own or Faultless()

    def _journal(self, iid: str) -> JobJournal:
        if self._directory is None:
            return MemoryJournal()
        return SqliteJournal(self._directory / f"{iid}.jobs.sqlite")


def _claim(directory: Path, identity: str, seed: int) -> None:
    """Mark a directory as this laboratory's, or check that it is; its second line is for people."""
    marker = directory / "laboratory"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lines = marker.read_text().splitlines() if marker.exists() else []
        if not lines:
            write_durably(marker, f"{identity}\n{_SEED}{seed}\n".encode())
    except OSError as error:
        raise JournalError(f"{directory} cannot hold a virtual laboratory: {error}") from error
    if lines and lines[0].strip() != identity:
        theirs = lines[1].removeprefix(_SEED) if len(lines) > 1 else ""
        what = difference(lines[0].strip(), identity)
        if theirs and theirs != str(seed):
            raise JournalError(
                f"{directory} was made with the seed {theirs}, and the seed is {seed} now: "
                f"go on with --seed {theirs}, or use an empty directory"
            )
        raise JournalError(f"{directory} belongs to a virtual laboratory {what}: use an empty one")

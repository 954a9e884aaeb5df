"""The devices that come with Labwright, each ready to be checked on any bus: one line in ``SUBJECTS`` adds another."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from envs.crystals import CrystalLibrary, ceramics
from instruments.adapters import sdl_demo as sdl
from instruments.adapters.load import read_adapter
from instruments.clock import SystemClock
from instruments.conformance.evidence import Options
from instruments.conformance.report import Report
from instruments.conformance.run import check_device
from instruments.device import Device
from instruments.ids import SystemIds
from instruments.journal import MemoryJournal
from instruments.transport import Transport
from simulators.devices.bench import Bench as VirtualBench
from simulators.devices.bench import BenchDevice
from simulators.lab import BALANCE, DIFFRACTOMETER, FURNACE, INDENTER, MAKERS, MICROSCOPE, ROBOT, ULTRASONIC
from simulators.reference import reference_body
from simulators.samples import SampleStore
from simulators.truth import LabTruth
from surrogates.datasets.elastic import load

sys.path.append(str(Path(__file__).parents[1] / "integration"))  # the doubles of real instruments live there

ADAPTERS = Path(__file__).parents[2] / "instruments" / "starters"
LAB = "conformance"
PICO_ID = "e6614c311b000000"


async def hasty(seconds: float) -> None:
    """Heartbeats and readings of a device come every second at most, so that nobody waits for them."""
    await asyncio.sleep(min(seconds, 1.0))


@dataclass
class Bench:
    """Where one device stands: its bus, a directory, and what it needs beside it, undone at the end."""

    connect: Callable[[str], Transport]
    directory: Path
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    journal: MemoryJournal = field(default_factory=MemoryJournal)

    @property
    def base(self) -> dict[str, Any]:
        """What every device takes."""
        return {
            "lab": LAB,
            "clock": SystemClock(),
            "ids": SystemIds(),
            "journal": self.journal,
            "artefacts": self.directory / "artefacts",
            "sleeper": hasty,
        }


@dataclass(frozen=True)
class Subject:
    """A device, and the real instrument's double that it needs, switched on first."""

    make: Callable[[Bench, str], Device]
    double: Callable[[Bench], Awaitable[None]] | None = None


@cache
def truth() -> LabTruth:
    return LabTruth(1, ceramics(CrystalLibrary.builtin()), load())


def shelf() -> SampleStore:
    return SampleStore(reference=reference_body())


def virtual(kind: type[BenchDevice], bench: Bench, iid: str) -> Device:
    table = VirtualBench(truth(), shelf(), bench.directory / "artefacts", image_shape=(128, 128))
    return kind(iid, bench.connect(iid), bench=table, **bench.base)


def published(bench: Bench, name: str, **changes: str) -> Path:
    """An adapter's published example in the bench's directory, its longest job shortened."""
    text = (ADAPTERS / name).read_text().replace("example = { time = 3.0 }", "example = { time = 0.7 }")
    for old, new in changes.items():
        text = text.replace(old, new)
    for simulated in ADAPTERS.glob("*.yaml"):
        shutil.copy(simulated, bench.directory)
    (bench.directory / name).write_text(text)
    return bench.directory / name


def scpi(bench: Bench, iid: str) -> Device:
    return read_adapter(published(bench, "scpi.toml")).build(bench.connect(iid), **bench.base)


def folder(bench: Bench, iid: str) -> Device:
    exports = bench.directory / "exports"
    exports.mkdir(exist_ok=True)
    file = bench.directory / "folder.toml"
    file.write_text(f'adapter = "folder"\niid = "{iid}"\nkind = "sem"\ndirectory = "{exports}"\n')
    return read_adapter(file).build(bench.connect(iid), **bench.base)


async def controller(bench: Bench) -> None:
    """A furnace controller behind a pseudo-terminal."""
    from furnace_bench import Controller

    double = Controller(bench.directory / "tty")
    bench.stack.callback(double.stop)


def serial(bench: Bench, iid: str) -> Device:
    # A pseudo-terminal knows no parity.
    changes = {"/dev/ttyUSB0": str(bench.directory / "tty"), '"even"': '"none"'}
    return read_adapter(published(bench, "serial.toml", **changes)).build(bench.connect(iid), **bench.base)


async def pico(bench: Bench) -> None:
    """The light device's own board."""
    from picow import PicoW

    double = PicoW(bench.connect("pico"), PICO_ID)
    await double.start()
    bench.stack.push_async_callback(double.stop)


def sdl_demo(bench: Bench, iid: str) -> Device:
    settings = sdl.Settings(pico_id=PICO_ID)
    return sdl.build(settings, iid, bench.connect(iid), pico=bench.connect("pico-bridge"), **bench.base)


SUBJECTS: dict[str, Subject] = {
    "furnace": Subject(partial(virtual, MAKERS[FURNACE])),
    "microscope": Subject(partial(virtual, MAKERS[MICROSCOPE])),
    "indenter": Subject(partial(virtual, MAKERS[INDENTER])),
    "robot": Subject(partial(virtual, MAKERS[ROBOT])),
    "diffractometer": Subject(partial(virtual, MAKERS[DIFFRACTOMETER])),
    "ultrasonic": Subject(partial(virtual, MAKERS[ULTRASONIC])),
    "balance": Subject(partial(virtual, MAKERS[BALANCE])),
    "supply-1": Subject(scpi),
    "furnace-1": Subject(serial, controller),
    "light-1": Subject(sdl_demo, pico),
    "folder": Subject(folder),
}
"""By instrument id."""


class Living:
    """A device that runs, beats and reads, and can be restarted."""

    def __init__(self, make: Callable[[], Device]) -> None:
        self._make = make

    async def start(self) -> None:
        self._device = self._make()
        await self._device.start()
        self._running = asyncio.create_task(self._device.run())

    async def stop(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self._device.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()


@asynccontextmanager
async def living(iid: str, bench: Bench) -> AsyncIterator[Living]:
    subject = SUBJECTS[iid]
    async with bench.stack:
        if subject.double is not None:
            await subject.double(bench)
        device = Living(lambda: subject.make(bench, iid))
        await device.start()
        bench.stack.push_async_callback(device.stop)
        yield device


async def examine(iid: str, bench: Bench) -> Report:
    async with living(iid, bench) as device:
        options = Options(settle_s=0.02, restart=device.restart)
        return await check_device(
            iid, bench.connect, lab=LAB, clock=SystemClock(), ids=SystemIds(), options=options, name=f"check-{iid}"
        )

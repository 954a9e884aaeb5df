"""A microscope's share, the device that watches it and an agent, on a clock that only the test moves."""

import asyncio
import io
import os
import random
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from patience import until
from PIL import Image

from instruments.adapters.folder import Settings, build
from instruments.bulk.fetch import read as read_artefact
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.ids import SeededIds
from instruments.journal import SqliteJournal
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity, Value

HOUR = 3600.0
SIDECAR = b"$CM_MAG 5000\n$CM_ACCEL_VOLT 15.00\n$$SM_MICRON_BAR 180\n$$SM_MICRON_MARKER 5um\n"
FEI = "[Beam]\r\nHV=5000\r\n[Scan]\r\nPixelWidth=2e-008\r\n[Detectors]\r\nName=ETD\r\nMode=SE\r\n"


def tiff(shade: int = 0, *, scale: bool = True) -> bytes:
    """A TIFF of some 90 kB, too large for a message, with FEI metadata."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    if scale:
        tags[34682] = FEI
        tags.tagtype[34682] = 2
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((350, 256)).point(lambda grey: (grey + shade) % 256).save(
        buffer, "TIFF", tiffinfo=tags
    )
    return buffer.getvalue()


class Time:
    """A clock that only the test moves, and a sleeper that it wakes."""

    def __init__(self) -> None:
        self.clock = SimClock(datetime(2026, 3, 1, tzinfo=UTC))
        self._naps: list[tuple[float, float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        nap = (self.clock.elapsed() + seconds, seconds, woken)
        self._naps.append(nap)
        try:
            await woken
        finally:
            self._naps.remove(nap)

    def napping(self, seconds: float) -> bool:
        return any(nap[1] == seconds and not nap[2].done() for nap in self._naps)

    async def advance(self, seconds: float, settled: Callable[[], bool]) -> None:
        """Move on, waking each sleeper at its own moment."""
        end = self.clock.elapsed() + seconds
        while True:
            await until(settled)
            due = [nap for nap in self._naps if nap[0] <= end and not nap[2].done()]
            if not due:
                break
            first = min(due, key=lambda nap: nap[0])
            self.clock.advance(max(0.0, first[0] - self.clock.elapsed()))
            first[2].set_result(None)
            await asyncio.sleep(0.001)
        self.clock.advance(max(0.0, end - self.clock.elapsed()))


@dataclass
class SemRoom:
    """A microscope's share, the device that watches it, and an agent."""

    tmp: Path
    options: dict[str, Any] = field(default_factory=dict)
    time: Time = field(default_factory=Time)

    def __post_init__(self) -> None:
        self.share = self.tmp / "share"
        self.state = self.tmp / "state"
        self.share.mkdir(exist_ok=True)
        self.state.mkdir(exist_ok=True)
        self.stack = AsyncExitStack()
        self.bus = LocalBus()
        self.ids = SeededIds(self.time.clock, random.Random(3))
        self.handing_over, self.stuck = 0, False  # time stands still while a thread reads
        self.device: Any = None
        self.client: Any = None

    async def __aenter__(self) -> Self:
        await self.switch_on()
        self.client = InstrumentClient(
            self.bus.transport(), lab="x", agent="a", clock=self.time.clock, ids=self.ids, sleeper=wait_forever
        )
        await self.client.start()
        self.stack.push_async_callback(self.client.close)
        await self.client.wait_for(["sem-1"])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stack.aclose()

    async def switch_on(self, state: Path | None = None) -> None:
        state = state or self.state
        settings = Settings(directory=self.share, **self.options)
        journal = SqliteJournal(state / "jobs.sqlite")
        self.device = build(
            settings, "sem-1", self.bus.transport(), lab="x", clock=self.time.clock, ids=self.ids,
            journal=journal, artefacts=state / "artefacts", sleeper=self.time.sleep,
        )  # fmt: skip
        hand_over = self.device._hand_over

        async def counted(*arguments: Any) -> Any:
            self.handing_over += 1
            try:
                return await hand_over(*arguments)
            finally:
                self.handing_over -= 1

        self.device._hand_over = counted
        await self.device.start()
        self.stack.callback(journal.close)
        self.stack.push_async_callback(self.device.stop)

    def write(self, name: str, data: bytes, *, age_s: float = 0.0) -> Path:
        path = self.share / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        if age_s:
            os.utime(path, (path.stat().st_mtime - age_s,) * 2)
        return path

    async def order(self, sample: str = "A1", *, wait: float = 120.0, existing: str = "no") -> "asyncio.Task[JobState]":
        """Order an image; the device has looked at the folder before this returns."""
        parameters: dict[str, Value] = {"sample": sample, "wait": Quantity(value=wait, unit="s"), "existing": existing}
        running = asyncio.Event()
        job = self.ids.new()

        def heard(state: JobState) -> None:
            if state.progress is not None and state.state == "running":
                running.set()

        looks = self.device._begun
        task = asyncio.create_task(self.client.execute("sem-1", "acquire", parameters, job=job, on_update=heard))
        task.set_name(job)
        await running.wait()
        await until(lambda: (self.device._begun > looks and self.settled()) or task.done())
        return task

    def settled(self) -> bool:
        """The device has looked, hands nothing over, and waits for its next look."""
        idle = self.time.napping(self.device.settings.poll_s) and not self.device._hurried
        return idle and (self.handing_over == 0 or self.stuck)

    async def advance(self, seconds: float) -> None:
        await self.time.advance(seconds, self.settled)

    async def end(self, task: "asyncio.Task[JobState]", *, within: float = 1000.0) -> JobState:
        for _ in range(int(within)):
            if task.done():
                break
            await self.advance(1.0)
            await asyncio.sleep(0.002)
        return await asyncio.wait_for(task, 10)


def run(story: Callable[[SemRoom], Coroutine[Any, Any, None]], tmp: Path, **options: Any) -> None:
    async def scene() -> None:
        async with SemRoom(tmp, options) as room:
            await story(room)

    asyncio.run(scene())


def text(state: JobState, name: str) -> str:
    assert state.result is not None, state.error
    value = state.result.values[name]
    return value if isinstance(value, str) else f"{value.value:g} {value.unit}"


def image(state: JobState) -> bytes:
    assert state.result is not None, state.error
    return read_artefact(state.result.artefacts["image"])


def why(state: JobState) -> str:
    assert state.state == "failed"
    assert state.error is not None
    assert (state.error.code, state.error.kind) == ("no_image", "retryable")
    return state.error.message

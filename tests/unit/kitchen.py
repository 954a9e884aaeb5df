"""An oven whose driver blocks, and a bus whose time a test moves."""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar

from typing_extensions import override

from instruments.artefacts import INLINE_LIMIT
from instruments.client import InstrumentClient
from instruments.clock import SimClock
from instruments.device import (
    BlockingJob,
    Channel,
    Choice,
    Device,
    JobContext,
    Parameter,
    Quantity,
    Returns,
    command,
)
from instruments.ids import SeededIds
from instruments.journal import JobJournal
from instruments.local import LocalBus
from instruments.messages import JobState, Value
from instruments.topics import Lab
from instruments.transport import Message

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Oven(Device):
    """Its driver blocks; ``hardware`` is what was done to the hardware, in order."""

    kind = "oven"
    safe_state = "heater off"
    lease_s = 60.0
    channels: ClassVar[Mapping[str, Channel]] = {"temperature": Channel("Cel", period_s=5.0, read="thermometer")}

    @override
    async def open(self) -> None:
        self.hardware: list[str] = ["opened"]
        self.entered = threading.Event()

    @override
    async def shut(self) -> None:
        self.hardware.append("shut")

    @override
    async def make_safe(self) -> None:
        self.hardware.append("heater off")

    def thermometer(self) -> float:
        return 21.5

    @command(
        summary="Bake", results={"peak": Returns("Cel")}, example={"temperature": Quantity(value=50.0, unit="Cel")}
    )
    def bake(
        self,
        job: BlockingJob,
        *,
        temperature: Annotated[float, Parameter("Cel", 20, 1700)],
        cycles: Annotated[int, Parameter("1", 1, 9, default=1, whole=True)],
        gas: Annotated[str, Choice(("air", "argon"), default="air")],
    ) -> dict[str, Quantity]:
        self.hardware.append(f"bake {temperature:g} x{cycles!r} {gas}")
        self.entered.set()
        job.progress(0.5)
        job.sleep(3600.0)
        return {"peak": Quantity(value=temperature, unit="Cel")}

    @command(summary="Take a picture")
    async def picture(self, job: JobContext) -> dict[str, Any]:
        return {
            "picture": await job.keep(b"x" * (INLINE_LIMIT + 1), "image/tiff"),
            "small": await job.keep(b"y", "a/b"),
        }

    @command(summary="Nothing at all", cancellable=False)
    async def idle(self, job: JobContext) -> None:
        await job.sleep(1.0)

    @command(summary="Return what nobody understands")
    def muddle(self, job: BlockingJob) -> Any:
        return 42


class Kitchen:
    """An oven, a client, and everything that was said, on a bus whose time a test moves."""

    client: InstrumentClient
    at_start: list[str]

    def __init__(self, journal: JobJournal | None = None, artefacts: Path | None = None) -> None:
        self.bus, self.clock = LocalBus(), SimClock(START)
        self.ids = SeededIds(self.clock, random.Random(1))
        self.topics = Lab("labwright", "demo")
        self.naps: list[tuple[float, asyncio.Future[None]]] = []
        self.base: dict[str, Any] = {
            "lab": "demo",
            "clock": self.clock,
            "ids": self.ids,
            "sleeper": self.nap,
            "journal": journal,
            "artefacts": artefacts,
        }
        self.heard: list[Message] = []

    async def nap(self, seconds: float) -> None:
        """Sleeps until the test wakes it."""
        future = asyncio.get_running_loop().create_future()
        self.naps.append((seconds, future))
        await future

    async def wake(self, seconds: float) -> None:
        """End the nap of so many seconds, when it has begun."""
        async with asyncio.timeout(5):
            while not any(length == seconds and not nap.done() for length, nap in self.naps):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        next(nap for length, nap in self.naps if length == seconds and not nap.done()).set_result(None)
        await asyncio.sleep(0.005)

    async def note(self, message: Message) -> None:
        self.heard.append(message)

    async def order(self, name: str, **parameters: Value) -> JobState:
        return await self.client.execute("oven", name, parameters, job=self.ids.new())


def play(act: Callable[[Kitchen, Oven], Awaitable[None]], kitchen: Kitchen | None = None) -> None:
    async def run() -> None:
        here = kitchen or Kitchen()
        watcher = here.bus.transport()
        await watcher.connect()
        await watcher.subscribe("#", here.note)
        oven = Oven("oven", here.bus.transport(), **here.base)
        here.client = InstrumentClient(here.bus.transport(), lab="demo", agent="a", clock=here.clock, ids=here.ids)
        await oven.start()
        here.at_start, oven.hardware[:] = list(oven.hardware), ["opened"]
        await here.client.start()
        await here.client.wait_for(["oven"])
        await act(here, oven)
        await here.client.close()
        await oven.stop()
        await watcher.close()

    asyncio.run(run())


def hot(temperature: float, unit: str = "Cel") -> Quantity:
    return Quantity(value=temperature, unit=unit)

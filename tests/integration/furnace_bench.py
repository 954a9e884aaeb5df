"""A furnace controller in software on one end of a pseudo-terminal, and a lab around the device at the other."""

import asyncio
import os
import random
import select
import threading
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

from typing_extensions import override

from instruments.adapters.load import read_adapter
from instruments.adapters.text_protocol import TextInstrument
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity

EXAMPLE = Path(__file__).parents[2] / "instruments" / "starters" / "serial.toml"
FIRE = {
    "temperature": Quantity(value=1073.15, unit="K"),
    "ramp": Quantity(value=10.0, unit="K/min"),
    "hold": Quantity(value=30.0, unit="min"),
}
ID = "FC-900 SN77 v2.1"


def framed(body: str) -> bytes:
    return f"{body}*{reduce(int.__xor__, body.encode(), 0):02X}".encode()


class Controller(threading.Thread):
    """A furnace controller on one end of a pseudo-terminal; it heats by a tenth of the way whenever it is asked.

    ``mishaps`` says what happens to the next replies: ``drop``, ``garble``, or ``late`` (it comes with the next reply).
    """

    def __init__(self, link: Path) -> None:
        super().__init__(name="controller", daemon=True)
        self.link = link
        self.heard: list[str] = []
        self.at_start: list[str] = []
        self.temperature, self.target, self.power = 200, 200, 0
        self.identity, self.alarm, self.stuck = ID, "", False
        self.mishaps: dict[str, list[str]] = {}
        self.overlaps = 0
        self._late = b""
        self._stopping, self._wake = os.pipe()
        self.plug_in()
        self.start()

    def plug_in(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(self.slave))

    def unplug(self) -> None:
        master, self.master = self.master, -1
        self.link.unlink()
        os.write(self._wake, b"x")
        os.close(master)
        os.close(self.slave)

    def acts(self, word: str = "") -> list[str]:
        """What was told that acts."""
        return [line for line in self.heard if line.startswith(word or ("SP", "RAMP", "HEAT"))]

    @override
    def run(self) -> None:
        buffer = b""
        while True:
            ready, _, _ = select.select([self._stopping, *([self.master] if self.master >= 0 else [])], [], [], 0.02)
            if self._stopping in ready and os.read(self._stopping, 1) == b"q":
                return
            if self.master not in ready:
                continue
            with suppress(OSError):
                buffer += os.read(self.master, 4096)
                while b"\r" in buffer:
                    line, buffer = buffer.split(b"\r", 1)
                    self.overlaps += bool(buffer)
                    self.answer(line)

    def answer(self, line: bytes) -> None:
        body, _, _ = line.decode().rpartition("*")
        assert framed(body) == line, line
        self.heard.append(body)
        reply = framed(self.reply(body)) + b"\r\n"
        kind = next((key for key in self.mishaps if body.startswith(key) and self.mishaps[key]), None)
        mishap = self.mishaps[kind].pop(0) if kind else ""
        if mishap == "late":
            self._late += reply
        elif mishap == "garble":
            os.write(self.master, b"\xff" + reply[1:])
        elif mishap != "drop":
            os.write(self.master, self._late + reply)
            self._late = b""

    def reply(self, body: str) -> str:
        word, _, value = body.partition(" ")
        if self.power and not self.stuck:
            self.temperature += (self.target - self.temperature) // 10 + (self.target > self.temperature)
        if word == "SP":
            self.target = int(value)
        elif word == "HEAT":
            self.power = int(value)
        state = f"STATE={'HEATING' if self.power else 'IDLE'} PV={self.temperature} POWER={self.power * 40}"
        return {"ID": self.identity, "PV": self.alarm or str(self.temperature), "STATUS": state}.get(word, "OK")

    def stop(self) -> None:
        os.write(self._wake, b"q")
        self.join(5)
        for end in (self.master, self.slave, self._wake, self._stopping):
            with suppress(OSError):
                os.close(end)


@dataclass
class Shop:
    """A device, an agent and the bus between them."""

    device: TextInstrument
    client: InstrumentClient
    bus: LocalBus
    ids: SeededIds
    clock: SimClock

    async def order(self, command: str = "fire", job: str | None = None, **changes: Any) -> JobState:
        parameters = {} if command == "read" else {**FIRE, **changes}
        return await self.client.execute("furnace-1", command, parameters, job=job or self.ids.new())


async def soon(_seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def shop(
    controller: Controller, *, timeout_s: float = 0.3, journal: MemoryJournal | None = None, **base: Any
) -> AsyncIterator[Shop]:
    # Pseudo-terminals know no parity.
    ours = {"/dev/ttyUSB0": str(controller.link), "timeout_s = 0.5": f"timeout_s = {timeout_s}", '"even"': '"none"'}
    text = EXAMPLE.read_text()
    for theirs, our in ours.items():
        text = text.replace(theirs, our)
    file = controller.link.parent / "furnace.toml"
    file.write_text(text)
    bus, clock = LocalBus(), SimClock(datetime(2026, 3, 1, tzinfo=UTC))
    ids = SeededIds(clock, random.Random(1))
    base = {"sleeper": soon, **base}
    device = read_adapter(file).build(bus.transport(), lab="demo", clock=clock, ids=ids, journal=journal, **base)
    assert isinstance(device, TextInstrument)
    client = InstrumentClient(bus.transport(), lab="demo", agent="a", clock=clock, ids=ids, sleeper=wait_forever)
    await device.start()
    controller.at_start, controller.heard = controller.heard, []
    await client.start()
    try:
        await client.wait_for(["furnace-1"])
        yield Shop(device, client, bus, ids, clock)
    finally:
        await client.close()
        await device.stop()

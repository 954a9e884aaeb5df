"""The power supply of starters/scpi.toml on PyVISA-sim, and PyVISA-py with an instrument behind a TCP socket."""

import asyncio
import os
import random
import socketserver
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from patience import until
from typing_extensions import override

from instruments.adapters.load import read_adapter
from instruments.adapters.scpi import Settings, VisaLine
from instruments.adapters.text_line import LineLostError, SilenceError
from instruments.adapters.text_protocol import TextInstrument
from instruments.adapters.text_template import ReplyError
from instruments.bulk.fetch import read as read_artefact
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.ids import SeededIds
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity, Telemetry, Value
from instruments.topics import Lab
from instruments.transport import Message

pytest.importorskip("pyvisa", reason="PyVISA is not installed")
pytest.importorskip("pyvisa_sim", reason="PyVISA-sim is not installed")
pytest.importorskip("pyvisa_py", reason="PyVISA-py is not installed")
DOCS = Path(__file__).parents[2] / "instruments" / "starters"


@dataclass
class Shop:
    """A device, an agent and the bus between them; ``writes`` is all that was sent to the instrument."""

    device: TextInstrument
    client: InstrumentClient
    bus: LocalBus
    ids: SeededIds
    clock: SimClock
    sent: list[str]

    async def order(self, command: str, **parameters: Value) -> JobState:
        return await self.order_as(self.ids.new(), command, **parameters)

    async def order_as(self, job: str, command: str, **parameters: Value) -> JobState:
        return await self.client.execute("supply-1", command, parameters, job=job)

    def acts(self, word: str) -> list[str]:
        return [line for line in self.sent if line.startswith(word) and "?" not in line]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What goes over the line, in its order."""
    lines: list[str] = []
    write = VisaLine.write

    def noted(self: VisaLine, text: str) -> None:
        lines.append(text)
        write(self, text)

    monkeypatch.setattr(VisaLine, "write", noted)
    return lines


@asynccontextmanager
async def shop(tmp_path: Path, sent: list[str], *edits: tuple[str, str], **base: Any) -> AsyncIterator[Shop]:
    """The example's instrument; PyVISA-sim remembers a file's state while the process lives, so each has its own."""
    (tmp_path / "scpi-sim.yaml").write_text((DOCS / "scpi-sim.yaml").read_text())
    text = (DOCS / "scpi.toml").read_text().replace("timeout_s = 2.0", "timeout_s = 0.1")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "supply.toml").write_text(text)
    bus, clock = LocalBus(), SimClock(datetime(2026, 3, 1, tzinfo=UTC))
    ids = SeededIds(clock, random.Random(1))
    base = {"sleeper": lambda _: asyncio.sleep(0.002), **base}
    device = read_adapter(tmp_path / "supply.toml").build(bus.transport(), lab="demo", clock=clock, ids=ids, **base)
    assert isinstance(device, TextInstrument)
    client = InstrumentClient(bus.transport(), lab="demo", agent="a", clock=clock, ids=ids, sleeper=wait_forever)
    await device.start()
    await client.start()
    try:
        await client.wait_for(["supply-1"])
        yield Shop(device, client, bus, ids, clock, sent)
    finally:
        await client.close()
        await device.stop()


def test_a_supply_is_set_and_measured_after_its_file(tmp_path: Path, sent: list[str]) -> None:
    async def main() -> None:
        async with shop(tmp_path, sent) as lab:
            volts, milliamperes = Quantity(value=5000, unit="mV"), Quantity(value=1.5, unit="A")
            end = await lab.order("apply", voltage=volts, current=milliamperes)
            assert end.state == "succeeded", end.error
            assert end.result is not None
            voltage, current = end.result.values["voltage"], end.result.values["current"]
            assert isinstance(voltage, Quantity)
            assert (voltage.value, voltage.unit) == (5.0, "V")
            assert voltage.std == pytest.approx(0.0032016, abs=1e-6)  # sqrt((2 mV)² + (0.05 % of 5 V)²)
            assert current == Quantity(value=1500.0, unit="mA")
            assert end.result.values["output"] == "on"
            assert sent[1:5] == ["*CLS", "CURR 1.5000", "VOLT 5.000", "OUTP 1"]
            described = lab.client.instruments["supply-1"]
            assert (described.kind, described.serial) == ("power-supply", "SN0042")
            assert described.driver == "Labwright PSU-30 firmware 1.7"
            assert described.channels["voltage"].unit == "V"
            assert described.commands["screenshot"].results["screen"].media_type == "application/octet-stream"

    asyncio.run(main())


def test_every_example_of_the_file_may_be_tried(tmp_path: Path, sent: list[str]) -> None:
    async def main() -> None:
        async with shop(tmp_path, sent) as lab:
            for name, command in lab.client.instruments["supply-1"].commands.items():
                assert command.example is not None
                end = await lab.order(name, **command.example)
                assert end.state == "succeeded", end.error
                assert end.result is not None
                assert {*end.result.values, *end.result.artefacts} == set(command.results)

    asyncio.run(main())


def test_the_same_job_twice_acts_once_and_another_under_its_id_is_a_conflict(tmp_path: Path, sent: list[str]) -> None:
    async def main() -> None:
        async with shop(tmp_path, sent) as lab:
            volt = Quantity(value=1, unit="V")
            first, again = [await lab.order_as("j1", "apply", voltage=volt) for _ in range(2)]
            assert first == again
            conflict = await lab.order_as("j1", "apply", voltage=Quantity(value=2, unit="V"))
            assert conflict.error is not None
            assert conflict.error.code == "conflict"
            assert lab.acts("VOLT") == ["VOLT 1.000"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("command", "parameters", "code"),
    [
        ("apply", {"voltage": Quantity(value=31, unit="V")}, "limits"),
        ("apply", {"voltage": Quantity(value=1, unit="A")}, "unit"),
        ("apply", {"voltage": Quantity(value=1, unit="V"), "output": "1"}, "limits"),
        ("label", {"text": 'a";OUTP 1'}, "limits"),
        ("label", {"text": "a\nOUTP 1"}, "limits"),
        ("label", {"text": "a" * 25}, "limits"),
        ("label", {}, "parameters"),
        ("explode", {}, "unknown_command"),
    ],
)
def test_what_is_refused_never_reaches_the_line(
    tmp_path: Path, sent: list[str], command: str, parameters: dict[str, Value], code: str
) -> None:
    async def main() -> None:
        async with shop(tmp_path, sent) as lab:
            end = await lab.order(command, **parameters)
            assert end.error is not None
            assert (end.state, end.error.code) == ("rejected", code)
            assert sent == ["*IDN?"]

    asyncio.run(main())


def test_the_instruments_own_errors_fail_the_job_and_it_ends_safe(tmp_path: Path, sent: list[str]) -> None:
    async def main() -> None:
        async with shop(tmp_path, sent, ('write = "VOLT {voltage:.3f}"', 'write = "VLOT {voltage:.3f}"')) as lab:
            end = await lab.order("apply", voltage=Quantity(value=1, unit="V"))
            assert end.error is not None
            assert (end.state, end.error.code) == ("failed", "instrument_error")
            assert '-113,"Undefined header"' in end.error.message
            assert lab.acts("OUTP") == ["OUTP 1", "OUTP 0"]

    asyncio.run(main())


def test_a_silent_instrument_fails_the_job_and_comes_back(tmp_path: Path, sent: list[str]) -> None:
    async def main() -> None:
        async with shop(tmp_path, sent, ('query = "MEAS:ARR?"', 'query = "MEAS:NEVER?"')) as lab:
            end = await lab.order("average")
            assert end.error is not None
            assert (end.error.code, end.error.kind) == ("no_answer", "retryable")
            assert end.error.message == "sent 'MEAS:NEVER?', 3 times: nothing came back within 0.1 s"
            await until(lambda: lab.client.presence("supply-1") == "online")
            assert (await lab.order("label", text="still here")).state == "succeeded"

    asyncio.run(main())


def test_a_cancelled_wait_ends_safe(tmp_path: Path, sent: list[str]) -> None:
    wait = 'wait = "MEAS:VOLT?"\nreading = { unit = "V" }\nat_least = 30.0\ntimeout_s = 1e6'

    async def main() -> None:
        async with shop(tmp_path, sent, ("check = true", wait)) as lab:
            job = asyncio.create_task(lab.order_as("j1", "apply", voltage=Quantity(value=1, unit="V")))
            await until(lambda: sent.count("MEAS:VOLT?") > 2)
            await lab.client.cancel("supply-1", "j1")
            assert (await job).state == "cancelled"
            assert lab.acts("OUTP") == ["OUTP 1", "OUTP 0"]

    asyncio.run(main())


def test_a_lost_lease_switches_off(tmp_path: Path, sent: list[str]) -> None:
    async def main() -> None:
        async with shop(tmp_path, sent, ('kind = "power-supply"', 'kind = "power-supply"\nlease_s = 60.0')) as lab:
            assert lab.acts("OUTP") == ["OUTP 0"]  # nobody holds the lease at the start
            assert (await lab.order("apply", voltage=Quantity(value=1, unit="V"))).state == "succeeded"
            lab.clock.advance(61.0)
            await lab.device.check_lease()
            assert lab.acts("OUTP") == ["OUTP 0", "OUTP 1", "OUTP 0"]

    asyncio.run(main())


def test_the_channel_is_told_with_its_unit(tmp_path: Path, sent: list[str]) -> None:
    async def main() -> None:
        async with shop(tmp_path, sent) as lab:
            heard: list[Message] = []

            async def note(message: Message) -> None:
                heard.append(message)

            listener = lab.bus.transport()
            await listener.connect()
            await listener.subscribe(Lab("labwright", "demo").telemetry("supply-1", "voltage"), note)
            assert (await lab.order("apply", voltage=Quantity(value=3, unit="V"))).state == "succeeded"
            beats = asyncio.create_task(lab.device.run())
            await until(lambda: len(heard) > 2)
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)
            await listener.close()
            reading = Telemetry.parse(heard[0].payload)
            assert (reading.value, reading.unit) == (3.0, "V")

    asyncio.run(main())


def test_an_instrument_that_is_switched_off_is_told_as_an_error(tmp_path: Path, sent: list[str]) -> None:
    async def main() -> None:
        async with shop(tmp_path, sent, ("TCPIP::192.0.2.10::INSTR", "TCPIP::192.0.2.99::INSTR")) as lab:
            assert lab.client.presence("supply-1") == "error"
            end = await lab.order("average")
            assert end.error is not None
            assert (end.state, end.error.code) == ("rejected", "error")
            assert "TCPIP::192.0.2.99::INSTR gives nothing: is its address right?" in end.error.message

    asyncio.run(main())


# PyVISA-py over a socket ----------------------------------------------------------------------------------------------

SCREEN = b"\x89PNG\r\n\x1a\n" + os.urandom(100_000) + b"\n\n"


class _Scope(socketserver.StreamRequestHandler):
    """An oscilloscope with a screen of any bytes; ``late`` answers a second after the question."""

    @override
    def handle(self) -> None:
        for raw in self.rfile:
            line = raw.decode().strip()
            if line == "*IDN?":
                self.wfile.write(b"Labwright,SCOPE,7,1.0\n")
            elif line == "SCREEN?":
                self.wfile.write(b"#6%06d" % len(SCREEN) + SCREEN + b"\n")
            elif line == "GARBAGE?":
                self.wfile.write(b"\xff\xfe\n")
            elif line == "NOBLOCK?":
                self.wfile.write(b"-113\n")
            elif line == "BYE":
                return


@pytest.fixture
def scope() -> Iterator[int]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), _Scope) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


SCOPE = """
adapter = "scpi"
iid = "supply-1"
kind = "scope"
resource = "TCPIP::127.0.0.1::{port}::SOCKET"
timeout_s = 0.5
[identity]
[commands.screenshot]
summary = "Keep the screen"
[[commands.screenshot.steps]]
block = "SCREEN?"
artefact = "screen"
media_type = "image/png"
"""


def test_a_screenshot_of_any_bytes_becomes_an_artefact(tmp_path: Path, scope: int) -> None:
    async def main() -> None:
        file = tmp_path / "scope.toml"
        file.write_text(SCOPE.replace("{port}", str(scope)))
        bus, clock = LocalBus(), SimClock(datetime(2026, 3, 1, tzinfo=UTC))
        ids = SeededIds(clock, random.Random(1))
        client = InstrumentClient(bus.transport(), lab="demo", agent="a", clock=clock, ids=ids, sleeper=wait_forever)
        device = read_adapter(file).build(
            bus.transport(), lab="demo", clock=clock, ids=ids, artefacts=tmp_path / "kept"
        )
        await device.start()
        await client.start()
        await client.wait_for(["supply-1"])
        end = await client.execute("supply-1", "screenshot", {}, job=ids.new())
        await client.close()
        await device.stop()
        assert end.result is not None, end.error
        kept = end.result.artefacts["screen"]
        assert (kept.bytes, kept.media_type) == (len(SCREEN), "image/png")
        assert read_artefact(kept) == SCREEN

    asyncio.run(main())


def test_a_socket_line_tells_its_troubles_apart(scope: int) -> None:
    go = {"go": {"summary": "Go", "steps": [{"write": "GO"}]}}
    where = f"TCPIP::127.0.0.1::{scope}::SOCKET"
    line = VisaLine(Settings.model_validate({"kind": "scope", "resource": where, "commands": go}))
    with pytest.raises(LineLostError, match="not open"):
        line.write("*IDN?")
    line.open()
    line.write("*IDN?")
    assert line.read(0.5) == "Labwright,SCOPE,7,1.0"
    line.write("SILENCE?")
    with pytest.raises(SilenceError, match=r"0\.05 s"):
        line.read(0.05)
    line.write("GARBAGE?")
    with pytest.raises(ReplyError, match="ascii"):
        line.read(0.5)
    line.write("NOBLOCK?")
    with pytest.raises(ReplyError, match="definite length"):
        line.read_block(0.5)
    line.write("*IDN?")
    line.flush()
    line.write("*IDN?")
    assert line.read(0.5) == "Labwright,SCOPE,7,1.0"
    line.close()
    line.close()


def test_a_library_that_is_not_there_is_named() -> None:
    go = {"go": {"summary": "Go", "steps": [{"write": "GO"}]}}
    whole = {"kind": "x", "resource": "GPIB0::1::INSTR", "visa_library": "/none/libvisa.so", "commands": go}
    with pytest.raises(LineLostError, match="GPIB0::1::INSTR cannot be opened"):
        VisaLine(Settings.model_validate(whole)).open()


def test_a_session_that_cannot_be_set_up_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyvisa

    class Session:
        closed = False

        def close(self) -> None:
            self.closed = True

        @override
        def __setattr__(self, name: str, value: object) -> None:
            if name == "chunk_size":
                raise ValueError("no such attribute")
            super().__setattr__(name, value)

    session = Session()
    monkeypatch.setattr(pyvisa.ResourceManager, "open_resource", lambda *_: session)
    go = {"go": {"summary": "Go", "steps": [{"write": "GO"}]}}
    line = VisaLine(Settings.model_validate({"kind": "x", "resource": "GPIB0::1::INSTR", "commands": go}))
    with pytest.raises(LineLostError, match="no such attribute"):
        line.open()
    line.close()  # as whoever opens it again does first
    assert session.closed

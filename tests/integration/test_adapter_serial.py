"""The furnace of docs/adapters/serial.toml on a real terminal device, with a controller in software behind it."""

import asyncio
import os
import random
import re
import select
import socketserver
import threading
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from instruments.adapters.load import load_device
from instruments.adapters.serial_line import SerialLine, Settings
from instruments.adapters.text_line import LineLostError, SilenceError
from instruments.adapters.text_protocol import TextInstrument
from instruments.adapters.text_template import ReplyError
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity, Telemetry
from instruments.topics import Lab
from instruments.transport import Message

pytest.importorskip("serial", reason="pyserial is not installed")
EXAMPLE = Path(__file__).parents[2] / "docs" / "adapters" / "serial.toml"
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


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    controller = Controller(tmp_path / "ttyFURNACE")
    yield controller
    controller.stop()


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


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - any condition
            await asyncio.sleep(0.002)


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
    device = load_device(file, bus.transport(), lab="demo", clock=clock, ids=ids, journal=journal, **base)
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


def test_a_furnace_fires_after_its_file(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            seen: list[float] = []
            end = await lab.client.execute(
                "furnace-1", "fire", FIRE, job="j1", on_update=lambda state: seen.append(state.progress or 0.0)
            )
            assert end.state == "succeeded", end.error
            assert end.result is not None
            reached = end.result.values["reached"]
            assert isinstance(reached, Quantity)
            assert reached.value == pytest.approx(800.0, abs=2.0)
            assert (reached.unit, reached.std, end.result.values["state"]) == ("Cel", 1.5, "HEATING")
            # 1073.15 K is 800 Cel is 8000 tenths; every line that acts was sent once.
            assert controller.acts() == ["RAMP 10.0", "SP 08000", "HEAT 1", "HEAT 0"]
            assert seen == sorted(seen)
            assert len(seen) > 10
            described = lab.client.instruments["furnace-1"]
            assert (described.serial, described.safe_state, described.lease_s) == ("SN77", "heater off", 60.0)
            assert "firmware 2.1" in described.driver
            assert described.commands["fire"].results["reached"].unit == "Cel"

    asyncio.run(main())


def test_the_same_job_twice_acts_once_and_another_under_its_id_is_a_conflict(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            first, again = [await lab.order(job="j1") for _ in range(2)]
            assert first == again
            conflict = await lab.order(job="j1", hold=Quantity(value=5, unit="min"))
            assert conflict.error is not None
            assert conflict.error.code == "conflict"
            assert controller.acts("HEAT") == ["HEAT 1", "HEAT 0"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"temperature": Quantity(value=1300, unit="Cel")}, "limits"),
        ({"temperature": Quantity(value=3, unit="h")}, "unit"),
        ({"temperature": "hot"}, "parameters"),
    ],
)
def test_what_is_beyond_the_limits_never_reaches_the_line(
    controller: Controller, changes: dict[str, Any], code: str
) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            end = await lab.order(**changes)
            assert end.error is not None
            assert (end.state, end.error.code) == ("rejected", code)
            assert controller.acts() == []

    asyncio.run(main())


def test_a_bad_line_costs_queries_patience_and_nothing_else(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            controller.mishaps = {"PV": ["drop", "garble", "", "late", "garble"], "STATUS": ["late"]}
            end = await lab.order()
            assert end.state == "succeeded", end.error
            assert end.result is not None
            final = end.result.values["final"]
            assert isinstance(final, Quantity)
            assert final.value == pytest.approx(800.0, abs=2.0)
            assert controller.acts() == ["RAMP 10.0", "SP 08000", "HEAT 1", "HEAT 0"]

    asyncio.run(main())


def test_whatever_the_line_does_nothing_acts_twice_and_every_job_ends_safe(controller: Controller) -> None:
    rng = random.Random(7)
    answer = controller.answer

    def by_chance(line: bytes) -> None:
        """One reply in ten is lost, garbled or late, acknowledgements and identities too."""
        mishap = rng.choice(["drop", "garble", "late"]) if rng.random() < 0.1 else ""
        controller.mishaps = {line.decode().rpartition("*")[0]: [mishap]}
        answer(line)

    async def main() -> None:
        ends: set[str] = set()
        async with shop(controller, timeout_s=0.04) as lab:
            controller.answer = by_chance  # type: ignore[method-assign]
            for _ in range(15):
                await until(lambda: lab.client.presence("furnace-1") in {"online", "busy"})
                controller.heard.clear()
                controller.temperature = 200
                end = await lab.order()
                ends.add(end.error.code if end.error else end.state)
                acts = controller.acts()
                assert all(acts.count(act) == 1 for act in acts if act != "HEAT 0")
                assert not acts or acts[-1] == "HEAT 0"
                if end.result is not None:
                    final = end.result.values["final"]
                    assert isinstance(final, Quantity)
                    assert final.value == pytest.approx(800.0, abs=2.5)
        assert ends & {"succeeded"}
        assert ends <= {
            "succeeded",
            "unconfirmed",
            "refused",
            "bad_reply",
            "no_answer",
            "out_of_step",
            "line_lost",
            "error",
        }

    asyncio.run(main())


def test_an_unconfirmed_action_is_not_repeated_and_ends_safe(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            controller.mishaps = {"HEAT 1": ["drop"]}
            end = await lab.order()
            assert end.error is not None
            assert (end.state, end.error.code, end.error.kind) == ("failed", "unconfirmed", "other")
            assert "'HEAT 1'" in end.error.message
            assert controller.acts("HEAT") == ["HEAT 1", "HEAT 0"]
            await until(lambda: lab.client.presence("furnace-1") == "online")
            assert (await lab.order()).state == "succeeded"

    asyncio.run(main())


def test_a_cancelled_job_ends_safe(controller: Controller) -> None:
    async def never_hot(seconds: float) -> None:
        await asyncio.sleep(0.002 if seconds == 5.0 else 0)

    async def main() -> None:
        async with shop(controller, sleeper=never_hot) as lab:
            controller.stuck = True
            job = asyncio.create_task(lab.order(job="j1"))
            await until(lambda: controller.heard.count("PV") > 3)
            await lab.client.cancel("furnace-1", "j1")
            assert (await job).state == "cancelled"
            assert controller.acts("HEAT") == ["HEAT 1", "HEAT 0"]

    asyncio.run(main())


def test_a_lost_lease_ends_safe(controller: Controller) -> None:
    async def slow(seconds: float) -> None:
        await asyncio.sleep(0.002)

    async def main() -> None:
        async with shop(controller, sleeper=slow) as lab:
            controller.stuck = True
            job = asyncio.create_task(lab.order(job="j1"))
            await until(lambda: controller.heard.count("PV") > 1)
            lab.clock.advance(61.0)
            await lab.device.check_lease()
            end = await job
            assert end.error is not None
            assert (end.state, end.error.code) == ("failed", "lease_lost")
            assert controller.acts("HEAT")[-1] == "HEAT 0"

    asyncio.run(main())


def test_a_job_that_a_restart_interrupted_is_told_and_the_furnace_made_safe(controller: Controller) -> None:
    journal = MemoryJournal()

    async def main() -> None:
        async with shop(controller, sleeper=lambda _: asyncio.sleep(0.002), journal=journal) as lab:
            controller.stuck = True
            job = asyncio.create_task(lab.order(job="j1"))
            await until(lambda: controller.heard.count("PV") > 1)
            left = journal.unfinished()
            await lab.device.stop()
            assert (await job).state == "failed"
        journal.put(left[0])  # as a process without a last word would have left it
        controller.heard.clear()
        async with shop(controller, journal=journal) as lab:
            assert controller.at_start.count("HEAT 0") >= 1
            state = await lab.client.query("furnace-1", "j1")
            assert state is not None
            assert state.error is not None
            assert state.error.code == "interrupted"

    asyncio.run(main())


def test_what_a_former_run_left_on_is_switched_off_first(controller: Controller) -> None:
    async def main() -> None:
        controller.power = 1
        async with shop(controller) as lab:
            assert controller.at_start == ["ID", "HEAT 0", "ID", "STATUS"]
            assert controller.power == 0
            assert lab.client.presence("furnace-1") == "online"

    asyncio.run(main())


def test_a_furnace_that_does_not_obey_is_no_furnace_to_work_with(controller: Controller) -> None:
    async def slow(_seconds: float) -> None:
        await asyncio.sleep(0.002)

    async def main() -> None:
        obedient = controller.reply
        controller.reply = lambda body: obedient(body).replace("POWER=0", "POWER=40")  # type: ignore[method-assign]
        async with shop(controller, sleeper=slow) as lab:
            assert lab.client.presence("furnace-1") == "error"
            end = await lab.order()
            assert end.error is not None
            assert "not made safe" in end.error.message
            assert controller.acts("HEAT 1") == []
            controller.reply = obedient  # type: ignore[method-assign]
            await until(lambda: lab.client.presence("furnace-1") == "online")

    asyncio.run(main())


def test_an_alarm_fails_the_job(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            controller.alarm = "ALARM 3"
            end = await lab.order()
            assert end.error is not None
            assert end.error.code == "thermocouple_broken"
            assert "the thermocouple is broken: sent 'PV', answered by 'ALARM 3'" in end.error.message
            assert controller.acts("HEAT") == ["HEAT 1", "HEAT 0"]

    asyncio.run(main())


def test_an_unplugged_line_is_an_error_until_it_is_plugged_in_again(controller: Controller) -> None:
    pauses: list[float] = []

    async def patient(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0.002)

    async def main() -> None:
        async with shop(controller, sleeper=patient) as lab:
            controller.unplug()
            end = await lab.order("read")
            assert end.error is not None
            assert (end.error.code, end.error.kind) == ("line_lost", "retryable")
            await until(lambda: lab.client.presence("furnace-1") == "error")
            refused = await lab.order("read")
            assert refused.error is not None
            assert (refused.state, refused.error.code) == ("rejected", "error")
            await until(lambda: len(pauses) >= 8)
            assert pauses[:8] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
            controller.plug_in()
            await until(lambda: lab.client.presence("furnace-1") == "online")
            assert (await lab.order("read")).state == "succeeded"

    asyncio.run(main())


def test_a_furnace_that_could_not_be_made_safe_is_made_safe_before_it_is_online(controller: Controller) -> None:
    async def slow(_seconds: float) -> None:
        await asyncio.sleep(0.002)

    async def main() -> None:
        async with shop(controller, sleeper=slow) as lab:
            controller.stuck = True
            job = asyncio.create_task(lab.order())
            await until(lambda: controller.heard.count("PV") > 1)
            controller.unplug()
            end = await job
            assert end.state == "failed"
            assert controller.acts("HEAT") == ["HEAT 1"]
            controller.plug_in()
            await until(lambda: lab.client.presence("furnace-1") == "online")
            assert controller.acts("HEAT") == ["HEAT 1", "HEAT 0"]

    asyncio.run(main())


def test_the_wrong_instrument_is_told_nothing(controller: Controller) -> None:
    async def main() -> None:
        controller.identity = "TOASTER 3"
        async with shop(controller, sleeper=lambda _: asyncio.sleep(0.05)) as lab:
            assert lab.client.presence("furnace-1") == "error"
            end = await lab.order()
            assert end.error is not None
            assert "wrong instrument" in end.error.message
            assert "TOASTER 3" in end.error.message
            assert {*controller.at_start, *controller.heard} == {"ID"}

    asyncio.run(main())


def test_channels_are_told_with_their_units_while_a_job_runs(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller, sleeper=lambda _: asyncio.sleep(0.001)) as lab:
            heard: list[Message] = []

            async def note(message: Message) -> None:
                heard.append(message)

            listener = lab.bus.transport()
            await listener.connect()
            for name in ("temperature", "power"):
                await listener.subscribe(Lab("labwright", "demo").telemetry("furnace-1", name), note)
            beats = asyncio.create_task(lab.device.run())
            end = await lab.order(hold=Quantity(value=20, unit="s"))
            assert end.state == "succeeded", end.error
            await until(lambda: len({message.topic for message in heard}) == 2 and len(heard) > 10)
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)
            await listener.close()
            readings = [(m.topic.rpartition("/")[2], Telemetry.parse(m.payload)) for m in heard]
            assert {(name, reading.unit) for name, reading in readings} == {("temperature", "Cel"), ("power", "%")}
            assert {reading.value for name, reading in readings if name == "power"} <= {0.0, 40.0}
            assert controller.overlaps == 0

    asyncio.run(main())


# The line alone -------------------------------------------------------------------------------------------------------


def line(**fields: Any) -> SerialLine:
    go = {"summary": "Go", "steps": [{"write": "GO"}]}
    whole = {"kind": "test", "port": "loop://", "timeout_s": 0.05, "commands": {"go": go}, **fields}
    return SerialLine(Settings.model_validate(whole), pause=lambda _: None)


def test_a_loop_gives_back_what_was_sent() -> None:
    loop = line()
    loop.open()
    loop.write("12.5")
    assert loop.read(0.05) == "12.5"
    with pytest.raises(SilenceError, match=r"0\.05 s"):
        loop.read(0.05)
    loop.close()
    loop.close()
    with pytest.raises(LineLostError, match="not open"):
        loop.write("x")


@pytest.mark.parametrize("kind", ["xor", "sum8", "lrc", "crc16"])
def test_checksums_are_put_behind_lines_and_taken_off(kind: str) -> None:
    loop = line(checksum=kind, checksum_mark="*", checksum_skip=1)
    loop.open()
    loop.write("$SP,100")
    assert re.fullmatch(rb"\$SP,100\*[0-9A-F]{2,4}\r\n", loop._port.read(loop._port.in_waiting))
    loop.write("$SP,100")
    assert loop.read(0.05) == "$SP,100"
    loop._port.write(b"$SP,100*00\r\n")
    with pytest.raises(ReplyError, match="checksum is wrong"):
        loop.read(0.05)
    loop.close()


def test_an_echo_is_taken_off_and_must_be_exact() -> None:
    loop = line(echo=True)
    loop.open()
    loop.write("SP 100")
    with pytest.raises(SilenceError):
        loop.read(0.01)
    loop._port.write(b"noise")
    with pytest.raises(ReplyError, match="was to be repeated"):
        loop.write("SP 100")
    loop.close()


def test_blocks_hold_any_byte_and_noise_is_no_block() -> None:
    loop = line()
    loop.open()
    data = bytes(range(256)) * 2
    loop._port.write_timeout = None
    loop._port.write(b"#3512" + data + b"\r\n")
    assert loop.read_block(0.05) == data
    loop._port.write(b"ERROR\r\n")
    with pytest.raises(ReplyError, match="definite length"):
        loop.read_block(0.05)
    loop.flush()
    loop._port.write(b"\xb5\r\n")
    with pytest.raises(ReplyError, match="ascii"):
        loop.read(0.05)
    loop.close()


def test_a_terminal_server_is_spoken_to_and_its_loss_is_noticed() -> None:
    class Handler(socketserver.StreamRequestHandler):
        @override
        def handle(self) -> None:
            for raw in self.rfile:
                if raw == b"BYE\r\n":
                    return
                self.wfile.write(b"re " + raw)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        remote = line(port=f"socket://127.0.0.1:{server.server_address[1]}", timeout_s=1.0)
        remote.open()
        for i in range(5):
            remote.write(f"Q{i}")
            assert remote.read(1.0) == f"re Q{i}"
        remote.write("BYE")
        with pytest.raises(LineLostError, match="socket disconnected"):
            remote.read(1.0)
        remote.close()
        server.shutdown()
        thread.join()


def test_line_ends_of_another_kind_do_no_harm() -> None:
    loop = line(read_termination="\r")
    loop.open()
    loop._port.write(b"1\r\n2\r\n")
    assert (loop.read(0.05), loop.read(0.05)) == ("1", "2")
    loop.close()


def test_a_port_that_is_not_there_is_named() -> None:
    with pytest.raises(LineLostError, match="/dev/ttyNONE"):
        line(port="/dev/ttyNONE").open()

"""The bridge to the self-driving-lab-demo's light device, in process and on Mosquitto, against a double of the Pico."""

import asyncio
import json
import random
import tomllib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from patience import require_broker, until
from picow import PicoW, counts
from pydantic import ValidationError

from envs.errors import ConfigError
from instruments.adapters.sdl_demo import LightDemo, Settings, build
from instruments.adapters.sdl_demo_messages import Experiment
from instruments.address import BrokerAddress
from instruments.broker import embedded_broker
from instruments.bulk.fetch import read as read_artefact
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.ids import SeededIds
from instruments.journal import MemoryJournal
from instruments.local import LocalBus, LocalTransport
from instruments.messages import JobState, Quantity, Value
from instruments.mqtt import MqttTransport
from instruments.transport import Message, Transport

PICO = "e6614c311b000000"


def levels(R: float = 0, G: float = 0, B: float = 0, **more: float) -> dict[str, Value]:
    return {name: Quantity(value=value, unit="1") for name, value in {"R": R, "G": G, "B": B, **more}.items()}


@dataclass
class Bench:
    """A lab's bus, a Pico's bus, the bridge between them, and an agent."""

    lab: Callable[[], Transport]
    pico_side: Callable[[], Transport]

    async def __aenter__(self) -> Self:
        self.stack = AsyncExitStack()
        self.clock = SimClock(datetime(2026, 3, 1, tzinfo=UTC))
        self.ids = SeededIds(self.clock, random.Random(1))
        self.impatience: asyncio.Event = asyncio.Event()
        self.naps: list[float] = []
        self.pico = PicoW(self.pico_side(), PICO)
        await self.pico.start()
        self.stack.push_async_callback(self.pico.stop)
        self.journal = MemoryJournal()
        self.bridge_side = self.pico_side()
        self.device = build(
            Settings(pico_id=PICO), "light-1", self.lab(), pico=self.bridge_side, lab="x", clock=self.clock,
            ids=self.ids, journal=self.journal, sleeper=self.nap,
        )  # fmt: skip
        await self.device.start()
        self.stack.push_async_callback(self.device.stop)
        self.client = InstrumentClient(
            self.lab(), lab="x", agent="a", clock=self.clock, ids=self.ids, sleeper=wait_forever
        )
        await self.client.start()
        self.stack.push_async_callback(self.client.close)
        async with asyncio.timeout(10):
            await self.client.wait_for(["light-1"])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stack.aclose()

    async def nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        await self.impatience.wait()

    async def measure(self, parameters: dict[str, Value], job: str = "") -> JobState:
        async with asyncio.timeout(10):
            return await self.client.execute("light-1", "measure", parameters, job=job or self.ids.new())

    async def on_pico_side(self) -> Transport:
        other = self.pico_side()
        await other.connect()
        self.stack.push_async_callback(other.close)
        return other


@pytest.fixture(scope="module")
def mosquitto() -> Iterator[BrokerAddress]:
    require_broker("mosquitto")
    with embedded_broker("mosquitto") as address:
        yield address


Story = Callable[[Bench], Coroutine[Any, Any, None]]


def run(story: Story) -> None:
    async def scene() -> None:
        lab, other = LocalBus(), LocalBus()
        async with Bench(lab.transport, other.transport) as bench:
            await story(bench)

    asyncio.run(scene())


def value(state: JobState, name: str) -> float:
    assert state.result is not None, state.error
    found = state.result.values[name]
    assert isinstance(found, Quantity)
    return found.value


async def colours(bench: Bench) -> None:
    state = await bench.measure(levels(200, 40.4, 10))
    expected = counts({"R": 200, "G": 40, "B": 10}, 100, 999, 128)
    names = ("ch410", "ch440", "ch470", "ch510", "ch550", "ch583", "ch620", "ch670")
    assert [value(state, name) for name in names] == expected
    assert max(names, key=lambda name: value(state, name)) == "ch620"
    assert all(value(state, f"{name}_dark") < value(state, name) for name in names[1:])
    assert [value(state, colour) for colour in "RGB"] == [200, 40, 10]
    assert value(state, "integration_time") == pytest.approx(0.28078, rel=1e-4)
    assert value(state, "temperature") == 300.1
    assert value(state, "saturated") == 0
    assert state.result is not None
    raw = json.loads(read_artefact(state.result.artefacts["answer"]))
    assert raw["_input_message"]["_experiment_id"] == state.job
    assert (200, 40, 10) in bench.pico.history
    assert bench.pico.led == (0, 0, 0)


def test_colours_in_process() -> None:
    run(colours)


def test_colours_on_mosquitto(mosquitto: BrokerAddress) -> None:
    number = iter(range(100))

    async def scene() -> None:
        def transport() -> Transport:
            return MqttTransport(mosquitto, client_id=f"sdl-{next(number)}")

        async with Bench(transport, transport) as bench:
            for _ in range(5):
                await colours(bench)

    asyncio.run(scene())


def test_the_example_of_the_command_can_be_carried_out() -> None:
    async def story(bench: Bench) -> None:
        example = bench.device.describe().commands["measure"].example
        assert example is not None
        assert (await bench.measure(dict(example))).state == "succeeded"

    run(story)


def test_answers_to_others_and_nonsense_are_passed_over() -> None:
    async def story(bench: Bench) -> None:
        other = await bench.on_pico_side()
        bench.pico.deaf = True
        job = bench.ids.new()
        task = asyncio.create_task(bench.measure(levels(10), job))
        await until(lambda: bool(bench.naps))
        mine = Experiment(10, 0, 0, 100, 999, 128.0)
        topic = f"sdl-demo/picow/{PICO}/as7341/"
        for session, experiment in (("someone", job), (bench.device.boot_id, "else"), ("", "")):
            order = json.loads(mine.request(session, experiment, mongodb=False))
            answer = {"_input_message": order, **dict.fromkeys(("ch410", "ch440"), 666)}
            await other.publish(topic, json.dumps(answer).encode())
        for nonsense in (b"", b"{", b"[]", b"\xff", b'{"_input_message": "text"}', b"[" * 20_000, b"NaN"):
            await other.publish(topic, nonsense)
        await asyncio.sleep(0.01)
        assert not task.done()
        bench.pico.deaf = False
        order_again = mine.request(bench.device.boot_id, job, mongodb=False)
        for _ in range(3):  # the same order three times gives three answers, of which one counts
            await other.publish(f"sdl-demo/picow/{PICO}/GPIO/28", order_again)
        assert value(await task, "ch620") == counts({"R": 10, "G": 0, "B": 0}, 100, 999, 128)[6]
        assert value(await bench.measure(levels(0, 10)), "ch620") < value(await bench.measure(levels(10)), "ch620")

    run(story)


def test_no_answer_in_time_can_be_tried_again() -> None:
    async def story(bench: Bench) -> None:
        bench.pico.deaf = True
        bench.impatience.set()
        state = await bench.measure(levels(1, atime=255, astep=65534))
        assert state.error is not None
        assert (state.error.code, state.error.kind) == ("no_answer", "retryable")
        # Four passes of 46.6 s each must be over before anybody gets impatient.
        assert max(bench.naps) == pytest.approx(60 + 4 * 256 * 65535 * 2.78e-6)

    run(story)


@pytest.mark.parametrize(
    ("fault", "code", "kind"),
    [
        (OSError("[Errno 5] EIO"), "sensor", "retryable"),
        (AssertionError("Invalid R: 10 (must be between 0 and 9)"), "pico", "infeasible"),
        (MemoryError("memory allocation failed"), "pico", "other"),
    ],
)
def test_faults_of_the_firmware_are_told_apart(fault: Exception, code: str, kind: str) -> None:
    async def story(bench: Bench) -> None:
        bench.pico.fault = fault
        state = await bench.measure(levels(10))
        assert state.error is not None
        assert (state.error.code, state.error.kind) == (code, kind)
        assert str(fault) in state.error.message

    run(story)


def test_an_led_that_stays_on_is_a_fault() -> None:
    async def story(bench: Bench) -> None:
        bench.pico.reset_fault = OSError("[Errno 19] ENODEV")
        state = await bench.measure(levels(10))
        assert state.error is not None
        assert state.error.code == "led"

    run(story)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (levels(256), "limits"),
        (levels(1, astep=65_535), "limits"),
        (levels(1, atime=2.5), "limits"),
        (levels(1, gain=100), "gain"),
        ({**levels(1), "R": Quantity(value=1, unit="m")}, "unit"),
    ],
)
def test_what_the_device_cannot_do_never_reaches_it(parameters: dict[str, Value], code: str) -> None:
    async def story(bench: Bench) -> None:
        state = await bench.measure(parameters)
        assert state.error is not None
        assert state.error.code == code
        assert set(bench.pico.history) <= {(0, 0, 0)}  # made safe at its start, and nothing else

    run(story)


def test_too_much_light_is_told() -> None:
    async def story(bench: Bench) -> None:
        state = await bench.measure(levels(255, 255, 255, gain=512))
        assert value(state, "saturated") >= 5
        assert value(state, "ch510") == 65_535

    run(story)


def test_the_led_goes_off_when_the_agent_is_gone() -> None:
    async def story(bench: Bench) -> None:
        bench.pico.led = (9, 9, 9)
        await bench.client.renew_lease("light-1", 5.0)
        await asyncio.sleep(0.01)
        bench.clock.advance(61.0)
        await bench.device.heartbeat()
        await until(lambda: bench.pico.led == (0, 0, 0))

    run(story)


def test_a_cancelled_job_ends_at_once_and_its_answer_is_nobodys() -> None:
    async def story(bench: Bench) -> None:
        bench.pico.deaf = True
        job = bench.ids.new()
        task = asyncio.create_task(bench.measure(levels(10), job))
        await until(lambda: bool(bench.naps))
        await bench.client.cancel("light-1", job)
        assert (await task).state == "cancelled"
        bench.pico.deaf = False
        assert (await bench.measure(levels(10))).state == "succeeded"

    run(story)


def test_without_the_picos_broker_a_job_can_be_tried_again() -> None:
    async def story(bench: Bench) -> None:
        assert isinstance(bench.bridge_side, LocalTransport)
        await bench.bridge_side.drop()
        state = await bench.measure(levels(10))
        assert state.error is not None
        assert (state.error.code, state.error.kind) == ("pico_offline", "retryable")
        await bench.bridge_side.reconnect()
        assert (await bench.measure(levels(10))).state == "succeeded"

    run(story)


def test_the_public_clients_request_is_what_we_send() -> None:
    """Field by field as ``mqtt_observe_sensor_data`` of the project's own client builds it, and ``mongodb``."""

    async def story(bench: Bench) -> None:
        heard: list[Message] = []

        async def note(message: Message) -> None:
            heard.append(message)

        await (await bench.on_pico_side()).subscribe("sdl-demo/#", note)
        job = bench.ids.new()
        await bench.measure(levels(10, 20, 30), job)
        sent = json.loads(next(m.payload for m in heard if m.topic == f"sdl-demo/picow/{PICO}/GPIO/28"))
        assert sent == {
            "R": 10, "G": 20, "B": 30, "atime": 100, "astep": 999, "gain": 128.0, "mongodb": False,
            "integration_time_s": pytest.approx(101 * 1000 * 2.78 / 1e6),
            "_session_id": bench.device.boot_id, "_experiment_id": job,
        }  # fmt: skip

    run(story)


def test_the_example_file_makes_a_device(tmp_path: Path) -> None:
    content = tomllib.loads((Path(__file__).parents[2] / "instruments" / "starters" / "sdl-demo.toml").read_text())
    adapter, iid = content.pop("adapter"), content.pop("iid")
    assert (adapter, iid) == ("sdl-demo", "light-1")
    (tmp_path / "light-1.password").write_text("secret\n")
    settings = Settings.model_validate(content | {"password_file": tmp_path / "light-1.password"})
    clock = SimClock(datetime(2026, 3, 1, tzinfo=UTC))
    device = build(settings, iid, LocalBus().transport(), lab="x", clock=clock, ids=SeededIds(clock, random.Random(1)))
    assert isinstance(device, LightDemo)
    assert device.kind == "sdl-demo"


def test_settings_refuse_secrets_and_wildcards() -> None:
    with pytest.raises(ValidationError, match="password"):
        Settings(pico_id=PICO, broker="mqtts://me:secret@broker.example.org")
    with pytest.raises(ValidationError, match="pico_id"):
        Settings(pico_id="+/#")
    clock = SimClock(datetime(2026, 3, 1, tzinfo=UTC))
    base: dict[str, Any] = {"lab": "x", "clock": clock, "ids": SeededIds(clock, random.Random(1))}
    with pytest.raises(ConfigError, match="broker"):
        build(Settings(pico_id=PICO), "light-1", LocalBus().transport(), **base)

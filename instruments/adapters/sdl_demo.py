"""The light device of the open self-driving-lab-demo as an instrument of the lab.

A bridge with two connections: one to the lab's bus, one to the broker that the Pico W is on (the same one or another).
The job's id goes out as the experiment's id, so each answer finds its job; answers to others, and a second one to the
same, are passed over. What the two sides say to each other is in ``sdl_demo_messages``.

A device on a public broker has other users, too: it does one experiment after the other, and an answer may wait for
theirs. It cannot be stopped: a cancelled job ends at once, the Pico when it is done.
"""

from __future__ import annotations

import asyncio
import logging
import re
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from typing_extensions import override

from envs.errors import ConfigError, InstrumentError
from instruments.adapters.local_path import LocalPath
from instruments.adapters.sdl_demo_messages import CHANNELS, DARK, GAINS, PASSES, Answer, Experiment, read_answer
from instruments.address import BrokerAddress
from instruments.bus.waiting import Bell
from instruments.commands import Channel, JobResult, Parameter, Returns, command
from instruments.device import Device
from instruments.driving.job_context import JobContext
from instruments.errors import DeviceFault, RetryableFault
from instruments.messages import Name, Quantity, Value
from instruments.transport import Message, Transport

_log = logging.getLogger(__name__)


def _one(value: float) -> Quantity:
    return Quantity(value=value, unit="1")


class Settings(BaseModel):
    """What a file says about one light device.

    Attributes:
        kind: what the device calls itself.
        pico_id: as the firmware prints it at its start; ``test`` at the project's public one.
        broker: the Pico's broker, ``mqtts://user@host:port``.
        password_file: holds the password for it.
        ca: certificate of the authority that signed the broker's, where the system does not know it.
        pin: of the LED, the last level of the command topic.
        answer_s: how long an answer may take beyond the integration times.
        mongodb: whether the Pico shall log to the data base that its own secrets name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Name = "sdl-demo"
    pico_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")]
    broker: str = ""
    password_file: LocalPath | None = None
    ca: LocalPath | None = None
    pin: Annotated[int, Field(ge=0, le=40)] = 28
    answer_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 60.0
    mongodb: bool = False

    @field_validator("broker")
    @classmethod
    def _has_no_secret(cls, broker: str) -> str:
        if re.match(r"mqtts?://[^@/]*:.*@", broker, re.IGNORECASE):
            raise ValueError("mqtts://user@host:port; a password does not belong into this file: name a password_file")
        return broker


class LightDemo(Device):
    """The Pico W with its LED and its AS7341, as a device.

    Args:
        settings: topics and times.
        iid: the instrument's id.
        transport: its connection to the lab's bus.
        pico: the connection to the Pico's broker; opened and closed by the device.
        base: everything else that a ``Device`` takes.
    """

    driver = "labwright.sdl-demo 1.0"
    safe_state = "LED off"
    lease_s = 60.0
    channels = MappingProxyType({"temperature": Channel(unit="K", summary="of the Pico's processor, after each job")})

    def __init__(self, settings: Settings, iid: str, transport: Transport, pico: Transport, **base: Any) -> None:
        super().__init__(iid, transport, **base)
        self.settings = settings
        self._pico = pico
        prefix = f"sdl-demo/picow/{settings.pico_id}"
        self._orders, self._answers = f"{prefix}/GPIO/{settings.pin}", f"{prefix}/as7341/"
        self._waiting: dict[str, asyncio.Future[Answer]] = {}

    @override
    async def open(self) -> None:
        """Connect to the Pico's broker.

        Raises:
            TransportError: when that is not possible.
        """
        try:
            await self._pico.connect()
            await self._pico.subscribe(self._answers, self._on_answer)
        except BaseException:
            await self._pico.close()
            raise

    @override
    async def shut(self) -> None:
        """Leave the Pico's broker."""
        await self._pico.close()

    @override
    async def make_safe(self) -> None:
        """Have the LED off; the firmware switches it off by itself after each experiment, too."""
        try:
            order = DARK.request(self.boot_id, "make-safe", mongodb=False)
            await self._pico.publish(self._orders, order)
        except InstrumentError as error:
            _log.error("%s: the LED could not be switched off: %s", self.iid, error)

    @command(
        summary="Light the LED and count the light in eight colours",
        parameters={
            "R": Parameter("1", 0, 255, summary="red level of the LED; rounded to a whole number"),
            "G": Parameter("1", 0, 255, summary="green level; rounded"),
            "B": Parameter("1", 0, 255, summary="blue level; rounded"),
            "atime": Parameter("1", 0, 255, summary="integration steps, less one", default=100, whole=True),
            "astep": Parameter("1", 0, 65_534, summary="2.78 us a step, less one", default=999, whole=True),
            "gain": Parameter("1", 0.5, 512, summary="of the sensor: 0.5, 1, 2, 4 ... 512", default=128),
        },
        results={
            **{name: Returns(unit="1", summary=f"counts around {name[2:]} nm, LED on") for name in CHANNELS},
            **{f"{name}_dark": Returns(unit="1", summary="the same, LED off", optional=True) for name in CHANNELS},
            "saturated": Returns(unit="1", summary="number of channels at the top of their scale"),
            "R": Returns(unit="1", summary="level that was set"),
            "G": Returns(unit="1"),
            "B": Returns(unit="1"),
            "integration_time": Returns(unit="s", summary="of each of the four passes"),
            "temperature": Returns(unit="K", summary="of the Pico's processor", optional=True),
            "pico": Returns(summary="the Pico's public name, where it has one", optional=True),
            "answer": Returns(media_type="application/json", summary="as the Pico sent it"),
        },
        duration_s=5.0,
        example={"R": _one(10), "G": _one(0), "B": _one(0), "atime": _one(10), "astep": _one(99), "gain": _one(1)},
    )
    async def measure(
        self, job: JobContext, *, R: float, G: float, B: float, atime: float, astep: float, gain: float
    ) -> JobResult:
        """Do one experiment.

        Raises:
            RetryableFault: when the Pico's broker is away, no answer comes, or the sensor did not answer the Pico.
            InfeasibleFault: when the firmware has narrower limits than these.
            DeviceFault: when the gain is none of the sensor's, or the answer makes no sense.
        """
        if gain not in GAINS:
            raise DeviceFault("gain", f"the AS7341 has no gain of {gain:g}, only {', '.join(f'{g:g}' for g in GAINS)}")
        asked = Experiment(round(R), round(G), round(B), int(atime), int(astep), float(gain))
        answer = await self._ask(job, asked)
        if not asked.is_echoed(answer.echo):
            raise DeviceFault("echo", f"the Pico answers with other settings than it was sent: {dict(answer.echo)}")
        counts = answer.counts()
        temperature = answer.temperature_k()
        if temperature is not None:
            await job.telemetry("temperature", Quantity(value=temperature, unit="K"))
        return JobResult(
            self._values(asked, counts, answer), {"answer": await job.keep(answer.raw, "application/json")}
        )

    async def _ask(self, job: JobContext, asked: Experiment) -> Answer:
        """Publish an experiment and wait for its answer."""
        if not self._pico.connected:
            raise RetryableFault("pico_offline", "the connection to the Pico's broker is lost; it is tried again")
        patience = PASSES * asked.integration_s + self.settings.answer_s
        await job.progress(0.0, remaining_s=PASSES * asked.integration_s)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[job.job] = answer
        bell = Bell(self.sleeper)
        answer.add_done_callback(lambda _answer: bell.ring())
        try:
            order = asked.request(self.boot_id, job.job, mongodb=self.settings.mongodb)
            await self._pico.publish(self._orders, order)
            await bell.until(answer.done, patience)
        finally:
            del self._waiting[job.job]
        if not answer.done():
            text = f"no answer on {self._answers} within {patience:.0f} s: is the Pico on, and is that its id?"
            raise RetryableFault("no_answer", text)
        return answer.result()

    async def _on_answer(self, message: Message) -> None:
        answer = None if message.retained else read_answer(message.payload)
        if answer is None:
            _log.warning("%s: passed over a message that is no answer on %s", self.iid, message.topic)
            return
        session, experiment = answer.address
        waiting = self._waiting.get(experiment)
        if session == self.boot_id and waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _values(self, asked: Experiment, counts: dict[str, float], answer: Answer) -> dict[str, Value]:
        values: dict[str, Value] = {name: _one(count) for name, count in counts.items()}
        values |= {f"{name}_dark": _one(count) for name, count in answer.background().items()}
        values["saturated"] = _one(sum(count >= asked.full_scale for count in counts.values()))
        values |= {"R": _one(asked.red), "G": _one(asked.green), "B": _one(asked.blue)}
        values["integration_time"] = Quantity(value=asked.integration_s, unit="s")
        if (kelvin := answer.temperature_k()) is not None:
            values["temperature"] = Quantity(value=kelvin, unit="K")
        if isinstance(nickname := answer.fields.get("device_nickname"), str):
            values["pico"] = nickname[:256]
        return values


def build(settings: Settings, iid: str, transport: Transport, *, pico: Transport | None = None, **base: Any) -> Device:
    """The device that a file describes.

    Args:
        settings: the file's content.
        iid: the instrument's id.
        transport: its connection to the lab's bus.
        pico: the connection to the Pico's broker; made from the settings by default.
        base: everything else that a ``Device`` takes.

    Raises:
        ConfigError: when the broker's address is wrong, or its password cannot be read.
    """

    class Light(LightDemo):
        kind = settings.kind

    return Light(settings, iid, transport, pico or _connection(settings, iid), **base)


def _connection(settings: Settings, iid: str) -> Transport:
    from instruments.mqtt import MqttTransport

    password = None
    if settings.password_file is not None:
        try:
            password = settings.password_file.read_text().strip()
        except OSError as error:
            raise ConfigError("password_file", str(settings.password_file), f"a file: {error.strerror}") from error
    address = BrokerAddress.from_url(settings.broker, password=password, ca=settings.ca)
    return MqttTransport(address, client_id=f"labwright-{iid}-{settings.pico_id}")

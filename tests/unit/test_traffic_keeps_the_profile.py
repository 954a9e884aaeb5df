"""What our two sides really put on the bus is what the published documents say, topic by topic."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typing_extensions import override

from instruments.asyncapi import document
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.device import Channel, Choice, Device, JobContext, JobResult, Parameter, Quantity, Returns, command
from instruments.ids import SeededIds
from instruments.local import LocalBus, LocalTransport
from instruments.profile.examples import EXAMPLES
from instruments.profile.schemas import message_schemas, payload_name
from instruments.topics import Lab, Topic
from instruments.transport import Mirror

LAB = Lab("labwright", "demo")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in message_schemas().items()}


@dataclass(frozen=True)
class Said:
    """One publication as its writer asked for it."""

    topic: Topic
    payload: bytes
    qos: int
    retain: bool

    @property
    def body(self) -> Any:
        return json.loads(self.payload)


class Overheard(LocalTransport):
    """A connection that notes what is published by it, and its will."""

    def __init__(self, bus: LocalBus, said: list[Said]) -> None:
        super().__init__(bus)
        self._said = said

    @override
    def set_will(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = True) -> None:
        self._said.append(Said(LAB.read(topic), payload, qos, retain))
        super().set_will(topic, payload, qos=qos, retain=retain)

    @override
    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, mirror: Mirror | None = None
    ) -> None:
        self._said.append(Said(LAB.read(topic), payload, qos, retain))
        await super().publish(topic, payload, qos=qos, retain=retain, mirror=mirror)


class Furnace(Device):
    kind = "furnace"
    channels = {"temperature": Channel(unit="Cel", summary="control thermocouple")}  # noqa: RUF012
    safe_state = "heater off"
    lease_s = 60.0

    @command(
        summary="Sinter",
        parameters={
            "temperature": Parameter(unit="Cel", low=20, high=1700),
            "gas": Choice(("Ar", "air"), default="Ar"),
        },
        results={"peak": Returns(unit="Cel")},
        example={"temperature": Quantity(value=20, unit="Cel")},
    )
    async def sinter(self, job: JobContext, *, temperature: float, gas: str) -> JobResult:
        await self.telemetry("temperature", Quantity(value=temperature, unit="Cel"))
        await job.progress(0.5, remaining_s=10)
        log = await job.keep(b"all went well", "text/plain")
        peak = Quantity(value=temperature, unit="Cel", std=2.0)
        return JobResult(values={"peak": peak, "gas": gas}, artefacts={"log": log})

    @override
    async def make_safe(self) -> None:
        """Nothing is hot."""


async def _a_morning() -> list[Said]:
    """Good and bad orders, a query, an event, a reannouncement, two goodbyes."""
    clock, bus, said = SimClock(NOON), LocalBus(), list[Said]()
    ids = SeededIds(clock, random.Random(7))
    fixed: dict[str, Any] = {"lab": "demo", "clock": clock, "ids": ids, "sleeper": wait_forever}
    furnace = Furnace("furnace-1", Overheard(bus, said), serial="HT-0417", **fixed)
    agent = InstrumentClient(Overheard(bus, said), agent="agent-1", **fixed)
    await furnace.start()
    await agent.start()
    await agent.wait_for(["furnace-1"])
    good, hot = Quantity(value=1550, unit="Cel"), Quantity(value=9999, unit="Cel")
    job = ids.new()
    await agent.execute("furnace-1", "sinter", {"temperature": good}, job=job, approval="P012")
    for name, parameters in (("sinter", {"temperature": hot}), ("sinter", {}), ("dance", {})):
        await agent.execute("furnace-1", name, parameters, job=ids.new())
    await agent.query("furnace-1", job)
    await agent.query("furnace-1", ids.new())
    await agent.cancel("furnace-1", job)
    await agent.renew_lease("furnace-1", 30.0)
    await agent.publish_event(EXAMPLES["AgentEvent"].to_bytes())
    await furnace.set_presence("maintenance", "new heater")
    await agent.close()
    await furnace.stop()
    return said


@pytest.fixture(scope="module")
def morning() -> list[Said]:
    return asyncio.run(_a_morning())


def test_the_morning_met_every_channel_of_both_sides(morning: list[Said]) -> None:
    met = {said.topic.row.key for said in morning}
    assert met == {"desc", "status", "telemetry", "cmd", "job", "ctl", "agentStatus", "agentEvent"}
    states = {said.body["state"] for said in morning if said.topic.row.key == "job"}
    assert states >= {"accepted", "running", "succeeded", "rejected"}


def test_everything_that_is_said_fits_the_published_schema_of_its_topic(morning: list[Said]) -> None:
    for said in morning:
        VALIDATORS[payload_name(said.topic.row.key)].validate(said.body)


def test_everything_is_delivered_as_the_document_says(morning: list[Said]) -> None:
    """With the one exception that the profile makes: an answer beside a job's life is not retained."""
    operations = {part["channel"]["$ref"]: part["bindings"]["mqtt"] for part in document()["operations"].values()}
    for said in morning:
        binding = operations[f"#/channels/{said.topic.row.key}"]
        assert said.qos == binding["qos"], said
        aside = said.topic.row.key == "job" and said.body["state"] == "rejected" and not said.retain
        assert aside or said.retain == binding["retain"], said


def test_parameters_that_were_taken_fit_the_schema_that_the_device_published(morning: list[Said]) -> None:
    described = next(said.body for said in morning if said.topic.row.key == "desc")["commands"]
    orders = {said.body["job"]: said.body for said in morning if said.topic.row.key == "cmd"}
    verdicts = {said.body["job"]: said.body["state"] for said in morning if said.topic.row.key == "job"}
    for job, order in orders.items():
        known = described.get(order["command"])
        fits = known is not None and Draft202012Validator(known["parameters"]).is_valid(order["parameters"])
        assert fits == (verdicts[job] != "rejected"), order

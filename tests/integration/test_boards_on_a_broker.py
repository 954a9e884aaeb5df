"""A campaign at a real broker, as a person sees it who only listens: each experiment tells its whole life."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from daemon_bench import AUTO, LAB, Laboratory, Nursery, laboratory
from patience import needs_mosquitto, until

from agent import events as ev
from agent.deciding.place import Place
from agent.reading.answers import LabAnswer
from agent.reading.bus_view import BusView
from instruments.mqtt import MqttTransport
from instruments.profile.experiment_messages import ExperimentState
from instruments.profile.laboratory import Laboratory as Told
from instruments.profile.model_messages import CampaignModel, CampaignSpace
from instruments.topics import Lab
from instruments.transport import Message

pytestmark = needs_mosquitto
TOPICS = Lab("labwright", LAB)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


class Onlooker:
    """What a person who only listens has heard, by topic."""

    def __init__(self) -> None:
        self.said: dict[str, list[bytes]] = defaultdict(list)

    async def note(self, message: Message) -> None:
        self.said[message.topic].append(message.payload)

    def experiment(self, eid: str) -> list[ExperimentState]:
        return [ExperimentState.parse(payload) for payload in self.said[TOPICS.experiment(eid)]]

    def phases(self, eid: str) -> list[str]:
        """Of an experiment, in the order in which they were told."""
        return list(dict.fromkeys(state.phase for state in self.experiment(eid)))

    @property
    def laboratory(self) -> Told:
        return Told.parse(self.said[TOPICS.agent_lab("agent")][-1])


@asynccontextmanager
async def onlooker(lab: Laboratory) -> AsyncIterator[Onlooker]:
    """Anna listens."""
    heard = Onlooker()
    transport = MqttTransport(lab.broker.address("anna"), client_id="onlooker")
    await transport.connect()
    for key in ("experiment", "agentLab", "campaignSpace", "campaignModel"):
        await transport.subscribe(TOPICS.pattern(key), heard.note)
    try:
        yield heard
    finally:
        await transport.close()


async def asked(lab: Laboratory) -> LabAnswer:
    """What ``labwright status --broker`` says."""
    address = lab.broker.address("anna")
    transport = MqttTransport(address, client_id="asker")
    await transport.connect()
    try:
        return await BusView(Place(address, TOPICS), transport).status()
    finally:
        await transport.close()


def _plain(state: ExperimentState) -> dict[str, object]:
    return state.model_dump(exclude={"boot_id", "seq", "ts"})


def test_an_onlooker_sees_each_experiment_live_its_life_and_after_a_restart_the_same(
    tmp_path: Path, nursery: Nursery
) -> None:
    async def story() -> None:
        async with laboratory(tmp_path, nursery, more=AUTO) as lab, onlooker(lab) as heard:
            daemon, eids = lab.daemon(), ["hard-E001", "hard-E002"]
            lab.hall.hold("furnace-1")  # what lasts for an instant only may be told with what follows it
            await daemon.start()
            await until(lambda: any("running" in heard.phases(eid) for eid in eids))
            lab.hall.go_on.pop("furnace-1").set()
            await daemon.until(lambda: bool(lab.of(ev.CampaignEnded)))
            await until(lambda: all("ended" in heard.phases(eid) for eid in eids))
            assert any("running" in heard.phases(eid) for eid in eids)
            await until(lambda: bool(heard.said[TOPICS.campaign_model("hard")]))
            for eid in eids:
                _has_lived(heard.experiment(eid))
            _knows_the_laboratory(heard)
            before = {eid: _plain(heard.experiment(eid)[-1]) for eid in eids}
            assert [p.name for p in heard.laboratory.people] == ["anna", "clara"]
            stopped = await lab.person("clara", "stop", "--all", "--comment", "smoke")
            assert stopped.exit_code == 0, stopped.output
            await until(lambda: heard.laboratory.stop is not None)
            daemon.signal(signal.SIGKILL)
            await daemon.ended()
            heard.said.clear()
            again = lab.daemon()
            await again.start()
            await until(lambda: all(heard.said[TOPICS.experiment(eid)] for eid in eids))
            assert {eid: _plain(heard.experiment(eid)[-1]) for eid in eids} == before
            await until(lambda: bool(heard.said[TOPICS.agent_lab("agent")]))
            told = heard.laboratory
            assert told.stop is not None
            assert (told.stop.by, told.stop.reason) == ("clara", "smoke")
            assert told.record.whole
            assert 0 < told.record.verified_to <= told.record.entries
            status = await asked(lab)
            assert status.stop is not None
            assert (status.stop.by, status.agent.mode, status.waiting[0].command) == (
                "clara",
                "live",
                "labwright clear",
            )

    asyncio.run(story())


def _has_lived(told: list[ExperimentState]) -> None:
    lives = [state.phase for state in told]
    assert lives == sorted(lives, key=["queued", "running", "ended"].index)
    last = told[-1]
    assert last.outcome == "completed"
    assert [(step.step, step.state, step.instrument) for step in last.steps] == [
        ("sinter", "succeeded", "furnace-1"), ("indent", "succeeded", "indenter-1"),
    ]  # fmt: skip
    assert (last.found["hardness"].value, last.found["hardness"].unit, last.found["hardness"].std) == (20.0, "GPa", 0.5)
    assert last.steps[0].parameters["temperature"] == last.design["temperature"]
    assert (last.place, last.approved_by) == ("indenter-1", ("policy:trusted",))
    assert last.queued_at <= (last.begun_at or last.ts) <= (last.ended_at or last.ts)
    assert [state.seq for state in told] == sorted(state.seq for state in told)


def _knows_the_laboratory(heard: Onlooker) -> None:
    space = CampaignSpace.parse(heard.said[TOPICS.campaign_space("hard")][-1])
    assert space.n_crystals == len(space.crystals) > 0
    assert {"temperature", "hold"} <= {factor.factor for factor in space.factors}
    assert [(goal.property, goal.direction) for goal in space.goals] == [("hardness", "maximize")]
    model = CampaignModel.parse(heard.said[TOPICS.campaign_model("hard")][-1])
    assert (model.round, sum(model.candidates.values()) > 0) == (0, True)
    told = heard.laboratory
    assert (told.mode, told.stop, told.decided_by) == ("live", None, ("policy:trusted",))
    assert set(told.limits) == {"furnace-1", "indenter-1"}

"""What is on the bus is what the journal says: the bytes that people sign, outcomes with their audit, no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from desk_bench import FullDisk, Lab, LabTime
from lab_bench import HARD, LAB, limits
from patience import until
from typing_extensions import override

from agent import events as ev
from agent.core.messages import Effect
from agent.daemon import publish
from agent.daemon.publish import Mouth
from agent.daemon.shelf import JournalShelf
from agent.journal import Journal
from instruments.errors import TransportError
from instruments.local import LocalBus, LocalTransport
from instruments.profile.agent_messages import AgentEvent, Outcome
from instruments.profile.campaign_messages import CampaignState
from instruments.profile.decisions import PublishedProposal
from instruments.topics import Lab as Topics
from instruments.transport import Message

TOPICS = Topics("labwright", LAB)


class Frail(LocalTransport):
    """A connection that may be away."""

    away = False

    @override
    async def publish(self, topic: str, payload: bytes, **more: Any) -> None:
        if self.away:
            raise TransportError("too many messages wait for the broker")
        await super().publish(topic, payload, **more)


class Town:
    """A laboratory, its mouth, and the bus."""

    def __init__(self, journal: FullDisk, bus: LocalBus | None = None) -> None:
        self.bus = bus or LocalBus()
        self.lab = Lab(journal)
        self.journal = journal
        self.transport = Frail(self.bus)
        self.mouth = self._mouth()

    def _mouth(self) -> Mouth:
        real: Any = self.journal
        mouth = Mouth(
            self.lab.at, real, JournalShelf(real), self.transport, TOPICS, agent="agent", boot="b1",
            clock=LabTime(self.lab), sleeper=asyncio.sleep,
        )  # fmt: skip
        self.lab.at.observe(mouth.note)
        return mouth

    def drain(self) -> None:
        """Tell everything that waits."""

        async def once() -> None:
            await self.transport.connect()
            try:
                await self.mouth.drain()
            finally:
                await self.transport.close()

        asyncio.run(once())

    def run(self) -> None:
        """Let it speak until it is silent."""

        async def whole() -> None:
            await self.transport.connect()
            speaking = asyncio.create_task(self.mouth.run())
            await until(lambda: not (self.mouth._due or self.mouth._again or self.mouth._past or self.mouth._events))
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            await self.transport.close()

        asyncio.run(whole())

    def kept(self, channel: str) -> dict[str, bytes]:
        """What is retained on a channel, by the last level of its topic."""
        found: list[Message] = self.bus.retained(TOPICS.pattern(channel))
        return {m.topic.rsplit("/", 1)[-1]: m.payload for m in found}

    def campaign(self) -> CampaignState:
        """As it stands on the bus."""
        (message,) = self.bus.retained(TOPICS.campaign_state(HARD))
        return CampaignState.model_validate_json(message.payload)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FullDisk]:
    with Journal(tmp_path, write=True) as real:
        yield FullDisk(real)


@pytest.fixture
def town(journal: FullDisk) -> Town:
    return Town(journal)


def test_a_proposal_is_retained_byte_for_byte_as_people_sign_it(town: Town) -> None:
    first, second = town.lab.plan({}, {"temperature": 1500.0})
    town.drain()
    assert town.kept("proposal") == {pid: town.lab.bodies[pid].encode() for pid in (first, second)}
    terms = town.lab.state.proposals[first].terms
    assert terms is not None
    assert PublishedProposal.parse(town.kept("proposal")[first]).digest == terms.digest
    assert town.lab.told == set()


def test_an_edit_replaces_what_is_retained_by_its_next_revision(town: Town) -> None:
    (pid,) = town.lab.plan({})
    town.drain()
    town.lab.edit("anna", pid, temperature=1100.0)
    town.drain()
    body = json.loads(town.kept("proposal")[pid])
    assert body["revision"] == 2
    assert body["design"]["temperature"]["value"] == 1100.0
    # And what is there now can be approved as it is there.
    body_now = town.kept("proposal")[pid].decode()
    town.lab.arrives("ben", pid, town.lab.pen.decision("ben", body_now, "approve", town.lab.now))
    assert town.lab.state.proposals[pid].phase == "approved"


def test_what_is_closed_is_cleared_and_its_outcome_names_the_event_in_the_audit(town: Town) -> None:
    pid, other = town.lab.plan({}, {"temperature": 1500.0})
    town.drain()
    town.lab.decide("anna", pid, comment="as discussed")
    town.lab.decide("ole", other, "reject", comment="no powder")
    town.drain()
    assert town.kept("proposal") == {}
    outcomes = {k: Outcome.model_validate_json(v) for k, v in town.kept("outcome").items()}
    said = outcomes[pid]
    assert (said.verdict, said.by, said.reason, said.experiment) == ("approved", ("anna",), "as discussed", "hard-E001")
    assert (outcomes[other].verdict, outcomes[other].by) == ("rejected", ("ole",))
    hashes = {s.event.proposal: s.hash for s in town.journal.read() if isinstance(s.event, ev.ProposalDecided)}
    assert {k: o.audit for k, o in outcomes.items()} == hashes


@pytest.mark.parametrize("end", ["expired", "withdrawn", "limits"])
def test_every_other_end_is_told_too(town: Town, end: str) -> None:
    (pid,) = town.lab.plan({"temperature": 1600.0})
    town.drain()
    if end == "expired":
        town.lab.pass_time(hours=30)
    elif end == "withdrawn":
        town.lab.ask("anna", "withdraw", pid, comment="made before")
    else:
        town.lab.rules = replace(town.lab.rules, limits=limits(1500.0))
        town.lab.decide("anna", pid)
    town.drain()
    outcome = Outcome.model_validate_json(town.kept("outcome")[pid])
    by = {"expired": (), "withdrawn": ("anna",), "limits": ("policy:limits",)}[end]
    assert (outcome.verdict, outcome.by) == ("expired" if end == "expired" else "withdrawn", by)
    assert town.kept("proposal") == {}


def test_only_the_newest_outcomes_stay(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "KEPT_OUTCOMES", 2)
    for n in range(4):
        (pid,) = town.lab.plan({"temperature": 1000.0 + 100.0 * n})
        town.lab.now = town.lab.now.replace(minute=n)
        town.lab.decide("anna", pid, "reject")
        town.drain()
    assert set(town.kept("outcome")) == {"hard-P003", "hard-P004"}


def test_the_campaign_says_how_it_stands(town: Town) -> None:
    pid, _ = town.lab.plan({}, {"temperature": 1500.0})
    town.drain()
    assert (town.campaign().phase, town.campaign().counts.proposed) == ("running", 2)
    town.lab.decide("anna", pid)
    town.lab.finish("hard-E001")
    town.drain()
    told = town.campaign()
    assert (told.counts.proposed, told.counts.approved, told.counts.completed) == (1, 1, 1)
    assert told.best is not None
    assert (told.best.experiment, told.best.found["hardness"].value) == ("hard-E001", 20.0)
    town.lab.ask("ole", "stop-lab", comment="smoke")
    town.drain()
    assert (town.campaign().phase, "smoke" in town.campaign().reason) == ("stopped", True)


def test_states_of_a_campaign_are_numbered(town: Town) -> None:
    seen: list[int] = []
    for action in ("pause", "resume", "pause"):
        town.lab.ask("ole", action, HARD)
        town.drain()
        seen.append(town.campaign().seq)
    assert seen == sorted(set(seen))


def test_what_was_not_told_before_a_crash_is_told_after_the_restart(town: Town, journal: FullDisk) -> None:
    pid, other = town.lab.plan({}, {"temperature": 1500.0})
    town.drain()
    town.lab.decide("anna", pid)  # and the process dies before it has told anybody
    assert town.lab.told >= {Effect("proposal", pid), Effect("outcome", pid)}
    again = Town(journal, town.bus)
    again.drain()
    assert set(again.kept("proposal")) == {other}
    assert set(again.kept("outcome")) == {pid}
    assert again.lab.told == set()


def test_what_the_bus_does_not_take_waits_and_nothing_is_settled(town: Town) -> None:
    town.lab.plan({})
    town.transport.away = True
    before = town.lab.told
    with pytest.raises(TransportError):
        town.drain()
    assert (town.lab.told, town.mouth.waiting) == (before, len(before))
    town.transport.away = False
    town.drain()
    assert (town.lab.told, town.mouth.waiting) == (set(), 0)
    assert set(town.kept("proposal")) == {"hard-P001"}


def test_what_changes_while_it_is_told_is_told_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    (pid,) = town.lab.plan({})
    told = town.transport.publish

    async def meanwhile(topic: str, payload: bytes, **more: Any) -> None:
        await told(topic, payload, **more)
        if topic == TOPICS.proposal(pid) and town.lab.state.proposals[pid].phase == "proposed":
            town.lab.decide("anna", pid)

    monkeypatch.setattr(town.transport, "publish", meanwhile)
    town.drain()
    town.drain()
    assert town.kept("proposal") == {}
    assert set(town.kept("outcome")) == {pid}
    assert town.lab.told == set()


def test_a_broker_that_lost_everything_is_told_everything(town: Town) -> None:
    pid, other = town.lab.plan({}, {"temperature": 1500.0})
    town.lab.decide("anna", pid)
    town.drain()
    town.bus._retained.clear()
    town.mouth.everything()
    town.run()
    assert (set(town.kept("proposal")), set(town.kept("outcome"))) == ({other}, {pid})
    assert town.campaign().counts.approved == 1


def test_outcomes_of_the_time_before_a_restart_are_counted_with_the_new_ones(
    town: Town, journal: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "KEPT_OUTCOMES", 2)
    for n in range(3):
        (pid,) = town.lab.plan({"temperature": 1000.0 + 100.0 * n})
        town.lab.now = town.lab.now.replace(minute=n)
        town.lab.decide("anna", pid, "reject")
    town.drain()
    again = Town(journal, town.bus)
    again.mouth.everything()
    again.run()
    assert set(again.kept("outcome")) == {"hard-P002", "hard-P003"}
    again.lab.now, again.lab.pen = town.lab.now.replace(minute=3), town.lab.pen
    (pid,) = again.lab.plan({"temperature": 1500.0})
    again.lab.decide("anna", pid, "reject")
    again.drain()
    assert set(again.kept("outcome")) == {"hard-P003", "hard-P004"}


def test_what_happens_is_told_once_and_in_order_and_not_again_after_a_restart(town: Town, journal: FullDisk) -> None:
    heard: list[AgentEvent] = []

    async def note(message: Message) -> None:
        heard.append(AgentEvent.model_validate_json(message.payload))

    async def listen(mouth: Mouth) -> None:
        ear = LocalTransport(town.bus)
        await ear.connect()
        await ear.subscribe(TOPICS.pattern("agentEvent"), note)
        await town.transport.connect()
        await mouth.drain()
        await asyncio.sleep(0.01)
        await town.transport.close()
        await ear.close()

    (pid,) = town.lab.plan({})
    town.lab.decide("vera", pid)
    town.lab.decide("anna", pid)
    asyncio.run(listen(town.mouth))
    assert [e.kind for e in heard] == [
        "round.planned", "proposal.made", "envelope.refused", "proposal.decided", "experiment.queued",
    ]  # fmt: skip
    assert [e.seq for e in heard] == sorted(e.seq for e in heard)
    assert heard[2].level == "warning"
    assert "role_not_allowed" in heard[2].text
    heard.clear()
    again = Town(journal, town.bus)
    asyncio.run(listen(again.mouth))
    assert heard == []

"""What a person sees of a changed proposal is what they then sign, at a daemon, over a broker, also after a restart."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from daemon_bench import DASHBOARD, PASSWORD, PEOPLE, TOPICS, Laboratory, Nursery, flagship_facts, laboratory
from patience import needs_mosquitto, until

from agent import events as ev
from agent.dashboard.door.visitor import Visitor
from agent.dashboard.live.patience import PatientTransport
from agent.dashboard.live.watch import Watch
from agent.dashboard.voice import Voice
from agent.identity import SigningKey
from instruments.clock import SystemClock
from instruments.mqtt import MqttTransport
from instruments.profile.agent_messages import Proposal
from instruments.profile.questions import Preview

pytestmark = needs_mosquitto
PID = "hard-P001"
ANNA, CLARA = (Visitor(name, PEOPLE[name], name) for name in ("anna", "clara"))
SHOWN = ("design", "prediction", "feasibility", "cost", "duration", "quorum", "hazards", "checks", "nearest")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


class Desk:
    """A dashboard without pages: what its people see, ask and sign."""

    def __init__(self, lab: Laboratory) -> None:
        address, self._store = lab.broker.address(DASHBOARD), lab.store
        transport = PatientTransport(lambda: MqttTransport(address, client_id=DASHBOARD))
        self.watch = Watch(transport, TOPICS, clock=SystemClock(), trouble=lambda: transport.trouble)
        self.voice = Voice(transport, TOPICS, self.watch, self, clock=SystemClock())

    def open(self, visitor: Visitor, password: str) -> SigningKey:
        """Somebody's key."""
        return self._store.open(visitor.name, password)

    async def proposal(self, revision: int) -> Proposal:
        """The proposal of a revision, once it is there and its agent is."""
        known = self.watch.picture.proposals
        await until(lambda: self.watch.freshness().live and PID in known and known[PID].proposal.revision == revision)
        return known[PID].proposal

    async def preview(self, changes: Mapping[str, float | str]) -> Preview:
        """What the proposal would be."""
        found = (await self.voice.preview(ANNA, PID, changes)).preview
        assert found is not None
        return found

    async def edit(self, changes: Mapping[str, float | str]) -> None:
        """Sign the change."""
        read = self.watch.picture.proposals[PID].published
        said = await self.voice.decide(ANNA, PASSWORD, read, "edit", changes=changes, comment="longer")
        assert said.verdict == "counted", said.text


@asynccontextmanager
async def at_work(directory: Path, nursery: Nursery) -> AsyncIterator[tuple[Laboratory, Desk]]:
    async with laboratory(directory, nursery, more="") as lab:
        await lab.daemon().start()
        desk = Desk(lab)
        async with desk.watch.running():
            yield lab, desk


def other_holds(proposal: Proposal) -> list[Mapping[str, float | str]]:
    """Changes that the design space knows."""
    hold = next(factor for factor in flagship_facts().factors if factor.name == "hold")
    now = getattr(proposal.design["hold"], "value", None)
    return [{"hold": level} for level in hold.levels if level != now]


def as_shown(told: Preview | Proposal) -> dict[str, object]:
    return {name: getattr(told, name) for name in SHOWN}


def test_what_was_previewed_is_what_the_signed_revision_says(tmp_path: Path, nursery: Nursery) -> None:
    async def story() -> None:
        async with at_work(tmp_path, nursery) as (lab, desk):
            first = await desk.proposal(1)
            change, *_ = other_holds(first)
            seen = await desk.preview(change)
            assert seen.refusals == ()
            assert seen.prediction["hardness"].value > 0.0
            await desk.edit(change)
            second = await desk.proposal(2)
            assert as_shown(second) == as_shown(seen)
            assert (second.edited_by, second.editor_may_approve, second.model_version) == ("anna", False, "by-heat-1")
            # Four eyes: whoever made it is refused, and somebody else's word makes it.
            published = desk.watch.picture.proposals[PID].published
            own = await desk.voice.decide(ANNA, PASSWORD, published, "approve")
            assert own.verdict == "refused", own.text
            assert (await desk.voice.decide(CLARA, PASSWORD, published, "approve")).verdict == "counted"
            await until(lambda: "hard-E001" in desk.watch.picture.experiments)
            made = desk.watch.picture.experiments["hard-E001"]
            assert (made.revision, made.model_version, made.prediction) == (2, "by-heat-1", seen.prediction)
            (revised,) = lab.of(ev.ProposalRevised)
            assert Proposal.model_validate_json(revised.terms.body) == second

    asyncio.run(story())


def test_after_a_restart_a_preview_works_and_a_forgotten_one_is_not_pretended(tmp_path: Path, nursery: Nursery) -> None:
    async def story() -> None:
        async with at_work(tmp_path, nursery) as (lab, desk):
            first = await desk.proposal(1)
            change, other, *_ = other_holds(first)
            before = await desk.preview(change)
            lab.daemons[0].signal(signal.SIGKILL)
            assert await lab.daemons[0].ended() == -signal.SIGKILL
            await until(lambda: not desk.watch.freshness().live)
            again = lab.daemon()
            await again.start()
            assert await desk.proposal(1) == first
            assert await desk.preview(change) == before
            await desk.edit(change)
            second = await desk.proposal(2)
            assert as_shown(second) == as_shown(before)
            # What nobody asked the models about, nobody is said to have been told.
            await desk.edit(other)
            assert (await desk.proposal(3)).prediction == {}

    asyncio.run(story())

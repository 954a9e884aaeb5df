"""What a broker alone tells of a laboratory: nothing that is old passes for now."""

import asyncio
from datetime import datetime, timedelta

import pytest
import recorded_lab
from recorded_lab import START

from agent.deciding.place import Place
from agent.reading.answers import InstrumentAnswer, LabAnswer, StopAnswer, together
from agent.reading.bus_view import BusView
from instruments.address import BrokerAddress
from instruments.local import LocalBus
from instruments.messages import Quantity, Status
from instruments.profile.agent_messages import AgentEvent
from instruments.profile.campaign_messages import Best, BudgetLine, CampaignState, Counts
from instruments.profile.laboratory import Laboratory
from instruments.topics import Lab
from instruments.transport import Transport

TOPICS = Lab("labwright", recorded_lab.LAB)
PLACE = Place(BrokerAddress("127.0.0.1", 1883), TOPICS)


async def soon(_seconds: float) -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def fill(agent: Transport, *, agent_state: str = "online") -> None:
    terms = recorded_lab.terms("hard-P004", "hard")
    state = CampaignState(
        campaign="hard", boot_id="b", seq=1, ts=START, phase="paused", reason="bert: powder is late", goal="hardest",
        budget={"experiments": BudgetLine(used=3, limit=20)}, counts=Counts(proposed=1, needs_reconcile=1),
        best=Best(experiment="hard-E002", design={"crystal": "mp-988"},
                  found={"hardness": Quantity(value=17.0, unit="GPa", std=0.3)}),
    )  # fmt: skip
    status = Status.model_validate({"state": agent_state, "boot_id": "b", "seq": 1, "ts": START})
    heating = Status(state="busy", boot_id="f", seq=4, ts=START + timedelta(minutes=9))
    for topic, payload in {
        TOPICS.agent_status("agent"): status.to_bytes(),
        TOPICS.campaign_state("hard"): state.to_bytes(),
        TOPICS.proposal("hard-P004"): terms.body.encode(),
        TOPICS.status("furnace-1"): heating.to_bytes(),
        TOPICS.status("sem-1"): b"not a status",
    }.items():
        await agent.publish(topic, payload, retain=True)


def asked(now: datetime, **given: str) -> LabAnswer:
    async def look() -> LabAnswer:
        bus = LocalBus()
        agent, person = bus.transport(), bus.transport()
        await agent.connect()
        await person.connect()
        await fill(agent, **given)
        try:
            return await BusView(PLACE, person, now=lambda: now, sleeper=soon).status()
        finally:
            await person.close()
            await agent.close()

    return asyncio.run(look())


def test_where_a_laboratory_stands_is_read_from_its_broker() -> None:
    answer = asked(START + timedelta(seconds=5))
    assert (answer.lab, answer.agent.life, answer.agent.age_s) == (recorded_lab.LAB, "running", 5.0)
    [hard] = answer.campaigns
    assert (hard.phase, hard.used, hard.budget) == ("paused", 3, 20)
    assert hard.best is not None
    assert (hard.best.value, hard.best.std, hard.best.made_of) == (17.0, 0.3, "mp-988")
    assert [(w.kind, w.id) for w in answer.waiting] == [
        ("campaign", "hard"), ("reconcile", "hard"), ("proposal", "hard-P004"),
    ]  # fmt: skip


def test_an_instrument_that_fell_silent_is_not_shown_as_busy() -> None:
    furnace, sem = asked(START + timedelta(minutes=10)).instruments
    assert (furnace.id, furnace.state, furnace.age_s) == ("furnace-1", "stale", 60.0)
    assert "it said busy 60 s ago" in furnace.message
    assert (sem.id, sem.state) == ("sem-1", "unknown")


@pytest.mark.parametrize(
    ("minutes", "state", "life"), [(0, "online", "running"), (0, "offline", "not running"), (10, "online", "unknown")]
)
def test_an_agent_is_alive_only_while_it_says_so(minutes: int, state: str, life: str) -> None:
    assert asked(START + timedelta(minutes=minutes), agent_state=state).agent.life == life


def test_what_it_is_too_late_for_is_not_to_be_approved() -> None:
    assert "proposal" not in {one.kind for one in asked(START + timedelta(days=2)).waiting}


def test_a_clock_that_runs_ahead_makes_nothing_stale() -> None:
    answer = asked(START - timedelta(days=3))
    assert (answer.agent.life, answer.agent.age_s) == ("running", None)
    assert "its clock is 3 days ahead of this machine's" in answer.agent.evidence
    assert "the clocks differ" in answer.agent.evidence
    assert "3 days ahead" in answer.instruments[0].message
    assert answer.instruments[0].state == "busy"


def laboratory(*, wall: datetime = START, **told: object) -> Laboratory:
    fields = {"lab": recorded_lab.LAB, "agent": "agent", "boot_id": "b", "seq": 1, "ts": START, "mode": "live"}
    return Laboratory.model_validate({**fields, "wall": wall, "record": {"entries": 3}, **told})


def asked_of(*said: Laboratory) -> LabAnswer:
    """What is read where agents told of the laboratory as a whole, too."""

    async def look() -> LabAnswer:
        bus = LocalBus()
        agent, person = bus.transport(), bus.transport()
        await agent.connect()
        await person.connect()
        await fill(agent)
        for n, one in enumerate(said):
            await agent.publish(TOPICS.agent_lab(f"agent-{n}"), one.to_bytes(), retain=True)
        try:
            return await BusView(PLACE, person, now=lambda: START, sleeper=soon).status()
        finally:
            await person.close()
            await agent.close()

    return asyncio.run(look())


def test_a_stop_is_read_from_the_broker_and_waits_for_a_person_first() -> None:
    answer = asked_of(laboratory(stop={"by": "clara", "reason": "smoke", "at": START}, software="labwright 1"))
    assert answer.stop == StopAnswer("clara", "smoke", START.isoformat())
    assert (answer.agent.mode, answer.agent.software) == ("live", "labwright 1")
    assert [w.kind for w in answer.waiting] == ["stop", "campaign", "reconcile", "proposal"]
    assert answer.waiting[0].command == "labwright clear"


def test_what_is_out_of_service_is_read_from_the_broker_whatever_it_says_itself() -> None:
    since = START - timedelta(hours=2)
    out = {i: {"by": "ole", "reason": "new heater", "since": since} for i in ("furnace-1", "oven-9")}
    furnace, oven, sem = asked_of(laboratory(maintenance=out)).instruments
    assert (furnace.state, furnace.maintenance) == ("maintenance", f"new heater (ole, since {since.isoformat()})")
    assert (oven.id, oven.state) == ("oven-9", "maintenance"), "the broker keeps nothing of it"
    assert (sem.state, sem.maintenance) == ("unknown", "")


def test_of_two_agents_the_one_that_spoke_last_counts() -> None:
    old = laboratory(stop={"by": "clara", "reason": "smoke"})
    assert asked_of(old, laboratory(wall=START + timedelta(seconds=1))).stop is None


def test_events_are_followed_as_they_happen() -> None:
    async def first() -> AgentEvent:
        bus = LocalBus()
        agent, person = bus.transport(), bus.transport()
        await agent.connect()
        await person.connect()
        events = BusView(PLACE, person).events()
        said = AgentEvent(boot_id="b", seq=1, ts=START, kind="lab.stopped", level="error", text="smoke")
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        await agent.publish(TOPICS.agent_event("agent"), b"nonsense")
        await agent.publish(TOPICS.agent_event("agent"), said.to_bytes())
        async with asyncio.timeout(5.0):
            found = await waiting
        await events.aclose()  # type: ignore[attr-defined]
        await person.close()
        await agent.close()
        return found

    assert asyncio.run(first()).text == "smoke"


def test_people_and_the_instrument_itself_both_have_a_say() -> None:
    recorded = InstrumentAnswer("sem-1", "maintenance", open_jobs=1, maintenance="new filament")
    heard = InstrumentAnswer("sem-1", "online", "sem", open_jobs=3, age_s=2.0)
    both = together(recorded, heard)
    assert both is not None
    assert (both.state, both.kind, both.open_jobs, both.age_s) == ("maintenance", "sem", 1, 2.0)
    assert together(InstrumentAnswer("sem-1"), heard) == InstrumentAnswer("sem-1", "online", "sem", age_s=2.0)
    assert together(recorded, None) is recorded
    assert together(None, heard) is heard

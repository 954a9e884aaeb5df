"""What stands on the boards is the record's story of each experiment, of the laboratory and of the models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dashboard_samples import sample_experiment, sample_space
from desk_bench import Lab, LabTime
from jsonschema import Draft202012Validator
from lab_bench import FACTORS, FULL_RECIPE, HARD, IMAGE, LAB, NOW, TRUSTED, lab_rules, limits, made, person, registry

from agent import core
from agent import events as ev
from agent.daemon.board_shelf import BoardShelf
from agent.daemon.board_size import MOST_BYTES, TooLongError, fitting
from agent.daemon.boards import MOST_RESTS, TRIES, Boards
from agent.daemon.images_told import images_of
from agent.daemon.laboratory_told import About
from agent.daemon.roll import Roll
from agent.daemon.space_facts import SpaceFacts
from agent.daemon.steps_told import Happened
from agent.identity import People
from agent.journal import Journal
from agent.ledger import tables as t
from agent.rules.policy import ApprovalPolicy
from agent.rules.recipe import Recipe
from envs.errors import InstrumentError, JournalError
from envs.objective import FLAGSHIP, Direction, Objective
from instruments.local import LocalBus, LocalTransport
from instruments.messages import Payload, Quantity
from instruments.profile.agent_messages import Proposal
from instruments.profile.experiment_messages import Correction, ExperimentState, Histogram, ImageState, StepState
from instruments.profile.laboratory import Laboratory
from instruments.profile.model_messages import CampaignModel, CampaignSpace
from instruments.profile.questions import Verification
from instruments.profile.schemas import message_schemas, payload_name
from instruments.topics import Lab as Topics
from instruments.transport import Message

TOPICS = Topics("labwright", LAB)
FACTS = SpaceFacts("bench", "v" * 64, {"mp-1": "TiB2", "mp-2": "SiC"}, FACTORS, 60.0, ())
EFFECT: dict[str, object] = {
    "factor": "temperature", "unit": "Cel", "share": 0.7,
    "points": [{"at": 1300.0, "value": 20.0, "low": 18.0, "high": 22.0}],
}  # fmt: skip


VALIDATORS = {name: Draft202012Validator(schema) for name, schema in message_schemas().items()}


class Town:
    """A laboratory, its boards, and the bus."""

    def __init__(self, journal: Journal, recipe: Recipe = FULL_RECIPE) -> None:
        self.bus = LocalBus()
        self.journal = journal
        self.lab = Lab(journal)
        own = replace(self.lab.rules.campaigns[HARD], recipe=recipe, experiments=50)
        self.lab.rules = replace(self.lab.rules, campaigns={HARD: own})
        self.transport: Any = LocalTransport(self.bus)
        self.objective = FLAGSHIP
        self.boards = self.again("b1")

    def again(self, boot: str) -> Boards:
        """The boards of another life."""
        self.lab.at.rules = self.lab.rules
        self.boards = Boards(
            self.lab.at, BoardShelf(self.journal), self.transport, TOPICS, about=About("agent", boot, "labwright 1.0"),
            clock=LabTime(self.lab), wall=lambda: NOW + timedelta(days=9),
            campaign=lambda cid: (self.objective, FACTS) if cid == HARD else None,
        )  # fmt: skip
        self.lab.at.observe(self.boards.note)
        return self.boards

    def say(self, most: int = 10_000) -> int:
        """Say what is due; returns how much there was."""

        async def whole() -> int:
            await self.transport.connect()
            n = 0
            try:
                while n < most and await self.boards.say_next():
                    n += 1
            finally:
                await self.transport.close()
            return n

        return asyncio.run(whole())

    def kept(self, channel: str) -> dict[str, bytes]:
        found: list[Message] = self.bus.retained(TOPICS.pattern(channel))
        return {m.topic.rsplit("/", 1)[-1]: m.payload for m in found}

    def told(self, eid: str) -> ExperimentState:
        """An experiment as it stands on the bus, where all is as the published documents say."""
        self.say()
        for message in self.bus.retained(TOPICS.everything):
            schema = payload_name(TOPICS.read(message.topic).row.key)
            VALIDATORS[schema].validate(json.loads(message.payload))
        return ExperimentState.model_validate_json(self.kept("experiment")[eid])

    def laboratory(self) -> Laboratory:
        self.say()
        (message,) = self.bus.retained(TOPICS.agent_lab("agent"))
        return Laboratory.model_validate_json(message.payload)

    def read(self, eid: str, *, accepted: bool = True) -> None:
        command = next(c for c in self.lab.due if isinstance(c, core.ReadImage) and c.experiment == eid)
        self.lab.read(command, accepted=accepted)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Journal(tmp_path, write=True) as journal:
        yield Town(journal)


def steps(state: ExperimentState) -> list[tuple[str, str]]:
    return [(step.step, step.state) for step in state.steps]


# Experiments --------------------------------------------------------------------------------------------------------


def test_an_experiment_is_told_step_by_step_until_its_end(town: Town) -> None:
    (eid,) = town.lab.approved({"temperature": 1400.0})
    state = town.told(eid)
    assert (state.phase, state.step, state.approved_by, state.revision) == ("queued", "sinter", ("anna",), 1)
    assert state.model_version == Proposal.model_validate_json(town.lab.bodies[state.proposal]).model_version
    assert state.design["temperature"] == Quantity(value=1400.0, unit="Cel")
    assert (state.design["formula"], state.pool, state.begun_at) == ("TiB2", "random", None)
    waiting = [("sinter", "waiting"), ("survey", "waiting"), ("image", "waiting"), ("indent", "waiting")]
    assert steps(state) == waiting
    assert state.steps[0].parameters["temperature"] == Quantity(value=1400.0, unit="Cel")
    assert state.steps[2].parameters == {}, "the pixel size is what the survey will find"

    town.lab.pass_time(hours=1)
    order = town.lab.dispatch(eid)
    state = town.told(eid)
    assert (state.phase, state.place, state.begun_at) == ("running", "furnace-1", town.lab.now)
    assert steps(state) == [("sinter", "ordered"), *waiting[1:]]
    assert (state.steps[0].instrument, state.steps[0].job) == ("furnace-1", order.job)
    town.lab.tell(ev.StepAccepted(experiment=eid, job=order.job))
    assert steps(town.told(eid))[0] == ("sinter", "accepted")
    town.lab.answer(order)
    state = town.told(eid)
    assert (steps(state)[0], state.step, state.steps[0].elapsed_s) == (("sinter", "succeeded"), "survey", 60.0)
    town.lab.answer(town.lab.dispatch(eid))
    assert town.told(eid).steps[2].parameters["pixel_size"] == Quantity(value=0.02, unit="um")


def test_images_are_told_when_they_are_taken_and_again_when_they_are_read(town: Town) -> None:
    (eid,) = town.lab.approved()
    for _ in range(3):
        town.lab.answer(town.lab.dispatch(eid))
    state = town.told(eid)
    assert (state.step, steps(state)[2:]) == ("read", [("image", "reading"), ("indent", "waiting")])
    assert [(image.accepted, image.image) for image in state.images] == [(None, "a" * 64)]
    town.read(eid, accepted=False)
    state = town.told(eid)
    assert [(image.accepted, image.reason) for image in state.images] == [(False, "blurred")]
    assert steps(state)[2:] == [("image", "succeeded"), ("image", "waiting"), ("indent", "waiting")]
    assert state.found == {}
    town.lab.answer(town.lab.dispatch(eid))
    town.read(eid)
    state = town.told(eid)
    assert [(image.attempt, image.accepted, image.n_grains) for image in state.images] == [
        (0, False, 100),
        (1, True, 100),
    ]
    assert state.images[1].grain_size == state.found["grain_size"] == Quantity(value=1.0, unit="um", std=0.1)
    town.lab.answer(town.lab.dispatch(eid))
    state = town.told(eid)
    assert (state.phase, state.step, state.outcome, state.ended_at) == ("ended", "", "completed", town.lab.now)
    assert state.found["hardness"] == Quantity(value=20.0, unit="GPa", std=0.5)
    assert {phase for _, phase in steps(state)} == {"succeeded"}
    assert state.audit == town.journal.hash


def test_what_people_correct_is_told_with_what_stood_there(town: Town) -> None:
    (eid,) = town.lab.approved()
    town.lab.finish(eid)
    town.lab.ask("clara", "amend", eid, hardness=21.5, hardness_std=0.7, comment="wrong calibration")
    state = town.told(eid)
    assert state.found["hardness"] == Quantity(value=21.5, unit="GPa", std=0.7)
    (amended,) = state.corrections
    assert (amended.kind, amended.by, amended.reason) == ("amended", "clara", "wrong calibration")
    assert amended.before == {"hardness": Quantity(value=20.0, unit="GPa", std=0.5)}
    town.lab.ask("clara", "retract", eid, comment="another sample")
    state = town.told(eid)
    assert state.retracted
    assert state.corrections[1].before["hardness"].value == 21.5
    town.lab.ask("anna", "move", eid, place="shelf-4")
    assert town.told(eid).place == "shelf-4"


def test_nobody_knows_how_far_it_came_until_somebody_looked(town: Town) -> None:
    (eid,) = town.lab.approved()
    order = town.lab.dispatch(eid)
    town.lab.tell(core.Lost(eid, order.job, "the furnace restarted"))
    state = town.told(eid)
    assert (state.phase, state.reason, steps(state)[0]) == (
        "needs_reconcile", "the furnace restarted", ("sinter", "lost"),
    )  # fmt: skip
    town.lab.ask("anna", "reconcile", eid, verdict="again", comment="it never began")
    state = town.told(eid)
    assert state.phase == "running"
    assert steps(state)[:2] == [("sinter", "lost"), ("sinter", "waiting")]
    assert "anna looked: the order may be given again: it never began" in state.steps[0].error


def test_what_failed_is_told_with_why_and_what_waits_with_why(town: Town) -> None:
    (eid,) = town.lab.approved()
    town.lab.answer(town.lab.dispatch(eid), state="failed", error_kind="infeasible", error="it melted")
    state = town.told(eid)
    assert (state.phase, state.outcome, state.reason, state.steps[0].error) == (
        "ended", "infeasible", "it melted", "it melted",
    )  # fmt: skip
    (other,) = town.lab.approved({"temperature": 1500.0})
    town.lab.tell(core.Holding(other, "sinter", "maintenance", "furnace-1 is out of service"))
    assert town.told(other).reason == "furnace-1 is out of service"


def test_another_life_tells_the_same(town: Town) -> None:
    eids = town.lab.approved({"temperature": 1200.0}, {"temperature": 1300.0}, {"temperature": 1400.0})
    town.lab.finish(eids[0])
    town.lab.answer(town.lab.dispatch(eids[1]))
    town.say()
    before = {eid: town.told(eid) for eid in eids}
    town.bus = LocalBus()
    town.transport = LocalTransport(town.bus)
    town.again("b2").everything()
    for eid in eids:
        again = town.told(eid)
        assert again.boot_id == "b2"
        alike = {"boot_id": "", "seq": 0, "ts": NOW}
        assert again.model_copy(update=alike) == before[eid].model_copy(update=alike)


def test_only_the_newest_that_ended_and_the_next_in_line_stand_there(town: Town) -> None:
    town.boards._roll = Roll(ended_at_most=2, queued_at_most=3)
    eids = town.lab.approved(*({"temperature": 1000.0 + 100.0 * n} for n in range(7)))
    town.say()
    assert set(town.kept("experiment")) == set(eids[:3])
    town.lab.dispatch(eids[0])
    town.say()
    assert set(town.kept("experiment")) == set(eids[:4])
    for eid in eids[:3]:
        town.lab.finish(eid)
        town.say()
    assert set(town.kept("experiment")) == set(eids[1:6])
    # A broker that kept more, and an agent that died before it could clear it.
    town.bus.route(TOPICS.experiment(eids[0]), b"{}", retain=True)
    town.again("b2")._roll = Roll(ended_at_most=2, queued_at_most=3)
    town.boards.everything()
    town.say()
    assert set(town.kept("experiment")) == set(eids[1:6])


def test_what_is_amended_long_after_is_not_put_up_again(town: Town) -> None:
    town.boards._roll = Roll(ended_at_most=1)
    first, second = town.lab.approved({}, {"temperature": 1400.0})
    town.lab.finish(first)
    town.lab.finish(second)
    town.lab.ask("clara", "retract", first)
    town.say()
    assert set(town.kept("experiment")) == {second}


def test_what_changes_together_is_said_once_and_a_little_later(town: Town) -> None:
    waiting: list[Callable[[], None]] = []
    town.boards._later = lambda _seconds, call: waiting.append(call)
    (eid,) = town.lab.approved()
    town.lab.answer(town.lab.dispatch(eid))
    assert (town.boards.fresh, len(waiting)) == (False, 1)
    waiting.pop()()
    assert (town.boards.fresh, len(waiting)) == (False, 1), "more has happened meanwhile: it rests once more"
    waiting.pop()()
    assert (town.boards.fresh, waiting) == (True, [])
    assert town.say() == 2, "the experiment and the round's model"
    assert steps(town.told(eid))[0] == ("sinter", "succeeded")
    town.lab.dispatch(eid)
    assert len(waiting) == 1
    town.boards.ripen()  # as it takes its leave
    assert steps(town.told(eid))[1] == ("survey", "ordered")


def test_where_changes_have_no_end_it_is_said_all_the_same(town: Town) -> None:
    waiting: list[Callable[[], None]] = []
    town.boards._later = lambda _seconds, call: waiting.append(call)
    town.boards._due(("lab", ""))
    for _ in range(MOST_RESTS):
        town.boards._due(("lab", ""))
        waiting.pop()()
        assert not town.boards.fresh
    town.boards._due(("lab", ""))
    waiting.pop()()
    assert (town.boards.fresh, waiting) == (True, [])


def test_what_the_bus_does_not_take_stays_due(town: Town) -> None:
    (eid,) = town.lab.approved()
    publish = town.transport.publish

    async def away(*_: object, **__: object) -> None:
        raise InstrumentError("the broker is away")

    town.transport.publish = away
    with pytest.raises(InstrumentError):
        town.say()
    town.transport.publish = publish
    assert town.told(eid).phase == "queued"


def test_a_story_is_found_by_its_index(town: Town) -> None:
    eids = town.lab.approved({}, {"temperature": 1400.0})
    town.lab.finish(eids[0])
    joined = "events e JOIN experiment_events x ON x.seq = e.seq"
    query: Any = sa.text(f"EXPLAIN QUERY PLAN SELECT e.seq FROM {joined} WHERE x.experiment = 'a'")  # noqa: S608
    plan = " ".join(str(row["detail"]) for row in town.journal.table(query))
    assert "SCAN" not in plan
    rows = town.journal.table(sa.select(t.experiment_events).where(t.experiment_events.c.experiment == eids[0]))
    about = [s for s in town.journal.read() if getattr(s.event, "experiment", "") == eids[0]]
    assert [row["seq"] for row in rows] == [s.seq for s in about]
    assert town.journal.verify(projections=True)


def test_how_large_the_grains_are_is_told_as_a_histogram() -> None:
    reading = ev.ImageRead(
        experiment="E1", attempt=0, image=IMAGE, accepted=True, reason="", pixel_size=0.02, next_pixel_size=None,
        grain_size=(1.0, 0.0), porosity=None, n_grains=7, overlay=IMAGE,
        diameters=ev.HistogramRecord(edges=(0.5, 1.0, 2.0), counts=(3, 4)),
    )  # fmt: skip
    (image,) = images_of([Happened(NOW, reading)])
    assert image.diameters == Histogram(edges=(0.5, 1.0, 2.0), counts=(3, 4), unit="um")
    assert (image.grain_size, image.porosity, image.overlay) == (Quantity(value=1.0, unit="um"), None, "a" * 64)
    twisted = reading.model_copy(update={"diameters": ev.HistogramRecord(edges=(2.0, 1.0), counts=(3,))})
    assert images_of([Happened(NOW, twisted)])[0].diameters is None


# The laboratory -----------------------------------------------------------------------------------------------------


def test_the_stop_and_what_is_out_of_service_are_told_at_once(town: Town) -> None:
    town.lab.ask("ole", "stop-lab", comment="smoke")
    town.lab.ask("ole", "maintenance", "sem-1", on=True, comment="new filament")
    told = town.laboratory()
    assert told.stop is not None
    assert (told.stop.by, told.stop.reason, told.stop.at) == ("ole", "smoke", town.lab.now)
    assert (told.maintenance["sem-1"].by, told.maintenance["sem-1"].reason) == ("ole", "new filament")
    town.lab.ask("clara", "clear-lab")
    town.lab.ask("ole", "maintenance", "sem-1", on=False)
    told = town.laboratory()
    assert (told.stop, told.maintenance) == (None, {})


def test_people_are_told_with_keys_that_were_given_up(town: Town) -> None:
    gone = person("ben", revoked=NOW)
    others = [one for one in registry() if one.name != "ben"]
    town.lab.at.rules = replace(town.lab.rules, people=People([*others, gone]))
    town.lab.at.tell(ev.LabChanged(limits_version="x", words="key of ben revoked", by="config-file"))
    told = {one.name: one for one in town.laboratory().people}
    assert set(told) == {one.name for one in registry()}
    assert told["ben"].revoked == NOW
    assert (told["anna"].role, told["anna"].kid, told["anna"].revoked) == ("approver", person("anna").key.kid, None)


def test_limits_are_told_as_people_read_them(town: Town) -> None:
    town.boards.everything()
    told = town.laboratory()
    assert told.limits_version == limits().version
    furnace = told.limits["furnace-1"]
    assert furnace.commands == ("sinter",)
    hot = next(line for line in furnace.limits if line.parameter == "temperature")
    assert (hot.low, hot.high, hot.unit, hot.text) == (20.0, 1700.0, "Cel", "temperature 20 to 1700 °C")
    assert set(told.limits) == set(limits().instruments)
    assert (told.mode, told.wall, told.decided_by) == ("live", NOW + timedelta(days=9), ())


def test_rules_that_decide_alone_are_named(town: Town) -> None:
    own = replace(town.lab.rules.campaigns[HARD], policy=ApprovalPolicy(auto=TRUSTED))
    town.lab.at.rules = lab_rules({HARD: own})
    town.boards.everything()
    assert town.laboratory().decided_by == ("policy:mild",)


def test_the_record_is_told_with_how_far_it_was_followed(town: Town) -> None:
    begun = town.journal.seq
    town.lab.approved()
    town.boards.everything()
    record = town.laboratory().record
    assert (record.entries, record.tip) == (town.journal.seq, town.journal.hash)
    assert (record.verified_to, record.verified_at, record.whole) == (begun, NOW, True)
    assert begun < record.entries
    town.boards.look()
    assert town.say() == 0, "nothing was written since"
    town.lab.ask("vera", "stop-lab")
    town.boards.look()
    assert town.laboratory().record.entries == town.journal.seq
    town.boards.verified(Verification(whole=True, entries=town.journal.seq, signatures=2))
    record = town.laboratory().record
    assert (record.verified_to, record.whole) == (town.journal.seq, True)
    assert "2 signatures were judged again" in record.text
    town.boards.verified(Verification(whole=False, entries=9, faults=("event 3 was changed",)))
    record = town.laboratory().record
    assert (record.verified_to, record.whole, record.text) == (town.journal.seq, False, "event 3 was changed")


# Campaigns ----------------------------------------------------------------------------------------------------------


def test_what_a_campaign_chooses_from_is_told(town: Town) -> None:
    town.objective = Objective("cost", "1", Direction.MINIMISE)
    town.boards.everything()
    town.say()
    told = CampaignSpace.model_validate_json(town.bus.retained(TOPICS.campaign_space(HARD))[0].payload)
    assert [(goal.property, goal.direction) for goal in told.goals] == [("cost", "minimize")]
    assert [(f.factor, f.unit, len(f.levels)) for f in told.factors] == [("temperature", "Cel", 11), ("hold", "h", 3)]
    assert (told.crystals, told.n_crystals, told.n_feasible) == (dict(FACTS.crystals), 2, 60.0)


def test_what_the_models_learned_is_told_after_each_round_and_after_a_start(town: Town) -> None:
    def model() -> CampaignModel:
        town.say()
        return CampaignModel.model_validate_json(town.bus.retained(TOPICS.campaign_model(HARD))[0].payload)

    first = town.lab.approved({}, {"temperature": 1400.0})
    assert model().observed == 0
    for eid in first:
        town.lab.finish(eid)
    town.lab.pass_time(minutes=1)
    planned = ev.RoundPlanned(
        campaign=HARD, round=1, candidates={"bo": 7, "random": 3}, notes=("slow",), effects=(EFFECT,)
    )  # fmt: skip
    own = town.lab.rules.campaigns[HARD]
    proposal = made("hard-P003", HARD, own, town.lab.rules.limits, town.lab.now, temperature=1500.0)
    town.lab.tell(core.Planned(planned, [proposal.model_copy(update={"round": 1})]))
    told = model()
    assert (told.round, told.observed, told.candidates, told.notes) == (1, 2, {"bo": 7, "random": 3}, ("slow",))
    assert [(e.factor, e.share, e.points[0].value) for e in told.effects] == [("temperature", 0.7, 20.0)]
    assert told.model_version == "none"
    town.lab.pass_time(minutes=1)
    town.lab.decide("anna", "hard-P003")
    town.lab.finish("hard-E003")
    town.again("b2").everything()
    assert model().model_copy(update={"boot_id": "b1", "seq": told.seq, "ts": told.ts}) == told


FAULTS = [ValueError("no message can hold this"), KeyError("phase"), TypeError("float"), InstrumentError("malformed")]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("what", ["laboratory", "experiment_state"])
def test_a_board_that_cannot_be_made_keeps_no_other_waiting_and_is_logged_once(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str, fault: Exception
) -> None:
    first, second = town.lab.approved({}, {"temperature": 1400.0})
    town.boards.everything()
    town.say()

    def broken(*_: object, **__: object) -> Payload:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(f"agent.daemon.boards.{what}", broken)
        for _ in range(3):
            town.boards.everything()
            town.say()
        logged = [record for record in caplog.records if "cannot be told" in record.getMessage()]
        assert len(logged) == (1 if what == "laboratory" else 2)
        town.lab.ask("ole", "maintenance", "sem-1", on=True, comment="new filament")
        order = town.lab.dispatch(first)
        town.say()
        assert ("sem-1" in town.laboratory().maintenance) == (what == "experiment_state")
        assert town.told(first).phase == ("running" if what == "laboratory" else "queued")
    town.lab.answer(order)
    assert town.told(first).step == "survey"
    assert town.told(second).phase == "queued"


def test_a_record_that_cannot_be_read_for_one_board_is_given_up_in_the_end(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    (eid,) = town.lab.approved()
    town.say()
    read = town.boards._shelf.experiment

    def unreadable(_eid: str) -> Any:
        raise JournalError("entry 5 cannot be read")

    monkeypatch.setattr(town.boards._shelf, "experiment", unreadable)
    town.boards.everything()
    for _ in range(TRIES - 1):
        with pytest.raises(JournalError):
            town.say()
    assert town.say() == 1
    assert town.say() == 0
    monkeypatch.setattr(town.boards._shelf, "experiment", read)
    town.lab.dispatch(eid)
    assert town.told(eid).phase == "running"


# How large a board may be --------------------------------------------------------------------------------------------


def lengthy(n: int, letter: str) -> tuple[StepState, ...]:
    found: dict[str, Any] = {f"r{i:02d}": letter * 200 for i in range(64)}
    return tuple(
        StepState(
            step="sinter", state="failed", attempt=i, job=f"j{i}", parameters=found, found=found, error=letter * 2000
        )
        for i in range(n)
    )


@pytest.mark.parametrize(("n", "letter"), [(12, "\x01"), (64, "x"), (64, "\x01")])
def test_what_instruments_answer_at_length_is_cut_from_the_oldest_order_on(n: int, letter: str) -> None:
    state = sample_experiment(1).model_copy(update={"steps": lengthy(n, letter)})
    assert len(state.to_bytes()) > 1_000_000
    said = fitting(state)
    assert len(said) <= MOST_BYTES
    told = ExperimentState.model_validate_json(said)
    assert [step.job for step in told.steps] == [f"j{i}" for i in range(n)]
    assert not told.steps[0].found
    assert told.model_copy(update={"steps": ()}) == state.model_copy(update={"steps": ()})


def test_what_is_long_in_every_way_is_cut_to_what_counts() -> None:
    state = sample_experiment(1)
    reason = "\x01" * 2000
    image = ImageState(attempt=0, image="a" * 64, reason=reason, scale_source="\x01" * 200)
    wrong = Correction(kind="amended", by="anna", at=NOW, reason=reason)
    long = state.model_copy(
        update={"steps": lengthy(64, "\x01"), "images": 64 * (image,), "corrections": 32 * (wrong,), "reason": reason}
    )
    told = ExperimentState.model_validate_json(fitting(long))
    assert (told.found, told.design, told.prediction) == (state.found, state.design, state.prediction)
    assert told.steps[-1].job == "j63"


def test_an_everyday_board_is_said_as_it_is() -> None:
    assert fitting(sample_experiment(1)) == sample_experiment(1).to_bytes()
    space = sample_space().model_copy(update={"crystals": {f"mp-{i}": "\x01" * 200 for i in range(1000)}})
    with pytest.raises(TooLongError, match="at most 1000 kB"):
        fitting(space)

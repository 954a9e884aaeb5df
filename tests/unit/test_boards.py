"""What stands on the boards is the record's story of each experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from boards_town import TOPICS, Town
from lab_bench import IMAGE, NOW
from sem_readings import microstructure

from agent import core
from agent import events as ev
from agent.daemon.boards import MOST_RESTS
from agent.daemon.images_told import images_of
from agent.daemon.roll import Roll
from agent.daemon.steps_told import Happened
from agent.journal import Journal
from agent.ledger import tables as t
from envs.errors import InstrumentError
from instruments.local import LocalBus, LocalTransport
from instruments.messages import Quantity
from instruments.profile.agent_messages import Proposal
from instruments.profile.experiment_messages import ExperimentState, Histogram


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Journal(tmp_path, write=True) as journal:
        yield Town(journal)


def steps(state: ExperimentState) -> list[tuple[str, str]]:
    return [(step.step, step.state) for step in state.steps]


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


def test_what_an_image_shows_is_told_with_its_uncertainty() -> None:
    reading = ev.ImageRead(
        experiment="E1", attempt=0, image=IMAGE, accepted=True, reason="", pixel_size=0.02, next_pixel_size=None,
        grain_size=(3.5, 0.12), porosity=(0.03, 0.004), n_grains=7, overlay=IMAGE, **microstructure(),
    )  # fmt: skip
    (image,) = images_of([Happened(NOW, reading)])
    assert (image.microstructure, image.class_probability) == ("two-phase", 0.914)
    assert image.descriptors["phase_fraction"] == Quantity(value=0.123, unit="1", std=0.011)
    assert image.descriptors["crack_length"] == Quantity(value=0.0, unit="1/um")
    assert len(image.to_bytes()) < 2_000  # fifty of them fit a board

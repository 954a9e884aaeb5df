"""The desk: what is not on the disk has not happened, what is there is found again, and the outbox goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from desk_bench import FullDisk, Lab, LabTime
from lab_bench import HARD, NOW

from agent import core
from agent import events as ev
from agent.core.approving import RECORDED
from agent.core.evolving import SPAN
from agent.core.messages import Effect
from agent.desk import Desk
from agent.journal import Journal
from agent.ledger import tables as t
from agent.requests import request_id
from envs.errors import JournalError


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FullDisk]:
    with Journal(tmp_path, write=True) as real:
        yield FullDisk(real)


@pytest.fixture
def lab(journal: FullDisk) -> Lab:
    return Lab(journal)


def test_where_the_journal_refuses_nothing_has_happened_and_it_may_be_told_again(lab: Lab, journal: FullDisk) -> None:
    (pid,) = lab.plan({})
    woken: list[object] = []
    seen: list[ev.Event] = []
    lab.at.on_change(woken.append)
    lab.at.observe(lambda event, _state, *, replayed: seen.append(event))
    token = lab.pen.decision("anna", lab.bodies[pid], "approve", lab.now)
    arrived = core.DecisionArrived("anna", pid, token, lab.now, lab.bodies[pid])
    before, outbox = deepcopy(lab.state), lab.told
    journal.full = True
    with pytest.raises(JournalError, match="the disk is full"):
        lab.at.tell(arrived, inbox=("decision", request_id(token)))
    assert (lab.state, lab.told, woken, seen) == (before, outbox, [], [])
    assert not journal.seen("decision", request_id(token))
    journal.full = False
    decided = lab.at.tell(arrived, inbox=("decision", request_id(token)))
    assert [e.kind for e in decided.events] == ["proposal.decided", "experiment.queued"]
    assert (woken, seen) == ([decided.effects], list(decided.events))
    assert journal.seen("decision", request_id(token))


def test_what_was_refused_leaves_no_mark_and_is_refused_again(lab: Lab, journal: FullDisk) -> None:
    token = lab.pen.request("vera", "stop-lab", "", lab.now)
    for _ in range(2):
        (refused,) = lab.tell(
            core.RequestArrived("vera", request_id(token), token, lab.now), inbox=("request", request_id(token))
        )
        assert isinstance(refused, ev.EnvelopeRefused)
    assert not journal.seen("request", request_id(token))


def test_an_order_is_in_the_outbox_from_its_intent_to_its_end(lab: Lab) -> None:
    lab.approved({})
    order = lab.dispatch()
    assert Effect("order", order.job) in lab.told
    lab.answer(order)
    assert not {e for e in lab.told if e.kind == "order"}


def test_what_is_to_be_cancelled_is_so_until_it_has_ended(lab: Lab) -> None:
    lab.approved({})
    order = lab.dispatch()
    lab.ask("ole", "stop-lab", comment="smoke")
    assert {Effect("order", order.job), Effect("cancel", order.job)} <= lab.told
    lab.answer(order, state="cancelled", error_kind="other")
    assert not {e.kind for e in lab.told} & {"order", "cancel"}


@pytest.mark.parametrize("verdict", ["again", "aborted"])
def test_what_a_person_reconciled_is_to_be_sent_no_more(lab: Lab, verdict: str) -> None:
    (eid,) = lab.approved({})
    order = lab.dispatch()
    lab.tell(core.Lost(eid, order.job, "no answer"))
    lab.ask("ole", "reconcile", eid, verdict=verdict)
    assert Effect("order", order.job) not in lab.told


def test_entries_of_one_thing_are_one_entry(lab: Lab) -> None:
    lab.plan({}, {"temperature": 1100.0})
    for action in ("pause", "resume", "pause", "resume"):
        lab.ask("ole", action, HARD)
    told = lab.journal.outbox()
    assert len(told) == len(set(told)) == 3


def test_a_restart_finds_state_and_outbox_as_they_were(lab: Lab, journal: FullDisk) -> None:
    pid, other = lab.plan({}, {"temperature": 1500.0})
    lab.decide("anna", pid)
    lab.edit("ben", other, temperature=1200.0)
    order = lab.dispatch()
    lab.ask("ole", "maintenance", "sem-1", on=True)
    lab.tell(core.Lost(order.experiment, order.job, "no answer"))
    seen: list[bool] = []
    again = Desk(journal, lab.rules, LabTime(lab), [lambda _e, _s, *, replayed: seen.append(replayed)])
    assert again.state == lab.state
    assert again.due(lab.world) == lab.due
    assert seen == [True] * len(lab.events)
    assert journal.verify(projections=True) == len(lab.events)


def test_a_message_of_which_nothing_follows_writes_nothing(lab: Lab, journal: FullDisk) -> None:
    journal.full = True
    woken: list[object] = []
    lab.at.on_change(woken.append)
    assert not lab.tell(core.Tick())
    assert not lab.tell(core.Lost("hard-E001", "job-1", "no answer"))
    assert woken == []


def test_refusals_of_a_flood_are_counted_and_the_count_is_written_down_when_it_can_be(
    lab: Lab, journal: FullDisk
) -> None:
    (pid,) = lab.plan({})
    for n in range(RECORDED + 7):
        lab.arrives("mallory", pid, f"nothing {n}")
    assert lab.at.skipped == {"?": 7}  # of all whom nobody here knows
    assert not lab.at.tick().events  # a number every second would be a flood, too
    lab.now += SPAN
    journal.full = True
    with pytest.raises(JournalError):
        lab.at.tick()
    assert lab.at.skipped == {"?": 7}
    journal.full = False
    assert list(lab.at.tick().events) == [ev.RefusalsSkipped(user="?", count=7)]
    assert not lab.at.skipped
    assert not lab.at.tick().events


def test_the_envelope_of_each_decision_is_in_the_audit(lab: Lab, journal: FullDisk) -> None:
    (pid,) = lab.plan({})
    lab.decide("vera", pid)
    lab.edit("ben", pid, temperature=1100.0)
    lab.decide("anna", pid)
    rows = journal.table(t.decisions.select())
    assert {row["user"] for row in rows} >= {"anna", "ben", "vera"}


def test_events_bear_the_laboratorys_time(lab: Lab, journal: FullDisk) -> None:
    lab.pass_time(days=20)
    lab.ask("ole", "pause", HARD)
    assert [stored.at for stored in journal.read()][-1] == lab.now
    assert lab.now > NOW


def test_who_only_looks_on_keeps_nobody_from_knowing(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def breaks(event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        raise RuntimeError("no gauge of that name")

    lab.at.observe(breaks)
    lab.at.observe(lambda event, _state, *, replayed: seen.append(event.kind))
    lab.ask("ole", "pause", HARD)
    assert seen == ["request.accepted", "campaign.phase"]
    assert lab.state.campaigns[HARD].phase == "paused"
    assert "an observer failed" in caplog.text

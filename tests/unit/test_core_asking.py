"""People ask: pause and stop, clear and resume, say what became of a sample, correct a result; and who may not."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from lab_bench import AUTOMATIC, CAMPAIGN, FULL_RECIPE, HARD, NOW, SOFT, Bench

from agent import core
from agent import events as ev
from agent.core.messages import Effect
from agent.history import best, observations
from agent.requests import request_id
from surrogates.observations import Made


def kinds(events: list[ev.Event]) -> list[str]:
    return [e.kind for e in events]


def under_way(bench: Bench, **design: Any) -> tuple[str, core.SendOrder]:
    """An experiment whose first order is at its instrument."""
    (eid,) = bench.approved(design)
    return eid, bench.dispatch(eid)


def measured(bench: Bench, *designs: dict[str, Any]) -> list[str]:
    """Experiments that are completed."""
    found = bench.approved(*designs)
    for eid in found:
        bench.finish(eid)
    return found


# ---- Pause and resume


def test_a_paused_campaign_begins_nothing_and_goes_on_when_it_is_resumed() -> None:
    bench = Bench(replace(CAMPAIGN, at_once=1))
    first, second = bench.approved({}, {"temperature": 1100.0})
    order = bench.dispatch(first)
    happened = bench.ask("ole", "pause", HARD, comment="the powder is late")
    assert kinds(happened) == ["request.accepted", "campaign.phase"]
    assert (bench.state.campaigns[HARD].phase, bench.state.campaigns[HARD].by) == ("paused", "ole")
    bench.answer(order)
    bench.finish(first)  # what is begun is finished
    assert bench.state.experiments[first].outcome == "completed"
    assert bench.due == []
    bench.ask("ole", "resume", HARD)
    assert [c.experiment for c in bench.orders] == [second]


def test_a_paused_campaign_plans_nothing() -> None:
    bench = Bench()
    assert isinstance(bench.due[0], core.PlanRound)
    bench.ask("ole", "pause", HARD)
    assert bench.due == []
    bench.ask("ole", "pause", HARD)
    assert bench.refused() == "wrong_phase"


# ---- The stop of a campaign


def test_a_stop_ends_what_waits_lets_finish_what_is_under_way_and_latches() -> None:
    bench = Bench(replace(CAMPAIGN, batch=3, initial=3))
    begun, queued, waiting = bench.plan({}, {"temperature": 1100.0}, {"temperature": 1200.0})
    for pid in (begun, queued):
        bench.decide("anna", pid)
    order = bench.dispatch("hard-E001")
    happened = bench.ask("anna", "stop", HARD, comment="wrong powder")
    assert kinds(happened) == ["request.accepted", "proposal.decided", "experiment.ended", "campaign.phase"]
    assert bench.state.proposals[waiting].phase == "withdrawn"
    assert bench.state.experiments["hard-E002"].outcome == "aborted"
    assert "stopped by anna" in bench.state.experiments["hard-E002"].reason
    assert {Effect("proposal", waiting), Effect("outcome", waiting), Effect("campaign", HARD)} <= set(bench.effects)
    assert bench.state.campaigns[HARD].phase == "stopping"
    bench.answer(order)
    assert [c.step for c in bench.orders] == ["indent"]  # the sample is not thrown away
    bench.answer(bench.dispatch())
    assert bench.state.experiments["hard-E001"].outcome == "completed"
    assert bench.state.campaigns[HARD].phase == "stopped"
    bench.pass_time(days=30)
    assert bench.due == []


def test_an_idle_campaign_is_stopped_at_once_and_only_who_may_clear_a_stop_resumes_it() -> None:
    bench = Bench()
    bench.ask("ole", "stop", HARD)
    assert bench.state.campaigns[HARD].phase == "stopped"
    for user in ("ole", "ada", "vera"):
        assert kinds(bench.ask(user, "resume", HARD)) == ["envelope.refused"]
        assert bench.refused() == "role_not_allowed"
    assert kinds(bench.ask("clara", "resume", HARD)) == ["request.accepted", "campaign.phase"]
    assert isinstance(bench.due[0], core.PlanRound)


def test_a_stop_during_a_stop_is_one_stop() -> None:
    bench = Bench()
    bench.ask("ole", "stop", HARD)
    assert kinds(bench.ask("clara", "stop", HARD)) == ["envelope.refused"]
    assert bench.refused() == "wrong_phase"


def test_a_plan_that_arrives_after_the_stop_is_dropped() -> None:
    bench = Bench()
    bench.ask("ole", "stop", HARD)
    assert bench.plan({}) == ["hard-P001"]
    assert not bench.state.proposals


# ---- The stop of the laboratory


def test_a_stop_of_the_laboratory_asks_every_instrument_to_end_and_nothing_is_sent_until_it_is_cleared() -> None:
    bench = Bench({HARD: replace(CAMPAIGN, at_once=2), SOFT: CAMPAIGN})
    first, second = bench.approved({}, {"temperature": 1100.0})
    order = bench.dispatch(first)
    happened = bench.ask("ole", "stop-lab", comment="smoke")
    assert kinds(happened) == ["request.accepted", "lab.stopped"]
    assert set(bench.effects) == {Effect("cancel", order.job), Effect("campaign", HARD), Effect("campaign", SOFT)}
    assert bench.state.stopped == "smoke"
    late = replace(order, experiment=second, job="")
    assert bench.intend(late) is None  # an order that was just about to go
    bench.answer(order, state="cancelled", error_kind="other", error="cancelled: by the agent")
    assert bench.state.experiments[first].outcome == "aborted"
    assert bench.orders == []
    assert kinds(bench.ask("ole", "clear-lab")) == ["envelope.refused"]
    assert bench.refused() == "role_not_allowed"
    assert bench.orders == []
    assert kinds(bench.ask("clara", "clear-lab", comment="it was the toaster")) == ["request.accepted", "lab.cleared"]
    assert [c.experiment for c in bench.orders] == [second]


def test_there_is_nothing_to_clear_where_nothing_is_stopped() -> None:
    bench = Bench()
    bench.ask("clara", "clear-lab")
    assert bench.refused() == "not_stopped"


def test_decisions_count_while_the_laboratory_is_stopped_and_nothing_of_them_is_ordered() -> None:
    bench = Bench()
    (pid,) = bench.plan({})
    bench.ask("ole", "stop-lab")
    bench.decide("anna", pid)
    assert bench.state.proposals[pid].phase == "approved"
    assert bench.orders == []


# ---- What became of it


def test_nobody_knows_what_became_of_an_order_and_a_person_says_that_it_is_made_again() -> None:
    bench = Bench()
    eid, order = under_way(bench)
    assert kinds(bench.tell(core.Lost(eid, order.job, "no answer for 15 minutes"))) == ["reconcile.needed"]
    assert not bench.tell(core.Lost(eid, order.job, "no answer for 15 minutes"))
    assert [c.job for c in bench.orders] == [order.job]  # its instrument is still asked after it
    happened = bench.ask("ole", "reconcile", eid, verdict="again", comment="the sample is still cold")
    assert kinds(happened) == ["request.accepted", "reconciled"]
    again = bench.dispatch(eid)
    assert (again.step, again.tries) == ("sinter", 1)
    assert again.job != order.job
    # What the instrument says of the first order after all is of no consequence.
    assert not bench.answer(order)
    bench.answer(again)
    bench.finish(eid)
    assert bench.state.experiments[eid].outcome == "completed"


def test_or_that_it_is_given_up() -> None:
    bench = Bench(replace(CAMPAIGN, experiments=1, initial=1))
    eid, order = under_way(bench)
    bench.tell(core.Lost(eid, order.job, "the furnace forgot it"))
    happened = bench.ask("ole", "reconcile", eid, verdict="aborted", comment="cracked")
    assert kinds(happened) == ["request.accepted", "reconciled", "experiment.ended", "campaign.ended"]
    assert bench.state.experiments[eid].reason == "given up by ole: cracked"
    assert (bench.state.jobs, bench.state.busy) == ({}, {})


def test_only_what_is_lost_is_reconciled() -> None:
    bench = Bench()
    eid, _ = under_way(bench)
    bench.ask("ole", "reconcile", eid, verdict="again")
    assert bench.refused() == "not_lost"
    bench.ask("ole", "reconcile", "hard-E999", verdict="again")
    assert bench.refused() == "unknown_experiment"
    assert bench.state.jobs


def test_an_instrument_that_answers_after_all_needs_no_person_any_more() -> None:
    bench = Bench()
    eid, order = under_way(bench)
    bench.tell(core.Lost(eid, order.job, "no answer"))
    bench.answer(order)
    assert (bench.state.experiments[eid].lost, bench.state.experiments[eid].step) == ("", "indent")
    bench.ask("ole", "reconcile", eid, verdict="again")
    assert bench.refused() == "not_lost"


# ---- Results


def test_a_corrected_result_is_what_the_models_learn_from() -> None:
    bench = Bench(replace(CAMPAIGN, recipe=FULL_RECIPE))
    first, second = measured(bench, {}, {"temperature": 1100.0})
    happened = bench.ask("anna", "amend", first, hardness=31.0, hardness_std=0.8, comment="wrong load cell")
    assert kinds(happened) == ["request.accepted", "result.amended"]
    seen = observations(bench.state, HARD)
    learnt = seen[first]
    assert isinstance(learnt, Made)
    assert (learnt.hardness.value, learnt.hardness.std) == (31.0, 0.8)
    top = best(bench.state, HARD)
    assert top is not None
    assert top[0] == first
    bench.ask("anna", "amend", second, hardness=40.0)  # the uncertainty stays
    assert bench.state.experiments[second].hardness == (40.0, 0.5)


def test_a_result_that_is_taken_back_is_nothing_that_the_models_learn_from() -> None:
    bench = Bench(replace(CAMPAIGN, recipe=FULL_RECIPE))
    first, second = measured(bench, {}, {"temperature": 1100.0})
    assert set(observations(bench.state, HARD)) == {first, second}
    bench.ask("anna", "retract", first, comment="mixed up")
    assert set(observations(bench.state, HARD)) == {second}
    assert bench.state.experiments[first].hardness is None
    bench.ask("anna", "retract", first)
    assert bench.refused() == "retracted"
    bench.ask("anna", "amend", first, hardness=22.0)  # a correction is a result again
    assert set(observations(bench.state, HARD)) == {first, second}


@pytest.mark.parametrize(
    ("values", "code"),
    [({"colour": 3.0}, "unknown_property"), ({"hardness": -1.0}, "bad_value"),
     ({"hardness": 20.0, "hardness_std": 0.0}, "bad_value")],
)  # fmt: skip
def test_an_amendment_is_of_what_was_measured_and_possible(values: dict[str, float], code: str) -> None:
    bench = Bench()
    (eid,) = measured(bench, {})
    bench.ask("anna", "amend", eid, **values)
    assert bench.refused() == code
    assert bench.state.experiments[eid].hardness == (20.0, 0.5)


def test_what_was_measured_as_zero_may_be_corrected_to_zero_or_below() -> None:
    bench = Bench()
    (eid,) = measured(bench, {})
    was = bench.state.experiments[eid]
    bench.state.experiments[eid] = replace(was, found={**was.found, "drift": (0.0, 0.0)})
    bench.ask("anna", "amend", eid, drift=-0.5, comment="the sign was lost")
    assert bench.state.experiments[eid].found["drift"] == (-0.5, 0.0)


def test_what_has_no_result_cannot_be_corrected() -> None:
    bench = Bench()
    eid, order = under_way(bench)
    bench.ask("anna", "amend", eid, hardness=20.0)
    assert bench.refused() == "no_result"
    bench.answer(order, state="failed", error_kind="infeasible")
    bench.ask("anna", "retract", eid)
    assert bench.refused() == "no_result"
    assert "infeasible" in bench.of(ev.EnvelopeRefused)[-1].message


# ---- Samples, instruments, proposals


def test_a_sample_is_where_it_was_put_and_then_where_it_is_measured() -> None:
    bench = Bench()
    eid, order = under_way(bench)
    assert bench.state.places[eid] == "furnace-1"
    bench.answer(order)
    bench.ask("ole", "move", eid, place="shelf 4")
    assert bench.state.places[eid] == "shelf 4"
    bench.dispatch(eid)
    assert bench.state.places[eid] == "indenter-1"
    bench.ask("ole", "move", "hard-E077", place="shelf 4")
    assert bench.refused() == "unknown_sample"


def test_nothing_is_ordered_from_an_instrument_that_is_out_of_service() -> None:
    bench = Bench()
    (eid,) = bench.approved({})
    (order,) = bench.orders
    bench.ask("ole", "maintenance", "furnace-1", on=True, comment="new lining")
    assert bench.intend(order) is None
    (held,) = bench.holdings
    assert (held.experiment, held.code) == (eid, "maintenance")
    assert "new lining" in held.reason
    bench.world["furnace-2"] = core.InstrumentView("furnace")
    assert [c.instrument for c in bench.orders] == ["furnace-2"]
    del bench.world["furnace-2"]
    bench.ask("ole", "maintenance", "furnace-1", on=False)
    assert [c.instrument for c in bench.orders] == ["furnace-1"]


def test_a_proposal_is_taken_back() -> None:
    bench = Bench()
    first, second = bench.plan({}, {"temperature": 1100.0})
    assert kinds(bench.ask("anna", "withdraw", first, comment="made before")) == [
        "request.accepted",
        "proposal.decided",
    ]
    assert (bench.state.proposals[first].phase, bench.state.proposals[second].phase) == ("withdrawn", "proposed")
    for pid in (first, "hard-P099"):
        bench.ask("anna", "withdraw", pid)
        assert bench.refused() == "proposal_closed"
    bench.decide("anna", first)
    assert bench.refused() == "proposal_closed"


def test_the_files_are_read_again_for_an_admin_alone() -> None:
    bench = Bench()
    assert kinds(bench.ask("ada", "reload")) == ["request.accepted"]
    for user in ("anna", "clara", "ole", "vera"):
        assert kinds(bench.ask(user, "reload")) == ["envelope.refused"]


# ---- Who may, and once


NEEDED: dict[str, dict[str, Any]] = {
    "pause": {}, "resume": {}, "stop": {}, "stop-lab": {}, "clear-lab": {}, "withdraw": {},
    "reconcile": {"verdict": "again"}, "amend": {"hardness": 20.0}, "retract": {}, "move": {"place": "shelf"},
    "maintenance": {"on": True}, "reload": {},
}  # fmt: skip


@pytest.mark.parametrize("action", NEEDED)
def test_a_viewer_looks(action: str) -> None:
    bench = Bench()
    before = deepcopy(bench.state)
    subject = "" if action in {"stop-lab", "clear-lab", "reload"} else HARD
    assert kinds(bench.ask("vera", action, subject, **NEEDED[action])) == ["envelope.refused"]
    assert bench.refused() == "role_not_allowed"
    before.refused = bench.state.refused
    assert bench.state == before


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_a_campaign_that_is_not_there_is_named_with_those_that_are(action: str) -> None:
    bench = Bench()
    bench.ask("anna", action, "herd")
    assert bench.refused() == "unknown_campaign"
    assert HARD in bench.of(ev.EnvelopeRefused)[-1].message


def test_a_request_counts_once_and_not_under_another_id() -> None:
    bench = Bench()
    token = bench.pen.request("ole", "pause", HARD, bench.now)
    rid = request_id(token)
    assert kinds(bench.tell(core.RequestArrived("ole", "0" * 32, token, bench.now))) == ["envelope.refused"]
    assert bench.refused() == "other_request"
    assert bench.tell(core.RequestArrived("ole", rid, token, bench.now))[0].kind == "request.accepted"
    bench.ask("ole", "resume", HARD)
    bench.tell(core.RequestArrived("ole", rid, token, bench.now))
    assert bench.refused() == "already_counted"
    assert bench.state.campaigns[HARD].phase == "running"


def test_the_age_of_a_signature_is_judged_by_the_machines_clock_not_by_the_laboratorys() -> None:
    bench = Bench()
    token = bench.pen.request("ole", "pause", HARD, NOW)
    bench.now += timedelta(days=400)  # a virtual laboratory runs ahead
    assert bench.tell(core.RequestArrived("ole", request_id(token), token, NOW))[0].kind == "request.accepted"
    stale = bench.pen.request("ole", "resume", HARD, NOW)
    bench.tell(core.RequestArrived("ole", request_id(stale), stale, NOW + timedelta(minutes=11)))
    assert bench.refused() == "too_old"


def test_a_campaign_that_left_the_file_cannot_be_resumed() -> None:
    bench = Bench({HARD: AUTOMATIC, SOFT: AUTOMATIC})
    bench.ask("ole", "pause", SOFT)
    bench.rules = replace(bench.rules, campaigns={HARD: AUTOMATIC})
    bench.ask("ole", "resume", SOFT)
    assert bench.refused() == "unknown_campaign"
    bench.ask("ole", "stop", SOFT)
    assert bench.state.campaigns[SOFT].phase == "stopped"

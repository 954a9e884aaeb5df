"""What happens is told to people in words that say who, what and why; and how urgent it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lab_bench import CAMPAIGN, FULL_RECIPE, HARD, NOW, Bench

from agent import core, history
from agent import events as ev
from agent.daemon.question_words import words_of
from agent.daemon.standing import campaign_state
from agent.daemon.telling import Told, told
from agent.rules.budgets import Budgets
from envs.objective import Direction, Objective


def said(bench: Bench, kind: type[Any]) -> Told:
    """What is told of the last event of a kind."""
    words = told(bench.of(kind)[-1], bench.state)
    assert words is not None
    return words


def test_the_life_of_an_experiment_in_words() -> None:
    bench = Bench(replace(CAMPAIGN, recipe=FULL_RECIPE))
    (eid,) = bench.approved({})
    assert said(bench, ev.ProposalMade).text == "hard-P001 waits for a decision: TiB2"
    assert said(bench, ev.ProposalDecided).text == "hard-P001 approved by anna"
    assert said(bench, ev.ExperimentQueued).text == "hard-E001 is queued, from hard-P001"
    order = bench.dispatch(eid)
    assert said(bench, ev.StepDispatched).text == "hard-E001: sinter ordered from furnace-1"
    bench.answer(order, state="failed", error="timeout: no heat")
    assert said(bench, ev.StepEnded) == Told(
        "warning", "hard-E001: sinter failed, timeout: no heat", said(bench, ev.StepDispatched).reference
    )
    bench.finish(eid)
    assert told(bench.of(ev.StepEnded)[-1], bench.state) is None  # what goes well is told by its end
    end = said(bench, ev.ExperimentEnded)
    assert (end.level, end.text) == ("info", "hard-E001 completed: hardness 20 ± 0.5 (TiB2)")


def test_a_queue_before_an_instrument_is_no_trouble() -> None:
    bench = Bench()
    (eid,) = bench.approved({})
    for code, level in (("instrument_busy", "info"), ("instrument_stale", "warning")):
        held = told(ev.DispatchHeld(experiment=eid, step="sinter", code=code, reason="furnace-1 has work"), bench.state)
        assert held is not None
        assert (held.level, held.text) == (level, f"{eid} waits: furnace-1 has work")


def test_what_needs_a_person_is_told_as_an_error() -> None:
    bench = Bench()
    (eid,) = bench.approved({})
    order = bench.dispatch(eid)
    bench.tell(core.Lost(eid, order.job, "no answer"))
    lost = said(bench, ev.ReconcileNeeded)
    assert (lost.level, "a person must look" in lost.text, "furnace-1" in lost.text) == ("error", True, True)
    bench.ask("ole", "stop-lab", comment="smoke")
    stop = said(bench, ev.LabStopped)
    assert (stop.level, stop.text) == ("error", "the laboratory was stopped by ole: smoke")


@pytest.mark.parametrize(
    ("action", "more", "kind", "words"),
    [
        ("pause", {"comment": "powder"}, ev.CampaignPhaseChanged, "hard is paused, by ole: powder"),
        ("stop", {}, ev.CampaignPhaseChanged, "hard is stopped, by ole"),
        ("maintenance", {"on": True}, ev.MaintenanceSet, "furnace-1 is out of service, by ole"),
    ],
)
def test_who_did_it_and_why(action: str, more: dict[str, Any], kind: type[ev.Event], words: str) -> None:
    bench = Bench()
    bench.ask("ole", action, "furnace-1" if action == "maintenance" else HARD, **more)
    assert said(bench, kind).text == words


def test_rules_and_units_are_told_as_people_call_them() -> None:
    state = core.LabState()
    for by, reason, words in (
        ("policy:mild", "temperature 0 to 1400 Cel", "P1 approved by the rule mild: temperature 0 to 1400 °C"),
        ("anna,ben", "2 um, 5 Cel/min, 9 Cel.", "P1 approved by anna and ben: 2 µm, 5 Cel/min, 9 °C."),
    ):
        event = ev.ProposalDecided(proposal="P1", verdict="approved", by=by, reason=reason)
        answer = told(event, state)
        assert answer is not None
        assert answer.text == words_of(event) == words
    paused = ev.CampaignPhaseChanged(campaign="hard", phase="paused", by="policy:limits", reason="too hot")
    assert words_of(paused) == "hard is paused, by the rule limits: too hot"


def test_every_event_that_a_laboratory_can_write_has_words_or_none_on_purpose() -> None:
    bench = Bench()
    first, second = bench.plan({}, {"temperature": 1100.0})
    bench.edit("anna", first, temperature=1200.0)
    bench.decide("vera", first)
    bench.decide("ben", first)
    bench.decide("ole", second, "reject", comment="no powder")
    bench.finish("hard-E001")
    bench.ask("anna", "amend", "hard-E001", hardness=21.0)
    bench.ask("anna", "retract", "hard-E001")
    bench.ask("ole", "move", "hard-E001", place="shelf 1")
    silent = {e.kind for e in bench.events if told(e, bench.state) is None}
    assert silent == {"request.accepted", "step.ended", "sample.moved"}


def test_votes_that_were_cast_are_on_the_board() -> None:
    from agent.rules.policy import ApprovalPolicy, Threshold

    bench = Bench(replace(CAMPAIGN, policy=ApprovalPolicy(factors={"temperature": Threshold(above=1000.0)})))
    (pid,) = bench.plan({})
    bench.decide("anna", pid)
    state = campaign_state(bench.state, bench.rules, HARD, boot="b", seq=1, now=NOW)
    assert state.votes == {pid: ("anna",)}
    assert said(bench, ev.VoteCast).text == "anna approved hard-P001; more have to"


def test_the_board_counts_everything() -> None:
    bench = Bench(replace(CAMPAIGN, at_once=2, initial=5, batch=5))
    pids = bench.plan(*({"temperature": 1000.0 + 100.0 * n} for n in range(5)))
    bench.edit("anna", pids[4], temperature=1700.0)
    for pid in pids[:3]:
        bench.decide("anna", pid)
    bench.decide("anna", pids[3], "reject")
    bench.finish("hard-E001")
    order = bench.dispatch("hard-E002")
    bench.tell(core.Lost("hard-E002", order.job, "no answer"))
    counts = campaign_state(bench.state, bench.rules, HARD, boot="b", seq=1, now=NOW).counts
    assert counts.model_dump(exclude={"expired", "withdrawn", "failed"}) == {
        "proposed": 1, "approved": 3, "rejected": 1, "edited": 1, "queued": 1, "running": 0, "needs_reconcile": 1,
        "completed": 1,
    }  # fmt: skip


def test_the_board_tells_every_budget_that_can_end_a_campaign() -> None:
    budgets = Budgets(hours={"furnace": 30.0, "sem": 4.0}, cost={"powder": 20.0})
    bench = Bench(replace(CAMPAIGN, budgets=budgets))
    bench.approved({}, {"temperature": 1100.0})
    bench.finish("hard-E001")
    lines = campaign_state(bench.state, bench.rules, HARD, boot="b", seq=1, now=NOW).budget
    assert lines["experiments"].limit == CAMPAIGN.experiments
    assert (lines["furnace_hours"].limit, lines["furnace_hours"].unit) == (30.0, "h")
    assert (lines["sem_hours"].limit, lines["sem_hours"].used) == (4.0, 0.0)
    assert lines["cost.powder"].limit == 20.0
    used = bench.state.campaigns[HARD].spent.hours["furnace"]
    assert lines["furnace_hours"].used == pytest.approx(used, abs=1e-3)


def test_the_best_on_the_board_is_the_best_by_the_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(replace(CAMPAIGN, recipe=FULL_RECIPE))
    first, second = bench.approved({}, {"temperature": 1100.0})
    for eid in (first, second):
        bench.finish(eid)
    bench.ask("anna", "amend", second, hardness=31.0, comment="load cell")

    def shown() -> str:
        best = campaign_state(bench.state, bench.rules, HARD, boot="b", seq=1, now=NOW).best
        assert best is not None
        return best.experiment

    assert shown() == second
    monkeypatch.setattr(history, "FLAGSHIP", Objective("hardness", "GPa", Direction.MINIMISE))
    assert shown() == first

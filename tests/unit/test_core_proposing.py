"""Rounds: what the planner answers becomes proposals; where it fails or the limits forbid all, a person is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lab_bench import AUTOMATIC, CAMPAIGN, HARD, NOW, SOFT, Bench

from agent import core
from agent import events as ev
from agent.core.messages import Effect
from agent.core.proposing import MAX_EMPTY_ROUNDS, MAX_FAILED_PLANS


def failed(bench: Bench, index: int = 0) -> list[ev.Event]:
    return bench.tell(ev.PlanFailed(campaign=HARD, round=index, reason="no memory left"))


def refused_round(bench: Bench) -> list[ev.Event]:
    index = bench.state.campaigns[HARD].round + 1
    design = ev.DesignRecord(crystal="mp-1", formula="TiB2", process={"temperature": 1000.0 + 100 * index, "hold": 1.0})
    refused = ev.ProposalRefused(campaign=HARD, round=index, design=design, pool="random", reasons=("too hot",))
    planned = ev.RoundPlanned(campaign=HARD, round=index, candidates={"random": 9})
    return bench.tell(core.Planned(planned, [], [refused]))


def test_a_round_is_published_and_waits_for_people() -> None:
    bench = Bench()
    pids = bench.plan({}, {"temperature": 1500.0})
    assert pids == ["hard-P001", "hard-P002"]
    assert list(bench.state.campaigns[HARD].waiting) == pids
    assert set(bench.effects) == {Effect("campaign", HARD), *(Effect("proposal", p) for p in pids)}
    assert bench.due == []


def test_two_campaigns_number_their_own() -> None:
    bench = Bench({HARD: AUTOMATIC, SOFT: AUTOMATIC})
    bench.plan({})
    assert bench.plan({}, cid=SOFT) == ["soft-P001"]
    assert set(bench.state.experiments) == {"hard-E001", "soft-E001"}


def test_an_answer_to_a_round_that_is_not_awaited_changes_nothing() -> None:
    bench = Bench()
    bench.plan({})
    count = len(bench.events)
    planned = ev.RoundPlanned(campaign=HARD, round=0, candidates={})
    assert bench.tell(core.Planned(planned, [])) == []
    assert bench.tell(core.Planned(planned.model_copy(update={"round": 1}), [])) == []
    assert bench.tell(core.Planned(planned.model_copy(update={"campaign": "nobody's"}), [])) == []
    assert len(bench.events) == count


def test_a_planner_that_fails_again_and_again_waits_for_a_person() -> None:
    bench = Bench()
    for _ in range(MAX_FAILED_PLANS - 1):
        assert [e.kind for e in failed(bench)] == ["plan.failed"]
        assert bench.due == [core.PlanRound(HARD, 0, 2)]
    assert [e.kind for e in failed(bench)] == ["plan.failed", "campaign.phase"]
    campaign = bench.state.campaigns[HARD]
    assert (campaign.phase, campaign.by) == ("paused", "policy:planner")
    assert "no memory left" in campaign.reason
    assert bench.due == []
    bench.ask("ole", "resume", HARD)
    assert [e.kind for e in failed(bench)] == ["plan.failed"]  # counted anew
    bench.plan({})
    assert bench.state.campaigns[HARD].failed_plans == 0


def test_limits_that_forbid_every_design_pause_the_campaign_instead_of_planning_for_ever() -> None:
    bench = Bench()
    for _ in range(MAX_EMPTY_ROUNDS - 1):
        assert [e.kind for e in refused_round(bench)] == ["round.planned", "proposal.refused"]
    assert [e.kind for e in refused_round(bench)] == ["round.planned", "proposal.refused", "campaign.phase"]
    campaign = bench.state.campaigns[HARD]
    assert (campaign.phase, campaign.by) == ("paused", "policy:limits")
    assert len(campaign.designs) == MAX_EMPTY_ROUNDS  # none of them is suggested again


def test_rejected_rounds_are_no_empty_ones_people_may_say_no_as_often_as_they_like() -> None:
    bench = Bench()
    for n in range(MAX_EMPTY_ROUNDS + 2):
        (pid,) = bench.plan({"temperature": 1000.0 + 100.0 * n})
        bench.decide("anna", pid, "reject")
    assert bench.state.campaigns[HARD].phase == "running"
    assert bench.state.campaigns[HARD].counted["rejected"] == MAX_EMPTY_ROUNDS + 2


def test_the_campaign_is_over_when_its_budget_is_made_and_nothing_waits() -> None:
    bench = Bench(replace(CAMPAIGN, experiments=2))
    first, second = bench.plan({}, {"temperature": 1100.0})
    bench.decide("anna", first)
    bench.finish("hard-E001")
    assert bench.state.campaigns[HARD].phase == "running"
    bench.decide("anna", second)
    bench.finish("hard-E002")
    assert bench.state.campaigns[HARD].phase == "completed"
    assert "2 experiments" in bench.state.campaigns[HARD].end
    assert bench.due == []


def changed(bench: Bench, experiments: int) -> list[ev.Event]:
    bench.change(experiments=experiments)
    return bench.tell(ev.CampaignChanged(campaign=HARD, config={}, by="config-file", reason="budget"))


def test_a_larger_budget_takes_a_completed_campaign_up_again() -> None:
    bench = Bench(replace(AUTOMATIC, experiments=1, initial=1))
    bench.plan({})
    bench.finish("hard-E001")
    assert bench.state.campaigns[HARD].phase == "completed"
    assert [e.kind for e in changed(bench, experiments=3)] == ["campaign.changed", "campaign.phase"]
    assert bench.due == [core.PlanRound(HARD, 1, 2)]


def test_a_smaller_budget_that_is_made_already_ends_an_idle_campaign() -> None:
    bench = Bench(AUTOMATIC)
    bench.plan({}, {"temperature": 1100.0})
    for eid in ("hard-E001", "hard-E002"):
        bench.finish(eid)
    changed(bench, experiments=2)
    assert bench.state.campaigns[HARD].phase == "completed"
    assert bench.due == []


def test_a_smaller_budget_leaves_what_is_under_way_alone() -> None:
    bench = Bench(AUTOMATIC)
    bench.plan({}, {"temperature": 1100.0})
    bench.finish("hard-E001")
    changed(bench, experiments=1)
    assert bench.state.campaigns[HARD].phase == "running"
    bench.finish("hard-E002")
    assert bench.state.campaigns[HARD].phase == "completed"


@pytest.mark.parametrize("end", ["reject", "withdraw", "expire", "stale"])
def test_whatever_becomes_of_the_last_proposal_a_campaign_that_has_its_budget_ends(end: str) -> None:
    bench = Bench()
    first, second = bench.plan({}, {"temperature": 1600.0})
    bench.decide("anna", first)
    bench.finish("hard-E001")
    changed(bench, experiments=1)
    if end == "stale":
        from lab_bench import limits

        bench.rules = replace(bench.rules, limits=limits(1500.0))
        bench.decide("anna", second)
    elif end == "expire":
        bench.pass_time(hours=25)
    elif end == "withdraw":
        bench.ask("anna", "withdraw", second)
    else:
        bench.decide("anna", second, "reject")
    assert bench.state.campaigns[HARD].phase == "completed"


def test_a_restart_finds_everything_in_the_record() -> None:
    bench = Bench({HARD: AUTOMATIC, SOFT: CAMPAIGN})
    bench.plan({}, {"temperature": 1100.0})
    (pid, _) = bench.plan({}, {"temperature": 1500.0}, cid=SOFT)
    bench.edit("anna", pid, temperature=1200.0)
    bench.dispatch("hard-E001")
    bench.ask("ole", "maintenance", "sem-1", on=True)
    bench.ask("ole", "pause", SOFT)
    bench.ask("vera", "stop-lab")
    bench.ask("ole", "stop-lab")
    bench.tell(core.Lost("hard-E001", "job-1", "no answer"))
    folded = core.LabState()
    for event in bench.events:
        core.evolve(folded, ev.parse_event(event.model_dump_json()), NOW)
    assert folded == bench.state
    assert core.due(folded, bench.rules, bench.world, NOW) == bench.due

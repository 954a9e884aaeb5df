"""What is due: whose turn it is, which instrument has room, what the budgets leave, and the last look at an order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from lab_bench import CAMPAIGN, FULL_RECIPE, HARD, NOW, SOFT, Bench, limits

from agent import core
from agent import events as ev
from agent.core.messages import Effect
from agent.rules.budgets import Budgets

MANY = replace(CAMPAIGN, experiments=12, batch=4, initial=4, at_once=4)
FOUR: tuple[dict[str, Any], ...] = tuple({"temperature": t} for t in (1000.0, 1100.0, 1200.0, 1300.0))


def ids_of(bench: Bench) -> list[str]:
    return [c.experiment for c in bench.orders]


def hold_all(bench: Bench) -> None:
    """Record why things wait, as the runner does."""
    for command in bench.holdings:
        bench.tell(command)


# ---- Places


def test_a_campaign_has_as_many_experiments_under_way_as_it_may() -> None:
    bench = Bench(replace(MANY, at_once=2))
    bench.world["furnace-1"] = core.InstrumentView("furnace", places=9)
    bench.approved(*FOUR)
    assert ids_of(bench) == ["hard-E001", "hard-E002"]
    for command in bench.orders:
        bench.intend(command)
    assert len(bench.orders) == 2  # those that are to be sent, and no third
    bench.finish("hard-E001")
    assert "hard-E003" in ids_of(bench)


def test_an_instrument_gets_as_many_orders_as_it_has_places() -> None:
    bench = Bench(MANY)
    bench.world["furnace-1"] = core.InstrumentView("furnace", places=2)
    bench.approved(*FOUR)
    assert ids_of(bench) == ["hard-E001", "hard-E002"]
    (held,) = bench.holdings
    assert (held.experiment, held.code) == ("hard-E003", "instrument_busy")


def test_several_instruments_of_one_kind_share_the_work() -> None:
    bench = Bench(MANY)
    bench.world["furnace-2"] = core.InstrumentView("furnace")
    bench.approved(*FOUR)
    assert [(c.experiment, c.instrument) for c in bench.orders] == [
        ("hard-E001", "furnace-1"), ("hard-E002", "furnace-2"),
    ]  # fmt: skip
    first, _ = (bench.intend(c) for c in bench.orders)
    assert first is not None
    bench.answer(first)
    placed = {c.experiment: c.instrument for c in bench.orders}
    assert placed["hard-E003"] == "furnace-1"


def test_a_place_is_taken_by_an_open_job_whatever_the_instrument_says_of_itself() -> None:
    bench = Bench(MANY)
    bench.approved(*FOUR)
    bench.dispatch()
    assert bench.state.busy == {"furnace-1": 1}
    assert [c.experiment for c in bench.orders] == ["hard-E001"]  # the open one, to be followed


def test_a_campaign_orders_from_its_own_instruments_alone() -> None:
    bench = Bench(replace(CAMPAIGN, instruments=frozenset({"furnace-2", "indenter-1"})))
    bench.approved({})
    (held,) = bench.holdings
    assert (held.code, bench.orders) == ("no_instrument", [])
    bench.world["furnace-2"] = core.InstrumentView("furnace")
    assert [c.instrument for c in bench.orders] == ["furnace-2"]


# ---- Whose turn


def test_the_campaign_of_higher_priority_gets_the_instrument() -> None:
    bench = Bench({HARD: CAMPAIGN, SOFT: replace(CAMPAIGN, priority=5)})
    bench.approved({})
    bench.approved({}, cid=SOFT)
    assert ids_of(bench) == ["soft-E001"]
    bench.finish("soft-E001")
    assert ids_of(bench) == ["hard-E001"]


def test_what_is_begun_comes_before_anything_new() -> None:
    bench = Bench({HARD: replace(CAMPAIGN, recipe=FULL_RECIPE), SOFT: replace(CAMPAIGN, priority=5)})
    bench.approved({})
    bench.answer(bench.dispatch("hard-E001"))
    bench.approved({}, cid=SOFT)
    assert ids_of(bench) == ["hard-E001", "soft-E001"]


def test_within_a_campaign_the_first_approved_is_the_first_made() -> None:
    bench = Bench(replace(MANY, at_once=1))
    first, second = bench.plan(*FOUR[:2])
    bench.decide("anna", second)
    bench.decide("anna", first)
    assert bench.orders[0].experiment == "hard-E001"
    assert bench.state.experiments["hard-E001"].proposal == second


def test_a_round_is_planned_when_everything_before_has_ended() -> None:
    bench = Bench()
    assert bench.due == [core.PlanRound(HARD, 0, 2)]
    first, second = bench.plan(*FOUR[:2])
    bench.decide("anna", first)
    bench.decide("anna", second, "reject")
    assert not any(isinstance(c, core.PlanRound) for c in bench.due)
    bench.finish("hard-E001")
    assert bench.due == [core.PlanRound(HARD, 1, 2)]


def test_a_campaign_whose_rules_are_gone_rests() -> None:
    bench = Bench({HARD: CAMPAIGN, SOFT: CAMPAIGN})
    bench.approved({}, cid=SOFT)
    order = bench.dispatch("soft-E001")
    bench.rules = replace(bench.rules, campaigns={HARD: CAMPAIGN})
    assert {c.campaign for c in bench.due if isinstance(c, core.PlanRound)} == {HARD}
    assert bench.orders == []
    assert bench.answer(order) == []


# ---- Why something waits


def test_why_an_order_waits_is_on_record_once_for_each_reason_and_also_that_it_waits_no_more() -> None:
    bench = Bench()
    bench.approved({})
    stale = core.InstrumentView("furnace", code="instrument_stale", reason="furnace-1 is stale")
    bench.world["furnace-1"] = stale
    for _ in range(5):
        hold_all(bench)
    bench.ask("ole", "maintenance", "furnace-1", on=True)
    for _ in range(5):
        hold_all(bench)
    bench.ask("ole", "maintenance", "furnace-1", on=False)
    bench.world["furnace-1"] = core.InstrumentView("furnace")
    for _ in range(5):
        hold_all(bench)
    held = bench.of(ev.DispatchHeld)
    assert [e.code for e in held] == ["instrument_stale", "maintenance", ""]
    assert held[0].reason == "furnace-1 is stale"
    assert bench.state.held == {}
    assert ids_of(bench) == ["hard-E001"]


def test_only_the_head_of_a_queue_says_why_it_waits() -> None:
    bench = Bench(MANY)
    bench.approved(*FOUR)
    bench.world.clear()
    assert [(h.experiment, h.code) for h in bench.holdings] == [("hard-E001", "no_instrument")]


# ---- Budgets


def test_so_many_runs_a_day_and_no_more_whatever_the_time_of_day() -> None:
    bench = Bench(replace(MANY, budgets=Budgets(runs_per_day=2)))
    bench.approved(*FOUR)
    bench.finish("hard-E001")
    bench.now += timedelta(hours=6)
    bench.finish("hard-E002")
    (held,) = bench.holdings
    assert (held.experiment, held.code, bench.orders) == ("hard-E003", "budget_runs_per_day", [])
    assert "2026-06-02 12:00 UTC" in held.reason
    bench.now = NOW + timedelta(hours=24)
    assert ids_of(bench) == ["hard-E003"]


def test_experiments_that_begin_at_once_do_not_spend_the_same_run() -> None:
    bench = Bench(replace(MANY, budgets=Budgets(runs_per_day=1)))
    bench.world["furnace-1"] = core.InstrumentView("furnace", places=4)
    bench.approved(*FOUR)
    assert ids_of(bench) == ["hard-E001"]


def test_a_budget_of_the_laboratory_is_one_for_all_campaigns() -> None:
    bench = Bench({HARD: MANY, SOFT: MANY}, budgets=Budgets(runs_per_day=1))
    bench.world["furnace-1"] = core.InstrumentView("furnace", places=4)
    bench.approved({})
    bench.approved({}, cid=SOFT)
    assert ids_of(bench) == ["hard-E001"]
    bench.dispatch()
    assert {h.code for h in bench.holdings} == {"budget_runs_per_day"}


def test_hours_of_the_furnace_run_out_and_a_person_raises_them() -> None:
    bench = Bench(replace(MANY, budgets=Budgets(hours={"furnace": 3.5})))
    bench.approved(*FOUR)  # 3 h each by the estimate
    order = bench.dispatch()
    bench.answer(order, elapsed_s=3600.0)
    bench.finish("hard-E001")
    (held,) = bench.holdings
    assert held.code == "budget_furnace_hours"
    assert "1 of 3.5 are spent" in held.reason
    bench.change(budgets=Budgets(hours={"furnace": 4.0}))
    assert ids_of(bench) == ["hard-E002"]


def test_failures_in_a_row_hold_the_campaign_until_a_person_resumes_it() -> None:
    bench = Bench(replace(MANY, at_once=1, budgets=Budgets(consecutive_failures=2)))
    bench.approved(*FOUR)
    for _ in range(2):
        bench.answer(bench.dispatch(), state="failed", error_kind="fatal", error="jammed: the door")
    (held,) = bench.holdings
    assert (held.code, bench.orders) == ("budget_consecutive_failures", [])
    assert "resumes the campaign" in held.reason
    bench.ask("ole", "resume", HARD, comment="the door was jammed")
    assert ids_of(bench) == ["hard-E003"]


def test_a_synthesis_that_cannot_work_is_knowledge_and_no_failure_of_the_laboratory() -> None:
    bench = Bench(replace(MANY, at_once=1, budgets=Budgets(consecutive_failures=2)))
    bench.approved(*FOUR)
    for _ in range(3):
        bench.answer(bench.dispatch(), state="failed", error_kind="infeasible", error="molten: it melted")
    assert ids_of(bench) == ["hard-E004"]


def test_failures_that_hold_the_whole_laboratory_are_looked_at_by_a_person_too() -> None:
    bench = Bench({HARD: replace(MANY, at_once=1), SOFT: MANY}, budgets=Budgets(consecutive_failures=2))
    bench.approved(*FOUR)
    for _ in range(2):
        bench.answer(bench.dispatch(), state="failed", error_kind="fatal", error="jammed: the door")
    bench.approved({}, cid=SOFT)
    assert (bench.orders, {h.code for h in bench.holdings}) == ([], {"budget_consecutive_failures"})
    bench.ask("ole", "resume", HARD, comment="the door was jammed")
    assert ids_of(bench) == ["hard-E003"]


def test_what_a_stop_ends_before_it_was_begun_is_no_failure_of_the_laboratory() -> None:
    bench = Bench({HARD: MANY, SOFT: MANY}, budgets=Budgets(consecutive_failures=2))
    bench.approved(*FOUR)
    bench.approved({}, cid=SOFT)
    bench.ask("ole", "stop", HARD)
    assert ids_of(bench) == ["soft-E001"]


def test_what_is_begun_is_finished_although_the_budget_is_spent() -> None:
    bench = Bench(replace(MANY, budgets=Budgets(runs_per_day=1)))
    bench.approved(*FOUR[:2])
    bench.answer(bench.dispatch())
    assert [(c.experiment, c.step) for c in bench.orders] == [("hard-E001", "indent")]


# ---- The last look


def test_limits_that_were_lowered_since_are_kept_at_the_last_moment() -> None:
    bench = Bench()
    (eid,) = bench.approved({"temperature": 1600.0})
    (order,) = bench.orders
    bench.rules = replace(bench.rules, limits=limits(1500.0))
    assert bench.intend(order) is None
    refused, ended = bench.events[-2:]
    assert isinstance(refused, ev.DispatchRefused)
    assert isinstance(ended, ev.ExperimentEnded)
    assert refused.instrument == "furnace-1"
    assert any("above the limit of 1500 Cel" in r for r in refused.reasons)
    assert (ended.experiment, ended.outcome) == (eid, "aborted")
    assert {Effect("outcome", "hard-P001"), Effect("campaign", HARD)} <= set(bench.effects)
    assert bench.state.jobs == {}


def test_an_instrument_that_is_not_on_the_list_gets_no_order() -> None:
    bench = Bench(limits=limits(furnaces=("furnace-2",)))
    bench.approved({})
    (order,) = bench.orders  # the shell shows only what is allowed; the core does not trust it
    assert bench.intend(order) is None
    assert "furnace-1 is not on the allow-list" in bench.of(ev.DispatchRefused)[-1].reasons[0]


def test_a_recipe_that_was_changed_since_is_not_the_one_that_was_approved() -> None:
    bench = Bench()
    bench.approved({})
    bench.change(recipe=FULL_RECIPE)
    (order,) = bench.orders
    assert bench.intend(order) is None
    assert "not the one that was approved" in bench.of(ev.DispatchRefused)[-1].reasons[-1]


def test_in_shadow_it_is_recorded_what_would_be_ordered_and_nothing_is() -> None:
    bench = Bench(mode="shadow")
    (eid,) = bench.approved({"temperature": 1400.0})
    (order,) = bench.orders
    assert bench.intend(order) is None
    shadowed, ended = bench.events[-2:]
    assert isinstance(shadowed, ev.StepShadowed)
    assert (shadowed.experiment, shadowed.instrument, shadowed.command) == (eid, "furnace-1", "sinter")
    assert shadowed.parameters["temperature"] == {"value": 1400.0, "unit": "Cel"}
    assert isinstance(ended, ev.ExperimentEnded)
    assert (ended.outcome, ended.reason) == ("superseded", "shadow: nothing is ordered")
    assert not any(e.kind == "order" for e in bench.effects)
    assert isinstance(bench.due[0], core.PlanRound)


@pytest.mark.parametrize("changed", ["step", "attempt", "tries"])
def test_an_order_that_was_prepared_for_another_moment_is_not_journaled(changed: str) -> None:
    bench = Bench()
    bench.approved({})
    (order,) = bench.orders
    stale = {
        "step": replace(order, step="indent"), "attempt": replace(order, attempt=1), "tries": replace(order, tries=1),
    }[changed]  # fmt: skip
    before = len(bench.events)
    assert bench.intend(stale) is None
    assert len(bench.events) == before


# ---- A journaled intent that was not sent yet


def unsent() -> tuple[Bench, core.SendOrder]:
    bench = Bench()
    bench.approved({"temperature": 1600.0})
    return bench, bench.dispatch()


def test_an_order_that_is_journaled_is_due_until_it_ends() -> None:
    bench, order = unsent()
    assert bench.orders == [order]
    bench.answer(order)
    assert [c.step for c in bench.orders] == ["indent"]


def test_an_unsent_order_waits_for_the_end_of_a_stop_or_of_maintenance() -> None:
    from agent.core.experimenting import hindrance

    bench, order = unsent()
    assert hindrance(bench.state, order, bench.rules) == ("", "")
    bench.ask("ole", "stop-lab", comment="smoke")
    assert hindrance(bench.state, order, bench.rules) == ("wait", "the laboratory is stopped: smoke")
    bench.ask("clara", "clear-lab")
    bench.ask("ole", "maintenance", "furnace-1", on=True)
    assert hindrance(bench.state, order, bench.rules)[0] == "wait"
    bench.ask("ole", "maintenance", "furnace-1", on=False)
    assert hindrance(bench.state, order, bench.rules) == ("", "")


def test_an_unsent_order_waits_while_nothing_is_ordered() -> None:
    from agent.core.experimenting import hindrance

    bench, order = unsent()
    bench.rules = replace(bench.rules, mode="shadow")
    assert hindrance(bench.state, order, bench.rules)[0] == "wait"


@pytest.mark.parametrize("changed", ["limits", "recipe"])
def test_an_unsent_order_is_refused_where_it_may_not_be_sent_any_more(changed: str) -> None:
    from agent.core.experimenting import hindrance

    bench, order = unsent()
    if changed == "limits":
        bench.rules = replace(bench.rules, limits=limits(1500.0))
    else:
        bench.change(recipe=FULL_RECIPE)
    assert hindrance(bench.state, order, bench.rules)[0] == "refuse"

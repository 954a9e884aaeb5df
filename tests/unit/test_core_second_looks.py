"""What changed between an approval and its order: budgets, limits, recipes, modes, and instruments without room."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from lab_bench import CAMPAIGN, FULL_RECIPE, HARD, HOTTEST, SOFT, TRUSTED, Bench, limits

from agent import core
from agent import events as ev
from agent.core.approving import RECORDED, RECORDED_IN_ALL, STRANGERS
from agent.core.experimenting import hindrance
from agent.rules.bounds import Bound
from agent.rules.budgets import Budgets
from agent.rules.limits import Allowed, Limits
from agent.rules.policy import ApprovalPolicy
from agent.rules.quiet import QuietHours

MANY = replace(CAMPAIGN, experiments=12, batch=4, initial=4, at_once=4)
QUIET = ApprovalPolicy(auto=TRUSTED, quiet=QuietHours.parse(["11:00-13:00"]))


def kinds(events: list[ev.Event]) -> list[str]:
    return [e.kind for e in events]


# ---- Instruments without room


def turn_away(bench: Bench) -> None:
    bench.answer(
        bench.dispatch(), state="rejected", error_kind="retryable", error_code="busy", error="busy: no place is free"
    )


def test_an_instrument_that_has_no_room_is_asked_again_later_and_later() -> None:
    bench = Bench()
    (eid,) = bench.approved({})
    rests = []
    for _ in range(9):
        turn_away(bench)
        (held,) = bench.holdings
        assert (held.code, bench.orders) == ("instrument_busy", [])
        until = bench.state.experiments[eid].rests_until
        assert until is not None
        rests.append((until - bench.now).total_seconds())
        bench.now = until
    assert rests[:3] == [5.0, 10.0, 20.0]
    assert rests[-1] == 300.0
    assert not bench.state.experiments[eid].outcome  # it is no fault of the order
    bench.finish(eid)
    assert bench.state.experiments[eid].rests_until is None
    assert bench.state.experiments[eid].outcome == "completed"


def test_an_order_goes_to_the_instrument_that_may_take_it() -> None:
    cool = {"furnace-1": Allowed("furnace", {"sinter": {"temperature": Bound(20.0, 1200.0, "Cel")}})}
    own = limits()
    bench = Bench(limits=Limits.of({**own.instruments, **cool}, own.kinds, ()))
    bench.world["furnace-2"] = core.InstrumentView("furnace")
    bench.approved({"temperature": 1600.0})
    assert [c.instrument for c in bench.orders] == ["furnace-2"]


# ---- Budgets


def test_hours_that_experiments_under_way_have_before_them_are_as_good_as_spent() -> None:
    bench = Bench(replace(MANY, budgets=Budgets(hours={"furnace": 7.0})))
    bench.world["furnace-1"] = core.InstrumentView("furnace", places=4)
    bench.approved({}, {"temperature": 1100.0}, {"temperature": 1200.0})  # 3 h each
    assert [c.experiment for c in bench.orders] == ["hard-E001", "hard-E002"]
    for command in bench.orders:
        bench.intend(command)
    assert [h.code for h in bench.holdings] == ["budget_furnace_hours"]
    for eid in ("hard-E001", "hard-E002"):
        order = next(c for c in bench.orders if c.experiment == eid)
        bench.answer(order, elapsed_s=1800.0)  # they took half an hour each
        bench.finish(eid)
    assert [c.experiment for c in bench.orders] == ["hard-E003"]


def test_what_is_approved_when_the_budget_is_spent_is_withdrawn() -> None:
    bench = Bench()
    first, second = bench.plan({}, {"temperature": 1100.0})
    bench.decide("anna", first)
    bench.change(experiments=1)
    assert kinds(bench.decide("anna", second)) == ["envelope.refused", "proposal.decided"]
    assert "budget of 1 experiments is spent" in bench.of(ev.ProposalDecided)[-1].reason
    assert len(bench.state.experiments) == 1


def test_a_campaign_that_was_resumed_when_all_was_done_ends_all_the_same() -> None:
    bench = Bench(replace(CAMPAIGN, experiments=1, initial=1))
    (pid,) = bench.plan({})
    bench.decide("anna", pid)
    bench.ask("ole", "stop", HARD)  # its experiment, which nothing was ordered for, is aborted
    bench.ask("clara", "resume", HARD)
    bench.pass_time(seconds=1)
    assert bench.state.campaigns[HARD].phase == "completed"


# ---- Rules that approve by themselves


@pytest.mark.parametrize("changed", ["limits", "recipe"])
def test_no_rule_approves_what_was_proposed_under_other_limits_or_with_another_recipe(changed: str) -> None:
    bench = Bench(replace(CAMPAIGN, policy=QUIET))
    (pid,) = bench.plan({"temperature": 1200.0})
    if changed == "limits":
        bench.rules = replace(bench.rules, limits=limits(HOTTEST - 100.0))
    else:
        bench.change(recipe=FULL_RECIPE)
    bench.pass_time(hours=2)
    assert bench.state.proposals[pid].phase == "withdrawn"
    assert changed in bench.of(ev.ProposalDecided)[-1].reason


def test_no_rule_approves_while_the_laboratory_is_stopped() -> None:
    bench = Bench(replace(CAMPAIGN, policy=QUIET))
    (pid,) = bench.plan({"temperature": 1200.0})
    bench.ask("ole", "stop-lab")
    bench.pass_time(hours=2)
    assert bench.state.proposals[pid].phase == "proposed"
    bench.ask("clara", "clear-lab")
    bench.pass_time(seconds=1)
    assert bench.state.proposals[pid].phase == "approved"


# ---- Limits and recipes after the approval


def test_an_approval_is_of_one_version_of_the_limits_though_the_design_is_within_the_new_ones_too() -> None:
    bench = Bench()
    bench.approved({"temperature": 1200.0})
    bench.rules = replace(bench.rules, limits=limits(HOTTEST + 100.0))
    (order,) = bench.orders
    assert bench.intend(order) is None
    assert "not those that it was approved under" in bench.of(ev.DispatchRefused)[-1].reasons[0]


def test_what_is_under_way_is_judged_by_the_limits_of_today() -> None:
    bench = Bench()
    (eid,) = bench.approved({"temperature": 1200.0})
    bench.answer(bench.dispatch())
    bench.rules = replace(bench.rules, limits=limits(HOTTEST + 100.0))
    bench.finish(eid)  # the sample is in the furnace already, and nothing of what is left is forbidden
    assert bench.state.experiments[eid].outcome == "completed"


def test_an_order_whose_step_the_recipe_has_no_more_is_only_asked_after() -> None:
    bench = Bench(replace(CAMPAIGN, recipe=FULL_RECIPE))
    (eid,) = bench.approved({})
    bench.answer(bench.dispatch())
    order = bench.dispatch()
    assert order.step == "survey"
    bench.change(recipe=CAMPAIGN.recipe)
    (asked,) = bench.orders
    assert (asked.job, asked.order.command) == (order.job, "")
    assert hindrance(bench.state, asked, bench.rules)[0] == "refuse"
    bench.answer(order)
    assert bench.state.experiments[eid].outcome == "aborted"


def test_a_look_from_aside_ends_nothing_that_was_begun_in_earnest() -> None:
    bench = Bench()
    (eid,) = bench.approved({})
    bench.answer(bench.dispatch())
    bench.rules = replace(bench.rules, mode="shadow")
    assert [h.code for h in bench.holdings] == ["shadow"]
    assert bench.orders == []
    bench.rules = replace(bench.rules, mode="live")
    bench.finish(eid)
    assert bench.state.experiments[eid].outcome == "completed"


# ---- Floods


def nonsense(bench: Bench, user: str, pid: str) -> bool:
    """Whether it was recorded."""
    return bool(bench.arrives(user, pid, "nonsense"))


def test_made_up_names_count_as_one_and_nobody_else_pays_for_them() -> None:
    bench = Bench()
    (pid,) = bench.plan({})
    assert sum(nonsense(bench, f"mallory{n}", pid) for n in range(2 * RECORDED)) == RECORDED
    assert bench.state.refused[STRANGERS][1] == RECORDED
    assert nonsense(bench, "anna", pid)
    bench.decide("anna", pid)
    assert bench.state.proposals[pid].phase == "approved"


def test_all_together_fill_no_disk() -> None:
    bench = Bench({HARD: CAMPAIGN, SOFT: CAMPAIGN})
    (pid,) = bench.plan({})
    names = ("anna", "ben", "clara", "ole", "vera", "ada", "mallory")
    recorded = sum(nonsense(bench, names[n % 7], pid) for n in range(3000))
    assert recorded == min(RECORDED_IN_ALL, 7 * RECORDED)
    bench.now += timedelta(minutes=10)
    assert nonsense(bench, "anna", pid)


def test_a_subject_or_a_name_of_any_length_is_kept_short() -> None:
    bench = Bench()
    bench.plan({})
    long: Any = "x" * 10_000
    bench.tell(core.DecisionArrived(long, long, "nonsense", bench.now))
    refused = bench.of(ev.EnvelopeRefused)[-1]
    assert (len(refused.user), len(refused.subject)) == (64, 64)

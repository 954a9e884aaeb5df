"""People decide: who may, how many must, what an edit does, and what rules decide for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from lab_bench import (
    CAMPAIGN,
    FULL_RECIPE,
    HARD,
    HOTTEST,
    TRUSTED,
    TWO_ABOVE,
    Bench,
    limits,
)

from agent import core
from agent import events as ev
from agent.core.messages import Effect
from agent.rules.outlook import Outlook
from agent.rules.policy import ApprovalPolicy
from agent.rules.quiet import QuietHours
from envs.design import Design
from instruments.messages import Quantity
from instruments.profile.agent_messages import Proposal
from instruments.profile.model_messages import Domain

TWO = replace(CAMPAIGN, policy=ApprovalPolicy(factors=TWO_ABOVE))
AUTO = replace(CAMPAIGN, policy=ApprovalPolicy(auto=TRUSTED, factors=TWO_ABOVE))


def kinds(events: list[ev.Event]) -> list[str]:
    return [e.kind for e in events]


# ---- Whose word counts


def test_one_person_approves_and_the_experiment_is_queued_with_the_envelope_on_record() -> None:
    bench = Bench()
    (pid,) = bench.plan({})
    happened = bench.decide("anna", pid, comment="as discussed")
    assert kinds(happened) == ["proposal.decided", "experiment.queued"]
    decided = happened[0]
    assert isinstance(decided, ev.ProposalDecided)
    assert (decided.verdict, decided.by, decided.reason) == ("approved", "anna", "as discussed")
    assert decided.envelope.count(".") == 2
    assert {Effect("proposal", pid), Effect("outcome", pid), Effect("campaign", HARD)} <= set(bench.effects)
    assert bench.orders[0].experiment == "hard-E001"


def test_above_the_threshold_two_different_persons_must_approve() -> None:
    bench = Bench(TWO)
    (pid,) = bench.plan({"temperature": 1600.0})
    assert kinds(bench.decide("anna", pid)) == ["vote.cast"]
    assert not bench.orders
    assert kinds(bench.decide("anna", pid)) == ["envelope.refused"]
    assert bench.refused() == "already_voted"
    assert kinds(bench.decide("clara", pid)) == ["proposal.decided", "experiment.queued"]
    assert bench.of(ev.ProposalDecided)[-1].by == "anna,clara"


def test_one_person_rejects_even_where_two_must_approve() -> None:
    bench = Bench(TWO)
    (pid,) = bench.plan({"temperature": 1600.0})
    bench.decide("anna", pid)
    assert kinds(bench.decide("ole", pid, "reject", comment="no Ti powder left")) == ["proposal.decided"]
    decided = bench.of(ev.ProposalDecided)[-1]
    assert (decided.verdict, decided.by, decided.reason) == ("rejected", "ole", "no Ti powder left")
    assert not bench.state.experiments
    assert any(isinstance(c, core.PlanRound) for c in bench.due)


def test_the_first_terminal_decision_wins_and_later_ones_are_on_record_as_too_late() -> None:
    bench = Bench()
    (pid,) = bench.plan({})
    bench.decide("ben", pid, "reject")
    for user, verdict in (("anna", "approve"), ("clara", "reject")):
        assert kinds(bench.decide(user, pid, verdict)) == ["envelope.refused"]
        assert bench.refused() == "proposal_closed"
        assert "too late" in bench.of(ev.EnvelopeRefused)[-1].message
    assert (bench.state.proposals[pid].phase, bench.state.experiments) == ("rejected", {})


# ---- Edits


def test_an_edit_makes_the_next_revision_voids_the_votes_and_needs_other_eyes() -> None:
    bench = Bench(TWO)
    (pid,) = bench.plan({"temperature": 1600.0})
    first = bench.bodies[pid]
    bench.decide("anna", pid)
    assert kinds(bench.edit("ben", pid, temperature=1700.0)) == ["proposal.revised"]
    assert {Effect("proposal", pid), Effect("campaign", HARD)} == set(bench.effects)
    proposal = bench.state.proposals[pid]
    assert (proposal.terms and proposal.terms.revision, proposal.votes, proposal.edited_by) == (2, (), "ben")
    assert proposal.design.process["temperature"] == 1700.0
    # What was signed of the first revision is nothing to the second.
    bench.arrives("clara", pid, bench.pen.decision("clara", first, "approve", bench.now))
    assert bench.refused() == "other_revision"
    bench.decide("ben", pid)
    assert bench.refused() == "editor_may_not_approve"
    bench.decide("anna", pid)
    bench.decide("clara", pid)
    assert bench.state.proposals[pid].phase == "approved"
    assert getattr(bench.orders[0].order.parameters["temperature"], "value", None) == 1700.0


def test_an_edit_brings_the_quorum_the_cost_and_the_expiry_of_the_new_design() -> None:
    bench = Bench(TWO)
    (pid,) = bench.plan({"temperature": 1300.0, "hold": 1.0})
    before = bench.state.proposals[pid].terms
    assert before is not None
    bench.now += timedelta(hours=3)
    bench.edit("anna", pid, temperature=1600.0, hold=4.0)
    after = bench.state.proposals[pid].terms
    assert after is not None
    assert (before.quorum, after.quorum) == (1, 2)
    assert (before.cost, after.cost) == ({"furnace_hours": 2.0}, {"furnace_hours": 5.0})
    assert after.expires_at > before.expires_at
    assert after.recipe_hash != before.recipe_hash


def test_an_edit_that_somebody_had_predicted_says_what_was_predicted() -> None:
    bench = Bench(TWO)
    (pid,) = bench.plan({"temperature": 1300.0})
    near, design = f"{HARD}-E001", bench.state.proposals[pid].design
    forecast = ev.ForecastRecord(median=20.0, low=18.0, high=23.0, porosity=0.02, grain_size=1.5, feasibility=0.9)
    domain = Domain(verdict="edge", score=0.9, text="near the edge")
    outlook = Outlook(forecast, (), domain, None, near, 1.25, "models-2", {"hardness": (19.0, 0.5)})
    other = replace(outlook, model_version="of another design")
    previews = {Design(design.crystal, {**design.process, "temperature": 1600.0}): outlook, design: other}
    token = bench.pen.decision("anna", bench.bodies[pid], "edit", bench.now, changes={"temperature": 1600.0})
    bench.tell(core.DecisionArrived("anna", pid, token, bench.now, bench.bodies[pid], previews))
    told = Proposal.parse(bench.of(ev.ProposalRevised)[-1].terms.body.encode())
    assert (told.revision, told.edited_by, told.model_version) == (2, "anna", "models-2")
    assert told.changes == {"temperature": Quantity(value=1300.0, unit="Cel")}
    assert told.prediction["hardness"].value == 20.0
    assert (told.feasibility, told.domain) == (0.9, domain)
    assert told.nearest is not None
    assert (told.nearest.experiment, told.nearest.distance) == (near, 1.25)
    assert told.nearest.found["hardness"].std == 0.5
    assert "Asked before the change was signed: The models expect a hardness of 20 GPa" in told.rationale
    (temperature,) = (c for c in told.checks if c.parameter == "temperature")
    assert (temperature.value, temperature.high) == (Quantity(value=1600.0, unit="Cel"), HOTTEST)


def test_where_the_policy_says_so_an_editor_may_approve() -> None:
    bench = Bench(replace(CAMPAIGN, policy=ApprovalPolicy(four_eyes_on_edits=False)))
    (pid,) = bench.plan({})
    bench.edit("anna", pid, temperature=1200.0)
    assert kinds(bench.decide("anna", pid)) == ["proposal.decided", "experiment.queued"]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"temperature": 1800.0}, "limits", "above the limit of 1700 Cel"),
        ({"crystal": "SiC", "temperature": 1600.0}, "limits", "outside the design space"),
        ({"temperature": 1234.0}, "bad_edit", "none of its levels"),
        ({"pressure": 3.0}, "bad_edit", "nothing that an edit can change"),
        ({"crystal": "WC"}, "bad_edit", "WC"),
        ({"temperature": 1300.0}, "bad_edit", "changes nothing"),
    ],
)
def test_an_edit_outside_space_or_limits_is_refused_with_the_reason(
    changes: dict[str, Any], code: str, words: str
) -> None:
    bench = Bench()
    (pid,) = bench.plan({})
    before = bench.state.proposals[pid]
    assert kinds(bench.edit("anna", pid, **changes)) == ["envelope.refused"]
    refused = bench.of(ev.EnvelopeRefused)[-1]
    assert refused.code == code
    assert words in refused.message
    assert bench.state.proposals[pid] == before
    bench.decide("ben", pid)
    assert bench.state.proposals[pid].phase == "approved"


# ---- Time and rules


def test_what_nobody_decides_expires_and_is_not_made() -> None:
    bench = Bench()
    (pid,) = bench.plan({})
    assert not bench.pass_time(hours=23)
    token = bench.pen.decision("anna", bench.bodies[pid], "approve", bench.now + timedelta(hours=1))
    bench.now += timedelta(hours=1)
    bench.arrives("anna", pid, token)
    assert bench.refused() == "proposal_expired"  # before any tick has noticed
    (expired,) = bench.tell(core.Tick())
    assert isinstance(expired, ev.ProposalDecided)
    assert (expired.verdict, expired.by) == ("expired", "")
    assert {Effect("proposal", pid), Effect("outcome", pid)} <= set(bench.effects)
    assert not bench.state.experiments
    assert not bench.tell(core.Tick())


def test_a_rule_approves_within_the_trusted_region_and_cost_and_says_so() -> None:
    bench = Bench(AUTO)
    trusted, hot, dear, two = bench.plan(
        {"temperature": 1400.0}, {"temperature": 1500.0}, {"hold": 4.0}, {"temperature": 1600.0}
    )
    assert [bench.state.proposals[p].phase for p in (trusted, hot, dear, two)] == ["approved"] + 3 * ["proposed"]
    (decided,) = bench.of(ev.ProposalDecided)
    assert decided.by == "policy:mild"
    assert "trusted region 'mild': temperature 0 to 1400 Cel" in decided.reason
    assert "furnace_hours 3 of at most 4" in decided.reason
    assert Effect("outcome", trusted) in bench.effects
    assert bench.orders[0].experiment == "hard-E001"


def test_no_rule_approves_in_quiet_hours_and_it_looks_again_when_they_are_over() -> None:
    quiet = QuietHours.parse(["11:00-13:00"])
    bench = Bench(replace(AUTO, policy=ApprovalPolicy(auto=TRUSTED, quiet=quiet)))
    (pid,) = bench.plan({"temperature": 1200.0})
    assert bench.state.proposals[pid].phase == "proposed"
    bench.pass_time(minutes=59)
    assert bench.state.proposals[pid].phase == "proposed"
    bench.pass_time(minutes=1)
    assert bench.state.proposals[pid].phase == "approved"
    assert bench.of(ev.ProposalDecided)[-1].by == "policy:mild"


def test_what_a_person_changed_waits_for_a_person() -> None:
    bench = Bench(AUTO)
    (pid,) = bench.plan({"temperature": 1500.0})
    bench.edit("anna", pid, temperature=1300.0)
    bench.pass_time(hours=1)
    assert bench.state.proposals[pid].phase == "proposed"
    bench.decide("ben", pid)
    assert bench.state.proposals[pid].phase == "approved"


@pytest.mark.parametrize("changed", ["recipe", "limits"])
def test_what_can_not_be_made_as_it_was_signed_is_refused_and_withdrawn(changed: str) -> None:
    bench = Bench()
    (pid,) = bench.plan({"temperature": 1600.0})
    if changed == "recipe":
        bench.change(recipe=FULL_RECIPE)
    else:
        bench.rules = replace(bench.rules, limits=limits(1500.0))
    happened = bench.decide("anna", pid)
    assert kinds(happened) == ["envelope.refused", "proposal.decided"]
    decided = happened[1]
    assert isinstance(decided, ev.ProposalDecided)
    assert (decided.verdict, decided.by) == ("withdrawn", "policy:limits")
    assert changed in decided.reason
    assert Effect("proposal", pid) in bench.effects
    assert not bench.state.experiments


def test_a_paused_campaign_takes_approvals_and_a_stopped_one_does_not() -> None:
    bench = Bench()
    first, second = bench.plan({}, {"temperature": 1100.0})
    bench.ask("ole", "pause", HARD)
    bench.decide("anna", first)
    assert bench.state.proposals[first].phase == "approved"
    assert not bench.orders
    bench.ask("ole", "stop", HARD)
    bench.decide("anna", second)
    assert bench.refused() == "proposal_closed"

"""A decision that is forged, stale, sent twice or nobody's to take leaves its reason, and changes nothing else."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from lab_bench import (
    CAMPAIGN,
    NOW,
    TWO_ABOVE,
    Bench,
    key_of,
    person,
)

from agent import core
from agent import events as ev
from agent.approvals import sign_decision
from agent.core.approving import RECORDED
from agent.identity import People
from agent.rules.policy import ApprovalPolicy
from instruments.profile.decisions import Decision, PublishedProposal

TWO = replace(CAMPAIGN, policy=ApprovalPolicy(factors=TWO_ABOVE))


def kinds(events: list[ev.Event]) -> list[str]:
    return [e.kind for e in events]


def forged(bench: Bench, pid: str) -> str:
    """Anna's name and key id, and somebody else's signature."""
    token = bench.pen.decision("anna", bench.bodies[pid], "approve", bench.now)
    other = bench.pen.decision("ben", bench.bodies[pid], "approve", bench.now)
    return ".".join((*token.split(".")[:2], other.split(".")[2]))


def stranger(bench: Bench, pid: str) -> str:
    read = PublishedProposal.parse(bench.bodies[pid].encode())
    said = {
        "lab": "bench", "proposal": pid, "revision": 1, "digest": read.digest, "verdict": "approve",
        "nonce": bench.pen.nonce(), "time": bench.now, "user": "mallory",
    }  # fmt: skip
    return sign_decision(Decision.model_validate(said), key_of("mallory"))


WRONG: dict[str, Any] = {
    "malformed": lambda _bench, _pid: "no token",
    "unknown_key": stranger,
    "bad_signature": forged,
    "other_user": lambda bench, pid: bench.pen.decision(
        "anna", bench.bodies[pid], "approve", bench.now, key=key_of("ben")
    ),
    "other_lab": {"lab": "elsewhere"},
    "too_old": {"time": NOW - timedelta(minutes=11)},
    "from_the_future": {"time": NOW + timedelta(minutes=1)},
    "other_proposal": {"proposal": "hard-P002"},
    "other_revision": {"revision": 2},
    "other_digest": {"digest": "0" * 64},
}


@pytest.mark.parametrize("code", WRONG)
def test_a_forged_or_stale_decision_leaves_its_reason_and_changes_nothing_else(code: str) -> None:
    bench = Bench()
    pid, _ = bench.plan({}, {"temperature": 1100.0})
    how = WRONG[code]
    token = (
        bench.pen.decision("anna", bench.bodies[pid], "approve", bench.now, **how)
        if isinstance(how, dict)
        else how(bench, pid)
    )
    before = deepcopy(bench.state)
    (refused,) = bench.arrives("anna", pid, token)
    assert isinstance(refused, ev.EnvelopeRefused)
    assert (refused.what, refused.user, refused.subject, refused.code) == ("decision", "anna", pid, code)
    assert (refused.envelope, bool(refused.message), bench.effects) == (token, True, [])
    before.refused = bench.state.refused
    assert bench.state == before


@pytest.mark.parametrize(
    ("user", "verdict", "code"),
    [("vera", "approve", "role_not_allowed"), ("ole", "approve", "role_not_allowed"),
     ("ada", "approve", "role_not_allowed"), ("vera", "reject", "role_not_allowed")],
)  # fmt: skip
def test_who_may_not_decide_does_not(user: str, verdict: str, code: str) -> None:
    bench = Bench()
    (pid,) = bench.plan({})
    assert kinds(bench.decide(user, pid, verdict)) == ["envelope.refused"]
    assert (bench.refused(), bench.state.proposals[pid].phase) == (code, "proposed")


def test_a_revoked_key_decides_nothing_from_then_on() -> None:
    bench = Bench(TWO)
    (pid,) = bench.plan({"temperature": 1600.0})
    bench.decide("anna", pid)
    bench.rules = replace(bench.rules, people=People([person("anna"), person("ben", revoked=NOW), person("clara")]))
    bench.decide("ben", pid)
    assert bench.refused() == "key_revoked"
    bench.decide("clara", pid)
    assert bench.state.proposals[pid].phase == "approved"


def test_a_vote_of_a_key_that_was_revoked_since_makes_no_quorum() -> None:
    bench = Bench(TWO)
    (pid,) = bench.plan({"temperature": 1600.0})
    bench.decide("anna", pid)
    bench.rules = replace(bench.rules, people=People([person("anna", revoked=NOW), person("ben"), person("clara")]))
    bench.decide("clara", pid)
    assert bench.state.proposals[pid].phase == "proposed"
    bench.decide("ben", pid)
    assert bench.state.proposals[pid].phase == "approved"


def test_a_decision_counts_once_however_often_it_comes() -> None:
    bench = Bench(TWO)
    first, second = bench.plan({"temperature": 1600.0}, {"temperature": 1700.0})
    token = bench.pen.decision("anna", bench.bodies[first], "approve", bench.now)
    bench.arrives("anna", first, token)
    for pid in (first, second):
        assert kinds(bench.arrives("anna", pid, token)) == ["envelope.refused"]
        assert bench.refused() == "replayed_nonce"
    assert bench.state.proposals[first].votes == ("anna",)
    folded = core.LabState()
    for event in bench.events:
        core.evolve(folded, ev.parse_event(event.model_dump_json()), NOW)
    assert folded.nonces == bench.state.nonces  # a restart forgets none


def test_nothing_can_be_decided_of_what_never_was() -> None:
    bench = Bench()
    (pid,) = bench.plan({})
    token = bench.pen.decision("anna", bench.bodies[pid], "approve", bench.now, proposal="hard-P099")
    assert kinds(bench.arrives("anna", "hard-P099", token)) == ["envelope.refused"]
    assert bench.refused() == "unknown_proposal"


def test_a_flood_is_counted_and_what_is_kept_of_it_is_short() -> None:
    bench = Bench()
    (pid,) = bench.plan({})
    for n in range(RECORDED + 5):
        bench.arrives("mallory", pid, f"{n} " + "x" * 100_000)
    refused = bench.of(ev.EnvelopeRefused)
    assert len(refused) == RECORDED
    assert max(len(e.envelope) for e in refused) == 4096
    decided = core.decide(bench.state, core.DecisionArrived("mallory", pid, "x", NOW), bench.rules, NOW)
    assert (decided.skipped, decided.events) == ("?", ())
    (skipped,) = bench.tell(core.Tick({"mallory": 5}))
    assert skipped == ev.RefusalsSkipped(user="mallory", count=5)
    # Nobody else pays for it, and after a while its sender is on record again.
    bench.decide("vera", pid)
    assert bench.refused() == "role_not_allowed"
    bench.now += timedelta(minutes=10)
    assert kinds(bench.arrives("mallory", pid, "x")) == ["envelope.refused"]

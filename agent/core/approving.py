"""People's signed decisions: judged, counted, and carried into the record with the raw envelope."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

from agent import events as ev
from agent.approvals import ProposalContext, Verdict, verify_decision
from agent.core.evolving import EVERYBODY, SPAN
from agent.core.experimenting import after_end
from agent.core.messages import Decided, DecisionArrived, Effect
from agent.core.proposing import LIMITS, closed, queued, stale
from agent.core.state import LabRules, LabState, ProposalState
from agent.identity import People
from agent.roles import may
from agent.rules.checks import checks_of
from agent.rules.limits import refusals_of
from agent.rules.terms import apply_changes, revised
from envs.design import Design
from envs.errors import JournalError, UserError
from instruments.profile.decisions import Decision, PublishedProposal

RECORDED, RECORDED_IN_ALL = 30, 300
"""Refusals of one sender, and of all together, that are recorded in a span; of the others only the number."""
STRANGERS = "?"
"""Counts for everybody whom nobody here knows: names cost nothing."""
ENVELOPE = 4096
"""Characters of a refused envelope that are kept: a hostile sender must not fill the disk."""


def on_decision(state: LabState, message: DecisionArrived, rules: LabRules, now: datetime) -> Decided:
    """A person decided, or somebody pretends to."""
    proposal = state.proposals.get(message.proposal)
    known = proposal if proposal is not None and proposal.terms is not None else None
    verdict = verify_decision(
        message.token,
        registry=_people(rules),
        lab=rules.lab,
        user=message.user,
        proposal=_context(known, rules) if known else None,
        now=message.wall,
        lab_now=now,
        seen_nonces=state.nonces,
    )
    if known is None or verdict.decision is None or not verdict.accepted:
        code = verdict.reason.value if verdict.reason else "unknown_proposal"
        return _refused(state, message, code, verdict.message, rules, now)
    if verdict.decision.verdict == "reject":
        return _rejected(state, known, verdict.decision, message, rules)
    if verdict.decision.verdict == "edit":
        return _edited(state, known, verdict.decision, message, rules, now)
    return _approved(state, known, verdict, message, rules, now)


def _people(rules: LabRules) -> People:
    return rules.people if isinstance(rules.people, People) else People([])


def _context(proposal: ProposalState, rules: LabRules) -> ProposalContext:
    terms = proposal.terms
    if terms is None:
        raise UserError(f"{proposal.id} was never published: nobody can decide on it")
    published = PublishedProposal(
        lab=rules.lab,
        proposal=proposal.id,
        revision=terms.revision,
        expires_at=datetime.fromisoformat(terms.expires_at),
        quorum=terms.quorum,
        digest=terms.digest,
    )
    return ProposalContext(
        published,
        is_open=proposal.phase == "proposed",
        approved_by=frozenset(_standing(proposal, rules)),
        edited_by=proposal.edited_by,
        four_eyes=rules.campaigns[proposal.campaign].policy.four_eyes_on_edits,
    )


def _standing(proposal: ProposalState, rules: LabRules) -> tuple[str, ...]:
    """The votes of those who could cast them today: not of a key that was revoked since, or of another role."""
    able = {p.name for p in _people(rules) if p.revoked is None and may(p.role, "approve")}
    return tuple(name for name in proposal.votes if name in able)


def refusal(
    state: LabState, what: Literal["decision", "request"], user: str, subject: str, code: str, message: str,
    token: str, rules: LabRules, now: datetime,
) -> Decided:  # fmt: skip
    """Record that an envelope did not count, and why; floods are counted instead."""
    sender = user if any(p.name == user for p in _people(rules)) else STRANGERS
    for name, most in ((sender, RECORDED), (EVERYBODY, RECORDED_IN_ALL)):
        since, recorded = state.refused.get(name, (now, 0))
        if recorded >= most and now - since < SPAN:
            return Decided(skipped=sender)
    event = ev.EnvelopeRefused(
        what=what, user=user[:64], subject=subject[:64], code=code, message=message[:500], envelope=token[:ENVELOPE],
        sha256=hashlib.sha256(token.encode()).hexdigest(), sender=sender,
    )  # fmt: skip
    return Decided([event])


def _refused(
    state: LabState, message: DecisionArrived, code: str, words: str, rules: LabRules, now: datetime
) -> Decided:
    return refusal(state, "decision", message.user, message.proposal, code, words, message.token, rules, now)


def _rejected(
    state: LabState, proposal: ProposalState, decision: Decision, message: DecisionArrived, rules: LabRules
) -> Decided:
    decided = _decided(proposal, "rejected", decision.user, decision, message)
    campaign = state.campaigns[proposal.campaign]
    more = after_end(campaign, "", rules, waiting=len(campaign.waiting) - 1)
    return Decided([decided, *more], closed(proposal))


def _approved(
    state: LabState, proposal: ProposalState, verdict: Verdict, message: DecisionArrived, rules: LabRules, now: datetime
) -> Decided:
    decision = verdict.decision
    if decision is None or proposal.terms is None:
        return Decided()
    own, campaign = rules.campaigns[proposal.campaign], state.campaigns[proposal.campaign]
    if campaign.phase not in {"running", "paused"}:
        words = f"the campaign is {campaign.phase}: nothing of it is approved any more"
        return _refused(state, message, "campaign_closed", words, rules, now)
    against = stale(campaign, proposal, rules)
    if against:
        # What was read and signed cannot be made any more: it is taken back, and said so.
        refused = _refused(state, message, "limits", "; ".join(against), rules, now)
        gone = ev.ProposalDecided(
            proposal=proposal.id, revision=proposal.terms.revision, verdict="withdrawn", by=LIMITS,
            reason="; ".join(against),
        )  # fmt: skip
        more = after_end(campaign, "", rules, waiting=len(campaign.waiting) - 1)
        return Decided([*refused.events, gone, *more], closed(proposal))
    if not verdict.settles:
        vote = ev.VoteCast(
            proposal=proposal.id, revision=proposal.terms.revision, by=decision.user, comment=decision.comment,
            nonce=decision.nonce, envelope=message.token,
        )  # fmt: skip
        return Decided([vote], [Effect("campaign", proposal.campaign)])
    by = ",".join((*_standing(proposal, rules), decision.user))
    decided = _decided(proposal, "approved", by, decision, message)
    n = len(campaign.experiments) + 1
    return Decided([decided, queued(campaign, proposal.id, n, own)], closed(proposal))


def _decided(
    proposal: ProposalState, verdict: Literal["approved", "rejected"], by: str, decision: Decision,
    message: DecisionArrived,
) -> ev.ProposalDecided:  # fmt: skip
    return ev.ProposalDecided(
        proposal=proposal.id, revision=decision.revision, verdict=verdict, by=by, reason=decision.comment,
        nonce=decision.nonce, envelope=message.token,
    )  # fmt: skip


def _edited(
    state: LabState, proposal: ProposalState, decision: Decision, message: DecisionArrived, rules: LabRules,
    now: datetime,
) -> Decided:  # fmt: skip
    own = rules.campaigns[proposal.campaign]
    try:
        design = apply_changes(proposal.design, decision.changes, own.factors, own.crystals)
    except UserError as error:
        return _refused(state, message, "bad_edit", str(error), rules, now)
    against = (*own.admits(design), *refusals_of(rules.limits, own.recipe, design, own.factors))
    if against:
        return _refused(state, message, "limits", "; ".join(against), rules, now)
    try:
        terms = _new_terms(proposal, design, decision, message, rules, now)
    except (UserError, JournalError) as error:
        return _refused(state, message, "bad_edit", str(error), rules, now)
    event = ev.ProposalRevised(
        proposal=proposal.id, design=_record(design, rules, proposal), changes=dict(decision.changes),
        by=decision.user, comment=decision.comment, nonce=decision.nonce, envelope=message.token, terms=terms,
    )  # fmt: skip
    return Decided([event], [Effect("proposal", proposal.id), Effect("campaign", proposal.campaign)])


def _record(design: Design, rules: LabRules, proposal: ProposalState) -> ev.DesignRecord:
    crystals = rules.campaigns[proposal.campaign].crystals
    formula = crystals.get(design.crystal, proposal.formula)
    return ev.DesignRecord(crystal=design.crystal, formula=formula, process=dict(design.process))


def _new_terms(
    proposal: ProposalState, design: Design, decision: Decision, message: DecisionArrived, rules: LabRules,
    now: datetime,
) -> ev.Terms:  # fmt: skip
    own = rules.campaigns[proposal.campaign]
    return revised(
        message.body, design, decision.changes, by=decision.user, comment=decision.comment, now=now,
        factors=own.factors, crystals=own.crystals, policy=own.policy, costs=own.costs,
        recipe_hash=own.recipe.digest(design, own.factors), limits_version=rules.limits.version, hazards=own.hazards,
        outlook=message.previews.get(design), checks=checks_of(rules.limits, own.recipe, design, own.factors),
    )  # fmt: skip

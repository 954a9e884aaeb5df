"""People's decisions: signed where they are made, judged where they arrive.

A broker does not tell who published, so a decision proves itself: it is signed over the lab, the proposal, its revision
and the SHA-256 of its canonical body. ``verify_decision`` checks in the order of the instrument profile and says why it
refuses. It changes nothing: the caller records the nonce, the vote and the raw token in the one transaction that acts
on them.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.envelopes import (
    DECISION,
    MAX_AGE,
    MAX_SKEW,
    Check,
    Reason,
    RefusedError,
    checks_of_age,
    checks_of_sender,
    first_broken,
    open_envelope,
    seal,
)
from agent.identity import People, Person, SigningKey
from agent.roles import may, roles_for
from envs.errors import UserError
from instruments.profile.decisions import Decision, PublishedProposal

__all__ = ["ProposalContext", "Reason", "Verdict", "sign_decision", "verify_decision"]


def sign_decision(decision: Decision, key: SigningKey) -> str:
    """Sign a decision: a compact JWS.

    Raises:
        UserError: the key belongs to another person than the decision names.
    """
    if decision.user != key.name:
        raise UserError(f"the decision is {decision.user}'s and the key {key.name}'s: each signs only their own")
    return seal(DECISION, decision, key)


@dataclass(frozen=True)
class ProposalContext:
    """What the agent knows of the proposal that a decision's topic names.

    Args:
        published: the body as it was last published.
        is_open: whether it still waits for a decision.
        approved_by: who has approved this revision so far.
        edited_by: who made this revision; empty for the first.
        four_eyes: whether who made it may not be who approves it.
    """

    published: PublishedProposal
    is_open: bool = True
    approved_by: frozenset[str] = frozenset()
    edited_by: str = ""
    four_eyes: bool = True


@dataclass(frozen=True)
class Verdict:
    """Whether a decision counts, and if not, why.

    Args:
        reason: why it was refused; ``None`` when it counts.
        message: the same for people.
        decision: what was said; ``None`` when it is not proven to be anyone's.
        missing: how many further people must approve; 0 when this decision settles the revision.
    """

    reason: Reason | None
    message: str
    decision: Decision | None = None
    missing: int = 0

    @property
    def accepted(self) -> bool:
        """Whether the decision counts."""
        return self.reason is None

    @property
    def settles(self) -> bool:
        """Whether the decision is terminal for this revision."""
        return self.accepted and self.missing == 0


def verify_decision(
    token: str | bytes,
    *,
    registry: People,
    lab: str,
    user: str,
    proposal: ProposalContext | None,
    now: datetime,
    seen_nonces: Container[str],
    lab_now: datetime | None = None,
    max_age: timedelta = MAX_AGE,
    max_skew: timedelta = MAX_SKEW,
) -> Verdict:
    """Judge a decision as it arrived; never raises for what is in the token.

    Args:
        token: the payload of the decision's topic.
        registry: who owns which key, in which role.
        lab: this laboratory.
        user: the person whom the topic names.
        proposal: the proposal that the topic names; None where there never was one.
        now: the machine's own time, with its zone: the age of the signature is judged by it.
        seen_nonces: nonces of decisions and requests that counted before.
        lab_now: the laboratory's time, in which proposals expire; ``now`` by default. A virtual one's runs ahead.
        max_age: how long after signing a decision may arrive.
        max_skew: how far the person's clock may be ahead.

    Raises:
        UserError: ``now`` or ``lab_now`` has no zone.
    """
    lab_now = lab_now or now
    if now.tzinfo is None or lab_now.tzinfo is None:
        raise UserError("the time of a verification needs a time zone")
    try:
        person, decision = open_envelope(DECISION, token, registry)
    except RefusedError as refused:
        return Verdict(refused.reason, str(refused))
    if broken := first_broken(
        (
            *checks_of_sender(person, decision, word=DECISION.word, lab=lab, user=user),
            *checks_of_age(decision.time, now, max_age=max_age, max_skew=max_skew),
            (Reason.REPLAYED_NONCE, decision.nonce in seen_nonces, "this decision was received before"),
            *_checks_of_proposal(person, decision, proposal, now=lab_now),
        )
    ):
        return Verdict(*broken, decision)
    missing = 0
    if decision.verdict == "approve" and proposal is not None:
        missing = max(0, proposal.published.quorum - len(proposal.approved_by) - 1)
    return Verdict(None, f"{decision.verdict} by {decision.user} counts", decision, missing)


def _checks_of_proposal(
    person: Person, decision: Decision, context: ProposalContext | None, *, now: datetime
) -> tuple[Check, ...]:
    if context is None:
        return ((Reason.UNKNOWN_PROPOSAL, True, f"there is no proposal {decision.proposal} here"),)
    known, choice = context.published, decision.verdict
    approves = choice == "approve"
    is_own_edit = approves and context.four_eyes and person.name == context.edited_by
    has_voted = approves and person.name in context.approved_by
    return (
        (
            Reason.OTHER_PROPOSAL,
            decision.proposal != known.proposal,
            f"for {decision.proposal}, on the topic of {known.proposal}",
        ),
        (Reason.PROPOSAL_CLOSED, not context.is_open, f"{known.proposal} is closed: too late"),
        (Reason.PROPOSAL_EXPIRED, now >= known.expires_at, f"{known.proposal} expired at {known.expires_at}"),
        (
            Reason.OTHER_REVISION,
            decision.revision != known.revision,
            f"for revision {decision.revision}, current is {known.revision}",
        ),
        (Reason.OTHER_DIGEST, decision.digest != known.digest, f"{known.proposal} is not what was signed"),
        (
            Reason.ROLE_NOT_ALLOWED,
            not may(person.role, choice),
            f"{choice} needs the role {roles_for(choice)}, {person.name} is {person.role}",
        ),
        (
            Reason.EDITOR_MAY_NOT_APPROVE,
            is_own_edit,
            f"{person.name} made revision {known.revision}: another person is needed to approve it",
        ),
        (Reason.ALREADY_VOTED, has_voted, f"{person.name} approved this revision before: another person is needed"),
    )

"""People's decisions: signed where they are made, judged where they arrive.

A broker does not tell who published, so a decision proves itself: a compact JWS (RFC 7515) signed with Ed25519
(RFC 8032; ``alg`` by its fully-specified name, RFC 9864) over the lab, the proposal, its revision and the SHA-256 of
its canonical body. ``verify_decision`` checks in the order of the instrument profile and says why it refuses. It
changes nothing: the caller records the nonce, the vote and the raw token in the one transaction that acts on them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from joserfc import jws
from joserfc.errors import JoseError
from pydantic import ValidationError

from agent.identity import People, Person, SigningKey, explain
from agent.roles import may, roles_for
from envs.errors import UserError
from instruments.profile.decisions import ALGORITHM, MAX_TOKEN, Decision, DecisionHeader, PublishedProposal, no_twins

MAX_AGE = timedelta(minutes=10)
"""How long after signing a decision may arrive; nonces must be kept for longer than this."""
MAX_SKEW = timedelta(seconds=30)
"""How far a person's clock may be ahead of the agent's."""

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")


def sign_decision(decision: Decision, key: SigningKey) -> str:
    """Sign a decision: a compact JWS.

    Raises:
        UserError: the key belongs to another person than the decision names.
    """
    if decision.user != key.name:
        raise UserError(f"the decision is {decision.user}'s and the key {key.name}'s: each signs only their own")
    header = DecisionHeader(kid=key.kid).model_dump()
    return jws.serialize_compact(header, decision.model_dump_json().encode(), key.key, algorithms=[ALGORITHM])


class Reason(StrEnum):
    """Why a decision was refused, in the order of the checks."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    KEY_REVOKED = "key_revoked"
    OTHER_USER = "other_user"
    OTHER_LAB = "other_lab"
    TOO_OLD = "too_old"
    FROM_THE_FUTURE = "from_the_future"
    REPLAYED_NONCE = "replayed_nonce"
    OTHER_PROPOSAL = "other_proposal"
    PROPOSAL_CLOSED = "proposal_closed"
    PROPOSAL_EXPIRED = "proposal_expired"
    OTHER_REVISION = "other_revision"
    OTHER_DIGEST = "other_digest"
    ROLE_NOT_ALLOWED = "role_not_allowed"
    ALREADY_VOTED = "already_voted"


@dataclass(frozen=True)
class ProposalContext:
    """What the agent knows of the proposal that a decision's topic names.

    Args:
        published: the body as it was last published.
        is_open: whether it still waits for a decision.
        approved_by: who has approved this revision so far.
    """

    published: PublishedProposal
    is_open: bool = True
    approved_by: frozenset[str] = frozenset()


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
    proposal: ProposalContext,
    now: datetime,
    seen_nonces: Container[str],
    max_age: timedelta = MAX_AGE,
    max_skew: timedelta = MAX_SKEW,
) -> Verdict:
    """Judge a decision as it arrived; never raises for what is in the token.

    Args:
        token: the payload of the decision's topic.
        registry: who owns which key, in which role.
        lab: this laboratory.
        user: the person whom the topic names.
        proposal: the proposal that the topic names.
        now: the agent's time, with its zone.
        seen_nonces: nonces of decisions that counted before.
        max_age: how long after signing a decision may arrive.
        max_skew: how far the person's clock may be ahead.

    Raises:
        UserError: ``now`` has no zone.
    """
    if now.tzinfo is None:
        raise UserError("the time of a verification needs a time zone")
    try:
        person, decision = _authenticate(token, registry)
    except _RefusedError as refused:
        return Verdict(refused.reason, str(refused))
    window = (decision.time - max_skew, decision.time + max_age)
    for reason, broken, message in (
        *_checks_of_sender(person, decision, lab=lab, user=user),
        (Reason.TOO_OLD, now > window[1], f"signed {now - decision.time} ago, allowed are {max_age}"),
        (Reason.FROM_THE_FUTURE, now < window[0], f"signed {decision.time - now} from now: check the clocks"),
        (Reason.REPLAYED_NONCE, decision.nonce in seen_nonces, "this decision was received before"),
        *_checks_of_proposal(person, decision, proposal, now=now),
    ):
        if broken:
            return Verdict(reason, message, decision)
    missing = 0
    if decision.verdict == "approve":
        missing = max(0, proposal.published.quorum - len(proposal.approved_by) - 1)
    return Verdict(None, f"{decision.verdict} by {decision.user} counts", decision, missing)


_Check = tuple[Reason, bool, str]


def _checks_of_sender(person: Person, decision: Decision, *, lab: str, user: str) -> tuple[_Check, ...]:
    is_other = not person.name == decision.user == user
    return (
        (Reason.KEY_REVOKED, person.revoked is not None, f"{person.name}'s key was revoked at {person.revoked}"),
        (Reason.OTHER_USER, is_other, f"{person.name}'s key on a decision of {decision.user} on the topic of {user}"),
        (Reason.OTHER_LAB, decision.lab != lab, f"for the lab {decision.lab}, this is {lab}"),
    )


def _checks_of_proposal(
    person: Person, decision: Decision, context: ProposalContext, *, now: datetime
) -> tuple[_Check, ...]:
    known, choice = context.published, decision.verdict
    has_voted = choice == "approve" and person.name in context.approved_by
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
        (Reason.ALREADY_VOTED, has_voted, f"{person.name} approved this revision before: another person is needed"),
    )


class _RefusedError(Exception):
    def __init__(self, reason: Reason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def _authenticate(token: str | bytes, registry: People) -> tuple[Person, Decision]:
    text, kid = _take_apart(token)
    person = registry.find(kid)
    if person is None:
        raise _RefusedError(Reason.UNKNOWN_KEY, f"nobody here has the key {kid}")
    try:
        payload = jws.deserialize_compact(text, person.key.jwk(), algorithms=[ALGORITHM]).payload
    except (JoseError, ValueError) as error:
        raise _RefusedError(Reason.BAD_SIGNATURE, f"not signed with {person.name}'s key") from error
    try:
        return person, Decision.model_validate_json(payload)
    except ValidationError as error:
        raise _RefusedError(Reason.MALFORMED, f"signed by {person.name}, but no decision: {explain(error)}") from error


def _take_apart(token: str | bytes) -> tuple[str, str]:
    """The token as text and the thumbprint in its header; everything that is not exactly our form is refused."""
    try:
        text = token.decode("ascii") if isinstance(token, bytes) else token
        return text, _kid(text)
    except (ValueError, RecursionError) as error:
        raise _RefusedError(Reason.MALFORMED, f"not a signed decision: {error}") from error


def _kid(text: str) -> str:
    if len(text) > MAX_TOKEN:
        raise ValueError(f"longer than {MAX_TOKEN} characters")
    segments = [_decode(segment) for segment in text.split(".")]
    if len(segments) != 3:
        raise ValueError("not three segments")
    try:
        header = DecisionHeader.model_validate(json.loads(segments[0], object_pairs_hook=no_twins))
    except ValidationError as error:
        raise ValueError("the header is not a decision's") from error
    if header.model_fields_set != set(DecisionHeader.model_fields):
        raise ValueError("the header says too little")
    return header.kid


def _decode(segment: str) -> bytes:
    # Decoders forgive foreign characters and spare bits; then one signature would have many spellings.
    if not _SEGMENT.fullmatch(segment):
        raise ValueError("a segment is not base64url")
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise ValueError("a segment is not base64url") from error
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != segment:
        raise ValueError("a segment is not canonical base64url")
    return raw

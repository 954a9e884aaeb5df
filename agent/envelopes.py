"""What every signed envelope of a person has in common, be it a decision or a request: how it is made and opened.

Both are compact JWS (RFC 7515) signed with Ed25519 (RFC 8032; ``alg`` by its fully-specified name, RFC 9864). They
differ in the type that their header names, so that neither ever passes for the other.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from joserfc import jws
from joserfc.errors import JoseError
from pydantic import ValidationError

from agent.identity import People, Person, SigningKey, first_fault
from instruments.profile.decisions import ALGORITHM, MAX_TOKEN, Decision, DecisionHeader, no_twins
from instruments.profile.requests import Request, RequestHeader

MAX_AGE = timedelta(minutes=10)
"""How long after signing an envelope may arrive; nonces must be kept for longer than this."""
MAX_SKEW = timedelta(seconds=30)
"""How far a person's clock may be ahead of the agent's."""

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")


class Reason(StrEnum):
    """Why a decision or a request was refused, in the order of the checks."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    KEY_REVOKED = "key_revoked"
    OTHER_USER = "other_user"
    OTHER_LAB = "other_lab"
    TOO_OLD = "too_old"
    FROM_THE_FUTURE = "from_the_future"
    ALREADY_COUNTED = "already_counted"
    REPLAYED_NONCE = "replayed_nonce"
    OTHER_REQUEST = "other_request"
    UNKNOWN_PROPOSAL = "unknown_proposal"
    OTHER_PROPOSAL = "other_proposal"
    PROPOSAL_CLOSED = "proposal_closed"
    PROPOSAL_EXPIRED = "proposal_expired"
    OTHER_REVISION = "other_revision"
    OTHER_DIGEST = "other_digest"
    ROLE_NOT_ALLOWED = "role_not_allowed"
    EDITOR_MAY_NOT_APPROVE = "editor_may_not_approve"
    ALREADY_VOTED = "already_voted"


class RefusedError(Exception):
    """An envelope is nobody's, or says nothing that can be read."""

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


Claims = TypeVar("Claims", Decision, Request)


@dataclass(frozen=True)
class Kind(Generic[Claims]):
    """What tells decisions and requests apart.

    Args:
        word: for people.
        header: of the envelope.
        claims: what is signed.
    """

    word: str
    header: type[DecisionHeader | RequestHeader]
    claims: type[Claims]


DECISION = Kind("decision", DecisionHeader, Decision)
REQUEST = Kind("request", RequestHeader, Request)

Check = tuple[Reason, bool, str]
"""A reason, whether it applies, and the words for people."""


def seal(kind: Kind[Claims], claims: Claims, key: SigningKey) -> str:
    """Sign: a compact JWS."""
    header = kind.header(kid=key.kid).model_dump()
    return jws.serialize_compact(header, claims.model_dump_json().encode(), key.key, algorithms=[ALGORITHM])


def open_envelope(kind: Kind[Claims], token: str | bytes, registry: People) -> tuple[Person, Claims]:
    """Who signed this, and what it says.

    Raises:
        RefusedError: it is not exactly of this kind, nobody here has the key, or the signature is wrong.
    """
    text, kid = _take_apart(kind.word, kind.header, token)
    person = registry.find(kid)
    if person is None:
        raise RefusedError(Reason.UNKNOWN_KEY, f"nobody here has the key {kid}")
    try:
        payload = jws.deserialize_compact(text, person.key.jwk(), algorithms=[ALGORITHM]).payload
    except (JoseError, ValueError) as error:
        raise RefusedError(Reason.BAD_SIGNATURE, f"not signed with {person.name}'s key") from error
    try:
        return person, kind.claims.model_validate_json(payload)
    except (ValidationError, OverflowError) as error:
        why = first_fault(error) if isinstance(error, ValidationError) else str(error)
        words = f"signed by {person.name}, but no {kind.word}: {why}"
        raise RefusedError(Reason.MALFORMED, words) from error


def checks_of_sender(
    person: Person, claims: Decision | Request, *, word: str, lab: str, user: str
) -> tuple[Check, ...]:
    """Whether the key still counts, and is the one of whom the topic and the text name."""
    is_other = not person.name == claims.user == user
    whose = f"{person.name}'s key on a {word} of {claims.user} on the topic of {user}"
    return (
        (Reason.KEY_REVOKED, person.revoked is not None, f"{person.name}'s key was revoked at {person.revoked}"),
        (Reason.OTHER_USER, is_other, whose),
        (Reason.OTHER_LAB, claims.lab != lab, f"for the lab {claims.lab}, this is {lab}"),
    )


def checks_of_age(signed: datetime, now: datetime, *, max_age: timedelta, max_skew: timedelta) -> tuple[Check, ...]:
    """Whether it was signed lately, by the clocks of machines."""
    ahead = f"signed {signed - now} from now: check the clocks"
    return (
        (Reason.TOO_OLD, now > signed + max_age, f"signed {now - signed} ago, allowed are {max_age}"),
        (Reason.FROM_THE_FUTURE, now < signed - max_skew, ahead),
    )


def first_broken(checks: Iterable[Check]) -> tuple[Reason, str] | None:
    """The first check that refuses."""
    return next(((reason, message) for reason, is_broken, message in checks if is_broken), None)


def _take_apart(word: str, header: type[DecisionHeader | RequestHeader], token: str | bytes) -> tuple[str, str]:
    """The token as text and the thumbprint in its header; everything that is not exactly our form is refused."""
    try:
        text = token.decode("ascii") if isinstance(token, bytes) else token
        return text, _kid(word, header, text)
    except (ValueError, RecursionError) as error:
        raise RefusedError(Reason.MALFORMED, f"not a signed {word}: {error}") from error


def _kid(word: str, model: type[DecisionHeader | RequestHeader], text: str) -> str:
    if len(text) > MAX_TOKEN:
        raise ValueError(f"longer than {MAX_TOKEN} characters")
    segments = [_decode(segment) for segment in text.split(".")]
    if len(segments) != 3:
        raise ValueError("not three segments")
    try:
        header = model.model_validate(json.loads(segments[0], object_pairs_hook=no_twins))
    except ValidationError as error:
        raise ValueError(f"the header is not a {word}'s") from error
    if header.model_fields_set != {*model.model_fields}:
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

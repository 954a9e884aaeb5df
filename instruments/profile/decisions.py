"""What a person's signed decision says, and of which proposal: the words on the wire, without keys.

A broker does not tell who published, so a decision proves itself: a compact JWS (RFC 7515) over the lab, the proposal,
its revision and the SHA-256 of its canonical body. Whoever holds no key can still read one here; who may sign and
how a signature is judged is the agent's business.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError, model_validator

from envs.errors import UserError
from instruments.messages import Name, Utc
from instruments.profile.legibility import faults_of

ALGORITHM: Literal["Ed25519"] = "Ed25519"
"""By its fully-specified name (RFC 9864); the curve is RFC 8032's."""
TYPE: Literal["labwright-decision+json"] = "labwright-decision+json"
MAX_TOKEN = 65536
"""Longest token that is looked at, in characters."""
TOKEN_PATTERN = r"^[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]{86}$"  # noqa: S105 - a pattern
"""A compact JWS whose signature has the 64 bytes of Ed25519."""

Choice = Literal["approve", "reject", "edit"]
"""What a person can say about a proposal."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Revision = Annotated[int, Field(ge=1, strict=True)]
Quorum = Annotated[int, Field(ge=1, le=9, strict=True)]
Figure = Annotated[int | float, Field(ge=-1e30, le=1e30)]
"""A number of a person's: JSON's have any length, and what reads them must not."""
Path = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,63}$")]
"""Where a value stands in a design, with dots."""
PERSON_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9_.\-]{0,62}[A-Za-z0-9])?$"
PersonName = Annotated[str, StringConstraints(pattern=PERSON_PATTERN)]
"""A name that is a topic level and a file name."""

_EDITS_HAVE_CHANGES: dict[str, JsonValue] = {
    "if": {"properties": {"verdict": {"const": "edit"}}, "required": ["verdict"]},
    "then": {"properties": {"changes": {"minProperties": 1}}, "required": ["changes"]},
    "else": {"properties": {"changes": {"maxProperties": 0}}},
}


class DecisionHeader(BaseModel):
    """The protected header of a signed decision: these three members and no other.

    Attributes:
        alg: the signature's algorithm, by its fully-specified name (RFC 9864).
        kid: SHA-256 thumbprint of the signer's public key (RFC 7638).
        typ: that this is a decision, and nothing else that the same key may sign.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alg: Literal["Ed25519"] = ALGORITHM
    kid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{43}$")]
    typ: Literal["labwright-decision+json"] = TYPE


class Decision(BaseModel):
    """What one person says about one revision of one proposal: the claims of a signed decision.

    Attributes:
        lab: the laboratory.
        proposal: the proposal's id, as in the topic.
        revision: of the proposal that was read.
        digest: SHA-256 of the proposal's canonical body.
        verdict: the decision.
        changes: new values of an edit by their paths in the design, in the units that the design gives them.
        nonce: 128 random bits or more in base64url; no two decisions share one.
        time: when it was signed.
        comment: why, for people.
        user: who says it, as in the topic.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, json_schema_extra={"allOf": [_EDITS_HAVE_CHANGES]}
    )

    lab: Name
    proposal: Name
    revision: Revision
    digest: Sha256
    verdict: Choice
    changes: Annotated[dict[Path, bool | Figure | str], Field(max_length=32)] = Field(default_factory=dict)
    nonce: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{22,64}$")]
    time: Utc
    comment: Annotated[str, StringConstraints(max_length=2000)] = ""
    user: PersonName

    @model_validator(mode="after")
    def _changes_belong_to_an_edit(self) -> Self:
        if bool(self.changes) != (self.verdict == "edit"):
            raise ValueError("an edit has changes, approve and reject have none")
        return self


class PublishedProposal(BaseModel):
    """What a decision needs of the body on a proposal's retained topic; the digest covers all of the body."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    lab: Name
    proposal: Name
    revision: Revision
    expires_at: Utc
    quorum: Quorum = 1
    digest: Sha256

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Take a body that the agent publishes.

        Raises:
            UserError: a field is missing or wrong, or the body has no canonical form.
        """
        try:
            return cls.model_validate({**body, "digest": proposal_digest(body)})
        except ValidationError as error:
            raise UserError(f"not a proposal: {faults_of(error)}") from error

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read the payload of the retained topic.

        Raises:
            UserError: it is not one JSON object, names a key twice, or is not a proposal.
        """
        try:
            body = json.loads(payload, object_pairs_hook=no_twins)
        except (ValueError, RecursionError) as error:
            raise UserError(f"not a proposal: no valid JSON ({error})") from error
        if not isinstance(body, dict):
            raise UserError("not a proposal: the JSON is not an object")
        return cls.of(body)


def proposal_digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of canonical JSON: sorted keys, no blanks, UTF-8, numbers in Python's shortest round-trip form.

    Raises:
        UserError: the body holds something that JSON has no form for, such as NaN.
    """
    try:
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"the proposal has no canonical form: {error}") from error


def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object of its pairs, for ``json.loads``: readers must not differ in which of two keys counts.

    Raises:
        ValueError: a key is given twice.
    """
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ValueError("a key is given twice")
    return body

"""What an agent tells everyone: what it proposes, what became of that, what happens.

They follow the rules of ``instruments.messages``: closed when written, open when read, finite, times in UTC. All are
bounded, because they are retained by brokers and shown on small machines; pictures travel as thumbnails. People's
answers to proposals are in ``instruments.profile.decisions``; an agent's presence is a ``Status``.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from envs.errors import InstrumentError
from instruments.messages import PROTO, Name, Number, Payload, Proto, Quantity, Unit, Utc
from instruments.profile.decisions import Path, PersonName, PublishedProposal, Quorum, Revision, Sha256
from instruments.profile.model_messages import Domain, FactorEffect, Structure

THUMBNAIL_LIMIT = 128 * 1024
"""Most bytes of a picture inside a message."""
_BASE64_LIMIT = 4 * -(-THUMBNAIL_LIMIT // 3)
MAX_PROPERTIES = 64
"""Most entries of a mapping in one of these messages."""

Line = Annotated[str, StringConstraints(max_length=200)]
Text = Annotated[str, StringConstraints(max_length=2000)]
Version = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
Share = Annotated[Number, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Actor = Annotated[str, StringConstraints(pattern=r"^(policy:)?[A-Za-z0-9]([A-Za-z0-9_.\-]{0,62}[A-Za-z0-9])?$")]
"""A person, or ``policy:`` and the name of a rule that decided in nobody's stead."""
Quantities = Annotated[dict[Name, Quantity], Field(max_length=MAX_PROPERTIES)]
Design = Annotated[dict[Path, Quantity | Line], Field(min_length=1, max_length=MAX_PROPERTIES)]


class Thumbnail(Payload):
    """A small picture inside a message, at most 128 KB; the full one goes by reference.

    Attributes:
        media_type: how it is coded.
        data: its bytes in base64 (RFC 4648, section 4, padded).
    """

    media_type: Literal["image/png", "image/jpeg", "image/webp"]
    data: Annotated[
        str,
        StringConstraints(
            min_length=4,
            max_length=_BASE64_LIMIT,
            pattern=r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        ),
    ]

    @field_validator("data")
    @classmethod
    def _fits(cls, data: str) -> str:
        if len(data) // 4 * 3 - data[-2:].count("=") > THUMBNAIL_LIMIT:
            raise ValueError(f"a thumbnail has at most {THUMBNAIL_LIMIT} bytes")
        return data

    @classmethod
    def of(cls, picture: bytes, media_type: Literal["image/png", "image/jpeg", "image/webp"]) -> Self:
        """Put a picture into a message.

        Raises:
            InstrumentError: when it is empty or larger than 128 KB.
        """
        if not 0 < len(picture) <= THUMBNAIL_LIMIT:
            raise InstrumentError(f"a thumbnail has 1 to {THUMBNAIL_LIMIT} bytes, not {len(picture)}: make it smaller")
        return cls(media_type=media_type, data=base64.b64encode(picture).decode())

    @property
    def picture(self) -> bytes:
        """The coded picture."""
        try:
            return base64.b64decode(self.data, validate=True)
        except binascii.Error as error:
            raise InstrumentError(f"the thumbnail is not base64: {error}") from error


class Estimate(Payload):
    """What a model expects of one property, with its spread.

    Attributes:
        value: the expectation.
        unit: UCUM code.
        std: standard deviation of the prediction, in the same unit.
        low: 5% quantile, where the distribution is not normal.
        high: 95% quantile, likewise.
    """

    value: Number
    unit: Unit
    std: Annotated[Number, Field(ge=0.0)]
    low: Number | None = None
    high: Number | None = None


class Acquisition(Payload):
    """Why this design before others.

    Attributes:
        function: name of the acquisition function.
        value: its value for this design when it was chosen.
    """

    function: Name
    value: Number


class Proposer(Payload):
    """Who proposed a design.

    Attributes:
        policy: the strategy that chose it.
        pool: the source of candidates that it came from.
    """

    policy: Name
    pool: Name


class NearestSample(Payload):
    """The finished experiment whose design is most alike.

    Attributes:
        experiment: its id.
        distance: how far apart the designs are, over how far finished designs mostly are from the nearest other one
            (the median): 0 is the same design, 1 as near as they mostly are to each other, 3 three times as far.
        found: what was measured, by property.
        thumbnail: a picture of it.
    """

    experiment: Name
    distance: Annotated[Number, Field(ge=0.0)] | None = None
    found: Quantities = Field(default_factory=dict)
    thumbnail: Thumbnail | None = None


class Hazard(Payload):
    """What can hurt people or instruments.

    Attributes:
        code: a GHS statement such as H301, or the name of the rule that found it.
        severity: how much attention it needs.
        text: what to know, for people.
    """

    code: Name
    severity: Literal["note", "warning", "danger"] = "warning"
    text: Text


class Check(Payload):
    """One value of the orders that a design becomes, and the limits that it was held against.

    Attributes:
        instrument: that it is for, or a kind of instrument.
        command: of the order.
        parameter: of the command.
        value: that would be ordered.
        low: smallest allowed, in the same unit; there is none where it is left out.
        high: largest allowed, likewise.
    """

    instrument: Line
    command: Line
    parameter: Line
    value: Quantity | Line
    low: Number | None = None
    high: Number | None = None


class Proposal(Payload):
    """``proposal/{pid}``: a design that waits for people's decision. Retained; cleared when it is closed.

    A signature covers the SHA-256 of the whole body as it was published, fields of newer versions included.

    Attributes:
        lab: the laboratory.
        proposal: its id, as in the topic.
        campaign: that it belongs to.
        revision: 1 at first; each edit makes the next one and voids the votes for the last.
        created_at: when this revision was made.
        expires_at: when it is too late to approve; then it counts as not approved.
        quorum: how many people must approve.
        design: what to make, by dotted path: quantities with their units, or words.
        prediction: what the models expect, by property.
        feasibility: probability that it can be made at all.
        acquisition: why this design before others.
        proposed_by: policy and pool.
        rationale: why, for people.
        cost: what it would spend, by name as in the campaign's budget.
        nearest: the most alike sample so far.
        hazards: what can hurt.
        model_version: of the models that predicted.
        recipe_hash: SHA-256 of the orders that an approval allows.
        limits_version: of the limits that the recipe was checked against.
        structure: of the crystal, to be drawn.
        duration: how long it would take, from the first order to the last.
        effects: what each factor does to the objective around this design.
        domain: whether the models know designs like it.
        checks: its orders against the limits.
        edited_by: who made this revision; there is nobody of the first.
        changes: what that edit changed, by path, as it was before.
        editor_may_approve: whether who made this revision may be one of those who approve it, by the rules at that
            moment; left out of the first revision.
    """

    proto: Proto = PROTO
    lab: Name
    proposal: Name
    campaign: Name
    revision: Revision = 1
    created_at: Utc
    expires_at: Utc
    quorum: Quorum = 1
    design: Design
    prediction: Annotated[dict[Name, Estimate], Field(max_length=MAX_PROPERTIES)] = Field(default_factory=dict)
    feasibility: Share | None = None
    acquisition: Acquisition | None = None
    proposed_by: Proposer
    rationale: Text = ""
    cost: Quantities = Field(default_factory=dict)
    nearest: NearestSample | None = None
    hazards: Annotated[tuple[Hazard, ...], Field(max_length=32)] = ()
    model_version: Version
    recipe_hash: Sha256
    limits_version: Version
    structure: Structure | None = None
    duration: Quantity | None = None
    effects: Annotated[tuple[FactorEffect, ...], Field(max_length=62)] = ()
    domain: Domain | None = None
    checks: Annotated[tuple[Check, ...], Field(max_length=64)] = ()
    edited_by: PersonName | None = None
    changes: Annotated[dict[Path, Quantity | Line], Field(max_length=MAX_PROPERTIES)] = Field(default_factory=dict)
    editor_may_approve: bool | None = None

    @model_validator(mode="after")
    def _expires_after_it_was_made(self) -> Self:
        if self.expires_at <= self.created_at:
            raise ValueError("expires_at must be later than created_at")
        return self

    @property
    def published(self) -> PublishedProposal:
        """What a decision must name: the digest is of the bytes that ``to_bytes`` writes."""
        return PublishedProposal.parse(self.to_bytes())


class Outcome(Payload):
    """``outcome/{pid}``: what became of a proposal. Retained; the agent clears the oldest.

    Attributes:
        lab: the laboratory.
        proposal: its id, as in the topic.
        revision: that was decided on.
        digest: of the body that was decided on.
        verdict: the end of the proposal; only approved may be carried out.
        by: the people whose decisions led to it, or a policy; empty when it expired or was withdrawn.
        ts: when.
        audit: hash of the entry in the audit that this follows from.
        reason: why, for people.
        experiment: that an approval became.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "if": {
                        "properties": {"verdict": {"enum": ["approved", "rejected", "edited"]}},
                        "required": ["verdict"],
                    },
                    "then": {"required": ["by"], "properties": {"by": {"minItems": 1}}},
                }
            ]
        }
    )

    proto: Proto = PROTO
    lab: Name
    proposal: Name
    revision: Revision
    digest: Sha256
    verdict: Literal["approved", "rejected", "edited", "expired", "withdrawn"]
    by: Annotated[tuple[Actor, ...], Field(max_length=9)] = ()
    ts: Utc
    audit: Sha256
    reason: Text = ""
    experiment: Name | None = None

    @model_validator(mode="after")
    def _somebody_decided(self) -> Self:
        if self.verdict in {"approved", "rejected", "edited"} and not self.by:
            raise ValueError(f"a proposal that was {self.verdict} names who decided: by is empty")
        return self


class Reference(Payload):
    """What an event is about.

    Attributes:
        kind: what has this id. A decision and a request are named where the event answers them.
        id: of the thing; of a decision and a request the first 32 hexadecimal digits of the SHA-256 of what was sent.
    """

    kind: Literal["campaign", "proposal", "experiment", "job", "instrument", "artefact", "decision", "request"]
    id: Name


class AgentEvent(Payload):
    """``agent/{aid}/event``: something that happened, for whoever watches. Not retained.

    Attributes:
        kind: what happened, with dots, such as experiment.completed.
        level: how much attention it needs.
        text: the same for people.
        reference: what it is about.
        thumbnail: a picture that came with it.
    """

    proto: Proto = PROTO
    boot_id: Name
    seq: Count
    ts: Utc
    kind: Name
    level: Literal["info", "warning", "error"] = "info"
    text: Text
    reference: Reference | None = None
    thumbnail: Thumbnail | None = None

"""What people's programs ask an agent, and its answers: what is not worth keeping on the bus for everybody.

A question changes nothing and is not signed: whoever may read the laboratory's bus may ask. An agent answers one after
the other, and refuses in words where there are too many.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from instruments.messages import PROTO, Name, Number, Payload, Proto, Quantity, Utc
from instruments.profile.agent_messages import (
    MAX_PROPERTIES,
    Check,
    Count,
    Design,
    Estimate,
    Hazard,
    Line,
    NearestSample,
    Quantities,
    Share,
    Text,
    Thumbnail,
)
from instruments.profile.decisions import Figure, Path, Quorum, Sha256
from instruments.profile.model_messages import Domain, FactorEffect, Structure

MAX_ENTRIES = 100
"""Most entries of the record in one answer."""
MAX_EDGE = 1600
"""Longest edge of a picture in an answer, in pixels."""

Topic = Literal["preview", "audit", "verify", "picture"]
"""What can be asked: what a changed proposal would be, entries of the record, whether all of it is whole, a picture."""


class Question(Payload):
    """``question/{user}/{qid}``: what a person's program asks. Never retained.

    Attributes:
        lab: the laboratory.
        question: its id, as in the topic; the answer bears the same.
        about: what is asked.
        proposal: of a preview: which.
        changes: of a preview: new values by their paths in the design, as an edit would have them; none to have what is
            proposed predicted anew.
        subject: of an audit: only what is about this campaign, proposal, experiment, sample, instrument or person.
        before: of an audit: only entries older than this one; the newest where it is left out.
        limit: of an audit: at most so many entries.
        sha256: of a picture: which.
        edge: of a picture: its longest edge at most, in pixels.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "if": {"properties": {"about": {"const": about}}, "required": ["about"]},
                    "then": {"required": [field]},
                }
                for about, field in (("preview", "proposal"), ("picture", "sha256"))
            ]
        }
    )

    proto: Proto = PROTO
    lab: Name
    question: Name
    about: Topic
    proposal: Name | None = None
    changes: Annotated[dict[Path, bool | Figure | str], Field(max_length=32)] = Field(default_factory=dict)
    subject: Name | None = None
    before: Count | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_ENTRIES)] = 50
    sha256: Sha256 | None = None
    edge: Annotated[int, Field(ge=16, le=MAX_EDGE)] = 1024

    @model_validator(mode="after")
    def _says_what_it_is_about(self) -> Self:
        if self.about == "preview" and self.proposal is None:
            raise ValueError("a preview names a proposal")
        if self.about == "picture" and self.sha256 is None:
            raise ValueError("a picture is named by its sha256")
        return self


class Preview(Payload):
    """What a proposal would be with some changes.

    Attributes:
        proposal: which.
        revision: that the changes are made to.
        design: with the changes.
        refusals: why it could not be made so; empty where it could.
        prediction: what the models expect, by property.
        feasibility: probability that it can be made at all.
        domain: whether the models know designs like it.
        effects: of each factor around it.
        structure: of its crystal.
        cost: what it would spend.
        duration: how long it would take.
        quorum: how many would have to approve.
        hazards: what can hurt.
        checks: its orders against the limits.
        nearest: the most alike sample so far.
        notes: what could not be told, and why.
    """

    proposal: Name
    revision: Annotated[int, Field(ge=1)]
    design: Design
    refusals: Annotated[tuple[Text, ...], Field(max_length=32)] = ()
    prediction: Annotated[dict[Name, Estimate], Field(max_length=MAX_PROPERTIES)] = Field(default_factory=dict)
    feasibility: Share | None = None
    domain: Domain | None = None
    effects: Annotated[tuple[FactorEffect, ...], Field(max_length=62)] = ()
    structure: Structure | None = None
    cost: Quantities = Field(default_factory=dict)
    duration: Quantity | None = None
    quorum: Quorum = 1
    hazards: Annotated[tuple[Hazard, ...], Field(max_length=32)] = ()
    checks: Annotated[tuple[Check, ...], Field(max_length=64)] = ()
    nearest: NearestSample | None = None
    notes: Annotated[tuple[Text, ...], Field(max_length=16)] = ()


class Entry(Payload):
    """One entry of the record.

    Attributes:
        seq: its number.
        at: when it was written.
        kind: what happened, with dots.
        text: the same for people.
        by: who did it, where a person or a rule did.
        subject: what it is about.
        hash: of the entry, over the one before.
        signed: whether it holds a person's signed words.
    """

    seq: Count
    at: Utc
    kind: Line
    text: Text
    by: Line = ""
    subject: Line = ""
    hash: Sha256
    signed: bool = False


class Verification(Payload):
    """What reading the whole record gave.

    Attributes:
        whole: whether every entry holds the hash of the one before, and every signature what it says.
        entries: that were read.
        signatures: that were judged again.
        tip: hash of the last entry.
        took_s: how long it took, in seconds.
        faults: what is wrong, for people; the first ones.
    """

    whole: bool
    entries: Count
    signatures: Count = 0
    tip: Sha256 | None = None
    took_s: Annotated[Number, Field(ge=0.0)] = 0.0
    faults: Annotated[tuple[Text, ...], Field(max_length=20)] = ()


class Picture(Payload):
    """A picture of the record, made small enough for a message.

    Attributes:
        sha256: of the file that it shows.
        thumbnail: it.
        width: of the file's picture, in pixels.
        height: likewise.
    """

    sha256: Sha256
    thumbnail: Thumbnail
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]


class Answer(Payload):
    """``answer/{user}/{qid}``: what an agent says to a question. Never retained.

    Attributes:
        question: its id.
        about: what was asked.
        refused: why there is no answer; empty where there is one.
        preview: of a proposal with changes.
        entries: of the record, the newest first.
        more: whether older entries follow.
        verification: of the record.
        picture: that was asked for.
    """

    proto: Proto = PROTO
    question: Name
    about: Topic
    ts: Utc
    refused: Text = ""
    preview: Preview | None = None
    entries: Annotated[tuple[Entry, ...], Field(max_length=MAX_ENTRIES)] = ()
    more: bool = False
    verification: Verification | None = None
    picture: Picture | None = None

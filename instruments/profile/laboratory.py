"""What an agent tells of the laboratory as a whole: who may do what, what is stopped, what is limited, its record.

It follows the rules of ``instruments.profile.agent_messages``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from instruments.messages import PROTO, Name, Number, Payload, Proto, Unit, Utc
from instruments.profile.agent_messages import Actor, Count, Line, Text
from instruments.profile.decisions import PersonName, Sha256

MAX_PEOPLE = 500
MAX_LIMITS = 64
"""Most limits that are told of one instrument."""

RoleName = Literal["viewer", "operator", "approver", "safety", "admin"]


class PersonEntry(Payload):
    """One key of a person.

    Attributes:
        name: whose.
        role: what they may do.
        kid: SHA-256 thumbprint of the public key (RFC 7638).
        x: the public key itself, Ed25519, base64url (RFC 8037): a login is checked with it.
        revoked: when it was given up.
    """

    name: PersonName
    role: RoleName
    kid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{43}$")]
    x: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{43}$")]
    revoked: Utc | None = None


class Stop(Payload):
    """The latching stop, while it holds.

    Attributes:
        by: who stopped.
        reason: why.
        at: when.
    """

    by: Line
    reason: Text = ""
    at: Utc | None = None


class Maintenance(Payload):
    """An instrument is out of service.

    Attributes:
        by: who said so.
        reason: why.
        since: when.
    """

    by: Line
    reason: Text = ""
    since: Utc | None = None


class LimitLine(Payload):
    """One limit that the agent keeps of an instrument's orders, whatever is approved.

    Attributes:
        command: of which.
        parameter: of which; empty where the limit is on the command itself.
        low: smallest allowed.
        high: largest allowed.
        unit: UCUM code of both.
        text: the same for people, or what else is limited.
    """

    command: Line = ""
    parameter: Line = ""
    low: Number | None = None
    high: Number | None = None
    unit: Unit = "1"
    text: Line = ""


class InstrumentLimits(Payload):
    """What may be ordered of one instrument.

    Attributes:
        commands: that are allowed.
        limits: of them.
    """

    commands: Annotated[tuple[Name, ...], Field(max_length=MAX_LIMITS)] = ()
    limits: Annotated[tuple[LimitLine, ...], Field(max_length=MAX_LIMITS)] = ()


class RecordState(Payload):
    """The agent's record: an append-only journal whose entries each hold the hash of the one before.

    Attributes:
        entries: how many there are.
        tip: hash of the last one.
        verified_to: entries up to this one were read and found whole.
        verified_at: when.
        whole: whether they were; None where nobody has looked yet.
        text: what was found, for people.
    """

    entries: Count
    tip: Sha256 | None = None
    verified_to: Count = 0
    verified_at: Utc | None = None
    whole: bool | None = None
    text: Text = ""


class Laboratory(Payload):
    """``agent/{aid}/lab``: how the laboratory stands as a whole. Retained.

    Attributes:
        lab: its id.
        agent: the agent's id, as in the topic.
        mode: whether orders reach instruments.
        software: name and version.
        speed: seconds of lab time in a second; other than 1 in a virtual laboratory alone.
        wall: the machine's own time at ``ts``: signatures are judged by it.
        stop: while it holds.
        people: whose keys are known.
        maintenance: instruments out of service.
        limits_version: of the limits.
        limits: by instrument.
        record: the journal.
        decided_by: rules that decide without a person.
    """

    proto: Proto = PROTO
    lab: Name
    agent: Name
    boot_id: Name
    seq: Count
    ts: Utc
    wall: Utc
    mode: Literal["live", "virtual", "shadow", "dry-run"]
    software: Line = ""
    speed: Annotated[Number, Field(gt=0.0)] = 1.0
    stop: Stop | None = None
    people: Annotated[tuple[PersonEntry, ...], Field(max_length=MAX_PEOPLE)] = ()
    maintenance: Annotated[dict[Name, Maintenance], Field(max_length=256)] = Field(default_factory=dict)
    limits_version: Line = ""
    limits: Annotated[dict[Name, InstrumentLimits], Field(max_length=256)] = Field(default_factory=dict)
    record: RecordState
    decided_by: Annotated[tuple[Actor, ...], Field(max_length=64)] = ()

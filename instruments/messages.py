"""The payloads of the instrument profile, version 1.0: the models are the source of every schema.

What we write refuses unknown fields (a typing mistake must not travel); what we read ignores them, so that a newer
minor version can talk to us: build with the constructor, read with ``parse``. Times are UTC RFC 3339;
numbers are finite.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from envs.errors import InstrumentError
from instruments.errors import FaultKind
from instruments.profile.legibility import Few, faults_of

MAX_SKEW_S = 2.0
"""Clocks that differ by more are flagged."""
PROTO = "1.0"
"""Profile version: the major one is in the topic, the minor one counts here."""

UTC_PATTERN = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z$"
)
"""RFC 3339 as we write it: UTC, at most microseconds."""
Utc = Annotated[
    AwareDatetime,
    AfterValidator(lambda instant: instant.astimezone(UTC)),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": UTC_PATTERN}),
]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")]
Proto = Annotated[str, StringConstraints(pattern=r"^1\.[0-9]{1,6}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
Unit = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,32}$")]
"""A case-sensitive UCUM code: printable ASCII without blanks (UCUM section 2.1); ``1`` is the unit one."""
Number = Annotated[float, Field(allow_inf_nan=False)]
MediaType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.+\-]{1,127}/[A-Za-z0-9_.+\-]{1,127}$")]
Presence = Literal["online", "busy", "error", "maintenance", "offline"]
JobPhase = Literal["accepted", "rejected", "running", "succeeded", "failed", "cancelled"]


class MalformedMessageError(InstrumentError):
    """A payload is not what the profile says that its topic carries."""


class Payload(BaseModel):
    """Base of all payloads: immutable, closed when written, open when read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read JSON, ignoring fields of newer versions.

        Raises:
            MalformedMessageError: when the payload is not JSON or breaks the model.
        """
        try:
            return cls.model_validate_json(payload, extra="ignore")
        except ValidationError as error:
            raise MalformedMessageError(f"not a valid {cls.__name__}: {faults_of(error)}") from error

    def to_bytes(self) -> bytes:
        """UTF-8 JSON without the fields that are not set."""
        return self.model_dump_json(exclude_none=True).encode()


def _needs(tag: str, values: list[JsonValue], field: str) -> JsonValue:
    """A rule of a schema: where ``tag`` is one of the values, the field must be there."""
    return {"if": {"properties": {tag: {"enum": values}}, "required": [tag]}, "then": {"required": [field]}}


class Quantity(Payload):
    """A finite number with its unit and, where known, its standard uncertainty.

    Attributes:
        value: the number.
        unit: UCUM code, case-sensitive; 1 is the unit one.
        std: standard uncertainty, in the same unit.
    """

    value: Number
    unit: Unit
    std: Annotated[Number, Field(ge=0.0)] | None = None


Value = Quantity | str
"""A parameter or result: a quantity, or a word such as a category's name."""


class ArtefactRef(Payload):
    """Bulk data by reference.

    Attributes:
        uri: where they are: http(s), file or s3; a data URI holds at most 64 KB.
        sha256: of the data, lower-case hexadecimal.
        bytes: how many there are.
        media_type: what they are, such as image/tiff.
    """

    uri: Annotated[str, Field(min_length=1, max_length=100_000)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]
    media_type: MediaType


class UploadTicket(Payload):
    """Leave to put bulk data of one job into the agent's store.

    Attributes:
        uri: where to PUT, below which the data's SHA-256 is appended as the last segment.
        token: bearer token, good for this job alone and for a limited time.
        limit: most bytes of one artefact.
    """

    uri: Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,500}$")]
    token: Annotated[str, StringConstraints(pattern=r"^[!-~]{16,2000}$")] = Field(repr=False)
    limit: Annotated[int, Field(gt=0)]


class ResultDescription(Payload):
    """One thing that a command gives: a quantity in ``unit``, bulk data of ``media_type``, or a word (neither).

    Attributes:
        summary: what it is, in a line.
        unit: UCUM code, of a quantity.
        media_type: of bulk data.
        optional: whether a success may come without it, as where it is not always known.
    """

    summary: str = ""
    unit: Unit | None = None
    media_type: MediaType | None = None
    optional: bool = False


class ChannelDescription(Payload):
    """One channel of telemetry.

    Attributes:
        unit: UCUM code of its readings.
        summary: what it reads, in a line.
        period_s: usual time between readings, in seconds.
    """

    unit: Unit
    summary: str = ""
    period_s: Annotated[Number, Field(gt=0.0)] | None = None


class CommandDescription(Payload):
    """One command that an instrument knows.

    Attributes:
        summary: what it does, in a line.
        parameters: JSON Schema (2020-12) of the parameters with units, limits and defaults.
        results: what a success gives, by name.
        duration_s: how long it usually takes.
        cancellable: whether a cancellation stops it before its end.
        example: parameters with which the command may be carried out at any time without harm or cost, for
            checks; None when there are none.
    """

    summary: str
    parameters: dict[str, Any]
    results: Annotated[dict[Name, ResultDescription], Few] = Field(default_factory=dict)
    duration_s: Annotated[Number, Field(ge=0.0)] | None = None
    cancellable: bool = True
    example: Annotated[dict[Name, Value] | None, Few] = None


class Description(Payload):
    """``desc``: what an instrument is and can do. Retained.

    Attributes:
        iid: the instrument's id, as in its topics.
        kind: what it is, such as furnace; one kind, one set of commands.
        serial: serial number of the instrument.
        driver: name and version of the driver.
        boot_id: UUIDv7 of this run of the driver.
        max_concurrency: jobs at a time.
        commands: what it can be ordered to do, by name.
        channels: its telemetry, by name.
        safe_state: what it does when the agent's lease runs out, in words; empty where it neither heats nor moves.
        lease_s: how long it goes on after an order or a renewal without hearing of the agent.
    """

    proto: Proto = PROTO
    iid: Name
    kind: Name
    serial: str = ""
    driver: str = ""
    boot_id: Name
    max_concurrency: Annotated[int, Field(ge=1)] = 1
    commands: Annotated[dict[Name, CommandDescription], Few]
    channels: Annotated[dict[Name, ChannelDescription], Few] = Field(default_factory=dict)
    safe_state: str = ""
    lease_s: Annotated[Number, Field(gt=0.0, le=86_400.0)] | None = None


class Status(Payload):
    """``status``: the presence of an instrument or an agent. Retained; the last will says ``offline``.

    Attributes:
        state: whether it takes orders (online), works (busy), or why it does neither.
        message: the reason, for people.
    """

    proto: Proto = PROTO
    state: Presence
    boot_id: Name
    seq: Annotated[int, Field(ge=0)]
    ts: Utc
    message: str = ""


class Telemetry(Payload):
    """``telemetry/{channel}``: one reading. Never retained, may be lost.

    Attributes:
        value: the reading.
        unit: UCUM code, as the description announces.
        quality: how far the device trusts the reading.
    """

    proto: Proto = PROTO
    ts: Utc
    value: Number
    unit: Unit
    quality: Literal["good", "uncertain", "bad"] = "good"
    seq: Annotated[int, Field(ge=0)]


class Command(Payload):
    """``cmd/{job}``: an order to do one job. Never retained; never started after ``not_after``.

    Attributes:
        attempt: how many times the same order was sent, this one included.
        command: one of the description's.
        parameters: by name: quantities with their units, or words.
        issued_at: when the agent decided to send it.
        not_after: when it is too late to start.
        approval: reference to the decision that allowed it.
        upload: where results too large for a message go; it is no part of what is ordered.
    """

    proto: Proto = PROTO
    job: Name
    attempt: Annotated[int, Field(ge=1)] = 1
    command: Name
    parameters: Annotated[dict[Name, Value], Few]
    issued_at: Utc
    not_after: Utc
    approval: str = ""
    upload: UploadTicket | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of what is ordered; attempts and times do not count."""
        return digest_of(self.command, self.parameters)


def digest_of(command: str, parameters: Mapping[str, Value]) -> str:
    """SHA-256 of canonical JSON: sorted keys, no blanks, UTF-8, numbers in Python's shortest round-trip form."""
    plain = {k: v if isinstance(v, str) else v.model_dump(exclude_none=True) for k, v in parameters.items()}
    text = json.dumps(
        {"command": command, "parameters": plain}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


class JobError(Payload):
    """Why a job was rejected or failed.

    Attributes:
        code: the reason, for programs.
        message: the reason, for people.
        kind: what it means for the experiment: try again, this sample cannot be made, or a person must look.
    """

    code: Name
    message: str
    kind: FaultKind = "other"


class Result(Payload):
    """What a job found: values, and bulk data by reference.

    Attributes:
        values: quantities and words, by name.
        artefacts: bulk data, by name.
    """

    values: Annotated[dict[Name, Value], Few] = Field(default_factory=dict)
    artefacts: Annotated[dict[Name, ArtefactRef], Few] = Field(default_factory=dict)


class JobState(Payload):
    """``job/{job}``: where a job stands; the last one is retained. ``(boot_id, seq)`` gives the order.

    Attributes:
        state: the step of its life; rejected, succeeded, failed and cancelled are the last.
        digest: of the command that this state answers, empty when no command is known.
        progress: 0 to 1.
        eta: expected end.
        result: what it found; always there when it succeeded.
        error: why; always there when it was rejected or failed.
        elapsed_s: duration of the job so far on the device's own clock, in seconds (simulated ones in a simulation).
        clock_skew_s: by how much the order was issued in the device's future, where that is more than 2 s.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _needs("state", ["rejected", "failed"], "error"),
                _needs("state", ["succeeded"], "result"),
            ]
        }
    )

    proto: Proto = PROTO
    job: Name
    boot_id: Name
    seq: Annotated[int, Field(ge=0)]
    state: JobPhase
    digest: Digest = ""
    ts: Utc
    progress: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    eta: Utc | None = None
    result: Result | None = None
    error: JobError | None = None
    elapsed_s: Annotated[Number, Field(ge=0.0)] = 0.0
    clock_skew_s: Number | None = None

    @model_validator(mode="after")
    def _reasons_belong_to_their_states(self) -> Self:
        if self.state in {"rejected", "failed"} and self.error is None:
            raise ValueError(f"a job that is {self.state} says why: error is missing")
        if self.state == "succeeded" and self.result is None:
            raise ValueError("a job that succeeded has a result: result is missing")
        return self

    @property
    def terminal(self) -> bool:
        """Whether nothing more will come."""
        return self.state in {"rejected", "succeeded", "failed", "cancelled"}


class Control(Payload):
    """``ctl``: cancel or query a job, republish description and status, or renew the agent's lease.

    Attributes:
        op: what is asked for.
        job: of a cancel or a query.
        lease_s: how long from now the agent answers for the instrument, in seconds; of a lease.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _needs("op", ["cancel", "query"], "job"),
                _needs("op", ["lease"], "lease_s"),
            ]
        }
    )

    proto: Proto = PROTO
    op: Literal["cancel", "query", "republish", "lease"]
    job: Name | None = None
    lease_s: Annotated[Number, Field(gt=0.0, le=86_400.0)] | None = None

    @model_validator(mode="after")
    def _operands_are_there(self) -> Self:
        if self.op in {"cancel", "query"} and self.job is None:
            raise ValueError(f"{self.op} needs a job")
        if self.op == "lease" and self.lease_s is None:
            raise ValueError("lease needs lease_s")
        return self

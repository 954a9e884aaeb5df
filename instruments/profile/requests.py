"""What a person asks of a laboratory beside deciding on proposals: the words on the wire, without keys.

A request proves itself as a decision does: a compact JWS, signed with the same key. Its header names another type, so
that neither can ever pass for the other. Its id is made of its own text, so that nobody can publish it under another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from instruments.messages import Name, Utc
from instruments.profile.decisions import ALGORITHM, Figure, Path, PersonName
from instruments.profile.legibility import faults_of

TYPE: Literal["labwright-request+json"] = "labwright-request+json"
MAX_ARGUMENTS = 16
_STD = "_std"

Action = Literal[
    "pause",
    "resume",
    "stop",
    "stop-lab",
    "clear-lab",
    "withdraw",
    "reconcile",
    "amend",
    "retract",
    "move",
    "maintenance",
    "reload",
]
"""What a person can ask for."""
Argument = bool | Figure | Annotated[str, StringConstraints(max_length=200)]


@dataclass(frozen=True)
class Form:
    """What a request of one action is about, and what it says beside.

    Args:
        subject: what has the id that it names; empty where it is the whole laboratory, which has none.
        summary: what it asks for, for people.
        arguments: what its arguments may be, by name; each must be there. None where names are properties, with
            numbers.
        changes_record: whether it changes what is on record, and so must say why.
    """

    subject: Literal["campaign", "proposal", "experiment", "sample", "instrument", ""]
    summary: str
    arguments: Mapping[str, TypeAdapter[Any]] | None = field(default_factory=dict)
    changes_record: bool = False


Verdict = Literal["again", "aborted"]
"""What a person can say of an experiment that nobody knows the end of: make the sample again, or give it up."""
_VERDICT: TypeAdapter[Any] = TypeAdapter(Verdict)
_PLACE: TypeAdapter[Any] = TypeAdapter(Annotated[str, StringConstraints(min_length=1, max_length=64)])
_ON: TypeAdapter[Any] = TypeAdapter(Annotated[bool, Field(strict=True)])

FORMS: Mapping[Action, Form] = MappingProxyType(
    {
        "pause": Form("campaign", "begin no further experiment of it"),
        "resume": Form("campaign", "go on with it, after a pause or a stop"),
        "stop": Form("campaign", "stop it: it latches until a person resumes it"),
        "stop-lab": Form("", "stop everything: it latches until a person clears it"),
        "clear-lab": Form("", "clear the laboratory's stop"),
        "withdraw": Form("proposal", "take a proposal back"),
        "reconcile": Form("experiment", "say what became of it, where no instrument can", {"verdict": _VERDICT}, True),
        "amend": Form("experiment", "put other values in the place of measured ones", None, True),
        "retract": Form("experiment", "take its result back", changes_record=True),
        "move": Form("sample", "say where it is now", {"place": _PLACE}),
        "maintenance": Form("instrument", "take it out of service, or put it back", {"on": _ON}),
        "reload": Form("", "read limits, policies and people's keys again"),
    }
)
"""All actions."""
_NEEDED = ["arguments"]
_PROPERTIES: dict[str, JsonValue] = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number"}}


def _rules() -> list[JsonValue]:
    """The rules of a schema: which actions name a subject, and which take what arguments."""
    rules: list[JsonValue] = []
    for action, form in FORMS.items():
        needed: list[JsonValue] = [*(["subject"] if form.subject else []), *([] if form.arguments == {} else _NEEDED)]
        properties: dict[str, JsonValue] = {
            "subject": {"minLength": 1} if form.subject else {"maxLength": 0},
            "arguments": _schema(form.arguments),
        }
        if form.changes_record:
            needed.append("comment")
            properties["comment"] = {"pattern": r"\S"}
        then: JsonValue = {"properties": properties, "required": needed}
        rules.append({"if": {"properties": {"action": {"const": action}}, "required": ["action"]}, "then": then})
    return rules


def _schema(arguments: Mapping[str, TypeAdapter[Any]] | None) -> JsonValue:
    if arguments is None:
        return _PROPERTIES
    if not arguments:
        return {"maxProperties": 0}
    names: list[JsonValue] = [*arguments]
    properties: dict[str, JsonValue] = {name: dict(adapter.json_schema()) for name, adapter in arguments.items()}
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


class RequestHeader(BaseModel):
    """The protected header of a signed request: these three members and no other.

    Attributes:
        alg: the signature's algorithm, by its fully-specified name (RFC 9864).
        kid: SHA-256 thumbprint of the signer's public key (RFC 7638).
        typ: that this is a request, and nothing else that the same key may sign.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alg: Literal["Ed25519"] = ALGORITHM
    kid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{43}$")]
    typ: Literal["labwright-request+json"] = TYPE


class Request(BaseModel):
    """What one person asks for: the claims of a signed request.

    Attributes:
        lab: the laboratory.
        action: what to do.
        subject: id of the campaign, proposal, experiment, sample or instrument that it is about; empty where that is
            the laboratory.
        arguments: what else the action needs. For reconcile, verdict says again or aborted; for move, place; for
            maintenance, on. For amend they are the new values by property, each in the unit in which it was measured,
            and where they are known their standard uncertainties, by the property's name with _std behind it.
        nonce: 128 random bits or more in base64url; no two requests or decisions share one.
        time: when it was signed.
        comment: why, for people; reconcile, amend and retract need one, because they change the record.
        user: who asks, as in the topic.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, json_schema_extra=lambda schema: schema.update(allOf=_rules())
    )

    lab: Name
    action: Action
    subject: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{0,64}$")] = ""
    arguments: Annotated[dict[Path, Argument], Field(max_length=MAX_ARGUMENTS)] = Field(default_factory=dict)
    nonce: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{22,64}$")]
    time: Utc
    comment: Annotated[str, StringConstraints(max_length=2000)] = ""
    user: PersonName

    @model_validator(mode="after")
    def _says_what_its_action_needs(self) -> Self:
        form = FORMS[self.action]
        if bool(self.subject) != bool(form.subject):
            raise ValueError(f"{self.action} names {f'a {form.subject}' if form.subject else 'no subject'}")
        if form.changes_record and not self.comment.strip():
            raise ValueError(f"{self.action} changes the record: its comment says why")
        if form.arguments is None:
            self._check_properties()
        elif set(self.arguments) != set(form.arguments):
            raise ValueError(f"{self.action} takes {', '.join(form.arguments) or 'no argument'}")
        for name, adapter in (form.arguments or {}).items():
            try:
                adapter.validate_python(self.arguments[name])
            except ValidationError as error:
                raise ValueError(f"{name} of {self.action}: {faults_of(error)}") from error
        return self

    def _check_properties(self) -> None:
        if not self.arguments or any(isinstance(value, (bool, str)) for value in self.arguments.values()):
            raise ValueError(f"{self.action} takes numbers by property")
        for name, std in self.arguments.items():
            measured = name.removesuffix(_STD)
            if measured != name and (measured not in self.arguments or float(std) < 0):
                raise ValueError(f"{name} is the uncertainty of {measured}: not negative, and later than its value")

    @property
    def values(self) -> dict[str, tuple[float, float | None]]:
        """An amendment's new values by property, each with its standard uncertainty where one is given."""
        given = {name: float(value) for name, value in self.arguments.items() if self.action == "amend"}
        return {name: (value, given.get(name + _STD)) for name, value in given.items() if not name.endswith(_STD)}


def request_id(token: str | bytes) -> str:
    """The id of a signed request: the first 32 hexadecimal digits of its SHA-256."""
    raw = token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    return hashlib.sha256(raw).hexdigest()[:32]

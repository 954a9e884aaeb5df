"""JSON Schemas (2020-12) of the profile's messages, with what the models' docstrings say about every field.

A schema describes what is written: it is closed, and a field that is not set is left out instead of being null.
Readers are more patient: they pass over fields that they do not know. The schemas keep to what draft 7 reads
in the same way, as AsyncAPI's own schema dialect is built on it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel

from instruments.profile.channels import CHANNELS
from instruments.profile.decisions import MAX_TOKEN, TOKEN_PATTERN, DecisionHeader
from instruments.profile.requests import RequestHeader

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SIGNED: Mapping[str, type[BaseModel]] = MappingProxyType({"Decision": DecisionHeader, "Request": RequestHeader})
"""The headers of what people sign, by the name of its claims."""
READERS = "Describes what is written: closed, and what is not set is left out. Readers ignore fields they do not know."


def _comment(claims: str) -> str:
    header = SIGNED[claims].__name__
    return f"The header is a {header}, the signed payload a {claims}, both in base64url of their JSON."


COMMENTS = frozenset({READERS, *map(_comment, SIGNED)})
"""What our schemas are known by; words of earlier versions belong here, too, when they change."""

SHARED: Mapping[str, str] = MappingProxyType(
    {
        "proto": "version of the profile; the major one is in the topic too.",
        "job": "the job's id, a UUIDv7, as in the topic.",
        "boot_id": "UUIDv7 of this run of whoever writes; a later run has a greater one.",
        "seq": "grows with every message of this run; (boot_id, seq) gives the order.",
        "ts": "when, by the writer's clock.",
    }
)
"""Fields that mean the same in every message, unless its docstring says otherwise."""

_ENTRY = re.compile(r"^    (\w+): (.+)$")


def message_schemas() -> dict[str, dict[str, Any]]:
    """The schema of every payload in the profile, and of the parts of what people sign, by name."""
    models = sorted({row.message for row in CHANNELS.values()} | {*SIGNED.values()}, key=lambda model: model.__name__)
    schemas = {model.__name__: schema_of(model) for model in models}
    return dict(sorted({**schemas, **{signed_name(name): _signed(name) for name in SIGNED}}.items()))


def payload_name(key: str) -> str:
    """Name of the schema of what travels on a channel."""
    row = CHANNELS[key]
    return signed_name(row.message.__name__) if row.signed else row.message.__name__


def signed_name(claims: str) -> str:
    """Name of the schema of a signed envelope, by the name of what is signed."""
    return f"Signed{claims}"


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of one message.

    Raises:
        ValueError: a field is not explained, neither by a docstring nor by the shared words.
    """
    raw = model.model_json_schema()
    parts = {part.__name__: part for part in nested(model)}
    definitions = {name: _tidy(part, parts[name]) for name, part in raw.pop("$defs", {}).items()}
    head = {"$schema": DIALECT, "$id": f"{model.__name__}.json", "$comment": READERS}
    schema = {**head, **_tidy(raw, model)}
    return {**schema, "$defs": definitions} if definitions else schema


def nested(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and all that its fields are made of."""
    yield model
    for field in model.model_fields.values():
        for part in _parts(field.annotation):
            yield from nested(part)


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def summary_of(model: type[BaseModel]) -> str:
    """What a model's docstring says before its attributes, in CommonMark."""
    return _common_mark(inspect.cleandoc(model.__doc__ or "").partition("\nAttributes:")[0])


def words_of(model: type[BaseModel]) -> dict[str, str]:
    """What a model's docstring says about its fields, by name."""
    attributes = inspect.cleandoc(model.__doc__ or "").partition("\nAttributes:\n")[2]
    words: dict[str, str] = {}
    name = ""
    for line in attributes.splitlines():
        entry = _ENTRY.match(line)
        if entry is not None:
            name, words[entry[1]] = entry[1], entry[2]
        elif name and line.strip():
            words[name] += f" {line.strip()}"
    return words


def _common_mark(text: str) -> str:
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text.replace("``", "`")).strip()


def _tidy(raw: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """A model's part of a schema: explained, without nulls and made-up titles."""
    words = {**SHARED, **words_of(model)}
    raw["description"] = summary_of(model)
    for name, field in raw.get("properties", {}).items():
        if name not in words:
            raise ValueError(f"{model.__name__}.{name} is not explained: say in the class's docstring what it is")
        text = _common_mark(words[name])
        raw["properties"][name] = {"description": text[:1].upper() + text[1:], **_plain(field)}
    order = ("title", "description", "type")
    return {**{key: raw[key] for key in order}, **{key: raw[key] for key in raw if key not in order}}


def _plain(field: dict[str, Any]) -> dict[str, Any]:
    field = {key: value for key, value in field.items() if key not in {"title", "description"}}
    choices = [choice for choice in field.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) < len(field.get("anyOf", [])):
        rest = {key: value for key, value in field.items() if key not in {"anyOf", "default"}}
        field = {**rest, **(choices[0] if len(choices) == 1 else {"anyOf": choices})}
    if "prefixItems" in field:
        field = _even(field)
    if "patternProperties" in field:
        # A draft-7 way to say that the keys which do not fit are refused, and not merely left alone.
        ((pattern, value),) = field.pop("patternProperties").items()
        field |= {"propertyNames": {"pattern": pattern}, "additionalProperties": value}
    return field


def _even(field: dict[str, Any]) -> dict[str, Any]:
    """So many of the same: draft 7 has no word for the items of a tuple one by one."""
    rest = {key: value for key, value in field.items() if key != "prefixItems"}
    first, *others = field["prefixItems"]
    if any(other != first for other in others):
        raise ValueError("a message's tuples hold so many of the same: what differs has a name of its own")
    return {**rest, "items": _even(first) if "prefixItems" in first else first}


def _signed(claims: str) -> dict[str, Any]:
    return {
        "$schema": DIALECT,
        "$id": f"{signed_name(claims)}.json",
        "$comment": _comment(claims),
        "title": signed_name(claims),
        "description": f"A person's {claims.lower()}, signed: a compact JWS (RFC 7515) with Ed25519, as bare text.",
        "type": "string",
        "contentMediaType": "application/jose",
        "maxLength": MAX_TOKEN,
        "pattern": TOKEN_PATTERN,
    }

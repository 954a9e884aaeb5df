"""The published documents are what the code does: never stale, whole, valid, and as strict as the models."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import BaseModel, ValidationError
from test_agent_messages import decisions, requests, told
from test_instruments_messages import payloads

from agent.approvals import sign_decision
from agent.identity import SigningKey
from agent.roles import Role
from envs.errors import UserError
from instruments import messages
from instruments.asyncapi import COMMAND, document, documents, main, replaced, stale
from instruments.messages import Payload
from instruments.profile import (
    agent_messages,
    campaign_messages,
    experiment_messages,
    laboratory,
    model_messages,
    questions,
)
from instruments.profile import decisions as decision_words
from instruments.profile import requests as request_words
from instruments.profile.channels import CHANNELS
from instruments.profile.examples import EXAMPLES
from instruments.profile.legibility import MAX_ENTRIES
from instruments.profile.schemas import message_schemas, nested, schema_of

DOCS = Path(__file__).parents[2] / "docs"
SCHEMAS = message_schemas()
DOCUMENT = document()
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in SCHEMAS.items()}
OLDER = {name: Draft7Validator(schema) for name, schema in SCHEMAS.items()}
MESSAGES: dict[str, type[BaseModel]] = {row.message.__name__: row.message for row in CHANNELS.values()}
ORDER = messages.Command.model_validate(
    EXAMPLES["Command"].model_dump()
    | {"upload": {"uri": "https://agent.example:8443/artefacts", "token": "t" * 32, "limit": 2**30}}
)
FLAGGED = messages.JobState.model_validate(
    EXAMPLES["JobState"].model_dump()
    | {
        "clock_skew_s": 3.5,
        "result": {
            "artefacts": {"image": {"uri": "s3://x/y", "sha256": "0" * 64} | {"bytes": 1, "media_type": "image/tiff"}}
        },
    }
)
SAMPLES = [*EXAMPLES.values(), ORDER, FLAGGED]
on_the_bus = st.one_of(
    payloads.filter(lambda payload: type(payload).__name__ in SCHEMAS),
    told,
    decisions,
    requests,
    st.sampled_from(SAMPLES),
)


def _json(message: BaseModel) -> Any:
    return json.loads(message.to_bytes() if isinstance(message, Payload) else message.model_dump_json())


# Stale --------------------------------------------------------------------------------------------------------------


def test_the_documents_are_what_the_code_says() -> None:
    found = stale(DOCS)
    assert not found, f"docs: {', '.join(found)} no longer say what the code does. Mend them with: {COMMAND}"


def test_writing_mends_what_is_stale_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    assert stale(tmp_path) == []
    capsys.readouterr()
    (tmp_path / "schemas" / "Command.json").write_text("{}")
    (tmp_path / "schemas" / "Forgotten.json").write_text(json.dumps(SCHEMAS["Status"] | {"title": "Forgotten"}))
    others = {"theirs.json": '{"$comment": "theirs"}', "list.json": "[1]", "broken.json": "{", "deep.json": "[" * 9999}
    for name, text in others.items():
        (tmp_path / "schemas" / name).write_text(text)
    (tmp_path / "asyncapi.json").unlink()
    (tmp_path / "profile.md").write_text("a\n<!-- topics: generated -->\nold\n<!-- topics: end -->\nb\n")
    assert stale(tmp_path) == ["asyncapi.json", "schemas/Command.json", "schemas/Forgotten.json", "profile.md"]
    assert main([str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.split()) == 4
    assert stale(tmp_path) == []
    assert not (tmp_path / "schemas" / "Forgotten.json").exists()
    assert {name: (tmp_path / "schemas" / name).read_text() for name in others} == others
    assert "instrument/{iid}/desc" in (tmp_path / "profile.md").read_text()
    assert main([str(tmp_path)]) == 0
    assert "all documents are as the code says" in capsys.readouterr().out


def test_a_lost_marker_is_one_clear_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="no single section between"):
        replaced("no markers", "topics", "x")
    (tmp_path / "profile.md").write_text("no markers")
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "put the markers back" in capsys.readouterr().err


def test_another_process_writes_the_same_bytes() -> None:
    code = "from instruments.asyncapi import documents; import sys; sys.stdout.write(repr(sorted(documents().items())))"
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONIOENCODING": "utf-8"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)  # noqa: S603
    assert told.stdout.decode() == repr(sorted(documents().items()))


# Whole --------------------------------------------------------------------------------------------------------------


MODULES = (
    messages, agent_messages, campaign_messages, experiment_messages, model_messages, laboratory, questions,
    decision_words, request_words,
)  # fmt: skip


def _models() -> Iterator[type[BaseModel]]:
    for module in MODULES:
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, BaseModel) and thing.__module__ == module.__name__:
                yield thing


def test_every_message_is_described() -> None:
    roots: list[type[BaseModel]] = [*MESSAGES.values(), decision_words.DecisionHeader, request_words.RequestHeader]
    reached = {part for model in roots for part in nested(model)}
    # The base of all, and the reader's view of a proposal, which is no message of its own.
    beside = {messages.Payload, decision_words.PublishedProposal}
    assert set(_models()) - beside == reached


def test_every_field_and_message_is_explained() -> None:
    for name, schema in SCHEMAS.items():
        for part in (schema, *schema.get("$defs", {}).values()):
            assert part["title"], name
            assert len(part["description"]) > 10, part["title"]
            assert "``" not in part["description"]
            for field, rule in part.get("properties", {}).items():
                assert re.match(r"[A-Z0-9(].*\.$", rule["description"]), f"{part['title']}.{field}"


def test_a_field_without_a_word_is_refused() -> None:
    class Mute(Payload):
        """Says nothing of its field."""

        volume: float

    with pytest.raises(ValueError, match=r"Mute\.volume is not explained"):
        schema_of(Mute)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_one_and_names_itself(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"{name}.json"
    assert "null" not in json.dumps(SCHEMAS[name]), "what is not set is left out"


def test_every_message_has_an_example_that_is_one() -> None:
    assert set(EXAMPLES) == {name for name in MESSAGES if name not in {"Decision", "Request"}}
    for name, example in EXAMPLES.items():
        VALIDATORS[name].validate(_json(example))
        assert type(example).parse(example.to_bytes()) == example


# As strict as the models ----------------------------------------------------------------------------------------------


@given(on_the_bus)
def test_schemas_accept_what_is_written(message: BaseModel) -> None:
    name = type(message).__name__
    VALIDATORS[name].validate(_json(message))
    OLDER[name].validate(_json(message))


_TEXTS = ["", "x", "a b", "ü", "-x", "x" * 3000, "yesterday", "1.x", "2.0", "AAA", "2026-03-01T12:00:00"]
_TEXTS += ["2026-13-01T12:00:00Z", "2026-03-01T25:00:00Z"]
_OTHERS: list[Any] = [[], {}, -1, 0, 10**6, 1.5, -0.5, {"value": "x"}, {"x": {}}, ["x"], [{}]]
_OTHERS += [{"value": 1, "unit": "a b"}, {"x y": "z"}, {"x": {"value": 1, "unit": "h", "std": -1}}]
WRONG: st.SearchStrategy[Any] = st.sampled_from([*_TEXTS, *_OTHERS])


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield (*path, key)
        yield from _places(child, (*path, key))


def _spoil(body: Any, place: tuple[Any, ...], how: str, wrong: Any = None) -> bool:
    """Break a message in one place; returns whether that can be done there."""
    parent = body
    for key in place[:-1]:
        parent = parent[key]
    if how == "replace":
        parent[place[-1]] = wrong
    elif how == "drop":
        del parent[place[-1]]
    elif isinstance(parent, dict):
        parent["a b"] = parent.pop(place[-1]) if how == "rename" else 1
    return isinstance(parent, dict) or how in {"replace", "drop"}


# Rules that compare fields, which JSON Schema cannot.
COMPARED = (
    "later than created_at",
    "the uncertainty of",
    "one edge more",
    "of a histogram ascend",
    "counts those that",
)


def _agree(model: type[BaseModel], body: Any) -> None:
    name, fault = model.__name__, _fault_of(model, body)
    if fault and not any(words in fault for words in COMPARED):
        assert not VALIDATORS[name].is_valid(body), f"{fault}\n{body}"
        assert not OLDER[name].is_valid(body)


@given(on_the_bus, st.data())
def test_schemas_refuse_what_the_models_refuse(message: BaseModel, data: st.DataObject) -> None:
    body = _json(message)
    place = data.draw(st.sampled_from(list(_places(body))))
    how = data.draw(st.sampled_from(["replace", "drop", "add", "rename"]))
    assume(_spoil(body, place, how, data.draw(WRONG) if how == "replace" else None))
    _agree(type(message), body)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_schemas_refuse_each_field_that_is_missing_misspelt_or_too_much(sample: Payload) -> None:
    for place in _places(_json(sample)):
        for how in ("drop", "add", "rename"):
            body = _json(sample)
            if _spoil(body, place, how):
                _agree(type(sample), body)


def _fault_of(model: type[BaseModel], body: Any) -> str:
    try:
        model.model_validate_json(json.dumps(body))
    except ValidationError as error:
        return str(error)
    return ""


def test_mappings_have_as_many_entries_in_the_schemas_as_are_read() -> None:
    for n, valid in ((MAX_ENTRIES, True), (MAX_ENTRIES + 1, False)):
        order = json.loads(EXAMPLES["Command"].to_bytes()) | {"parameters": {f"p{i}": "x" for i in range(n)}}
        assert VALIDATORS["Command"].is_valid(order) == OLDER["Command"].is_valid(order) == valid
        said = json.loads(EXAMPLES["Description"].to_bytes())
        next(iter(said["commands"].values()))["example"] = {f"p{i}": "x" for i in range(n)}
        assert VALIDATORS["Description"].is_valid(said) == valid
        for model, data in ((messages.Command, order), (messages.Description, said)):
            try:
                model.parse(json.dumps(data).encode())
            except messages.MalformedMessageError:
                assert not valid
            else:
                assert valid


def test_what_people_sign_is_what_the_schema_says() -> None:
    key = SigningKey("anna", Role.APPROVER, OKPKey.generate_key("Ed25519"))
    claims = {"lab": "demo", "proposal": "P012", "revision": 1, "digest": "0" * 64, "verdict": "approve"}
    claims |= {"nonce": "n" * 22, "time": "2026-03-01T12:00:00Z", "user": "anna"}
    token = sign_decision(decision_words.Decision.model_validate(claims), key)
    VALIDATORS["SignedDecision"].validate(token)
    head, body, _ = (json.loads(_decoded(part)) if index < 2 else part for index, part in enumerate(token.split(".")))
    VALIDATORS["DecisionHeader"].validate(head)
    VALIDATORS["Decision"].validate(body)
    for wrong in (token + ".x", token[:-1], "", token.replace(".", ""), json.dumps(claims), 1):
        assert not VALIDATORS["SignedDecision"].is_valid(wrong)


def _decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


# The AsyncAPI document, by the rules of the specification (version 3.0.0, section Schema) ----------------------------


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _resolve(reference: str) -> Any:
    path, _, pointer = reference.partition("#")
    node: Any = json.loads((DOCS / path).read_text()) if path else DOCUMENT
    for key in pointer.split("/")[1:]:
        node = node[key]
    return node


def test_every_reference_leads_somewhere() -> None:
    found = set(_references(DOCUMENT))
    assert {f"./schemas/{name}.json" for name in SCHEMAS} == {ref for ref in found if not ref.startswith("#")}
    for reference in found:
        assert _resolve(reference)


def test_the_document_has_the_specifications_parts() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"] == messages.PROTO
    allowed = {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"}
    assert set(DOCUMENT) <= allowed
    for server in DOCUMENT["servers"].values():
        assert set(re.findall(r"\{(\w+)\}", server["host"])) == set(server["variables"])
        assert server["protocol"] in {"mqtt", "secure-mqtt"}
        for scheme in server["security"]:
            assert _resolve(scheme["$ref"])["type"] in {"userPassword", "X509"}
    keys = {*DOCUMENT["channels"], *DOCUMENT["operations"], *DOCUMENT["components"]["messages"]}
    assert all(re.fullmatch(r"[A-Za-z0-9.\-_]+", key) for key in keys)


@pytest.mark.parametrize("key", sorted(CHANNELS))
def test_every_channel_is_described_with_its_operation(key: str) -> None:
    row, channel = CHANNELS[key], DOCUMENT["channels"][key]
    assert channel["address"] == f"{{root}}/v1/{{lab}}/{row.address}"
    assert set(channel["parameters"]) == set(re.findall(r"\{(\w+)\}", channel["address"]))
    wanted = f"#/channels/{key}"
    ((name, operation),) = [item for item in DOCUMENT["operations"].items() if item[1]["channel"]["$ref"] == wanted]
    assert operation["action"] == ("send" if row.writer == "agent" else "receive")
    assert name.startswith(operation["action"])
    mqtt = operation["bindings"]["mqtt"]
    assert (mqtt["qos"], mqtt["retain"]) == (row.qos, row.retain)
    assert len(channel["messages"]) == 1
    # An operation's messages must be a subset of its channel's, by reference into the channel.
    for where, parts in ((wanted, operation), (None, operation.get("reply"))):
        if parts is None:
            continue
        at = where or parts["channel"]["$ref"]
        assert _resolve(at)
        assert all(ref["$ref"].startswith(f"{at}/messages/") for ref in parts["messages"])


def test_an_order_is_answered_on_the_jobs_channel() -> None:
    reply = DOCUMENT["operations"]["sendCmd"]["reply"]
    assert reply["channel"]["$ref"] == "#/channels/job"
    command = DOCUMENT["components"]["messages"]["Command"]
    assert command["correlationId"]["location"] == "$message.payload#/job"
    assert DOCUMENT["channels"]["job"]["address"] == command["bindings"]["mqtt"]["responseTopic"]


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["messages"]))
def test_every_message_has_a_type_of_content_and_what_it_points_to(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    assert message["contentType"] == ("application/jose" if name.startswith("Signed") else "application/json")
    if "correlationId" in message:
        field = message["correlationId"]["location"].removeprefix("$message.payload#/")
        assert field in SCHEMAS[name]["required"]
    for example in message.get("examples", []):
        VALIDATORS[name].validate(example["payload"])


def test_the_document_is_valid_to_somebody_elses_models_of_the_specification() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = pytest.importorskip("asyncapi3.models", reason="asyncapi3 (AsyncAPI 3.0 in pydantic) is not installed")
    read = models.AsyncAPI3.model_validate(DOCUMENT)
    assert len(read.channels.root) == len(CHANNELS)
    with pytest.raises(ValidationError):
        models.AsyncAPI3.model_validate({**DOCUMENT, "operations": {"x": {"action": "dance"}}})

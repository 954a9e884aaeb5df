"""The profile as an AsyncAPI 3 document, JSON Schemas and tables: ``python -m instruments.asyncapi DIRECTORY``.

Everything is derived from ``CHANNELS`` and the message models, and comes out the same each time. Operations are
seen from the agent: what it writes is sent, what instruments and people write is received.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envs.errors import UserError
from instruments.messages import PROTO
from instruments.profile.channels import CHANNELS, PARAMETERS, Channel
from instruments.profile.examples import EXAMPLES
from instruments.profile.schemas import COMMENTS, SIGNED, message_schemas, payload_name, signed_name

COMMAND = "python -m instruments.asyncapi docs"
"""Mends documents that are stale."""
PROFILE = "profile.md"
_MQTT = "0.2.0"
_ID = "1 to 64 of letters, digits, '_', '.' and '-'"
_REPLIES = {
    "cmd": "job",
    "ctl": "job",
    "proposal": "decision",
    "decision": "outcome",
    "request": "agentEvent",
}
_CORRELATED = {"Command": "job", "JobState": "job", "Proposal": "proposal", "Outcome": "proposal"}
_LOCATIONS = {"job": "job", "cid": "campaign"}

_ABOUT = """\
How an agent of a materials laboratory, its instruments and its people talk over MQTT. Complete on MQTT 3.1.1: every \
identifier is in the payload; on MQTT 5 response topic, correlation data and message expiry repeat it.

The schemas describe what is written: they are closed (`additionalProperties: false`), and a field that is not set is \
left out. Whoever reads ignores fields that it does not know, so that a newer minor version can talk to an older one; \
a validator on the reading side should therefore strip or tolerate them. The major version is in the topic, the minor \
one in the field `proto`.

Operations are the agent's. In their MQTT bindings `qos` and `retain` say how the writer publishes, whoever it is. \
`x-labwright` on a channel says who may write and who reads, and what becomes of a retained message."""


def document() -> dict[str, Any]:
    """The AsyncAPI 3.0.0 document; payloads are references to ``./schemas``."""
    names, schemas = sorted({payload_name(key) for key in CHANNELS}), message_schemas()
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:labwright:profile:{PROTO}",
        "info": {
            "title": "Labwright instrument profile",
            "version": PROTO,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {key: _channel(row) for key, row in CHANNELS.items()},
        "operations": dict(_operation(row) for row in CHANNELS.values()),
        "components": {
            "messages": {name: _message(name, schemas[name]) for name in names},
            "parameters": _parameters(),
            "securitySchemes": {
                "password": {"type": "userPassword", "description": "MQTT user name and password, of one party each."},
                "certificate": {"type": "X509", "description": "A client certificate; its common name is the user."},
            },
        },
    }


def _servers() -> dict[str, Any]:
    host = {"description": "Name or address of the broker."}
    security = [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("password", "certificate")]
    will = {
        "topic": f"{{root}}/v1/{{lab}}/{CHANNELS['agentStatus'].address}",
        "qos": 1,
        "retain": True,
        "message": "a Status whose state is offline",
    }
    bindings = {"mqtt": {"cleanSession": False, "keepAlive": 15, "lastWill": will, "bindingVersion": _MQTT}}
    common = {"protocolVersion": "3.1.1", "bindings": bindings}
    return {
        "broker": {
            "host": "{host}:{port}",
            "protocol": "secure-mqtt",
            "description": "The laboratory's broker. Beyond loopback TLS is required.",
            "variables": {"host": host, "port": {"default": "8883", "description": "TCP port for MQTT over TLS."}},
            "security": security,
            **common,
        },
        "loopback": {
            "host": "{host}:{port}",
            "protocol": "mqtt",
            "description": "A broker on the same machine: a supervised child, or one for development.",
            "variables": {
                "host": {"enum": ["127.0.0.1", "localhost"], "default": "127.0.0.1", "description": "This machine."},
                "port": {"default": "1883", "description": "TCP port."},
            },
            "security": security[:1],
            **common,
        },
    }


def _channel(row: Channel) -> dict[str, Any]:
    name = payload_name(row.key)
    return {
        "address": f"{{root}}/v1/{{lab}}/{row.address}",
        "title": row.address,
        "summary": row.summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "parameters": {
            level: {"$ref": f"#/components/parameters/{level}"} for level in ("root", "lab", *row.parameters)
        },
        "x-labwright": {
            "writer": row.writer,
            "identity": row.identity,
            "readers": sorted(row.readers),
            "qos": row.qos,
            "retain": row.retain,
            "kept": row.kept,
            "lastWill": row.will,
        },
    }


def _operation(row: Channel) -> tuple[str, dict[str, Any]]:
    action = "send" if row.writer == "agent" else "receive"
    operation: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": f"#/channels/{row.key}"},
        "summary": row.summary,
        "messages": [{"$ref": f"#/channels/{row.key}/messages/{payload_name(row.key)}"}],
        "bindings": {"mqtt": {"qos": row.qos, "retain": row.retain, "bindingVersion": _MQTT}},
    }
    if (answer := _REPLIES.get(row.key)) is not None:
        operation["reply"] = {
            "channel": {"$ref": f"#/channels/{answer}"},
            "messages": [{"$ref": f"#/channels/{answer}/messages/{payload_name(answer)}"}],
        }
    return f"{action}{row.key[0].upper()}{row.key[1:]}", operation


def _message(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": name,
        "title": name,
        "summary": schema["description"].partition("\n")[0],
        "contentType": schema.get("contentMediaType", "application/json"),
        "payload": {"$ref": f"./schemas/{name}.json"},
    }
    if (field := _CORRELATED.get(name)) is not None:
        message["correlationId"] = {"location": f"$message.payload#/{field}", "description": f"The {field}'s id."}
    if name == "Command":
        job = f"{{root}}/v1/{{lab}}/{CHANNELS['job'].address}"
        data = {"type": "string", "description": "The job's id, again."}
        message["bindings"] = {"mqtt": {"responseTopic": job, "correlationData": data, "bindingVersion": _MQTT}}
    for claims, header in SIGNED.items():
        if name == signed_name(claims):
            message["x-jose"] = {
                "header": {"$ref": f"./schemas/{header.__name__}.json"},
                "claims": {"$ref": f"./schemas/{claims}.json"},
            }
    if name in EXAMPLES:
        payload = json.loads(EXAMPLES[name].to_bytes())
        message["examples"] = [{"name": name[0].lower() + name[1:], "payload": payload}]
    return message


def _parameters() -> dict[str, Any]:
    fixed: dict[str, Any] = {
        "root": {"description": f"First level of all topics: {_ID}.", "default": "labwright"},
        "lab": {"description": f"The laboratory's id: {_ID}."},
    }
    for level, what in PARAMETERS.items():
        fixed[level] = {"description": f"{what}: {_ID}."}
        if level in _LOCATIONS:
            fixed[level]["location"] = f"$message.payload#/{_LOCATIONS[level]}"
    return fixed


def table() -> str:
    """The channels as a table in Markdown."""
    lines = ["| topic | from | read by | QoS | retained | message | what |", "|---|---|---|---|---|---|---|"]
    for row in CHANNELS.values():
        name = payload_name(row.key)
        readers = ", ".join(sorted(row.readers))
        kept = f"yes: {row.kept}" if row.retain else row.kept.partition(":")[0].replace("not", "no")
        will = ", last will" if row.will else ""
        cells = (f"`{row.address}`", row.writer, readers, str(row.qos), f"{kept}{will}")
        lines.append(f"| {' | '.join(cells)} | [{name}](schemas/{name}.json) | {row.summary} |")
    return "\n".join(lines)


def replaced(text: str, section: str, content: str) -> str:
    """A document with a generated section renewed.

    Raises:
        UserError: the section's markers are missing.
    """
    begin, end = f"<!-- {section}: generated -->", f"<!-- {section}: end -->"
    found = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{content}\n{end}", text, flags=re.DOTALL
    )
    if found[1] != 1:
        raise UserError(f"{PROFILE} has no single section between '{begin}' and '{end}': put the markers back")
    return found[0]


def documents() -> dict[str, str]:
    """Every generated file's text by its path below the directory of documents."""
    files: dict[str, Any] = {"asyncapi.json": document()}
    files |= {f"schemas/{name}.json": schema for name, schema in message_schemas().items()}
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in files.items()}


def stale(directory: Path) -> list[str]:
    """Paths below a directory whose content is not what the code says: missing, changed, or left over."""
    wanted = documents()
    written = (path for path in (directory / "schemas").glob("*.json") if _is_ours(path))
    paths = {*wanted, *(f"schemas/{path.name}" for path in written)}
    found = [path for path in sorted(paths) if wanted.get(path) != _text(directory / path)]
    profile = _text(directory / PROFILE)
    if profile is not None and replaced(profile, "topics", table()) != profile:
        found.append(PROFILE)
    return found


def _is_ours(path: Path) -> bool:
    """Whether an earlier version wrote a schema: somebody else's beside ours is none of our business."""
    try:
        found = json.loads(_text(path) or "")
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("$comment") in COMMENTS


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def write(directory: Path) -> list[str]:
    """Write what is stale, and remove our schemas of messages that are no more.

    Returns:
        The paths that changed.
    """
    wanted, changed = documents(), stale(directory)
    (directory / "schemas").mkdir(parents=True, exist_ok=True)
    for name in changed:
        path = directory / name
        if name == PROFILE:
            path.write_text(replaced(path.read_text(encoding="utf-8"), "topics", table()), encoding="utf-8")
        elif name in wanted:
            path.write_text(wanted[name], encoding="utf-8")
        else:
            path.unlink()
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the documents into a directory and say which changed."""
    parser = argparse.ArgumentParser(prog="python -m instruments.asyncapi", description=main.__doc__)
    parser.add_argument("directory", type=Path, help="where asyncapi.json and schemas/ go")
    try:
        changed = write(parser.parse_args(arguments).directory)
    except (OSError, UserError) as error:
        parser.error(str(error))
    sys.stdout.write("".join(f"{path}\n" for path in changed) or "all documents are as the code says\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What ``raw_device`` says of itself, in plain JSON."""

from __future__ import annotations

from typing import Any

IID, LAB = "scale-7", "theirs"


def _quantity(unit: str, low: float, high: float) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "value": {"type": "number", "minimum": low, "maximum": high},
            "unit": {"const": unit},
            "std": {"type": "number", "minimum": 0},
        },
        "required": ["value", "unit"],
    }


WEIGH: dict[str, Any] = {
    "force": _quantity("N", 1, 100),
    "mode": {"type": "string", "enum": ["slow", "fast"]},
    "label": {"type": "string", "maxLength": 16},
}
EXAMPLE: dict[str, Any] = {"force": {"value": 10.0, "unit": "N"}, "mode": "fast", "label": "check"}


def _schema(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def description(boot: str, flaws: frozenset[str]) -> dict[str, Any]:
    """What the device says of itself; some flaws are in here."""
    force = _quantity("N", 1, 100)
    if "unit is no UCUM" in flaws:
        force["properties"]["unit"] = {"const": "newtons"}
    if "limits upside down" in flaws:
        force["properties"]["value"] |= {"minimum": 100, "maximum": 1}
    if "limits missing" in flaws:
        del force["properties"]["value"]["maximum"]
    weigh = {
        "summary": "Press and weigh",
        "parameters": _schema({**WEIGH, "force": force}),
        "results": {
            "weight": {"unit": "g"},
            "trace": {"media_type": "text/plain"},
            "verdict": {},
            "mood": {"optional": True},
        },
        "duration_s": 1.0,
        "example": {**EXAMPLE, "force": {"value": 10.0, "unit": force["properties"]["unit"]["const"]}},
    }
    if "schema invalid" in flaws:
        weigh["parameters"]["properties"]["label"] = {"type": "words"}  # type: ignore[index]
    if "example breaks schema" in flaws:
        weigh["example"]["mode"] = "medium"  # type: ignore[index]
    cook = {
        "summary": "Take eight seconds",
        "parameters": _schema({}),
        "duration_s": 8.0,
        "example": {},
        "cancellable": "declares uncancellable" not in flaws,
    }
    commands = {"weigh": weigh, "cook": cook}
    if "no example" in flaws:
        del weigh["example"], cook["example"]
    return {
        "proto": "1.7",
        "colour": "grey",
        "iid": "another" if "wrong iid" in flaws else IID,
        "kind": "scale",
        "boot_id": boot,
        "max_concurrency": 1,
        "commands": commands,
        "safe_state": "press lifted",
        "lease_s": 2.0,
        "channels": {} if "channel undeclared" in flaws else {"mass": {"unit": "g", "period_s": 1.0}},
    }

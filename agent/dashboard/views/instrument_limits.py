"""What may be ordered of an instrument: what the agent allows, beside what the instrument itself takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.dashboard.views import words

if TYPE_CHECKING:
    from instruments.messages import Description
    from instruments.profile.laboratory import InstrumentLimits, LimitLine

MOST_WORDS = 12
"""Words of a choice that are shown."""


@dataclass(frozen=True)
class LimitRow:
    """One parameter of a command.

    Args:
        parameter: for people; empty where the limits are on the command itself.
        agent: what the agent allows; empty where it says nothing of it.
        instrument: what the instrument takes; likewise.
        summary: what it is; may be empty.
    """

    parameter: str
    agent: str
    instrument: str
    summary: str = ""


@dataclass(frozen=True)
class CommandLimits:
    """One command.

    Args:
        command: its name.
        summary: what it does; may be empty.
        allowed: whether the agent may order it.
        rows: by parameter.
    """

    command: str
    summary: str
    allowed: bool
    rows: tuple[LimitRow, ...]


def limits_of(
    told: Description | None, kept: InstrumentLimits | None, *, limited: bool = True
) -> tuple[tuple[CommandLimits, ...], tuple[str, ...]]:
    """Every command with its limits, and what only words can say.

    Args:
        told: the instrument's description.
        kept: what the agent keeps of this instrument.
        limited: whether it keeps limits of any; then it orders nothing of an instrument that it has none of.
    """
    lines = kept.limits if kept else ()
    described = told.commands if told else {}
    named = [*described, *(kept.commands if kept else ()), *(line.command for line in lines if line.command)]
    commands = tuple(_command(name, told, kept, limited=limited) for name in dict.fromkeys(named))
    notes = tuple(_note(line) for line in lines if not line.command)
    return commands, notes


def _command(name: str, told: Description | None, kept: InstrumentLimits | None, *, limited: bool) -> CommandLimits:
    described = told.commands.get(name) if told else None
    schemas = _parameters(described.parameters) if described else {}
    lines = [line for line in kept.limits if line.command == name] if kept else []
    named = dict.fromkeys([*schemas, *(line.parameter for line in lines if line.parameter)])
    rows = [_row(one, [line for line in lines if line.parameter == one], schemas.get(one)) for one in named]
    rows += [LimitRow("", _bounds(line) or line.text, "") for line in lines if not line.parameter]
    allowed = name in kept.commands if kept is not None else not limited
    return CommandLimits(name, described.summary if described else "", allowed, tuple(rows))


def _parameters(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The schemas of a command's parameters; whatever a driver says there is read with care."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {str(name): one for name, one in properties.items() if isinstance(one, dict)}


def _row(parameter: str, lines: Sequence[LimitLine], schema: Mapping[str, Any] | None) -> LimitRow:
    summary = schema.get("description", "") if schema else ""
    agent = "; ".join(dict.fromkeys(filter(None, (_allowed(line) for line in lines))))
    return LimitRow(words.label(parameter), agent, taken(schema) if schema else "", str(summary))


def _allowed(line: LimitLine) -> str:
    """Bounds, and what they are for where they hold for some orders alone."""
    bounds = _bounds(line)
    what_for = line.text.partition(" for ")[2]
    return f"{bounds} for {what_for}" if bounds and what_for else bounds or line.text


def _bounds(line: LimitLine) -> str:
    return between(line.low, line.high, line.unit)


def _note(line: LimitLine) -> str:
    return line.text or " ".join(part for part in (words.label(line.parameter), _bounds(line)) if part)


def between(low: float | None, high: float | None, unit: str) -> str:
    """A range in words, such as ``900 to 1900 °C``, ``at most 50 N``; empty where there is none."""
    if low is not None and high is not None:
        if low == high:
            return f"only {words.with_unit(words.number(low), unit)}"
        return words.with_unit(f"{words.number(low)} to {words.number(high)}", unit)
    if high is not None:
        return f"at most {words.with_unit(words.number(high), unit)}"
    return f"at least {words.with_unit(words.number(low), unit)}" if low is not None else ""


def taken(schema: Mapping[str, Any]) -> str:
    """What an instrument takes for a parameter, from its JSON Schema, in words."""
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        shown = [str(choice) for choice in choices[:MOST_WORDS]]
        more = f" and {len(choices) - MOST_WORDS} more" if len(choices) > MOST_WORDS else ""
        return f"{words.listed(shown, 'or') if not more else ', '.join(shown)}{more}"
    properties = schema.get("properties")
    value = properties.get("value") if isinstance(properties, dict) else None
    if isinstance(value, dict) and isinstance(properties, dict):
        unit = properties.get("unit")
        code = str(unit.get("const", "1")) if isinstance(unit, dict) else "1"
        whole = "whole numbers, " if value.get("multipleOf") == 1 else ""
        return f"{whole}{between(_figure(value.get('minimum')), _figure(value.get('maximum')), code) or 'any number'}"
    if schema.get("type") == "string":
        most = schema.get("maxLength")
        return f"text of at most {most} characters" if isinstance(most, int) else "text"
    return ""


def _figure(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

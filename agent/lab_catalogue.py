"""What ``labwright lab list`` prints: the virtual instruments, their commands, and what each takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.wiring import virtual_catalogue
from agent.words import duration
from instruments.commands import Channel, Choice, CommandSpec, Parameter, ParameterRule, Returns


class Entry(Protocol):
    """What one instrument is and can do."""

    @property
    def iid(self) -> str:
        """Its id."""
        ...

    @property
    def kind(self) -> str:
        """What a recipe asks for."""
        ...

    @property
    def driver(self) -> str:
        """Name of what drives it."""
        ...

    @property
    def commands(self) -> Mapping[str, CommandSpec]:
        """What it can be ordered, by name."""
        ...

    @property
    def channels(self) -> Mapping[str, Channel]:
        """Its telemetry, by name."""
        ...

    @property
    def safe_state(self) -> str:
        """In words; empty where it neither heats nor moves."""
        ...


def print_catalogue(*, as_json: bool) -> None:
    """Print all virtual instruments.

    Args:
        as_json: one line of JSON: the commands as in the instruments' descriptions.
    """
    entries = virtual_catalogue()
    if as_json:
        print(json.dumps([_plain(entry) for entry in entries]))  # noqa: T201
        return
    Console(highlight=False).print(_table(entries))


def _plain(entry: Entry) -> dict[str, object]:
    return {
        "iid": entry.iid,
        "kind": entry.kind,
        "driver": entry.driver,
        "safe_state": entry.safe_state,
        "commands": {
            name: spec.describe().model_dump(mode="json", exclude_none=True) for name, spec in entry.commands.items()
        },
        "channels": {
            name: channel.describe().model_dump(mode="json", exclude_none=True)
            for name, channel in entry.channels.items()
        },
    }


def _table(entries: Sequence[Entry]) -> Table:
    table = Table("", "", "", box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for entry in entries:
        heated = f"; makes itself safe: {entry.safe_state}" if entry.safe_state else ""
        table.add_row(Text(entry.iid, style="bold"), Text(entry.kind, style="bold"), Text(f"{entry.driver}{heated}"))
        for name, spec in entry.commands.items():
            for row in _rows(name, spec):
                table.add_row(*row)
        for name, channel in entry.channels.items():
            told = Text(f"telemetry: {channel.summary}", style="dim")
            table.add_row(Text(f"  {name}"), Text(channel.unit), told)
        table.add_row()
    return table


def _rows(name: str, spec: CommandSpec) -> Iterator[tuple[Text, Text, Text]]:
    yield Text(f"  {name}", style="cyan"), Text(duration(spec.duration_s)), Text(spec.summary)
    for key, rule in spec.parameters.items():
        yield Text(f"    {key}"), Text(rule_words(rule)), Text(str(getattr(rule, "summary", "")), style="dim")
    for key, result in spec.results.items():
        yield Text(f"    → {key}"), Text(_result_words(result)), Text(result.summary, style="dim")


def rule_words(rule: ParameterRule) -> str:
    """What one parameter may be, in a few words."""
    if isinstance(rule, Parameter):
        # A pure number has the unit 1, which nobody writes.
        unit = "" if rule.unit == "1" else f" {rule.unit}"
        words = f"{rule.low:g} to {rule.high:g}{unit}"
    elif isinstance(rule, Choice):
        words = ", ".join(rule.options)
    else:
        words = "text"
    if rule.default is None:
        return words
    if rule.default == "":
        return f"{words}; may be left out"
    told = rule.default if isinstance(rule.default, str) else f"{rule.default:g}"
    return f"{words}; {told} where nothing is said"


def _result_words(result: Returns) -> str:
    if result.unit is not None:
        return "number" if result.unit == "1" else result.unit
    return result.media_type or "word"

"""The agent's log as people read it: from the file, as it grows, across the places where it turns over."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.markup import escape

from envs.errors import UserError
from instruments.profile.agent_messages import AgentEvent
from instruments.profile.legibility import printable

FILE = Path("logs") / "agent.jsonl"
LEVELS = ("debug", "info", "warning", "error", "critical")
_POLL_S = 0.25
_STYLES = {"debug": "dim", "info": "", "warning": "yellow", "error": "red", "critical": "bold red"}
_FIRST = ("at", "lab_at", "level", "logger", "event")

Entry = dict[str, Any]


def written(state: Path, *, level: str = "debug", last: int = 0) -> list[Entry]:
    """What the log holds, oldest first.

    Args:
        state: the state directory.
        level: the lowest that is wanted.
        last: at most so many, the newest, also of files that were put aside; all for 0.

    Raises:
        UserError: there is no log, or it cannot be read.
    """
    path = state / FILE
    files = _newest_first(path)
    if not files:
        raise UserError(f"there is no log {path}: did an agent ever run with this state directory?")
    entries: list[Entry] = []
    for file in files:
        try:
            lines = file.read_bytes().splitlines()
        except FileNotFoundError:  # it turned over just now
            continue
        except OSError as error:
            raise UserError(f"{file} cannot be read: {error.strerror}") from error
        entries = [entry for line in lines if wanted(entry := parsed(line), level)] + entries
        if last and len(entries) >= last:
            break
    return entries[-last:] if last else entries


def _newest_first(path: Path) -> list[Path]:
    """The file and those that were put aside, which have numbers behind their names, the newest the lowest."""
    aside = [
        (int(number), file) for file in path.parent.glob(f"{path.name}.*") if (number := file.suffix[1:]).isdigit()
    ]
    return [*([path] if path.exists() else []), *(file for _, file in sorted(aside))]


def following(
    state: Path, *, level: str = "debug", sleeper: Callable[[float], None] = time.sleep
) -> Iterator[Entry | None]:
    """What comes from now on, for ever; ``None`` whenever nothing new was there.

    A file that was put aside is read to its end before the new one.
    """
    path = state / FILE
    position, number, rest = _end(path)
    while True:
        try:
            with path.open("rb") as handle:
                now = path.stat().st_ino
                if now != number:
                    yield from _rest_of(path, number, position, rest, level)
                    position, number, rest = 0, now, b""
                position = min(position, path.stat().st_size)
                handle.seek(position)
                data = handle.read()
        except FileNotFoundError:
            data = b""
        position += len(data)
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if wanted(entry := parsed(line), level):
                yield entry
        yield None
        sleeper(_POLL_S)


def _end(path: Path) -> tuple[int, int, bytes]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, -1, b""
    return found.st_size, found.st_ino, b""


def _rest_of(path: Path, number: int, position: int, rest: bytes, level: str) -> Iterator[Entry]:
    """What was written to a file between the last look and its being put aside."""
    for older in path.parent.glob(f"{path.name}.*"):
        if older.stat().st_ino == number:
            with older.open("rb") as handle:
                handle.seek(position)
                lines = (rest + handle.read()).splitlines()
            yield from (entry for line in lines if wanted(entry := parsed(line), level))


def parsed(line: bytes) -> Entry:
    """A line's fields; one that a power cut left in half is an entry of its own words."""
    try:
        fields = json.loads(line)
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {"level": "warning", "event": line.decode(errors="replace")}


def wanted(entry: Mapping[str, Any], level: str) -> bool:
    """Whether an entry is of a level or above."""
    given = str(entry.get("level", "info"))
    return LEVELS.index(given if given in LEVELS else "info") >= LEVELS.index(level)


def of_event(event: AgentEvent) -> Entry:
    """What an agent told the bus, in the form of its log."""
    entry: Entry = {"at": event.ts.isoformat(), "level": event.level, "event": event.text, "kind": event.kind}
    return {**entry, event.reference.kind: event.reference.id} if event.reference else entry


def shown(entry: Mapping[str, Any]) -> str:
    """An entry for a terminal."""
    level = str(entry.get("level", "info"))
    style = _STYLES.get(level, "")
    at = str(entry.get("lab_at") or entry.get("at") or "")[:19].replace("T", " ")
    fields = " ".join(f"[dim]{_safe(k)}=[/]{_safe(v)}" for k, v in entry.items() if k not in {*_FIRST, "exception"})
    words = _safe(entry.get("event", ""))
    line = f"[dim]{_safe(at)}[/] {f'[{style}]{level:<7}[/]' if style else f'{level:<7}'} {words}  {fields}".rstrip()
    trace = entry.get("exception")
    return f"{line}\n[dim]{escape(str(trace))}[/]" if trace else line


def _safe(value: object) -> str:
    return escape(printable(str(value)))

"""The way back from a backup: everything is checked before anything is put in its place.

What was done after the backup is in no record: an order may have been carried out that the restored journal still
means to give. A restored laboratory is therefore stopped, until a named person has looked and clears it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from agent import events as ev
from agent.journal import FILE, Journal
from agent.ledger import dump
from agent.ledger.copies import tip_of
from envs.errors import JournalError, UserError
from instruments.artefacts import sync_directory

FORMAT = 1
MANIFEST = "manifest.json"
BY = "restore"
"""Who stops a restored laboratory, in its record."""
LAB = "lab"
"""Folder of the laboratory's file and the campaign files that it names."""
_FOLDERS = ("journal", "artefacts", "people", LAB)
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Restored:
    """What came back.

    Attributes:
        directory: the state directory.
        events: number of them in the backup.
        made_at: when the backup was made, RFC 3339.
        missing: artefacts that the backup could not hold, by SHA-256, each with why.
        stopped: whether the laboratory waits for a person to clear it.
    """

    directory: Path
    events: int
    made_at: str
    missing: dict[str, str]
    stopped: bool


def restore(archive: Path, target_dir: Path, *, at: datetime, place: str | None = None) -> Restored:
    """Put a backup's content into a directory, and its journal there or into a database.

    Args:
        archive: made by ``backup``.
        target_dir: state directory to be; empty, or not there yet.
        at: now, for the record of the stop.
        place: ``postgresql://...`` of an empty database for the journal, whichever it was in before; without one the
            journal becomes ``journal.sqlite`` in ``target_dir``.

    Raises:
        JournalError: the journal in the backup is damaged, or the database cannot be written.
        UserError: the directory or the database is not empty, or the archive is no whole backup.
    """
    if target_dir.exists() and (not target_dir.is_dir() or any(target_dir.iterdir())):
        raise UserError(f"{target_dir} is not empty: restore into a new directory, and move it where it belongs")
    try:
        target_dir.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(dir=target_dir.parent, prefix=f".{target_dir.name}.restoring-"))
        try:
            manifest = _checked(room, _unpacked(archive, room), archive)
            state = _state(room)
            copy, source = _copy(room, archive), f"{archive}, made {manifest['made_at']}"
            if place is None:
                copy = _as_sqlite(copy, room / "filled").rename(state / FILE)
                stopped = _stop(copy.parent, source, at)
                _move(state, target_dir)
            else:
                copy = _as_sqlite(copy, room / "filled")
                stopped = _stop(copy.parent, source, at)
                _into_database(_as_lines(copy), place, state, target_dir)
        finally:
            shutil.rmtree(room, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{archive} cannot be restored to {target_dir}: {error.strerror or error}") from error
    return Restored(target_dir, manifest["events"], manifest["made_at"], manifest["missing"], stopped)


# ---- The archive


def _unpacked(archive: Path, room: Path) -> dict[str, str]:
    """Write the archive's files; SHA-256 by name."""
    found: dict[str, str] = {}
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                content = tar.extractfile(member) if _belongs(member) else None
                if content is None or member.name in found:
                    raise UserError(f"{archive} is no backup: {member.name} does not belong in one")
                found[member.name] = _write(content, room / member.name)
    except tarfile.TarError as error:
        raise UserError(f"{archive} is no whole backup: {error}") from error
    return found


def _belongs(member: tarfile.TarInfo) -> bool:
    """Whether it is a plain file that leads nowhere else."""
    folder, *names = member.name.split("/")
    plain = bool(names) and not {"", ".", ".."} & {*names}
    named = folder in _FOLDERS and plain and (len(names) == 1 or folder == LAB)
    return member.isfile() and (member.name == MANIFEST or named)


def _write(content: IO[bytes], path: Path) -> str:
    for folder in reversed(path.parents):
        if not folder.is_dir():
            folder.mkdir(mode=0o700)
    hashing = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while block := content.read(_BLOCK):
            hashing.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return hashing.hexdigest()


def _checked(room: Path, found: dict[str, str], archive: Path) -> dict[str, Any]:
    """The manifest, when every file and the journal's chain are as it says."""
    try:
        manifest: dict[str, Any] = json.loads((room / MANIFEST).read_text(encoding="utf-8"))
        files = {name: str(one["sha256"]) for name, one in manifest["files"].items()}
        form, expected = manifest["format"], (int(manifest["events"]), str(manifest["tip"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{archive} is no whole backup: its {MANIFEST} is missing or cannot be read") from error
    if form != FORMAT:
        raise UserError(f"{archive} was made by a newer release of Labwright: restore it with that one")
    there = {name: digest for name, digest in found.items() if name != MANIFEST}
    for name in sorted(files.keys() | there.keys()):
        if name not in there:
            raise UserError(f"{archive} is no whole backup: {name} is missing")
        if files.get(name) != there[name]:
            raise UserError(f"{archive} is no whole backup: {name} is not what was put in it")
    tip = tip_of(_copy(room, archive))
    if (tip.seq, tip.hash) != expected:
        raise JournalError(f"{archive}: its journal ends at event {tip.seq}, and should at event {expected[0]}")
    return manifest


def _copy(room: Path, archive: Path) -> Path:
    for name in (FILE, dump.LINES):
        if (path := room / "journal" / name).is_file():
            return path
    raise UserError(f"{archive} is no whole backup: there is no journal in it")


# ---- What becomes of it


def _state(room: Path) -> Path:
    """The state directory as it will be, without the journal."""
    state = room / "state"
    state.mkdir(mode=0o700)
    for folder in ("artefacts", "people"):
        if (room / folder).is_dir():
            (room / folder).rename(state / folder)
    for one in sorted((room / LAB).glob("*")):
        if (state / one.name).exists():
            raise UserError(f"{one.name} beside the laboratory's file has the name of what an agent keeps")
        one.rename(state / one.name)
    return state


def _as_sqlite(copy: Path, beside: Path) -> Path:
    """The journal as a file of SQLite that can be written."""
    if copy.name == FILE:
        return copy
    with Journal(beside, write=True) as journal:
        journal.fill(copy)
    return beside / FILE


def _stop(place: Path, source: str, at: datetime) -> bool:
    """Stop the laboratory in the journal, where an agent ran there; returns whether."""
    with Journal(place, write=True) as journal:
        daemon = any(isinstance(stored.event, ev.AgentStarted) for stored in journal.scan())
        if daemon:
            reason = f"restored from {source}: look at what was done since, then clear the stop"
            journal.append([ev.LabStopped(by=BY, reason=reason)], at)
    return daemon


def _as_lines(copy: Path) -> Path:
    """A copy in SQLite, of whatever release, as lines."""
    target = copy.with_name(dump.LINES)
    with Journal(copy.parent, write=True) as journal, target.open("w", encoding="utf-8") as lines:
        lines.writelines(f"{line}\n" for line in journal.lines())
    return target


def _move(state: Path, target_dir: Path) -> None:
    if target_dir.exists():
        target_dir.rmdir()
    state.rename(target_dir)
    sync_directory(target_dir.parent)


def _into_database(lines: Path, place: str, state: Path, target_dir: Path) -> None:
    """Fill the database in one transaction, the stop among it, as the last thing that is done.

    A database that was filled can neither be filled again nor be told from one that is in use.
    """
    with Journal(place, write=True) as journal:
        _move(state, target_dir)
        try:
            journal.fill(lines)
        except BaseException:
            target_dir.rename(state)
            raise

"""What ``labwright backup`` and ``labwright restore`` say."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from agent.extras import needs
from agent.reading.source import BusSource, JournalSource
from agent.reading.tables import console
from envs.errors import UserError


def write_backup(source: JournalSource | BusSource, target: Path, *, lab_file: Path | None, as_json: bool) -> None:
    """Write a backup.

    Raises:
        UserError: the source is a broker, the target is there already, or it cannot be written.
        JournalError: the journal is damaged: nothing is written then.
    """
    if isinstance(source, BusSource):
        raise UserError("a broker keeps no record: make the backup on the agent's machine, with --state DIR")
    made = needs("lab", "labwright backup", "agent.backup").backup(
        source.place, source.state, target, made_at=datetime.now(UTC), lab_file=lab_file, people=source.people
    )
    if as_json:
        sys.stdout.write(json.dumps({**asdict(made), "path": str(made.path)}) + "\n")
        return
    size = sum(int(file["bytes"]) for file in made.files.values()) / 1e6
    words = f"{target}: {made.events} events, {len(made.files)} files, {size:,.1f} MB"
    words += f"; [yellow]{len(made.missing)} files are missing[/]" if made.missing else ""
    console().print(f"{words}. Secrets are not in it: keep those of {source.state / 'secrets'} apart.")
    for digest, why in made.missing.items():
        console().print(f"  {digest}: {why}", markup=False)


def restore_backup(archive: Path, to: Path, database: str, *, as_json: bool) -> None:
    """Put a backup back.

    Raises:
        UserError: the directory is not empty, or the archive is no whole backup.
        JournalError: the journal in it is damaged.
    """
    place = None
    if database:
        from agent.daemon.credentials import credential, database_url

        place = database_url(database, credential("database-password", to))
    back = needs("lab", "labwright restore", "agent.restore").restore(archive, to, at=datetime.now(UTC), place=place)
    if as_json:
        sys.stdout.write(json.dumps({**asdict(back), "directory": str(back.directory)}) + "\n")
        return
    words = f"{to}: {back.events} events of the backup made {back.made_at}."
    console().print(words, markup=False)
    if back.stopped:
        console().print(
            "The laboratory is stopped: what was done after the backup is in no record. Look at the instruments, then "
            "start the agent and clear the stop with: labwright clear"
        )

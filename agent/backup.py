"""``labwright backup`` and ``labwright restore``: a laboratory's record and all that it refers to, in one file.

A backup is a plain tar archive: ``journal/`` (a copy of the SQLite file, or the lines of a PostgreSQL database as one
transaction saw it), ``artefacts/``, ``people/`` with public keys alone, ``lab/`` with the laboratory's file and those
of its campaigns, and ``manifest.json`` with the SHA-256 of each file and where the hash chain ended. Secrets are not in
it. It is made while the daemon writes, and is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from agent.config import read_toml
from agent.identity import PUBLIC
from agent.journal import locate
from agent.ledger.copies import artefacts_of, events_of, tip_of
from agent.ledger.sqlite import FILE
from agent.restore import FORMAT, LAB, MANIFEST, Restored, restore
from agent.store import ArtefactStore
from envs.errors import UserError
from instruments.artefacts import sync_directory
from instruments.bulk.files import StoreError

ARTEFACTS, PEOPLE = "artefacts", "people"


@dataclass(frozen=True)
class Backup:
    """What a backup holds.

    Attributes:
        path: the archive.
        events: number of them.
        tip: hash of the last one.
        files: SHA-256 and bytes of each file, by name in the archive.
        missing: artefacts that the record refers to and that are not there whole, by SHA-256, and campaign files that
            cannot be kept, by name; each with why.
    """

    path: Path
    events: int
    tip: str
    files: dict[str, dict[str, str | int]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def backup(
    place: Path | str,
    state_dir: Path,
    target: Path,
    *,
    made_at: datetime,
    lab_file: Path | None = None,
    people: Path | None = None,
) -> Backup:
    """Write a backup; a daemon may write to the journal meanwhile.

    Args:
        place: of the journal, as ``Journal`` takes it.
        state_dir: holds the artefacts, and the people unless ``people`` says otherwise.
        target: the archive to make; its directory must be there.
        made_at: now, for the manifest.
        lab_file: kept along with the campaign files that it names, where there is one.
        people: directory of the public keys.

    Raises:
        JournalError: the journal cannot be read or is damaged: nothing is written then.
        UserError: ``target`` is there already, or cannot be written.
    """
    if target.exists():
        raise UserError(f"{target} is there already: choose another name for the backup")
    try:
        # Beside the archive: on the disk that has room for it.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as room, _whole(target) as file:
            copy = locate(place).copy(Path(room))
            tip = tip_of(copy)
            made = Backup(target, tip.seq, tip.hash)
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
                _add(archive, made, f"journal/{copy.name}", copy)
                _add_artefacts(archive, made, copy, ArtefactStore(state_dir / ARTEFACTS))
                for one in sorted((people or state_dir / PEOPLE).glob(f"*{PUBLIC}")):
                    _add(archive, made, f"{PEOPLE}/{one.name}", one)
                if lab_file is not None:
                    _add_lab(archive, made, lab_file)
                _add_manifest(archive, made, made_at, "sqlite" if copy.name == FILE else "postgresql")
    except OSError as error:
        raise UserError(f"{target} cannot be written ({error.strerror or error}): nothing was kept of it") from error
    return made


@contextmanager
def _whole(target: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when all of it is on the disk."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        sync_directory(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _add(archive: tarfile.TarFile, made: Backup, name: str, path: Path) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        entry = tarfile.TarInfo(name)
        entry.size = file.tell()
        entry.mtime = int(path.stat().st_mtime)
        entry.mode = 0o600
        file.seek(0)
        archive.addfile(entry, file)
    made.files[name] = {"sha256": digest, "bytes": entry.size}


def _add_artefacts(archive: tarfile.TarFile, made: Backup, copy: Path, store: ArtefactStore) -> None:
    wanted = dict.fromkeys(digest for event in events_of(copy) for digest in artefacts_of(event))
    for digest in wanted:
        try:
            path = store.path(digest, verify=True)
        except StoreError as error:
            made.missing[digest] = str(error)
            continue
        _add(archive, made, f"{ARTEFACTS}/{path.name}", path)


def _add_lab(archive: tarfile.TarFile, made: Backup, lab_file: Path) -> None:
    """The laboratory's file, and the campaign files without which it cannot be read."""
    _add(archive, made, f"{LAB}/{lab_file.name}", lab_file)
    for name in dict.fromkeys(_campaign_files(lab_file)):
        path = lab_file.parent / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            made.missing[name] = "a campaign file that is not below the laboratory's: keep it yourself"
        elif not path.is_file():
            made.missing[name] = "a campaign file that is not there"
        elif (kept := f"{LAB}/{Path(name).as_posix()}") not in made.files:
            _add(archive, made, kept, path)


def _campaign_files(lab_file: Path) -> Iterator[str]:
    try:
        entries = read_toml(lab_file).get("campaign")
    except UserError:  # kept as it is: who broke it may want it back
        return
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("file"), str) and entry["file"]:
            yield entry["file"]


def _add_manifest(archive: tarfile.TarFile, made: Backup, made_at: datetime, database: str) -> None:
    fields = {
        "format": FORMAT,
        "made_at": made_at.isoformat(),
        "software": f"labwright {version('labwright')}",
        "database": database,
        **{key: value for key, value in asdict(made).items() if key != "path"},
    }
    content = json.dumps(fields, indent=1).encode()
    entry = tarfile.TarInfo(MANIFEST)
    entry.size, entry.mtime, entry.mode = len(content), int(made_at.timestamp()), 0o600
    archive.addfile(entry, BytesIO(content))


__all__ = ["Backup", "Restored", "backup", "restore"]

"""The journal: an append-only, hash-chained record in SQLite, with its projections in the same transaction.

One process writes at a time: it holds a lock on a file beside the database, which the operating system releases
however the process ends. Each commit is on the disk (``synchronous=FULL``) before anything acts on it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, event

from agent import projections
from agent.events import Event, parse_event
from envs.errors import JournalError

FILE = "journal.sqlite"
STREAM = "campaign"
GENESIS = "0" * 64

_events = sa.Table(
    "events", projections.metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True), sa.Column("stream", sa.Text),
    sa.Column("version", sa.Integer), sa.Column("kind", sa.Text), sa.Column("at", sa.Text),
    sa.Column("payload", sa.Text), sa.Column("hash", sa.Text),
)  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """An event as it stands in the journal."""

    seq: int
    at: datetime
    event: Event


class Journal:
    """The record of one campaign in one directory.

    Args:
        directory: holds ``journal.sqlite``.
        write: take the writer's lock; readers need none.

    Raises:
        JournalError: another process writes here, there is no journal to read, or it cannot be written.
    """

    def __init__(self, directory: Path, *, write: bool) -> None:
        self.path = directory / FILE
        self._lock: IO[str] | None = None
        if write:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = _take_lock(directory / "journal.lock")
        elif not self.path.exists():
            raise JournalError(f"{directory} holds no campaign: there is no {FILE} in it")
        self._engine = _engine(self.path, write=write)
        try:
            if write:
                _migrate(self._engine)
            self._version, self._hash = self._tip()
        except sa.exc.DatabaseError as error:
            self.close()
            if not write:
                raise
            if isinstance(error, sa.exc.OperationalError):
                raise self._unwritable(error) from error
            raise JournalError(f"{self.path} cannot be read as a journal: {error.orig}") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and give the lock back."""
        self._engine.dispose()
        if self._lock:
            self._lock.close()
            self._lock = None

    def append(self, happened: Sequence[Event], at: datetime) -> None:
        """Write events and their projections in one transaction: all of them or none.

        Raises:
            JournalError: the disk is full, or the file cannot be written for another reason.
        """
        try:
            self._append(happened, at)
        except (OSError, sa.exc.OperationalError) as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> JournalError:
        cause = getattr(error, "orig", None) or error
        return JournalError(
            f"{self.path} cannot be written ({cause}); what stands in it is whole: free space on that disk, "
            "or make the file writable, and continue with --resume"
        )

    def _append(self, happened: Sequence[Event], at: datetime) -> None:
        version, tip = self._version, self._hash
        with self._engine.begin() as connection:
            for one in happened:
                version += 1
                payload, stamp = one.model_dump_json(), at.isoformat()
                tip = _chain(tip, version, stamp, payload)
                connection.execute(
                    _events.insert().values(
                        stream=STREAM, version=version, kind=one.kind, at=stamp, payload=payload, hash=tip
                    )
                )
                projections.project(connection, one, stamp)
        self._version, self._hash = version, tip

    def read(self) -> list[Stored]:
        """All events in order.

        Raises:
            JournalError: an event is damaged, or of another release.
        """
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(_events).order_by(_events.c.seq)).all()
        return [Stored(r.seq, datetime.fromisoformat(r.at), self._parsed(r.seq, r.payload)) for r in rows]

    def _parsed(self, seq: int, payload: str) -> Event:
        try:
            return parse_event(payload)
        except ValidationError as error:
            raise JournalError(
                f"{self.path}: event {seq} cannot be read by this release of Labwright: use the one that wrote it, "
                "or restore the file from a backup if it was changed"
            ) from error

    def table(self, query: sa.Select[tuple[object, ...]]) -> list[dict[str, object]]:
        """Rows of a query on the projections."""
        with self._engine.connect() as connection:
            return [dict(r._mapping) for r in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public way

    def rebuild(self) -> None:
        """Make the projections again from the events."""
        stored = [(s.event, s.at.isoformat()) for s in self.read()]
        with self._engine.begin() as connection:
            projections.rebuild(connection, stored)

    def verify(self) -> int:
        """Check the hash chain; returns the number of events.

        Raises:
            JournalError: an event was changed, removed or inserted; the message says which is the first that fails.
        """
        tip, expected = GENESIS, 0
        with self._engine.connect() as connection:
            for row in connection.execute(sa.select(_events).order_by(_events.c.seq)):
                expected += 1
                tip = _chain(tip, row.version, row.at, row.payload)
                if row.version != expected or row.hash != tip:
                    raise JournalError(f"{self.path}: the hash chain breaks at event {row.seq} ({row.kind})")
        return expected

    def _tip(self) -> tuple[int, str]:
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(_events).order_by(_events.c.seq.desc()).limit(1)).first()
        return (row.version, row.hash) if row else (0, GENESIS)


def has_begun(directory: Path) -> bool:
    """Whether a journal with at least one event is there; one that was killed before its first has not begun.

    Raises:
        JournalError: what is there is no journal.
    """
    path = directory / FILE
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'events'").fetchone()
            return bool(tables[0]) and database.execute("SELECT 1 FROM events LIMIT 1").fetchone() is not None
    except sqlite3.Error as error:
        raise JournalError(f"{path} cannot be read as a journal: {error}") from error


def _chain(tip: str, version: int, at: str, payload: str) -> str:
    return hashlib.sha256(f"{tip}\n{version}\n{at}\n{payload}".encode()).hexdigest()


def _take_lock(path: Path) -> IO[str]:
    handle = path.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise JournalError(
            f"{path.parent} is in use by another process (pid {holder}): wait for it or stop it"
        ) from error
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def _engine(path: Path, *, write: bool) -> Engine:
    if write:
        engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    else:
        # As a URI made from the path: a question mark in a directory's name is part of the name.
        uri = f"{path.absolute().as_uri()}?mode=ro"
        engine = sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=sa.NullPool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
        # The driver would commit before each change of the schema: transactions are begun here, and by nobody else.
        connection.isolation_level = None
        cursor = connection.cursor()
        if write:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes its lock at once: a transaction that has read cannot always become one that writes.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


__all__ = ["FILE", "Connection", "Journal", "Stored", "has_begun"]

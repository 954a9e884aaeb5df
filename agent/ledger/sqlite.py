"""A journal in a directory: one SQLite file, and a lock on a file beside it that ends with the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from typing_extensions import override

from agent.ledger.place import Place
from envs.errors import JournalError

FILE = "journal.sqlite"
LOCK = "journal.lock"
_READS = "reads"
"""Marks a writer's connection whose next transaction reads."""


class SqlitePlace(Place):
    """``journal.sqlite`` in a directory.

    Each commit is on the disk (``synchronous=FULL``) before anything acts on it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / FILE
        self.name = str(self.path)
        self._lock: IO[str] | None = None

    @override
    def engine(self, *, write: bool) -> Engine:
        if write:
            self._lock = _take_lock(self.directory)
        elif not self.path.exists():
            raise JournalError(f"{self.directory} holds no campaign: there is no {FILE} in it")
        return _engine(self.path, write=write)

    @override
    def hold(self, connection: Connection) -> None:
        """The lock on the file was taken before the database was touched."""

    @override
    def release(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    @override
    @contextlib.contextmanager
    def only_reading(self, connection: Connection) -> Iterator[None]:
        connection.info[_READS] = True
        try:
            yield
        finally:
            connection.info.pop(_READS, None)

    @override
    @contextlib.contextmanager
    def leniently(self, connection: Connection) -> Iterator[None]:
        driver: Any = connection.connection.driver_connection
        driver.text_factory = lambda raw: raw.decode(errors="surrogateescape")
        try:
            yield
        finally:
            driver.text_factory = str

    @override
    def check(self, connection: Connection) -> str:
        said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
        return "" if said == "ok" else str(said)

    @override
    def copy(self, directory: Path) -> Path:
        if not self.path.exists():
            raise JournalError(f"{self.directory} holds no campaign: there is no {FILE} in it")
        target = directory / FILE
        try:
            with (
                contextlib.closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as source,
                contextlib.closing(sqlite3.connect(target)) as copied,
            ):
                source.backup(copied)
                copied.execute("PRAGMA journal_mode=DELETE")  # one file, and no log beside it
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise JournalError(f"{self.path} cannot be copied: {error}") from error
        return target

    @override
    def unopened(self, cause: object) -> JournalError:
        return self.unwritable(cause)

    @override
    def unwritable(self, cause: object) -> JournalError:
        return JournalError(
            f"{self.path} cannot be written ({cause}); what stands in it is whole: free space on that disk, "
            "or make the file writable, and continue with --resume"
        )


def _take_lock(directory: Path) -> IO[str]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = (directory / LOCK).open("a+")
    except OSError as error:
        raise JournalError(f"{directory} cannot be written ({error.strerror}): make it writable") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise JournalError(
            f"{directory} is in use by another process (pid {holder}): wait for it or stop it"
        ) from error
    try:
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
    except OSError:
        return _without_buffer(handle)  # a full disk: the lock holds all the same, only nobody is told by whom
    return handle


def _without_buffer(handle: IO[str]) -> IO[str]:
    """The same open file; what could not be written would be tried, and fail, again when it is closed."""
    kept = os.dup(handle.fileno())
    with contextlib.suppress(OSError):
        handle.close()
    return os.fdopen(kept, "r+")


def _engine(path: Path, *, write: bool) -> Engine:
    if write:
        # The journal guards its connection itself; the daemon commits from a thread of its own.
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)), connect_args={"check_same_thread": False}
        )
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
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes its lock at once: a transaction that has read cannot always become one that writes.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write and _READS not in connection.info else "BEGIN")

    return engine


def has_begun(directory: Path) -> bool:
    """Whether a journal with at least one event is there; one that was killed before its first has not begun.

    Raises:
        JournalError: what is there is no journal.
    """
    path = directory / FILE
    if not path.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'events'").fetchone()
            return bool(tables[0]) and database.execute("SELECT 1 FROM events LIMIT 1").fetchone() is not None
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise JournalError(f"{path} cannot be read as a journal: {error}") from error

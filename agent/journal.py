"""The journal: an append-only, hash-chained record, with its projections, outbox and inbox in the same transaction.

It is a file in a directory (SQLite) or a database on a server (PostgreSQL), and one process writes at a time. What it
is made of is in ``agent.ledger``.
"""

from __future__ import annotations

import threading
from collections import ChainMap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from agent.crash_points import reached
from agent.events import Event
from agent.ledger import boxes, chain, dump, reading, schema
from agent.ledger import tables as t
from agent.ledger.boxes import AlreadyHandledError, Key, Named
from agent.ledger.locate import locate
from agent.ledger.postgres import LeaseLostError
from agent.ledger.projections import Entry, project, rebuilt
from agent.ledger.reading import Stored
from agent.ledger.rows import DatabaseRows
from agent.ledger.sqlite import FILE, has_begun
from agent.ledger.streams import Homes, linked
from envs.errors import JournalError

if TYPE_CHECKING:
    from agent.core.messages import Effect

DAMAGED = (sa.exc.DBAPIError, UnicodeDecodeError)
"""What a driver raises; SQLite's repeats damaged text, and then fails to tell it."""
SHOWN = 5
"""Differences that an error names."""


class Journal:
    """The record of a laboratory, or of one offline campaign. Threads may share it.

    Args:
        place: a directory, which holds ``journal.sqlite``, or ``postgresql://user:password@host/database``.
        write: take the writer's lease; readers need none.

    Raises:
        JournalError: another process writes here, there is no journal to read, a newer release made it, or it cannot
            be written.
        MissingExtraError: a URL was given where psycopg is not installed.
        UserError: the URL is of no database that a journal can be in.
    """

    def __init__(self, place: Path | str, *, write: bool) -> None:
        self._place = locate(place)
        self._guard = threading.RLock()
        self._writer: Connection | None = None
        self._lost = self._closed = False
        self._view: Engine | None = None
        self._homes = Homes(self.table)
        self._tip = chain.Tip()
        self._engine = self._opened(write=write)
        try:
            self._begin(write=write)
        except DAMAGED as error:
            self.close()
            if write and isinstance(error, sa.exc.OperationalError):
                raise self._place.unopened(error.orig) from error
            raise self._unreadable(error) from error
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """Where it is, for people; without any password."""
        return self._place.name

    @property
    def seq(self) -> int:
        """Number of the last event when this was opened or last written to."""
        return self._tip.seq

    @property
    def older(self) -> bool:
        """Whether this reads a database of an earlier release, whose tables are made in memory."""
        return self._view is not None

    @property
    def lost(self) -> bool:
        """Whether the lease to write is gone for good: only a new start can take it again."""
        return self._lost

    @property
    def last_at(self) -> datetime | None:
        """Stamp of the last event; None where there is none."""
        with self._reading() as connection:
            stamp = connection.execute(sa.select(t.events.c.at).order_by(t.events.c.seq.desc()).limit(1)).scalar()
        return datetime.fromisoformat(stamp) if stamp else None

    @property
    def hash(self) -> str:
        """Hash of that event."""
        return self._tip.hash

    def _opened(self, *, write: bool) -> Engine:
        try:
            return self._place.engine(write=write)
        except BaseException:
            self._place.release()
            raise

    def _begin(self, *, write: bool) -> None:
        if write:
            self._writer = self._engine.connect()
            with self._writer.begin():
                self._place.hold(self._writer)
            with self._writer.begin():
                schema.bring_forward(self._writer, self.name)
        with self._reading() as connection:
            version = schema.stored_version(connection)
            schema.check_known(version, self.name)
            if not version:
                raise JournalError(f"{self.name} cannot be read as a journal: there is none in it")
            self._tip = reading.tip(connection)
            if version == schema.HEAD:
                self._check_tip(connection)
            elif connection.execute(sa.select(t.events.c.seq).limit(1)).first():
                self._view = schema.projected(connection, self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and give the lease back."""
        with self._guard:
            self._closed = True
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            for engine in (getattr(self, "_engine", None), self._view):
                if engine is not None:
                    engine.dispose()
            self._place.release()

    # ---- Writing

    def append(
        self,
        happened: Sequence[Event],
        at: datetime,
        *,
        outbox: Sequence[Named] = (),
        done: Sequence[Key] = (),
        inbox: tuple[str, str] | None = None,
    ) -> list[Stored]:
        """Write events and all that goes with them in one transaction: everything or nothing.

        Args:
            happened: events, in order.
            at: when, in UTC.
            outbox: effects to be carried out; one that waits already keeps its place.
            done: kinds and keys of effects that were carried out; they go before ``outbox`` comes.
            inbox: source and id of the message that this answers.

        Returns:
            The events as they stand there.

        Raises:
            AlreadyHandledError: that message was handled before.
            JournalError: the disk is full, the file cannot be written for another reason, or the lease is lost.
        """
        stamp = at.isoformat()
        with self._writing() as connection:
            self._check_tip(connection)
            if inbox is not None:
                boxes.mark(connection, *inbox, stamp)
            learned: ChainMap[str, str] = ChainMap({}, self._homes)
            try:
                rows, tip = linked(self._tip, happened, stamp, learned)
            except KeyError as error:
                raise JournalError(f"{self.name}: an event names {error.args[0]}, which was never made") from error
            self._insert(connection, rows, happened, tip)
            boxes.remove(connection, done)
            boxes.put(connection, outbox, tip.seq, stamp)
            reached("in-commit")
        self._tip = tip
        self._homes.update(learned.maps[0])
        return [Stored(r.seq, at, e, r.stream, r.hash) for r, e in zip(rows, happened, strict=True)]

    @staticmethod
    def _insert(connection: Connection, rows: Sequence[chain.Row], happened: Sequence[Event], tip: chain.Tip) -> None:
        if not rows:
            return
        names = t.events.columns.keys()
        connection.execute(t.events.insert(), [{name: getattr(row, name) for name in names} for row in rows])
        tables = DatabaseRows(connection)
        for row, event in zip(rows, happened, strict=True):
            project(tables, Entry(row.seq, row.stream, row.at, row.hash, event))
        connection.execute(t.tip.update().values(seq=tip.seq, hash=tip.hash))

    def settle(self, done: Sequence[Key], *, upto: int | None = None) -> None:
        """Take effects out of the outbox that were carried out.

        Args:
            done: kinds and keys.
            upto: number of the last event that was known when they were carried out; an entry that was put again
                since stays.

        Raises:
            JournalError: it cannot be written, or the lease is lost.
        """
        with self._writing() as connection:
            boxes.remove(connection, done, upto)

    def rebuild(self) -> None:
        """Make the projections again from the events.

        Raises:
            JournalError: an event is damaged, or it cannot be written.
        """
        with self._writing() as connection:
            rebuilt(reading.entries(connection, self.name)).write(connection)

    def fill(self, lines: Path) -> None:
        """Take over all of another journal, as ``lines`` gave it.

        Raises:
            JournalError: this one is not empty, what is given is damaged, or it cannot be written.
        """
        with self._writing() as connection:
            if self._tip.seq:
                raise JournalError(f"{self.name} is not empty: a journal is taken over by an empty one alone")
            dump.load(connection, lines, lines.name)
        with self._reading() as connection:
            self._tip = reading.tip(connection)

    # ---- Reading

    def lines(self) -> Iterator[str]:
        """All of it as lines of JSON, from which ``fill`` makes it again, in either database."""
        with self._reading() as connection:
            yield from dump.dump(connection)

    def outbox(self) -> list[Effect]:
        """What has still to be carried out, in the order in which it was put."""
        with self._reading() as connection:
            return boxes.waiting(connection)

    def seen(self, source: str, id_: str) -> bool:
        """Whether a message was handled."""
        with self._reading() as connection:
            return boxes.marked(connection, source, id_)

    def scan(self, after: int = 0, *, checked: bool = False) -> Iterator[Stored]:
        """Events after a number in order, a few at a time, with those that come meanwhile; ``checked`` by their chain.

        Raises:
            JournalError: an event is damaged, of another release, or the chain breaks.
        """
        tip = chain.Tip()
        while True:
            with self._reading() as connection:
                rows = reading.batch(connection, after)
            if not rows:
                return
            if checked and (wrong := chain.broken(rows, tip)):
                raise JournalError(f"{self.name}: {wrong}; restore it from a backup, and find out who changed it")
            for row in rows:
                yield reading.stored(row, self.name)
            after = rows[-1].seq

    def read(self, after: int = 0) -> list[Stored]:
        """All events after a number, in order.

        Raises:
            JournalError: an event is damaged, or of another release.
        """
        return list(self.scan(after))

    def table(self, query: sa.Select[tuple[object, ...]]) -> list[dict[str, object]]:
        """Rows of a query on the projections."""
        if self._view is not None:
            with self._view.connect() as view:
                return [dict(r._mapping) for r in view.execute(query)]  # noqa: SLF001 - SQLAlchemy's public way
        with self._reading() as connection:
            return [dict(r._mapping) for r in connection.execute(query)]  # noqa: SLF001

    def verify(self, *, projections: bool = False) -> int:
        """Check the stored pages, the hash chain and the streams; returns the number of events.

        Args:
            projections: check too that the tables say what the events say.

        Raises:
            JournalError: an event was changed, removed, inserted or moved; the message says which is the first that
                fails. Or a table differs.
        """
        tip = chain.Tip()
        with self._reading() as connection:
            with self._place.leniently(connection):
                wrong = chain.broken(reading.all_rows(connection), tip)
            damage = "" if wrong else self._place.check(connection)
            if wrong or damage:
                raise JournalError(f"{self.name}: {wrong or f'the file is damaged: {damage}'}")
            if self._view is None:
                self._check_tip(connection, tip)
        if projections and (different := self.differences()):
            more = f"; {len(different) - SHOWN} more" if len(different) > SHOWN else ""
            raise JournalError(f"{self.name}: tables differ from the events: {'; '.join(different[:SHOWN])}{more}")
        return tip.seq

    def differences(self) -> list[str]:
        """Where the stored projections say something else than the events do, in words.

        Raises:
            JournalError: an event is damaged, or of another release.
        """
        if self._view is not None:
            return []
        with self._reading() as connection:
            return list(rebuilt(reading.entries(connection, self.name)).differences(connection))

    # ---- The database

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction of the writer; a reader's ends in an error of the database."""
        with self._guard:
            self._check_lease()
            try:
                if self._writer is not None:
                    with self._writer.begin():
                        yield self._writer
                else:
                    with self._engine.begin() as connection:
                        yield connection
            except sa.exc.IntegrityError:
                raise
            except (OSError, *DAMAGED, LeaseLostError) as error:
                self._note_loss(error)
                self._check_lease()
                raise self._place.unwritable(getattr(error, "orig", None) or error) from error

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._guard:
            self._check_lease()
            try:
                if self._writer is not None and self._writer.in_transaction():
                    yield self._writer
                elif self._writer is not None:
                    with self._place.only_reading(self._writer), self._writer.begin():
                        yield self._writer
                else:
                    with self._engine.connect() as connection:
                        yield connection
            except DAMAGED as error:
                self._note_loss(error)
                self._check_lease()
                raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> JournalError:
        return JournalError(f"{self.name} cannot be read as a journal: {getattr(error, 'orig', None) or error}")

    def _note_loss(self, error: Exception) -> None:
        gone = isinstance(error, LeaseLostError) or getattr(error, "connection_invalidated", False)
        self._lost = self._lost or (self._writer is not None and (gone or self._writer.invalidated))

    def _check_lease(self) -> None:
        if self._closed:
            raise JournalError(f"{self.name} was closed by this process already")
        if self._lost:
            raise JournalError(
                f"{self.name}: the connection was lost, and with it the lease to write; whether the last write "
                "arrived is not known: restart, which reads what stands there"
            )

    def _check_tip(self, connection: Connection, expected: chain.Tip | None = None) -> None:
        due = expected or self._tip
        row = connection.execute(sa.select(t.tip.c.seq, t.tip.c.hash)).first()
        found = (row.seq, row.hash) if row else (0, chain.GENESIS)
        if found != (due.seq, due.hash):
            raise JournalError(
                f"{self.name}: the hash chain ends at event {due.seq}, and should at event {found[0]}: another "
                "program wrote here, or events were removed; restart, and restore a backup if it says so again"
            )


__all__ = ["FILE", "AlreadyHandledError", "Journal", "Stored", "has_begun", "locate"]

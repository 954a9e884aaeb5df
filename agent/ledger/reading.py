"""Reading stored events, quickly: a restart waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy import Connection

from agent.events import Event, parse_event
from agent.ledger.chain import Row, Tip
from agent.ledger.projections import Entry
from agent.ledger.tables import events
from envs.errors import JournalError

BATCH = 500
"""Events at a time: a journal of years is never in memory as a whole."""
_BATCH = sa.select(events).where(events.c.seq > sa.bindparam("after")).order_by(events.c.seq).limit(BATCH)


@dataclass(frozen=True, slots=True)
class Stored:
    """An event as it stands in the journal."""

    seq: int
    at: datetime
    event: Event
    stream: str = ""
    hash: str = ""


def batch(connection: Connection, after: int) -> list[Row]:
    """The next events after a number; empty at the end."""
    return [Row(*row) for row in connection.execute(_BATCH, {"after": after}).all()]


def all_rows(connection: Connection, after: int = 0) -> Iterator[Row]:
    """All events after a number, in order."""
    while rows := batch(connection, after):
        yield from rows
        after = rows[-1].seq


def parsed(row: Row, where: str) -> Event:
    """The event of a row.

    Raises:
        JournalError: it is damaged, or of another release.
    """
    try:
        return parse_event(row.payload)
    except ValidationError as error:
        raise JournalError(
            f"{where}: event {row.seq} cannot be read by this release of Labwright: use the one that wrote it, "
            "or restore the file from a backup if it was changed"
        ) from error


def stored(row: Row, where: str) -> Stored:
    """A row as its reader wants it.

    Raises:
        JournalError: it is damaged, or of another release.
    """
    try:
        at = datetime.fromisoformat(row.at)
    except ValueError as error:
        raise JournalError(f"{where}: event {row.seq} has no readable time: restore it from a backup") from error
    return Stored(row.seq, at, parsed(row, where), row.stream, row.hash)


def entries(connection: Connection, where: str) -> Iterator[Entry]:
    """All events as projections want them.

    Raises:
        JournalError: an event is damaged, or of another release.
    """
    for row in all_rows(connection):
        yield Entry(row.seq, row.stream, row.at, row.hash, parsed(row, where))


def tip(connection: Connection) -> Tip:
    """Where the stored chain ends."""
    last = sa.select(events.c.seq, events.c.hash).order_by(events.c.seq.desc()).limit(1)
    streams = sa.select(events.c.stream, sa.func.max(events.c.version)).group_by(events.c.stream)
    row = connection.execute(last).first()
    return Tip(row.seq, row.hash, dict(connection.execute(streams).all())) if row else Tip()

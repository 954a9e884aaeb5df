"""A journal as lines of JSON: what a backup of a database on a server is, and what either database can be filled from.

One object a line, ``{"table": ..., "row": {...}}``: the events in order, then what waits in the outbox and what the
inbox holds. Projections are not in it: they are made from the events.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from agent.ledger import chain, reading
from agent.ledger import tables as t
from agent.ledger.projections import Entry, project
from agent.ledger.rows import MemoryRows
from envs.errors import JournalError

LINES = "journal.jsonl"
_BOXES = {table.name: table for table in (t.outbox, t.inbox)}
_BATCH = 1000


def dump(connection: Connection) -> Iterator[str]:
    """All lines, as one transaction sees the journal."""
    names = t.events.columns.keys()
    for row in reading.all_rows(connection):
        yield _line("events", {name: getattr(row, name) for name in names})
    for name, table in _BOXES.items():
        for values in connection.execute(sa.select(table).order_by(*table.primary_key)):
            yield _line(name, dict(values._mapping))  # noqa: SLF001 - SQLAlchemy's public way


def _line(table: str, row: dict[str, Any]) -> str:
    return json.dumps({"table": table, "row": row}, separators=(",", ":"))


def rows_of(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Table and row of each line.

    Raises:
        JournalError: a line is none of these.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                found = json.loads(line)
                yield str(found["table"]), dict(found["row"])
            except (ValueError, KeyError, TypeError) as error:
                raise JournalError(f"{path.name}: line {number} is no row of a journal") from error


def events_of(path: Path) -> Iterator[chain.Row]:
    """The events among the lines.

    Raises:
        JournalError: a line is no row of a journal.
    """
    for table, row in rows_of(path):
        if table == "events":
            try:
                yield chain.Row(**row)
            except TypeError as error:
                raise JournalError(f"{path.name}: an event has other columns than it should") from error


def load(connection: Connection, path: Path, where: str) -> None:
    """Fill an empty journal, projections too, in the connection's transaction.

    Raises:
        JournalError: the lines are no journal, or its chain does not hold.
    """
    tip, rows = chain.Tip(), MemoryRows()
    for some in _batches(events_of(path)):
        if wrong := chain.broken(some, tip):
            raise JournalError(f"{path.name}: {wrong}")
        names = t.events.columns.keys()
        connection.execute(t.events.insert(), [{name: getattr(row, name) for name in names} for row in some])
        for row in some:
            project(rows, Entry(row.seq, row.stream, row.at, row.hash, reading.parsed(row, where)))
    rows.write(connection)
    connection.execute(t.tip.update().values(seq=tip.seq, hash=tip.hash))
    for table, values in rows_of(path):
        if table in _BOXES:
            connection.execute(_BOXES[table].insert().values(**values))


def _batches(rows: Iterable[chain.Row]) -> Iterator[list[chain.Row]]:
    some: list[chain.Row] = []
    for row in rows:
        some.append(row)
        if len(some) == _BATCH:
            yield some
            some = []
    if some:
        yield some

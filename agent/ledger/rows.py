"""How projections are written: one port, in a database's transaction or in memory.

In memory they are rebuilt many times faster, which an upgrade and a check of ten thousand experiments need.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection
from typing_extensions import override

from agent.ledger.tables import TABLES

Values = dict[str, Any]


class Rows(Protocol):
    """Rows of the projections, by table and primary key."""

    def get(self, table: sa.Table, *key: object) -> Values | None:
        """The row of that key."""
        ...

    def put(self, table: sa.Table, **values: object) -> None:
        """Insert a row; columns that are not named are empty."""
        ...

    def change(self, table: sa.Table, *key: object, **values: object) -> None:
        """Change columns of the row of that key; nothing when there is none."""
        ...


def _plain(values: Mapping[str, object]) -> Values:
    """PostgreSQL stores no NUL in text; both databases say the same."""
    return {k: v.replace("\x00", "\ufffd") if isinstance(v, str) else v for k, v in values.items()}


def _where(table: sa.Table, key: tuple[object, ...]) -> list[sa.ColumnElement[bool]]:
    return [column == one for column, one in zip(table.primary_key, key, strict=True)]


class DatabaseRows(Rows):
    """Rows in the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def get(self, table: sa.Table, *key: object) -> Values | None:
        row = self._connection.execute(sa.select(table).where(*_where(table, key))).first()
        return dict(row._mapping) if row else None  # noqa: SLF001 - SQLAlchemy's public way

    @override
    def put(self, table: sa.Table, **values: object) -> None:
        self._connection.execute(table.insert().values(**_plain(values)))

    @override
    def change(self, table: sa.Table, *key: object, **values: object) -> None:
        self._connection.execute(table.update().where(*_where(table, key)).values(**_plain(values)))


class MemoryRows(Rows):
    """Rows in memory."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[object, ...], Values]] = {t.name: {} for t in TABLES}
        self._empty = {t.name: dict.fromkeys(t.columns.keys()) for t in TABLES}
        self._key = {t.name: tuple(c.name for c in t.primary_key) for t in TABLES}

    @override
    def get(self, table: sa.Table, *key: object) -> Values | None:
        row = self.tables[table.name].get(key)
        return dict(row) if row else None

    @override
    def put(self, table: sa.Table, **values: object) -> None:
        row = {**self._empty[table.name], **_plain(values)}
        key = tuple(row[name] for name in self._key[table.name])
        if key in self.tables[table.name]:
            raise ValueError(f"table {table.name} has two rows of the key {key}")
        self.tables[table.name][key] = row

    @override
    def change(self, table: sa.Table, *key: object, **values: object) -> None:
        row = self.tables[table.name].get(key)
        if row is not None:
            row.update(_plain(values))

    def write(self, connection: Connection) -> None:
        """Put all rows in place of those in the database."""
        for table in TABLES:
            connection.execute(table.delete())
            if rows := list(self.tables[table.name].values()):
                connection.execute(table.insert(), rows)

    def differences(self, connection: Connection) -> Iterable[str]:
        """Where the database says something else, in words."""
        for table in TABLES:
            left = dict(self.tables[table.name])
            names = self._key[table.name]
            for stored in connection.execute(sa.select(table)):
                row = dict(stored._mapping)  # noqa: SLF001 - SQLAlchemy's public way
                key = tuple(row[name] for name in names)
                what = f"{table.name} {', '.join(map(str, key))}"
                due = left.pop(key, None)
                if due is None:
                    yield f"{what}: no event says so"
                elif due != row:
                    wrong = ", ".join(f"{k} is {row[k]!r}, not {due[k]!r}" for k in row if row[k] != due[k])
                    yield f"{what}: {wrong}"
            yield from (f"{table.name} {', '.join(map(str, key))}: missing" for key in left)

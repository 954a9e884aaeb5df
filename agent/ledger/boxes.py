"""Outbox and inbox: what has still to be told, and what was handled already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from agent.ledger.tables import inbox, outbox
from envs.errors import LabwrightError

if TYPE_CHECKING:
    from agent.core.messages import Effect

Key = tuple[str, str]
"""Kind and key of an effect."""


class AlreadyHandledError(LabwrightError):
    """A message was handled before: nothing was written."""


class Named(Protocol):
    """An effect, as far as the outbox knows it."""

    @property
    def kind(self) -> str:
        """What has to be done."""
        ...

    @property
    def key(self) -> str:
        """For which job, proposal or campaign."""
        ...


def waiting(connection: Connection) -> list[Effect]:
    """All entries in the order in which they were first put."""
    from agent.core.messages import Effect  # whoever only reads a record needs nothing of the core

    rows = connection.execute(sa.select(outbox.c.kind, outbox.c.key).order_by(outbox.c.place))
    return [Effect(kind, key) for kind, key in rows]


def put(connection: Connection, effects: Iterable[Named], seq: int, at: str) -> None:
    """Add effects; one that waits already keeps its place."""
    place = connection.execute(sa.select(sa.func.max(outbox.c.place))).scalar() or 0
    for effect in effects:
        row = (outbox.c.kind == effect.kind) & (outbox.c.key == effect.key)
        if connection.execute(outbox.update().where(row).values(seq=seq, at=at)).rowcount == 0:
            place += 1
            connection.execute(outbox.insert().values(kind=effect.kind, key=effect.key, place=place, seq=seq, at=at))


def remove(connection: Connection, done: Sequence[Key], upto: int | None = None) -> None:
    """Take entries out; with ``upto`` only those that were last put at that event or before."""
    for kind, key in done:
        query = outbox.delete().where(outbox.c.kind == kind, outbox.c.key == key)
        connection.execute(query if upto is None else query.where(outbox.c.seq <= upto))


def marked(connection: Connection, source: str, id_: str) -> bool:
    """Whether a message was handled."""
    query = sa.select(inbox.c.at).where(inbox.c.source == source, inbox.c.id == id_)
    return connection.execute(query).first() is not None


def mark(connection: Connection, source: str, id_: str, at: str) -> None:
    """Note that a message is handled.

    Raises:
        AlreadyHandledError: it was before.
    """
    if marked(connection, source, id_):
        raise AlreadyHandledError(f"{id_} from {source} was handled before")
    connection.execute(inbox.insert().values(source=source, id=id_, at=at))

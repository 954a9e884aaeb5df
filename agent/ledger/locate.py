"""Which database a directory or a URL means."""

from __future__ import annotations

from pathlib import Path

from agent.ledger.place import Place
from agent.ledger.postgres import PostgresPlace, is_url
from agent.ledger.sqlite import SqlitePlace


def locate(place: Path | str) -> Place:
    """The database that a directory or a URL means.

    Raises:
        UserError: the URL is of no database that a journal can be in.
        MissingExtraError: a URL was given where psycopg is not installed.
    """
    return PostgresPlace(str(place)) if is_url(place) else SqlitePlace(Path(place))

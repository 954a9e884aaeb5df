"""Bringing a database to this release's schema, and telling one that is newer."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from agent.crash_points import reached
from agent.ledger import reading
from agent.ledger import tables as t
from agent.ledger.projections import rebuilt
from envs.errors import JournalError

HEAD = "0004"
OLDER = ("0001", "0002", "0003")
_alembic = sa.table("alembic_version", sa.column("version_num"))


def stored_version(connection: Connection) -> str:
    """Version of the database's schema; ``""`` for an empty one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(sa.select(_alembic.c.version_num)).scalar() or ""


def check_known(version: str, where: str) -> None:
    """Refuse a database that this release does not know.

    Raises:
        JournalError: a newer release made it.
    """
    if version not in {"", HEAD, *OLDER}:
        raise JournalError(
            f"{where} was written by a newer release of Labwright (its schema is {version}, this release knows up to "
            f"{HEAD}): use that release, or restore a backup from before the upgrade; nothing was changed"
        )


def bring_forward(connection: Connection, where: str) -> None:
    """Bring a database of an earlier release, or an empty one, to this release's, in the connection's transaction.

    Raises:
        JournalError: a newer release made it, or an event in it cannot be read.
    """
    version = stored_version(connection)
    check_known(version, where)
    if version == HEAD:
        return
    _migrate(connection)
    rebuilt(reading.entries(connection, where)).write(connection)
    # One that has its tip keeps it: what is missing at the end must still be seen.
    if connection.execute(sa.select(t.tip.c.one)).first() is None:
        tip = reading.tip(connection)
        connection.execute(t.tip.insert().values(one=1, seq=tip.seq, hash=tip.hash))


def projected(connection: Connection, where: str) -> Engine:
    """This release's projections in memory: a reader does not change a database of an earlier release.

    Raises:
        JournalError: an event cannot be read.
    """
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    t.metadata.create_all(engine, tables=t.TABLES)
    rows = rebuilt(reading.entries(connection, where))
    with engine.begin() as view:
        rows.write(view)
    return engine


def _migrate(connection: Connection) -> None:
    # Only here: a daemon that starts on a database of its own release spares Alembic's time and memory.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    reached("during-migration")

"""A journal in PostgreSQL.

The writer's lease is an advisory lock of the very session that writes: a connection that is lost takes the lease along,
and nothing is written on another one, so that two writers cannot be.
"""

from __future__ import annotations

import os
import socket
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from typing_extensions import override

from agent.extras import needs
from agent.ledger.dump import LINES, dump
from agent.ledger.place import Place
from envs.errors import JournalError, UserError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
LEASE = 0x1AB_0001
"""First half of the advisory lock's key; the second is the schema's name, hashed."""
CONNECT_S = 10
PATIENCE_MS = 500
_LOCKED = "55P03"
"""SQLSTATE of a lock that was not to be had in time."""
HOLDER = f"""
SELECT a.application_name, a.pid, coalesce(host(a.client_addr), 'this server'), a.backend_start::timestamp(0)::text
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid::bigint = {LEASE}
AND l.objid::bigint = (hashtext(current_schema())::bigint & 4294967295)
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""  # noqa: S608 - a number of ours
"""Who holds the lease: the session's own name, its process, from where, and since when."""
_READER = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
# A server that was cut off from a dead machine lets go of its lease within half a minute.
_SESSION = (
    "SET tcp_keepalives_idle = 10", "SET tcp_keepalives_interval = 5", "SET tcp_keepalives_count = 3",
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)  # fmt: skip


class LeaseLostError(Exception):
    """The writer's session is gone; the journal says so to a person."""


class PostgresPlace(Place):
    """A database by URL: ``postgresql://user:password@host/database``.

    Args:
        url: of SQLAlchemy's form; the password may be left to libpq (``PGPASSWORD``, ``~/.pgpass``, a service file).

    Raises:
        UserError: it is no URL, or of another kind of database.
        MissingExtraError: psycopg is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError) as error:
            raise UserError("the journal's URL cannot be read: postgresql://user:password@host/database") from error
        if parsed.drivername not in SCHEMES:
            raise UserError(f"a journal is a directory or postgresql://..., not {parsed.drivername}://")
        needs("postgres", "a journal in PostgreSQL", "psycopg")
        self._url = parsed.set(drivername="postgresql+psycopg")
        self.name = parsed.set(drivername="postgresql").render_as_string(hide_password=True)

    @override
    def engine(self, *, write: bool) -> Engine:
        arguments = {
            "application_name": f"labwright pid {os.getpid()} on {socket.gethostname()}"[:63],
            "connect_timeout": CONNECT_S,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        }
        pool = {"poolclass": sa.NullPool} if write else {"pool_pre_ping": True}
        engine = sa.create_engine(self._url, connect_args=arguments, **pool)
        opened: list[int] = []

        @event.listens_for(engine, "connect")
        def _prepare(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
            if write and opened:
                raise LeaseLostError  # a new session would write without the lease
            opened.append(1)
            cursor = connection.cursor()
            for line in _SESSION if write else (_READER,):
                cursor.execute(line)
            cursor.close()
            connection.commit()

        return engine

    @override
    def hold(self, connection: Connection) -> None:
        # The server waits, for as long as it may take to notice that a process before this one was killed.
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE_MS}ms'")
                connection.exec_driver_sql(f"SELECT pg_advisory_lock({LEASE}, hashtext(current_schema()))")
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != _LOCKED:
                raise
        else:
            return
        row = connection.exec_driver_sql(HOLDER).first()
        who = f"{row[0] or 'unnamed'}; session {row[1]} from {row[2]} since {row[3]}" if row else "unknown"
        raise JournalError(f"{self.name} is in use by another process ({who}): wait for it or stop it")

    @override
    def release(self) -> None:
        """The lease went with its session."""

    @override
    def only_reading(self, connection: Connection) -> AbstractContextManager[None]:
        return nullcontext()

    @override
    def leniently(self, connection: Connection) -> AbstractContextManager[None]:
        return nullcontext()

    @override
    def check(self, connection: Connection) -> str:
        return ""

    @override
    def copy(self, directory: Path) -> Path:
        target = directory / LINES
        engine = self.engine(write=False)
        try:
            with engine.connect() as connection, target.open("w", encoding="utf-8") as lines:
                lines.writelines(f"{line}\n" for line in dump(connection))
        except sa.exc.DBAPIError as error:
            raise self.unopened(error.orig) from error
        finally:
            engine.dispose()
        return target

    @override
    def unopened(self, cause: object) -> JournalError:
        return JournalError(
            f"{self.name} cannot be opened ({' '.join(str(cause).split())}): check the address, the database's name, "
            "the user and that the server runs"
        )

    @override
    def unwritable(self, cause: object) -> JournalError:
        return JournalError(
            f"{self.name} cannot be written ({' '.join(str(cause).split())}); what stands in it is whole: make room on "
            "the server, or let the user write there, and go on"
        )


def is_url(place: object) -> bool:
    """Whether a place is meant as a URL, not as a directory."""
    return isinstance(place, str) and "://" in place

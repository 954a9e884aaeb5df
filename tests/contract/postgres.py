"""A PostgreSQL of one's own: a temporary cluster on a Unix socket, gone with the test run.

``with cluster() as server: url = server.database()`` anywhere; ``POSTGRES_MISSING`` says why there is none, if so.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

USER = "labwright"


def _programs() -> Path | None:
    """Where ``initdb`` and ``pg_ctl`` are: Debian keeps them off the path, a directory a version."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return versions[-1].parent if versions else None


def _account() -> str | None:
    """Whom the server runs as: it refuses to be root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    known = {one.pw_name for one in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


def _missing() -> str:
    try:
        import psycopg  # noqa: F401 - whether it is there
    except ImportError:
        return "psycopg is not installed"
    if _programs() is None:
        return "PostgreSQL is not installed"
    return "" if _account() else "there is no unprivileged account to run PostgreSQL as"


POSTGRES_MISSING = _missing()
"""Why no cluster can be started; empty where one can."""


@dataclass
class Cluster:
    """A running server."""

    directory: Path
    _number: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, database: str = "postgres") -> str:
        """Of a database there, for SQLAlchemy."""
        return f"postgresql://{USER}@/{database}?host={self.directory}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the superuser, outside any transaction; returns its rows."""
        import psycopg

        with psycopg.connect(f"host={self.directory} user={USER} dbname={database}", autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def database(self, *, like: str = "") -> str:
        """Make an empty database, or a copy of the one of a URL that nobody uses; returns its URL."""
        name = f"lab{next(self._number)}"
        template = like.partition("@/")[2].partition("?")[0] or "template1"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def sever(self) -> None:
        """Cut every other connection, as a restart of the server does."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Start a server in a temporary directory, and stop it.

    Raises:
        RuntimeError: there is no PostgreSQL here; the message is ``POSTGRES_MISSING``.
        subprocess.CalledProcessError: it does not start.
    """
    programs, account = _programs(), _account()
    if POSTGRES_MISSING or programs is None or account is None:
        raise RuntimeError(POSTGRES_MISSING)
    # Short: a Unix socket's path has 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="lw-pg-", dir="/tmp"))
    data = directory / "data"
    try:
        shutil.chown(directory, account)

        def run(program: str, *arguments: str) -> None:
            user = account if os.geteuid() == 0 else None
            subprocess.run(  # noqa: S603 - PostgreSQL's own programs
                [str(programs / program), "-D", str(data), *arguments], check=True, user=user, cwd=directory,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            )  # fmt: skip

        run("initdb", "--no-sync", "--no-locale", "-E", "UTF8", "-A", "trust", "-U", USER)
        options = f"-k {directory} -c listen_addresses='' -c fsync=off -c shared_buffers=16MB -c max_connections=40"
        run("pg_ctl", "-w", "-l", str(directory / "log"), "-o", options, "start")
        try:
            yield Cluster(directory)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)

"""Empty journals in SQLite and in PostgreSQL, for tests that both must pass; a plugin of pytest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from postgres import POSTGRES_MISSING, Cluster, cluster

from agent.journal import Journal
from agent.ledger import tables as t
from agent.ledger.sqlite import FILE


@dataclass(frozen=True)
class Told:
    """An effect."""

    kind: str
    key: str


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    if POSTGRES_MISSING:
        pytest.skip(POSTGRES_MISSING)
    with cluster() as running:
        yield running


@pytest.fixture(scope="module")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("empty")
    Journal(directory, write=True).close()
    return directory / FILE


@pytest.fixture(scope="module")
def empty_database(server: Cluster) -> str:
    url = server.database()
    Journal(url, write=True).close()
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty journal, copied: to make one takes longer than most tests."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_file"), tmp_path)
        return tmp_path
    running: Cluster = request.getfixturevalue("server")
    return running.database(like=request.getfixturevalue("empty_database"))


def tamper(place: Path | str, *statements: str) -> None:
    """Change a database behind the journal's back."""
    url = str(place).replace("postgresql:", "postgresql+psycopg:") if isinstance(place, str) else (
        f"sqlite:///{place / FILE}"
    )  # fmt: skip
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount or statement.startswith(("CREATE", "DROP"))
    engine.dispose()


def everything(journal: Journal) -> dict[str, list[dict[str, object]]]:
    return {a.name: journal.table(sa.select(a).order_by(*a.primary_key)) for a in t.TABLES}

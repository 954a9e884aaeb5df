"""A laboratory is read alike from a file and from a server, while the agent writes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from postgres import POSTGRES_MISSING, cluster
from recorded_lab import START, happened, people

from agent import events as ev
from agent.journal import Journal
from agent.ledger.postgres import is_url
from agent.reading import audit
from agent.reading.journal_view import JournalView
from envs.errors import JournalError


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | str]:
    if request.param == "sqlite":
        yield tmp_path_factory.mktemp("lab")
    elif POSTGRES_MISSING:
        pytest.skip(POSTGRES_MISSING)
    else:
        with cluster() as server:
            yield server.database()


@pytest.fixture(scope="module")
def keys(place: Path | str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A record that is written, and still held by its writer."""
    directory = tmp_path_factory.mktemp("people")
    with Journal(place, write=True) as journal:
        for hour, transaction in enumerate(happened(people(directory))):
            journal.append(transaction, START + timedelta(hours=hour))
        yield directory / "people"


def test_it_is_read_alike_while_it_is_held(place: Path | str, keys: Path) -> None:
    with JournalView(place, now=lambda: START + timedelta(hours=15)) as view:
        status = view.status()
        assert status.agent.life == "running"
        assert ("labwright" if is_url(place) else "pid") in status.agent.evidence
        assert status.agent.age_s == 3600.0
        assert [(c.id, c.used, c.phase) for c in status.campaigns] == [("hard", 3, "running"), ("tough", 0, "paused")]
        assert [w.id for w in status.waiting] == ["tough", "hard-E003", "hard-P004", "tough-P001"]
        assert [e["phase"] for e in view.experiments("hard")] == ["completed", "completed", "needs_reconcile"]
        found = view.experiment("hard-E002")
        assert [image["experiment"] for image in found["images"]] == ["hard-E002"]
        assert [h["state"] for h in found["sample_history"]][-1] == "done"
        assert audit.verify(view, audit.people_of(keys)).signatures == 5


def test_nothing_can_be_written_by_who_reads(place: Path | str, keys: Path) -> None:
    assert keys.is_dir()
    with JournalView(place) as view, pytest.raises(JournalError):
        view.journal.append([ev.LabStopped(by="eve", reason="she only reads")], START)

"""Databases of earlier releases: carried over with an experiment amid a step, by who writes and for who only reads."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from agent import events as ev
from agent.journal import FILE, Journal
from agent.ledger import tables as t
from envs.errors import JournalError

AT = datetime(2026, 2, 1, tzinfo=UTC)
OPEN = "019b7ed6-b42c-7000-be1f-724527096af2"
"""Job of the order that was under way."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A directory with a journal as the first release left it when it was killed."""
    script = (Path(__file__).parent / "first_release.sql").read_text(encoding="utf-8")
    with sqlite3.connect(tmp_path / FILE) as database:
        database.executescript(script)
    database.close()
    return tmp_path


def rows(journal: Journal, table: sa.Table, *columns: str) -> list[tuple[object, ...]]:
    query = sa.select(*(table.c[c] for c in columns)).order_by(*table.primary_key)
    return [tuple(row.values()) for row in journal.table(query)]


def answer() -> ev.StepEnded:
    return ev.StepEnded(
        experiment="E004", step="image", attempt=0, job=OPEN, state="failed", values={}, artefacts={},
        error_kind="retryable", error_code="interrupted", error="interrupted",
    )  # fmt: skip


def test_a_campaign_amid_a_step_is_carried_over(old: Path) -> None:
    with sqlite3.connect(old / FILE) as database:
        before = database.execute("SELECT * FROM events ORDER BY seq").fetchall()
    database.close()
    with Journal(old, write=True) as journal:
        assert journal.verify(projections=True) == len(before) == 55
        assert rows(journal, t.campaigns, "campaign", "name", "phase", "round") == [
            ("campaign", "hard ceramics", "running", 0)
        ]
        phases = {
            one: (phase, step) for one, phase, step in rows(journal, t.experiments, "experiment", "phase", "step")
        }
        assert phases["E003"] == ("completed", "done")
        assert phases["E004"] == ("running", "image")
        assert rows(journal, t.samples, "sample", "place", "state")[3] == ("E004", "sem-1", "in_work")
        assert [job for job, state in rows(journal, t.jobs, "job", "state") if state == "open"] == [OPEN]
        proposals = rows(journal, t.proposals, "proposal", "campaign", "phase", "experiment")
        assert proposals[3] == ("P004", "campaign", "approved", "E004")
    with sqlite3.connect(old / FILE) as database:
        assert database.execute("SELECT * FROM events ORDER BY seq").fetchall() == before
    database.close()


def test_the_numbers_are_those_that_were_measured(old: Path) -> None:
    measured = {}
    with sqlite3.connect(old / FILE) as database:
        for (payload,) in database.execute("SELECT payload FROM events WHERE kind = 'experiment.ended'"):
            ended = json.loads(payload)
            measured[ended["experiment"]] = tuple(ended["hardness"])
    database.close()
    with Journal(old, write=True) as journal:
        found = rows(journal, t.experiments, "experiment", "hardness", "hardness_std", "found")
    assert len(measured) == 3
    for experiment, value, std, stored in found:
        if experiment in measured:
            assert (value, std) == measured[str(experiment)]
            assert json.loads(str(stored)) == {"hardness": list(measured[str(experiment)])}


def test_what_was_carried_over_goes_on_in_the_same_chain(old: Path) -> None:
    with Journal(old, write=True) as journal:
        stored = journal.append([answer(), ev.LabStopped(by="carol", reason="smell")], AT)
        assert [(s.seq, s.stream) for s in stored] == [(56, "campaign"), (57, "lab")]
        assert [job for job, state in rows(journal, t.jobs, "job", "state") if state == "open"] == []
    with Journal(old, write=True) as journal:
        assert journal.verify(projections=True) == 57


def test_a_reader_shows_it_and_changes_nothing(old: Path) -> None:
    before = (old / FILE).read_bytes()
    with Journal(old, write=False) as journal:
        assert journal.verify(projections=True) == 55
        assert rows(journal, t.campaigns, "phase") == [("running",)]
        assert len(journal.read()) == 55
        with pytest.raises(JournalError, match="cannot be written"):
            journal.append([answer()], AT)
    assert (old / FILE).read_bytes() == before


def test_a_carrying_over_that_fails_leaves_the_old_database(old: Path) -> None:
    with sqlite3.connect(old / FILE) as database:
        database.execute("UPDATE events SET payload = replace(payload, 'round.planned', 'round.dreamt') WHERE seq = 2")
    database.close()
    before = (old / FILE).read_bytes()
    with pytest.raises(JournalError, match="event 2 cannot be read by this release"):
        Journal(old, write=True)
    with sqlite3.connect(old / FILE) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("0002",)
        assert database.execute("SELECT count(*) FROM experiments").fetchone() == (6,)
    database.close()
    assert len((old / FILE).read_bytes()) == len(before)


def test_the_very_first_schema_is_carried_over_too(old: Path) -> None:
    with sqlite3.connect(old / FILE) as database:
        database.executescript("ALTER TABLE jobs DROP COLUMN tries; UPDATE alembic_version SET version_num = '0001'")
    database.close()
    with Journal(old, write=True) as journal:
        assert journal.verify(projections=True) == 55


@pytest.fixture
def last_release(old: Path) -> Path:
    """The same, as the release before this one left it: without the index of histories."""
    Journal(old, write=True).close()
    with sqlite3.connect(old / FILE) as database:
        database.executescript("DROP TABLE experiment_events; UPDATE alembic_version SET version_num = '0003'")
    database.close()
    return old


def test_histories_are_indexed_when_the_last_release_is_carried_over(last_release: Path) -> None:
    with Journal(last_release, write=False) as journal:
        known = rows(journal, t.experiment_events, "experiment", "seq")
    with Journal(last_release, write=True) as journal:
        assert journal.verify(projections=True) == 55
        assert rows(journal, t.experiment_events, "experiment", "seq") == known
        about = [s.seq for s in journal.read() if getattr(s.event, "experiment", "") == "E003"]
        assert [seq for eid, seq in known if eid == "E003"] == about


def test_an_end_that_is_missing_is_still_seen_after_it_was_carried_over(last_release: Path) -> None:
    with sqlite3.connect(last_release / FILE) as database:
        database.execute("DELETE FROM events WHERE seq = 55")
    database.close()
    with pytest.raises(JournalError, match="ends at event 54, and should at event 55"):
        Journal(last_release, write=True)


def test_a_start_on_a_database_of_this_release_does_without_the_migrations(old: Path) -> None:
    Journal(old, write=True).close()
    code = (
        "import sys\nfrom pathlib import Path\nfrom agent.journal import Journal\n"
        "with Journal(Path(sys.argv[1]), write=True) as journal:\n    journal.read()\n"
        "print(*sorted(m for m in ('alembic', 'torch', 'scipy', 'psycopg') if m in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(old)], capture_output=True, text=True, check=True)  # noqa: S603 - our own script
    assert done.stdout.split() == []

"""The record: all or nothing, tamper-evident, rebuilt from its events, one writer."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import op

from agent import events as ev
from agent.journal import FILE, Journal, has_begun
from agent.ledger import tables as t
from envs.errors import JournalError

AT = datetime(2026, 1, 1, tzinfo=UTC)
CREATED = ev.CampaignCreated(name="test", config={"campaign": {"seed": 1}}, space_version="1", software="test")
ASKED = (t.proposals, t.experiments, t.jobs)
IMAGE = ev.ArtefactRecord(sha256="a" * 64, media_type="image/tiff", bytes=10)


def proposal(n: int) -> ev.ProposalMade:
    design = ev.DesignRecord(crystal="mp-1143", formula="Al2O3", process={"temperature": 1500.0})
    forecast = ev.ForecastRecord(median=20.0, low=15.0, high=25.0, porosity=0.02, grain_size=1.0, feasibility=0.9)
    return ev.ProposalMade(
        proposal=f"P{n:03d}", round=0, design=design, pool="random", acquisition=0.5, forecast=forecast, nearest=""
    )


def life(n: int) -> list[ev.Event]:
    """The events of one experiment from proposal to end."""
    experiment, job = f"E{n:03d}", f"job-{n}"
    return [
        proposal(n),
        ev.ProposalDecided(proposal=f"P{n:03d}", verdict="approved", by="test", reason=""),
        ev.ExperimentQueued(experiment=experiment, proposal=f"P{n:03d}"),
        ev.StepDispatched(
            experiment=experiment, step="sinter", attempt=0, job=job, instrument="furnace-1", command="sinter",
            parameters={},
        ),
        ev.StepEnded(
            experiment=experiment, step="sinter", attempt=0, job=job, state="succeeded", values={}, artefacts={}
        ),
        ev.ImageRead(
            experiment=experiment, attempt=0, image=IMAGE, accepted=True, reason="", pixel_size=0.02,
            next_pixel_size=None, grain_size=(1.0, 0.1), porosity=(0.02, 0.01), n_grains=100, overlay=None,
        ),
        ev.ExperimentEnded(experiment=experiment, outcome="completed", reason="", found={"hardness": (20.0, 0.5)}),
    ]  # fmt: skip


def tables(journal: Journal) -> list[list[dict[str, object]]]:
    return [journal.table(sa.select(a).order_by(*a.primary_key)) for a in ASKED]


def test_what_was_written_is_read_back_after_closing(tmp_path: Path) -> None:
    happened = [CREATED, *life(1)]
    with Journal(tmp_path, write=True) as journal:
        journal.append(happened, AT)
    with Journal(tmp_path, write=False) as journal:
        stored = journal.read()
    assert [s.event for s in stored] == happened
    assert {s.at for s in stored} == {AT}
    assert [s.seq for s in stored] == list(range(1, len(happened) + 1))


def test_projections_answer_what_people_ask(tmp_path: Path) -> None:
    with Journal(tmp_path, write=True) as journal:
        journal.append([CREATED, *life(1)], AT)
        proposals, experiments, jobs = tables(journal)
    assert (proposals[0]["formula"], proposals[0]["verdict"], proposals[0]["expected"]) == ("Al2O3", "approved", 20.0)
    assert (experiments[0]["outcome"], experiments[0]["hardness"], experiments[0]["porosity"]) == (
        "completed",
        20.0,
        0.02,
    )
    assert jobs[0]["state"] == "succeeded"


def test_an_append_whose_projection_fails_leaves_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path, write=True) as journal:
        journal.append([CREATED, proposal(1)], AT)
        before = tables(journal)
        with pytest.raises(sa.exc.IntegrityError):
            journal.append([proposal(2), proposal(1)], AT)  # the second is there already
        assert len(journal.read()) == 2
        assert tables(journal) == before
        journal.append([proposal(2)], AT)
        assert journal.verify() == 3


def test_rebuilt_projections_equal_the_stored_ones(tmp_path: Path) -> None:
    with Journal(tmp_path, write=True) as journal:
        for n in range(1, 4):
            journal.append(life(n), AT + timedelta(hours=n))
        before = tables(journal)
        journal.rebuild()
        assert tables(journal) == before
        assert all(before)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET payload = replace(payload, '20.0', '99.0') WHERE seq = 8",
        "UPDATE events SET at = '2026-02-02T00:00:00+00:00' WHERE seq = 3",
        "DELETE FROM events WHERE seq = 4",
        "UPDATE events SET hash = (SELECT hash FROM events WHERE seq = 2) WHERE seq = 5",
    ],
)
def test_the_hash_chain_shows_a_change(tmp_path: Path, change: str) -> None:
    with Journal(tmp_path, write=True) as journal:
        journal.append([CREATED, *life(1), *life(2)], AT)
        assert journal.verify() == 15
    with sqlite3.connect(tmp_path / FILE) as database:
        assert database.execute(change).rowcount == 1
    database.close()
    with Journal(tmp_path, write=False) as journal, pytest.raises(JournalError, match="hash chain breaks at event"):
        journal.verify()


def test_the_chain_goes_on_after_reopening(tmp_path: Path) -> None:
    for happened in ([CREATED], life(1), life(2)):
        with Journal(tmp_path, write=True) as journal:
            journal.append(happened, AT)
    with Journal(tmp_path, write=False) as journal:
        assert journal.verify() == 15


def test_a_version_can_be_taken_once_only(tmp_path: Path) -> None:
    with Journal(tmp_path, write=True) as journal:
        journal.append([CREATED], AT)
    database = sqlite3.connect(tmp_path / FILE)
    try:
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            database.execute(
                "INSERT INTO events (stream, version, kind, at, payload, hash) "
                "SELECT stream, version, kind, at, payload, hash FROM events"
            )
    finally:
        database.close()


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    with Journal(tmp_path, write=True) as journal:
        journal.append([CREATED], AT)
        code = (
            "import sys\nfrom pathlib import Path\nfrom agent.journal import Journal\n"
            "from envs.errors import JournalError\n"
            "try:\n    Journal(Path(sys.argv[1]), write=True)\n"
            "except JournalError as error:\n    print(error)\n"
        )
        call = [sys.executable, "-c", code, str(tmp_path)]
        done = subprocess.run(call, capture_output=True, text=True, check=True)  # noqa: S603 - our own script
        with pytest.raises(JournalError, match="in use by another process"):
            Journal(tmp_path, write=True)
    assert f"in use by another process (pid {os.getpid()})" in done.stdout
    with Journal(tmp_path, write=True) as journal:  # free again
        assert journal.verify() == 1


def test_reading_goes_on_while_another_writes(tmp_path: Path) -> None:
    with Journal(tmp_path, write=True) as writer:
        writer.append([CREATED], AT)
        with Journal(tmp_path, write=False) as reader:
            assert len(reader.read()) == 1
            writer.append(life(1), AT)
            assert len(reader.read()) == 8
        database = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        try:
            database.execute("BEGIN IMMEDIATE")
            database.execute("DELETE FROM jobs")
            with Journal(tmp_path, write=False) as reader:
                assert len(tables(reader)[2]) == 1  # neither blocked nor shown what is not committed
            database.execute("ROLLBACK")
        finally:
            database.close()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    Journal(tmp_path, write=True).close()
    with Journal(tmp_path, write=False) as reader, pytest.raises(JournalError, match=r"readonly.*--resume"):
        reader.append([CREATED], AT)


def test_a_full_disk_is_one_clear_error_and_leaves_the_record_whole(tmp_path: Path) -> None:
    with Journal(tmp_path, write=True) as journal:
        journal.append([CREATED], AT)
        with journal._writing() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match=rf"{FILE} cannot be written .*disk is full.*free space.*--resume"):
            journal.append([e for n in range(1, 40) for e in life(n)], AT)
        assert [s.event for s in journal.read()] == [CREATED]
        assert tables(journal) == [[], [], []]
        with journal._writing() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 100000")
        journal.append(life(1), AT)
        assert journal.verify() == 8


class StoppedError(BaseException):
    pass


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_a_start_that_is_stopped_amid_the_first_migration_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    create: Callable[..., object] = op.create_table
    made: list[object] = []

    def stop(name: str, *columns: object) -> object:
        if len(made) == done:
            raise StoppedError
        made.append(name)
        return create(name, *columns)

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_table", stop)
        with pytest.raises(StoppedError):
            Journal(tmp_path, write=True)
    assert not has_begun(tmp_path)
    with Journal(tmp_path, write=True) as journal:
        journal.append([CREATED, *life(1)], AT)
        assert journal.verify() == 8


def test_a_campaign_has_begun_with_its_first_event(tmp_path: Path) -> None:
    assert not has_begun(tmp_path)
    (tmp_path / FILE).touch()  # as a kill at the very start leaves it
    assert not has_begun(tmp_path)
    with Journal(tmp_path, write=True) as journal:
        assert not has_begun(tmp_path)
        journal.append([CREATED], AT)
        assert has_begun(tmp_path)


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"notes of last week" * 100)
    with pytest.raises(JournalError, match="cannot be read as a journal"):
        has_begun(tmp_path)
    for _ in range(2):  # the lock is free again after the first
        with pytest.raises(JournalError, match="cannot be read as a journal: file is not a database"):
            Journal(tmp_path, write=True)


def test_a_directory_without_a_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="holds no campaign"):
        Journal(tmp_path, write=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a b", "what?", "50%", "a#b", "grün"])
def test_any_directory_name_will_do(tmp_path: Path, name: str) -> None:
    with Journal(tmp_path / name, write=True) as journal:
        journal.append([CREATED], AT)
    with Journal(tmp_path / name, write=False) as journal:
        assert journal.verify() == 1
    assert [p.name for p in tmp_path.iterdir()] == [name]

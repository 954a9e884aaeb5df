"""What stands in a journal, in SQLite and in PostgreSQL: no change goes unseen, tables say what the events say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import journal_events as je
import pytest
import sqlalchemy as sa
from journal_events import AT
from journal_places import everything, tamper
from postgres import Cluster

from agent import events as ev
from agent.journal import Journal
from agent.ledger import tables as t
from envs.errors import JournalError

pytest_plugins = ["journal_places"]


@contextmanager
def changed(place: Path | str, statement: str) -> Iterator[None]:
    """Change the events behind the journal's back, and put them back."""
    tamper(place, "CREATE TABLE kept AS SELECT * FROM events", statement)
    yield
    tamper(place, "DELETE FROM events", "INSERT INTO events SELECT * FROM kept", "DROP TABLE kept")


# ---- Nothing changed unseen


CHANGES = [
    ("UPDATE events SET payload = replace(payload, '20.0', '99.0') WHERE seq = 8", "event 8 .*its hash"),
    ("UPDATE events SET at = '2026-02-02T00:00:00+00:00' WHERE seq = 3", "event 3 .*its hash"),
    ("UPDATE events SET kind = 'lab.cleared' WHERE seq = 30", "event 30 .*its kind"),
    ("UPDATE events SET stream = 'sofa' WHERE seq = 6", "event 6 .*its hash"),
    ("UPDATE events SET version = 99 WHERE seq = 6", "event 6 .*its hash"),
    ("UPDATE events SET hash = (SELECT hash FROM events WHERE seq = 2) WHERE seq = 5", "event 5 .*its hash"),
    ("UPDATE events SET seq = 99 WHERE seq = 7", "event 8 .*event 7 is missing"),
    ("DELETE FROM events WHERE seq = 4", "event 5 .*event 4 is missing"),
    ("DELETE FROM events WHERE seq = 1", "event 2 .*event 1 is missing"),
    ("DELETE FROM events WHERE seq > 40", "ends at event 40, and should at event 4[0-9]"),
]


def test_the_hash_chain_shows_every_change(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append(je.whole_life(), AT)
        assert journal.verify() == len(je.whole_life())
        for change, named in CHANGES:
            with changed(place, change), pytest.raises(JournalError, match=named):
                journal.verify()
        assert journal.verify() == len(je.whole_life())


def test_events_in_another_order_are_seen(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append(je.whole_life(), AT)
    order = "UPDATE events SET seq = "
    tamper(place, order + "99 WHERE seq = 8", order + "8 WHERE seq = 9", order + "9 WHERE seq = 99")
    with Journal(place, write=False) as journal, pytest.raises(JournalError, match="breaks at event 8"):
        journal.verify()


def test_nothing_is_added_to_a_journal_that_lost_its_end(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append(je.whole_life(), AT)
    tamper(place, "DELETE FROM events WHERE seq > 40")
    with pytest.raises(JournalError, match="ends at event 40"):
        Journal(place, write=True)


def test_a_version_can_be_taken_once_only(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append([je.created("hard")], AT)
    again = "INSERT INTO events SELECT 2, stream, version, kind, at, payload, hash FROM events"
    with pytest.raises(sa.exc.IntegrityError):
        tamper(place, again)


def test_an_event_of_another_release_is_named(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append([je.created("hard")], AT)
        tamper(place, "UPDATE events SET payload = replace(payload, 'campaign.created', 'campaign.dreamt')")
        with pytest.raises(JournalError, match="event 1 cannot be read by this release"):
            journal.read()


# ---- The tables that people query


def test_projections_say_what_the_events_say(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        stored = journal.append(je.whole_life(), AT)
        found = everything(journal)
        assert journal.verify(projections=True) == len(stored)
        journal.rebuild()
        assert everything(journal) == found
    assert all(found.values())
    hashes = {s.event.proposal: s.hash for s in stored if isinstance(s.event, ev.ProposalDecided)}
    proposals = {row["proposal"]: row for row in found["proposals"]}
    assert {p: (r["phase"], r["revision"], r["audit"], r["experiment"]) for p, r in proposals.items()} == {
        "hard-P001": ("approved", 2, hashes["hard-P001"], "hard-E001"),
        "hard-P002": ("withdrawn", 1, hashes["hard-P002"], None),
        "soft-P001": ("approved", 1, hashes["soft-P001"], "soft-E001"),
    }
    # The votes of the first revision went with it.
    assert '"revision": 2' in str(proposals["hard-P001"]["votes"])
    assert '"revision": 1' not in str(proposals["hard-P001"]["votes"])
    experiments = {row["experiment"]: row for row in found["experiments"]}
    good, lost = experiments["hard-E001"], experiments["soft-E001"]
    assert (good["phase"], good["hardness"], good["porosity"], good["amended"], good["retracted"]) == (
        "completed", 19.0, 0.02, True, True,
    )  # fmt: skip
    assert (lost["phase"], lost["outcome"], lost["reason"], lost["campaign"]) == ("failed", "aborted", "limits", "soft")
    assert [(r["campaign"], r["phase"], r["reason"]) for r in found["campaigns"]] == [
        ("hard", "completed", "budget"),
        ("soft", "paused", "holiday"),
    ]
    assert {r["job"]: r["state"] for r in found["jobs"]} == {"j1": "succeeded", "j2": "succeeded", "j3": "abandoned"}
    assert found["lab"][0]["stopped"] is False
    assert found["instruments"][0]["maintenance"] is True


def test_an_experiment_that_ends_waits_for_no_answer(place: Path | str) -> None:
    lost = ev.ReconcileNeeded(experiment="hard-E001", job="j1", instrument="sinter-1", reason="power cut")
    with Journal(place, write=True) as journal:

        def stands() -> tuple[object, ...]:
            found = everything(journal)
            (experiment,), (job,) = found["experiments"], found["jobs"]
            return experiment["phase"], experiment["step"], experiment["job"], job["state"]

        journal.append([je.created("hard"), je.proposed("hard", 1), je.decided("hard", 1), je.queued("hard", 1)], AT)
        journal.append([je.sent("hard-E001", "sinter", "j1")], AT)
        assert stands() == ("running", "sinter", "j1", "open")
        journal.append([lost], AT)
        assert stands() == ("needs_reconcile", "sinter", "j1", "unknown")
        journal.append([je.answered("hard-E001", "sinter", "j1").model_copy(update={"then": "image"})], AT)
        assert stands() == ("running", "image", "", "succeeded")
    with Journal(place, write=True) as journal:
        journal.append([je.sent("hard-E001", "image", "j2")], AT)
        journal.append([ev.ExperimentEnded(experiment="hard-E001", outcome="aborted", reason="stopped")], AT)
        assert [(r["job"], r["state"]) for r in everything(journal)["jobs"]] == [
            ("j1", "succeeded"),
            ("j2", "abandoned"),
        ]
        journal.verify(projections=True)


def test_a_sample_is_where_its_last_order_or_a_person_put_it(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append(je.whole_life(), AT)
        samples = {r["sample"]: (r["place"], r["state"]) for r in everything(journal)["samples"]}
        way = journal.table(sa.select(t.sample_history.c.place).where(t.sample_history.c.sample == "hard-E001"))
    assert samples == {"hard-E001": ("shelf 3", "done"), "soft-E001": ("sinter-1", "done")}
    assert list(dict.fromkeys(r["place"] for r in way)) == ["", "sinter-1", "image-1", "shelf 3"]


def test_the_table_of_decisions_holds_every_yes_and_every_no(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append(je.whole_life(), AT)
        rows = everything(journal)["decisions"]
    assert [(r["what"], r["user"], r["subject"]) for r in rows if r["accepted"]] == [
        ("vote", "alice", "hard-P001"), ("edit", "bob", "hard-P001"), ("vote", "alice", "hard-P001"),
        ("approved", "alice, carol", "hard-P001"), ("approved", "alice", "soft-P001"),
        ("withdraw", "bob", "hard-P002"), ("withdrawn", "bob", "hard-P002"),
    ]  # fmt: skip
    assert [(r["what"], r["user"], r["code"]) for r in rows if not r["accepted"]] == [
        ("proposal", "", "limits"), ("decision", "mallory", "signature"), ("refusals", "mallory", "skipped"),
        ("dispatch", "", "limits"),
    ]  # fmt: skip
    assert rows[1]["envelope"] == "for\ufffdged"


DIFFERENCES = [
    ("UPDATE proposals SET phase = 'approved' WHERE proposal = 'hard-P002'", "proposals hard-P002: phase is"),
    ("DELETE FROM samples WHERE sample = 'hard-E001'", "samples hard-E001: missing"),
    ("UPDATE jobs SET job = 'j9' WHERE job = 'j1'", "jobs j9: no event says so"),
    ("UPDATE experiments SET hardness = 99.0 WHERE experiment = 'hard-E001'", "hardness is 99.0, not 19.0"),
]


def test_a_table_that_differs_from_the_events_is_named_and_can_be_rebuilt(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append(je.whole_life(), AT)
        for change, named in DIFFERENCES:
            tamper(place, change)
            journal.verify()
            with pytest.raises(JournalError, match=named):
                journal.verify(projections=True)
            journal.rebuild()
            journal.verify(projections=True)


# ---- Releases


def test_a_database_of_a_newer_release_is_left_alone(place: Path | str) -> None:
    Journal(place, write=True).close()
    tamper(place, "UPDATE alembic_version SET version_num = '0999'")
    for write in (True, False):
        with pytest.raises(JournalError, match=r"newer release of Labwright .its schema is 0999.*use that release"):
            Journal(place, write=write)


def test_the_tables_are_those_that_the_migrations_make(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        made = sa.inspect(journal._writer)
        assert made is not None
        for table in t.metadata.sorted_tables:
            assert {c["name"] for c in made.get_columns(table.name)} == set(table.columns.keys()), table.name
            assert made.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
        assert set(made.get_table_names()) == {*t.metadata.tables, "alembic_version"}


def test_a_place_without_a_journal_is_named(server: Cluster, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is none in it"):
        Journal(server.database(), write=False)
    with pytest.raises(JournalError, match="holds no campaign"):
        Journal(tmp_path, write=False)
    with pytest.raises(JournalError, match=r"does not exist.*check the address"):
        Journal(server.url("nowhere"), write=True)

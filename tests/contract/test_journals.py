"""What every journal keeps, in SQLite and in PostgreSQL: all or nothing, one writer, nothing changed unseen."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import journal_events as je
import pytest
import sqlalchemy as sa
from journal_events import AT
from postgres import POSTGRES_MISSING, Cluster, cluster

from agent import events as ev
from agent.journal import AlreadyHandledError, Journal
from agent.ledger import tables as t
from agent.ledger.sqlite import FILE
from envs.errors import JournalError


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


@contextmanager
def changed(place: Path | str, statement: str) -> Iterator[None]:
    """Change the events behind the journal's back, and put them back."""
    tamper(place, "CREATE TABLE kept AS SELECT * FROM events", statement)
    yield
    tamper(place, "DELETE FROM events", "INSERT INTO events SELECT * FROM kept", "DROP TABLE kept")


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


# ---- Written and read


def test_what_was_written_is_read_back_after_closing(place: Path | str) -> None:
    happened = je.whole_life()
    with Journal(place, write=True) as journal:
        assert (journal.seq, journal.verify()) == (0, 0)
        written = [*journal.append(happened[:10], AT), *journal.append(happened[10:], AT)]
    with Journal(place, write=False) as journal:
        stored = journal.read()
        assert journal.read(after=30) == stored[30:]
        assert (journal.seq, journal.hash) == (len(stored), stored[-1].hash)
    assert stored == written
    assert [s.event for s in stored] == happened
    assert [s.seq for s in stored] == list(range(1, len(happened) + 1))


def test_every_kind_of_event_has_its_stream_and_is_in_these_tests() -> None:
    union, _ = get_args(ev.Event)
    assert {type(one) for one in je.whole_life()} == set(get_args(union))


def test_events_stand_in_the_stream_of_what_they_are_about(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        stored = journal.append(je.whole_life(), AT)
    streams: dict[str, list[str]] = {}
    for one in stored:
        streams.setdefault(one.stream, []).append(one.event.kind)
    assert set(streams) == {"lab", "hard", "soft"}
    assert streams["lab"] == [
        "agent.started", "envelope.refused", "refusals.skipped", "request.accepted", "sample.moved",
        "maintenance.set", "lab.stopped", "lab.cleared", "agent.stopped",
    ]  # fmt: skip
    assert streams["soft"][-2:] == ["experiment.ended", "campaign.phase"]


def test_hashes_are_those_that_the_documentation_says(place: Path | str) -> None:
    happened: list[ev.Event] = [je.created("hard"), ev.LabStopped(by="a", reason=""), ev.CampaignCreated(
        name="offline", config={}, space_version="1", software="t"
    ), je.proposed("hard", 1)]  # fmt: skip
    with Journal(place, write=True) as journal:
        stored = journal.append(happened, AT)
    tip = "0" * 64
    for one, where in zip(stored, ("hard\n1", "lab\n1", "1", "hard\n2"), strict=True):
        text = f"{tip}\n{where}\n2026-01-01T00:00:00+00:00\n{one.event.model_dump_json()}"
        tip = hashlib.sha256(text.encode()).hexdigest()
        assert one.hash == tip


def test_the_chain_and_the_streams_go_on_after_reopening(place: Path | str) -> None:
    happened = je.whole_life()
    for n in range(0, len(happened), 3):  # a restart finds whose proposal, and whose experiment, that is
        with Journal(place, write=True) as journal:
            journal.append(happened[n : n + 3], AT)
    with Journal(place, write=False) as journal:
        assert journal.verify(projections=True) == len(happened)
        assert {s.stream for s in journal.scan()} == {"lab", "hard", "soft"}


def test_an_event_about_nothing_that_was_made_is_refused(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        with pytest.raises(JournalError, match=r"vote\.cast names hard-P009, which was never made"):
            journal.append(
                [ev.VoteCast(proposal="hard-P009", revision=1, by="a", comment="", nonce="1", envelope="")], AT
            )
        assert journal.read() == []


def test_a_reader_sees_whole_transactions_while_another_writes(place: Path | str) -> None:
    with Journal(place, write=True) as writer:
        writer.append([je.created("hard")], AT)
        with Journal(place, write=False) as reader:
            passing = reader.scan()
            assert next(passing).seq == 1
            writer.append([je.proposed("hard", 1), je.decided("hard", 1)], AT)
            assert [s.seq for s in passing] == [2, 3]
            assert reader.verify(projections=True) == 3


def test_threads_may_share_a_journal(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append([je.created("hard")], AT)

        def propose(first: int) -> None:
            for n in range(first, first + 10):
                journal.append([je.proposed("hard", n)], AT)

        threads = [threading.Thread(target=propose, args=(100 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert journal.verify(projections=True) == 41


# ---- One transaction


def test_an_append_that_fails_leaves_nothing(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append([je.created("hard"), je.proposed("hard", 1)], AT, outbox=[Told("proposal", "hard-P001")])
        before = everything(journal)
        again = [je.proposed("hard", 2), je.proposed("hard", 1)]  # the second is there already
        with pytest.raises(sa.exc.IntegrityError):
            journal.append(again, AT, outbox=[Told("order", "j")], done=[("proposal", "hard-P001")], inbox=("a", "1"))
        assert len(journal.read()) == 2
        assert everything(journal) == before
        assert [e.key for e in journal.outbox()] == ["hard-P001"]
        assert not journal.seen("a", "1")
        journal.append([je.proposed("hard", 2)], AT)
        assert journal.verify(projections=True) == 3


def test_a_message_is_handled_once(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append([je.created("hard")], AT, inbox=("furnace-1", "m1"))
        with pytest.raises(AlreadyHandledError, match="m1 from furnace-1"):
            journal.append([je.created("soft")], AT, outbox=[Told("campaign", "soft")], inbox=("furnace-1", "m1"))
        journal.append([], AT, inbox=("furnace-2", "m1"))  # another's message; nothing followed from it
    with Journal(place, write=True) as journal:
        assert [journal.seen(f"furnace-{n}", "m1") for n in (1, 2, 3)] == [True, True, False]
        assert len(journal.read()) == 1
        assert journal.outbox() == []


def test_the_outbox_keeps_order_and_takes_one_thing_once(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        first = [Told("order", "j1"), Told("campaign", "hard"), Told("order", "j2")]
        journal.append([je.created("hard")], AT, outbox=first)
        journal.append([je.proposed("hard", 1)], AT, outbox=[Told("order", "j1"), Told("proposal", "hard-P001")])
    with Journal(place, write=True) as journal:
        assert [e.key for e in journal.outbox()] == ["j1", "hard", "j2", "hard-P001"]
        journal.append([], AT, outbox=[Told("order", "j3")], done=[("order", "j1")])
        journal.settle([("campaign", "hard"), ("campaign", "unknown")])
        assert [e.key for e in journal.outbox()] == ["j2", "hard-P001", "j3"]


def test_what_was_put_again_while_it_was_told_is_told_again(place: Path | str) -> None:
    with Journal(place, write=True) as journal:
        journal.append([je.created("hard")], AT, outbox=[Told("campaign", "hard")])
        known = journal.seq
        journal.append([ev.CampaignEnded(campaign="hard", reason="budget")], AT, outbox=[Told("campaign", "hard")])
        journal.settle([("campaign", "hard")], upto=known)
        assert len(journal.outbox()) == 1
        journal.settle([("campaign", "hard")], upto=journal.seq)
        assert journal.outbox() == []


# ---- One writer


def test_a_second_writer_is_refused_and_told_who_writes(place: Path | str) -> None:
    with Journal(place, write=True):
        code = (
            "import sys\nfrom pathlib import Path\nfrom agent.journal import Journal\n"
            "from envs.errors import JournalError\n"
            "try:\n    Journal(sys.argv[1], write=True)\n"
            "except JournalError as error:\n    print(error)\n"
        )
        call = [sys.executable, "-c", code, str(place)]
        done = subprocess.run(call, capture_output=True, text=True, check=True)  # noqa: S603 - our own script
        with pytest.raises(JournalError, match="in use by another process"):
            Journal(place, write=True)
    assert "in use by another process" in done.stdout
    assert f"pid {os.getpid()}" in done.stdout
    Journal(place, write=True).close()  # free again


def test_a_killed_writer_leaves_the_lease_and_what_it_committed(place: Path | str) -> None:
    code = (
        "import os, sys\nsys.path.insert(0, sys.argv[2])\nimport journal_events as je\n"
        "from agent.journal import Journal\n"
        "journal = Journal(sys.argv[1], write=True)\n"
        "journal.append([je.created('hard'), je.proposed('hard', 1)], je.AT)\n"
        "insert = journal._insert\n"
        "def half(*given):\n    insert(*given)\n    os.kill(os.getpid(), 9)\n"
        "journal._insert = half\n"
        "journal.append([je.decided('hard', 1)], je.AT)\n"
    )
    call = [sys.executable, "-c", code, str(place), str(Path(__file__).parent)]
    assert subprocess.run(call, check=False).returncode == -9  # noqa: S603 - our own script
    journal = _patiently(place)
    assert journal.verify(projections=True) == 2
    journal.append([je.decided("hard", 1)], AT)
    journal.close()


def _patiently(place: Path | str) -> Journal:
    """A server notices a client's death a moment after it."""
    for _ in range(1000):
        try:
            return Journal(place, write=True)
        except JournalError as error:
            last = error
            threading.Event().wait(0.005)
    raise last


def test_a_reader_cannot_write(place: Path | str) -> None:
    Journal(place, write=True).close()
    with Journal(place, write=False) as reader, pytest.raises(JournalError, match="cannot be written"):
        reader.append([je.created("hard")], AT)


def test_a_lost_connection_never_writes_again(server: Cluster) -> None:
    url = server.database()
    with Journal(url, write=True) as journal:
        journal.append([je.created("hard")], AT)
        server.sever()
        with Journal(url, write=True) as other:  # the lease went with the session
            for _ in range(2):
                with pytest.raises(JournalError, match=r"lease to write.*restart"):
                    journal.append([je.created("soft")], AT)
            other.append([je.created("other")], AT)
        with pytest.raises(JournalError, match=r"lease to write.*restart"):
            journal.read()
    with Journal(url, write=False) as journal:
        assert [s.stream for s in journal.read()] == ["hard", "other"]


def test_two_laboratories_may_share_a_database_in_schemas_of_their_own(server: Cluster) -> None:
    url = server.database()
    tamper(url, "CREATE SCHEMA one", "CREATE SCHEMA two")
    with (
        Journal(f"{url}&options=-csearch_path%3Done", write=True) as one,
        Journal(f"{url}&options=-csearch_path%3Dtwo", write=True) as two,
    ):
        one.append([je.created("hard")], AT)
        assert (len(one.read()), len(two.read())) == (1, 0)


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

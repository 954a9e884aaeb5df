"""What every journal keeps, in SQLite and in PostgreSQL: all or nothing, and one writer."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import get_args

import journal_events as je
import pytest
import sqlalchemy as sa
from journal_events import AT
from journal_places import Told, everything, tamper
from postgres import Cluster

from agent import events as ev
from agent.journal import AlreadyHandledError, Journal
from envs.errors import JournalError

pytest_plugins = ["journal_places"]


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
        "maintenance.set", "lab.changed", "lab.stopped", "lab.cleared", "agent.stopped",
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
        with pytest.raises(JournalError, match="names hard-P009, which was never made"):
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
        "import os, sys\nsys.path[:0] = [sys.argv[2], os.path.dirname(sys.argv[2])]\nimport journal_events as je\n"
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
    journal = Journal(place, write=True)  # at once
    assert journal.verify(projections=True) == 2
    journal.append([je.decided("hard", 1)], AT)
    journal.close()


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

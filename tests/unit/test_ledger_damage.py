"""What a disk can do to a journal: torn write-ahead logs, flipped bits, damaged pages, no room."""

from __future__ import annotations

import random
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import events as ev
from agent.journal import FILE, Journal
from envs.errors import JournalError

AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """An effect."""

    kind: str
    key: str


def step(n: int) -> list[ev.Event]:
    """A transaction's two events."""
    return [
        ev.MaintenanceSet(instrument=f"furnace-{n}", on=True, by="carol", reason=f"check {n}, which must stay {n}"),
        ev.LabStopped(by="carol", reason=f"reason {n} " + "x" * 300),
    ]


def written(directory: Path, n: int) -> None:
    with Journal(directory, write=True) as journal:
        for one in range(n):
            journal.append(step(one), AT, outbox=[Told("campaign", f"c{one}")], inbox=("furnace", f"m{one}"))


@pytest.fixture
def torn(tmp_path: Path) -> tuple[Path, Path]:
    """A directory whose last transactions are in the write-ahead log only, as a power cut leaves it; and a free one."""
    alive, cut = tmp_path / "alive", tmp_path / "cut"
    written(alive, 2)
    journal = Journal(alive, write=True)
    for one in range(2, 12):
        journal.append(step(one), AT, outbox=[Told("campaign", f"c{one}")], inbox=("furnace", f"m{one}"))
    shutil.copytree(alive, cut)
    journal.close()
    return cut, tmp_path / "again"


def test_a_torn_write_ahead_log_leaves_whole_transactions(torn: tuple[Path, Path]) -> None:
    cut, again = torn
    log = (cut / f"{FILE}-wal").read_bytes()
    draw, seen = random.Random(0), set()
    for case in range(30):
        shutil.rmtree(again, ignore_errors=True)
        shutil.copytree(cut, again)
        (again / f"{FILE}-shm").unlink()
        end = draw.randrange(len(log))
        tail = draw.randbytes(len(log) - end) if case % 2 else b""
        (again / f"{FILE}-wal").write_bytes(log[:end] + tail)
        with Journal(again, write=True) as journal:
            n = journal.verify(projections=True)
            assert n % 2 == 0
            assert len(journal.outbox()) == n // 2
            assert [journal.seen("furnace", f"m{one}") for one in range(12)] == [one < n // 2 for one in range(12)]
            journal.append(step(99), AT)
            assert journal.verify() == n + 2
        seen.add(n)
    assert len(seen) > 5


def test_a_flipped_bit_in_an_event_is_found_and_the_event_named(tmp_path: Path) -> None:
    written(tmp_path, 10)
    path, draw, missed = tmp_path / FILE, random.Random(1), []
    whole = path.read_bytes()
    with sqlite3.connect(path) as database:
        payloads = [row[0].encode() for row in database.execute("SELECT payload FROM events")]
    database.close()
    named = 0
    for _ in range(80):
        payload = draw.choice(payloads)
        at, bit = whole.index(payload) + draw.randrange(len(payload)), 1 << draw.randrange(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        with Journal(tmp_path, write=False) as journal:
            try:
                journal.verify()
                missed.append((at, bit))
            except JournalError as error:
                named += f"breaks at event {payloads.index(payload) + 1} " in str(error)
    assert (missed, named) == ([], 80)


def test_a_flipped_bit_anywhere_in_an_events_row_is_found(tmp_path: Path) -> None:
    written(tmp_path, 10)
    path, draw = tmp_path / FILE, random.Random(2)
    whole = path.read_bytes()
    cells = [whole.index(f'"reason":"check {n},'.encode()) for n in range(10)]
    for n in range(60):
        at = cells[n % 10] + draw.randrange(-140, 90)  # the record's header, stream, kind, time, payload and hash
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << draw.randrange(8))]) + whole[at + 1 :])
        with pytest.raises(JournalError), Journal(tmp_path, write=False) as journal:
            journal.verify()


def test_a_damaged_page_is_one_clear_error(tmp_path: Path) -> None:
    written(tmp_path, 40)
    path = tmp_path / FILE
    whole = bytearray(path.read_bytes())
    page = (whole.index(b'"reason":"check 20,') // 4096) * 4096
    whole[page : page + 40] = b"\xff" * 40
    path.write_bytes(whole)
    with Journal(tmp_path, write=False) as journal:
        for act in (journal.verify, journal.read, journal.differences):
            with pytest.raises(JournalError, match=rf"{FILE}"):
                act()


def test_a_full_disk_leaves_nothing_half_written_and_the_next_append_works(tmp_path: Path) -> None:
    many = [event for n in range(50) for event in step(n)]
    with Journal(tmp_path, write=True) as journal:
        journal.append(step(0), AT, outbox=[Told("campaign", "c0")])
        with journal._reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        for n in range(3):
            with pytest.raises(JournalError, match=r"cannot be written .*disk is full.*free space"):
                journal.append(many, AT, outbox=[Told("order", "j")], inbox=("f", "m"))
            assert journal.verify(projections=True) == journal.seq == 2 + 2 * n
            assert not journal.seen("f", "m")
            assert [e.key for e in journal.outbox()] == ["c0"]
            with journal._reading() as connection:
                connection.exec_driver_sql("PRAGMA max_page_count = 100000")
            journal.append(step(n), AT)  # there is room again
            with journal._reading() as connection:
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
                connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        assert journal.verify(projections=True) == 8


def test_another_program_that_writes_is_noticed(tmp_path: Path) -> None:
    with Journal(tmp_path, write=True) as journal:
        journal.append(step(0), AT)
        with sqlite3.connect(tmp_path / FILE) as database:
            database.execute("UPDATE tip SET seq = 3")
        database.close()
        with pytest.raises(JournalError, match="another program wrote here"):
            journal.append(step(1), AT)


def test_a_journal_that_was_closed_writes_no_more(tmp_path: Path) -> None:
    for write in (True, False):
        journal = Journal(tmp_path, write=write)
        journal.close()
        journal.close()  # twice does no harm
        with pytest.raises(JournalError, match="closed"):
            journal.append(step(0), AT)
        with pytest.raises(JournalError, match="closed"):
            journal.read()


def test_damage_anywhere_is_a_journal_error_or_none(tmp_path: Path) -> None:
    written(tmp_path, 3)
    path, draw, found = tmp_path / FILE, random.Random(4), 0
    whole = path.read_bytes()
    places = [at for at, byte in enumerate(whole) if byte]  # of the rest most is free
    for _ in range(60):
        at = draw.choice(places)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << draw.randrange(8))]) + whole[at + 1 :])
        try:
            with Journal(tmp_path, write=False) as journal:
                journal.verify(projections=True)
                journal.read()
        except JournalError:
            found += 1
    assert found > 30


def test_a_disk_that_has_become_read_only_can_still_be_read(tmp_path: Path) -> None:
    with Journal(tmp_path, write=True) as journal:
        journal.append(step(0), AT)
        with journal._reading() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")  # writing fails as it does there
        assert journal.verify(projections=True) == 2
        with pytest.raises(JournalError, match=r"cannot be written .*readonly"):
            journal.append(step(1), AT)
        assert len(journal.read()) == 2

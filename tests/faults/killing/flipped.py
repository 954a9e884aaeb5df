"""Single bits that turn in a journal's file: each must be named.

Where they are flipped: half of them anywhere in the bytes of the table of events that mean something (page headers,
cell pointers, rows, overflow pages; free space is no event's), half by SQL in the columns of a row, so that the page
around it is in order and the chain alone can tell. A flip after which every row reads as before, and of which SQLite's
own check says nothing, changes no event (such as a bit of a field that SQLite passes over): it is counted apart.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from agent.journal import FILE, Journal
from agent.ledger.tables import TABLES
from envs.errors import JournalError

from ..outcome import Outcome  # noqa: TID252 - run as part of tests.faults, never as faults
from .laboratory import Laboratory
from .pages import used
from .plan import Kill, at_random
from .runs import Tell, one_life

COLUMNS = ("payload", "at", "hash", "version", "stream", "kind")
ORDER = ("seq", "stream", "version", "kind", "at", "payload", "hash")
_EVENTS = f"SELECT {', '.join(ORDER)} FROM events ORDER BY seq"  # noqa: S608 - names of ours


def named(directory: Path, *, projections: bool = False) -> str:
    """What ``verify`` says is wrong; ``""`` where it finds nothing.

    Raises:
        Exception: anything else than the error that a person is told.
    """
    try:
        with Journal(directory, write=False) as journal:
            journal.verify(projections=projections)
    except JournalError as error:
        return str(error)
    return ""


def how(words: str) -> str:
    """By what it was found."""
    for part, kind in (
        ("hash is not that", "chain"), ("is missing", "chain"), ("where", "version"), ("kind is not", "kind"),
        ("chain ends", "tip"), ("file is damaged", "page check"), ("cannot be read", "unreadable"),
    ):  # fmt: skip
        if part in words:
            return kind
    return "otherwise"


@contextmanager
def flipped_byte(path: Path, place: int, bit: int) -> Iterator[None]:
    """Turn one bit of a file; it is turned back."""
    with path.open("r+b") as file:
        for again in (False, True):
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << bit]))
            file.flush()
            if not again:
                yield


def flipped_text(value: str, rng: random.Random) -> bytes:
    """The bytes of a text with one bit turned."""
    raw = bytearray(value.encode())
    raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return bytes(raw)


@contextmanager
def changed(path: Path, table: str, key: dict[str, Any], column: str, value: object) -> Iterator[bool]:
    """Change a value by SQL; it is changed back. False where the database does not take it."""
    where = " AND ".join(f"{name} = ?" for name in key)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        query = f"SELECT {column} FROM {table} WHERE {where}"  # noqa: S608 - names of ours
        before = database.execute(query, tuple(key.values())).fetchone()[0]
        # By its number: the key itself may be what is changed.
        rowid = database.execute(f"SELECT rowid FROM {table} WHERE {where}", tuple(key.values())).fetchone()[0]  # noqa: S608
        new = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
        try:
            database.execute(f"UPDATE {table} SET {column} = {new} WHERE rowid = ?", (value, rowid))  # noqa: S608
        except sqlite3.IntegrityError:
            yield False
            return
        # An integer that is a table's key is its rowid too: the row has another one now.
        there = database.execute(f"SELECT 1 FROM {table} WHERE rowid = ?", (rowid,)).fetchone()  # noqa: S608
        try:
            yield True
        finally:
            back = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"  # noqa: S608
            if database.execute(back, (before, rowid if there else value)).rowcount != 1:
                raise AssertionError(f"{table}.{column} could not be changed back")


class Flips:
    """Flips bits in one journal.

    Args:
        directory: of the journal, without a log; it is changed and changed back.
        rng: chooses.
    """

    def __init__(self, directory: Path, rng: random.Random) -> None:
        self._directory = directory
        self._path = directory / FILE
        self._rng = rng
        self.found: Counter[str] = Counter()
        self.unfound: list[str] = []
        self.harmless = 0
        with closing(sqlite3.connect(self._path)) as database:
            self._rows = database.execute(_EVENTS).fetchall()
            root = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events'").fetchone()[0]
        self._spans = list(used(self._path.read_bytes(), root))
        self.n_bytes = sum(length for _, length in self._spans)

    def _judge(self, what: str, *, projections: bool = False) -> bool:
        """Whether it was named; one that changes nothing does not count."""
        try:
            words = named(self._directory, projections=projections)
        except Exception as error:  # noqa: BLE001 - this is what must not happen
            self.unfound.append(f"{what}: {type(error).__name__}: {error}")
            return True
        if words:
            self.found["projection" if projections else how(words)] += 1
        elif not projections and self._reads_the_same():
            self.harmless += 1
            return False
        else:
            self.unfound.append(f"{what}: nobody noticed")
        return True

    def _reads_the_same(self) -> bool:
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as database:
            same = database.execute(_EVENTS).fetchall() == self._rows
            return same and database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"

    def page(self) -> bool:
        """A bit of the table of events, wherever it stands."""
        place = self._rng.randrange(self.n_bytes)
        for begin, length in self._spans:
            if place < length:
                place += begin
                break
            place -= length
        bit = self._rng.randrange(8)
        with flipped_byte(self._path, place, bit):
            return self._judge(f"byte {place}, bit {bit}")

    def value(self, column: str) -> bool:
        """A bit of a value of an event."""
        row = self._rng.choice(self._rows)
        seq, before = (
            row[0],
            dict(zip(("seq", "stream", "version", "kind", "at", "payload", "hash"), row, strict=True))[column],
        )
        value = before ^ 1 << self._rng.randrange(31) if isinstance(before, int) else flipped_text(before, self._rng)
        with changed(self._path, "events", {"seq": seq}, column, value) as taken:
            return self._judge(f"{column} of event {seq}") if taken else False

    def projection(self) -> bool:
        """A bit of a value that is projected from the events."""
        table = self._rng.choice(TABLES)
        keys = [column.name for column in table.primary_key]
        with closing(sqlite3.connect(self._path)) as database:
            database.row_factory = sqlite3.Row
            rows = [dict(row) for row in database.execute(f"SELECT * FROM {table.name}")]  # noqa: S608 - ours
        if not rows:
            return False
        row = self._rng.choice(rows)
        column, before = self._rng.choice([(k, v) for k, v in row.items() if v is not None and v != ""])
        value: object = before
        if isinstance(before, str):
            value = flipped_text(before, self._rng)
        elif isinstance(before, float):
            value = before * (1 + 2.0 ** -self._rng.randint(1, 40)) if before else 2.0**-30
        else:
            value = before ^ 1
        with changed(self._path, table.name, {key: row[key] for key in keys}, column, value) as taken:
            counts = self._judge(f"{table.name}.{column}", projections=True) if taken else False
        # One that stayed would have every later one found.
        assert named(self._directory, projections=True) == ""
        return counts


async def flipped_bits(n: int, seed: int, tell: Tell) -> Outcome:
    """Flip ``n`` bits of events, and a fifth as many of projections."""
    outcome, rng = Outcome("flipped"), random.Random(f"{seed} flips")
    directory = Path(tempfile.mkdtemp(prefix="labwright-flipped-"))
    try:
        kills: list[Kill] = [at_random(rng) for _ in range(6 if n >= 100 else 2)]

        def copy(lab: Laboratory) -> None:
            with closing(sqlite3.connect(lab.state / FILE)) as source, closing(sqlite3.connect(directory / FILE)) as to:
                source.backup(to)

        await one_life("flipped", seed, kills, tell, after=copy)
        assert named(directory, projections=True) == ""
        flips = Flips(directory, rng)
        done: Counter[str] = Counter()
        while done.total() < n:
            column = COLUMNS[done.total() // 2 % len(COLUMNS)]
            if done.total() % 2 and flips.value(column):
                done[f"in {column}, by SQL"] += 1
            elif not done.total() % 2 and flips.page():
                done["in pages"] += 1
        in_events = Counter(flips.found)
        unfound = len(flips.unfound)
        projected = 0
        while projected < max(5, n // 5):
            projected += flips.projection()
        assert named(directory, projections=True) == ""
    finally:
        shutil.rmtree(directory)
    outcome.at_least("bits flipped in events", done.total(), n)
    outcome.counts["where"] = dict(sorted(done.items()))
    outcome.counts["bytes of events, pages' own ones included"] = flips.n_bytes
    outcome.counts["found by"] = dict(sorted(in_events.items()))
    outcome.counts["changed nothing, not counted"] = flips.harmless
    outcome.at_least("found", in_events.total(), n)
    outcome.at_most("not named", unfound, 0)
    outcome.counts["flipped in projections"] = projected
    outcome.at_least("found in projections", flips.found["projection"], projected)
    outcome.misses += [f"flipped: {text}" for text in flips.unfound[:8]]
    return outcome

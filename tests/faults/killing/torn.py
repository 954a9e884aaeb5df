"""Write-ahead logs as a power cut leaves them: cut, emptied or garbled from some byte on."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from agent import core
from agent import events as ev
from agent.desk import Desk
from agent.journal import FILE, Journal
from envs.errors import LabwrightError
from instruments.clock import SystemClock

from ..outcome import Outcome  # noqa: TID252 - run as part of tests.faults, never as faults
from . import wal
from .laboratory import Laboratory
from .plan import Kill, at_point, at_random
from .runs import Tell, one_life

SNAPSHOTS = 20
KINDS = ("cut", "zeros", "garbled", "last pages", "torn sector", "beyond the last commit")
SECTOR = 512
_COMMITS = ("in-commit", "before-commit", "after-commit", "before-settle", "after-settle")


@dataclass
class Snapshot:
    """A journal's files as a kill left them.

    Attributes:
        base: the database's own file.
        log: its write-ahead log.
        floor: offset in the log below which everything stood in the database already.
        commits: offsets behind the log's commits.
    """

    base: bytes
    log: bytes
    floor: int
    commits: list[int]
    _known: dict[int, tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, state: Path) -> Snapshot | None:
        """Copy what is there; None where the log holds nothing."""
        database, log = state / FILE, state / f"{FILE}-wal"
        if not database.exists() or not log.exists() or log.stat().st_size <= wal.HEADER:
            return None
        shared = state / f"{FILE}-shm"
        data = log.read_bytes()
        frame = wal.FRAME_HEADER + wal.page_size(data)
        n = wal.checkpointed(shared.read_bytes()) if shared.exists() else 0
        commits = wal.commits(data)
        return cls(database.read_bytes(), data, wal.HEADER + n * frame if n else 0, commits)

    def holds(self, intact: int) -> tuple[int, str]:
        """Number and hash of the last event of which the first ``intact`` bytes of the log tell, by our own reading."""
        end = max((c for c in self.commits if c <= intact), default=0)
        if end not in self._known:
            self._known[end] = self._last_event(end)
        return self._known[end]

    def _last_event(self, end: int) -> tuple[int, str]:
        data = wal.recovered(self.base, self.log[:end], wal.page_size(self.log))
        with tempfile.NamedTemporaryFile(suffix=".sqlite") as file:
            file.write(data)
            file.flush()
            # Immutable: SQLite looks for no log, and what it says is of these bytes alone.
            with closing(sqlite3.connect(f"file:{file.name}?immutable=1", uri=True)) as database:
                try:
                    row = database.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
                except sqlite3.OperationalError:  # before the first commit there is no table
                    row = None
        return (int(row[0]), str(row[1])) if row else (0, "0" * 64)


def torn(snapshot: Snapshot, kind: str, rng: random.Random) -> bytes:
    """The log after a power cut of one kind; nothing below its floor is touched."""
    log, low = snapshot.log, snapshot.floor
    last = snapshot.commits[-1] if snapshot.commits else wal.HEADER
    frame = wal.FRAME_HEADER + wal.page_size(log)
    place = rng.randint(min(low, last), last)
    if kind == "cut":
        return log[:place]
    if kind == "zeros":
        return log[:place] + bytes(len(log) - place)
    if kind == "garbled":
        return log[:place] + rng.randbytes(len(log) - place)
    if kind == "last pages":
        return log[: max(low, last - rng.randint(1, 5) * frame)]
    if kind == "torn sector":
        # Of the last transaction: an earlier one was on the disk before it began.
        before = snapshot.commits[-2] if len(snapshot.commits) > 1 else 0
        place = rng.randint(max(low, before), max(low, before, last - 1))
        return log[:place] + rng.randbytes(SECTOR) + log[place + SECTOR :]
    extra = log[wal.HEADER : wal.HEADER + rng.randint(1, 3 * frame)] if rng.random() < 0.5 else rng.randbytes(3 * frame)
    return log[:last] + extra[: rng.randint(1, len(extra))]


def first_difference(one: bytes, other: bytes) -> int:
    """Offset of the first byte that differs; the shorter one's length where one continues the other."""
    n = min(len(one), len(other))
    if one[:n] == other[:n]:
        return n
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if one[low : middle + 1] == other[low : middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low


def check(snapshot: Snapshot, log: bytes, directory: Path) -> tuple[int, str]:
    """Open what is left; the number of its last event, and what is wrong in words."""
    (directory / FILE).write_bytes(snapshot.base)
    (directory / f"{FILE}-wal").write_bytes(log)
    due = snapshot.holds(first_difference(snapshot.log, log))
    try:
        with Journal(directory, write=True) as journal:
            seq = journal.verify(projections=True)
            if (seq, journal.hash) != due:
                return seq, f"{seq} events are left, and {due[0]} were committed"
            desk = Desk(journal, core.LabRules({}), SystemClock())
            desk.tell(ev.AgentStarted(software="torn", mode="live", boot="again"))
            if journal.verify(projections=True) != seq + 1:
                return seq, "what was written afterwards is not there"
    except LabwrightError as error:
        return 0, str(error)
    return seq, ""


async def collect(seed: int, tell: Tell, n: int = SNAPSHOTS) -> list[Snapshot]:
    """Journals of a real daemon, as ``n`` kills left them."""
    rng = random.Random(f"{seed} torn")
    kills: list[Kill] = [at_random(rng) if i % 3 == 2 else at_point(_COMMITS[i % 5], rng) for i in range(n)]
    found: list[Snapshot] = []

    def copy(lab: Laboratory) -> None:
        snapshot = Snapshot.of(lab.state)
        if snapshot is not None and snapshot.commits:
            found.append(snapshot)

    await one_life("torn", seed, kills, tell, after=copy)
    return found


async def torn_logs(n: int, seed: int, tell: Tell) -> Outcome:
    """Tear ``n`` logs."""
    snapshots = await collect(seed, tell, n=min(SNAPSHOTS, max(4, n // 3)))
    outcome, rng = Outcome("torn"), random.Random(f"{seed} tears")
    kinds: Counter[str] = Counter()
    wrong, whole, events = 0, 0, Counter[str]()
    for case in range(n):
        kind, snapshot = KINDS[case % len(KINDS)], rng.choice(snapshots)
        log = torn(snapshot, kind, rng)
        directory = Path(tempfile.mkdtemp(prefix="labwright-torn-"))
        try:
            seq, words = check(snapshot, log, directory)
        finally:
            shutil.rmtree(directory)
        kinds[kind] += 1
        everything = snapshot.holds(len(snapshot.log))[0]
        whole += seq == everything
        events["fewest events left"] = min(events.get("fewest events left", seq), seq)
        events["most events left"] = max(events["most events left"], seq)
        events["most events torn away"] = max(events["most events torn away"], everything - seq)
        if kind == KINDS[-1] and seq != everything:
            words = words or f"{everything - seq} committed events are gone"
        if words:
            wrong += 1
            outcome.misses += [f"torn: {kind}: {words}"] if wrong <= 5 else []
    outcome.at_least("torn logs", sum(kinds.values()), n)
    outcome.counts["by kind"] = dict(kinds)
    outcome.at_least("journals they are of", len(snapshots), 4)
    outcome.counts["largest log, KB"] = max(len(s.log) for s in snapshots) // 1000
    outcome.counts["nothing was lost"] = whole
    outcome.counts |= events
    outcome.at_most("not a whole prefix, or not all that was committed", wrong, 0)
    return outcome

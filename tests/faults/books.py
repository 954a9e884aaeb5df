"""What each side writes down, durably and on its own, and the audit that compares it all afterwards."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from instruments.journal import SqliteJournal
from instruments.messages import JobState


class Acts:
    """The sample, so to speak: each real action is one line in a file, flushed to the disk, that no restart forgets."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def act(self, job: str) -> None:
        """Do it; what is done cannot be undone."""
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{job}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)

    def counts(self) -> Counter[str]:
        """How often each job was done."""
        return Counter(self._path.read_text().split()) if self._path.exists() else Counter()


class AgentRecord:
    """The agent's own record: each job before it is sent, each end before its message is acknowledged."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS jobs (job TEXT PRIMARY KEY, iid TEXT, order_ TEXT)")
        # No primary key: an end that contradicts another shall be seen, not hidden.
        self._db.execute("CREATE TABLE IF NOT EXISTS ends (job TEXT, state BLOB, UNIQUE (job, state))")

    def intend(self, job: str, iid: str, order: Mapping[str, object]) -> None:
        """Write a job down that is going to be ordered."""
        self._db.execute("INSERT INTO jobs VALUES (?, ?, ?)", (job, iid, json.dumps(order)))

    def end(self, state: JobState) -> None:
        """Write an end down."""
        self._db.execute("INSERT OR IGNORE INTO ends VALUES (?, ?)", (state.job, state.to_bytes()))

    def open_jobs(self) -> list[tuple[str, str, dict[str, str]]]:
        """Jobs without an end: id, instrument and order."""
        rows = self._db.execute("SELECT job, iid, order_ FROM jobs WHERE job NOT IN (SELECT job FROM ends)")
        return [(job, iid, json.loads(order)) for job, iid, order in rows]

    def jobs(self) -> dict[str, str]:
        """All jobs, with their instruments."""
        return dict(self._db.execute("SELECT job, iid FROM jobs"))

    def ends(self) -> dict[str, list[JobState]]:
        """The ends of each job: one, when all is well."""
        found: dict[str, list[JobState]] = {}
        for job, state in self._db.execute("SELECT job, state FROM ends"):
            found.setdefault(job, []).append(JobState.parse(state))
        return found

    def close(self) -> None:
        """Close the file."""
        self._db.close()


@dataclass
class Audit:
    """What the books of a run say, each thing counted.

    Attributes:
        jobs: that the agent wrote down.
        ends: how many ended in which way.
        twice: jobs that were done more than once, anybody's.
        undone: jobs that succeeded and were never done.
        lost: jobs without an end in the agent's record, or whose end differs from the device's journal, or that have
            more than one.
        strange: done jobs that the agent never ordered.
        examples: of what is wrong, in words.
    """

    jobs: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    twice: int = 0
    undone: int = 0
    lost: int = 0
    strange: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a few examples."""
        if len(self.examples) < 10:
            self.examples.append(text)


def audit(record: Path, journals: Mapping[str, Path], acts: Path, *, strangers: Iterable[str] = ()) -> Audit:
    """Compare the agent's record, the devices' journals and what was really done, when all processes have ended.

    Args:
        record: of the agent.
        journals: by instrument.
        acts: the file of actions.
        strangers: jobs of others that must never be done; they are counted as strange, too, when they were.
    """
    found, book, done = Audit(), AgentRecord(record), Acts(acts).counts()
    opened = {iid: SqliteJournal(path) for iid, path in journals.items()}
    jobs, ends = book.jobs(), book.ends()
    found.jobs = len(jobs)
    for job, iid in jobs.items():
        _compare(found, job, ends.get(job, []), opened[iid].get(job), done[job])
    for job, times in done.items():
        if times > 1:
            found.twice += 1
            found.note(f"{job} was done {times} times")
    for job in {job for job in done if job not in jobs} | {job for job in strangers if done[job]}:
        found.strange += 1
        found.note(f"{job} was done and never ordered by the agent")
    for journal in opened.values():
        journal.close()
    book.close()
    return found


def _compare(found: Audit, job: str, ends: list[JobState], journalled: JobState | None, done: int) -> None:
    if len(ends) != 1 or ends[0] != journalled:
        found.lost += 1
        has = journalled.to_bytes().decode() if journalled else "nothing"
        found.note(
            f"the agent has {' and '.join(end.to_bytes().decode() for end in ends) or 'no end'}; the device {has}"
        )
        return
    end = ends[0]
    found.ends[end.state if end.error is None else f"{end.state}/{end.error.code}"] += 1
    if end.state == "succeeded" and done == 0:
        found.undone += 1
        found.note(f"{job} succeeded and was never done")

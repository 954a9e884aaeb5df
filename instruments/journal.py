"""The device's memory of its jobs: written before it acts, read when a command comes twice or the device restarts."""

from __future__ import annotations

import sqlite3
from itertools import islice
from pathlib import Path
from typing import Protocol
from uuid import UUID

from envs.errors import JournalError
from instruments.messages import JobState

_DONE, _REFUSED = 1, 2
"""How the file tells the sorts of ends; 0 is none."""


class JobJournal(Protocol):
    """Keeps the last state of every job; the state holds id, digest and result."""

    def get(self, job: str) -> JobState | None:
        """The last state of a job, None when it was never seen."""
        ...

    def put(self, state: JobState) -> None:
        """Keep a state; it is durable when this returns.

        Raises:
            JournalError: when it cannot be written: then the device must not act.
        """
        ...

    def unfinished(self) -> list[JobState]:
        """Jobs without an end, in the order of their ids."""
        ...

    def ended(self, *, skip: int, refused: bool = False) -> str | None:
        """The job that ended before the ``skip`` newest of its sort, done or refused; None when there are no more."""
        ...

    def ends(self, limit: int) -> list[JobState]:
        """The newest ends of jobs that were begun, at most so many, in the order in which they ended."""
        ...

    def boot(self, proposed: str) -> str:
        """The id of a boot that begins: the one proposed, or a greater one where the clock was set back meanwhile.

        Raises:
            JournalError: when it cannot be kept.
        """
        ...

    def close(self) -> None:
        """Release the file, if there is one."""
        ...


class MemoryJournal:
    """A journal that lives as long as its process: for simulations and tests."""

    def __init__(self) -> None:
        self._states: dict[str, JobState] = {}
        self._ends: dict[bool, dict[str, None]] = {False: {}, True: {}}
        self._boot = ""

    def get(self, job: str) -> JobState | None:
        """The last state of a job."""
        return self._states.get(job)

    def put(self, state: JobState) -> None:
        """Keep a state."""
        self._states.pop(state.job, None)
        self._states[state.job] = state
        if state.terminal:
            self._ends[state.state == "rejected"][state.job] = None

    def unfinished(self) -> list[JobState]:
        """Jobs without an end."""
        return [state for _, state in sorted(self._states.items()) if not state.terminal]

    def ended(self, *, skip: int, refused: bool = False) -> str | None:
        """The job that ended before the ``skip`` newest of its sort."""
        return next(islice(reversed(self._ends[refused]), skip, None), None)

    def ends(self, limit: int) -> list[JobState]:
        """The newest ends."""
        return [self._states[job] for job in list(self._ends[False])[-limit:]]

    def boot(self, proposed: str) -> str:
        """The id of a boot that begins."""
        self._boot = later_boot(proposed, self._boot)
        return self._boot

    def close(self) -> None:
        """Nothing to release."""


class SqliteJournal:
    """A journal in one SQLite file with full synchronisation: a state survives a power cut once ``put`` has returned.

    Args:
        path: the file; made when it does not exist, in a directory that does.

    Raises:
        JournalError: when the file is no journal or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA synchronous=FULL")
            # Two drivers of one instrument would each do every job once.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS jobs (job TEXT PRIMARY KEY, ended INTEGER, state BLOB NOT NULL)"
            )
            self._db.execute("CREATE TABLE IF NOT EXISTS boots (one INTEGER PRIMARY KEY, boot TEXT NOT NULL)")
        except sqlite3.Error as error:
            hint = "; does another driver of this instrument run?" if "locked" in str(error) else ""
            raise JournalError(f"{path} cannot be used as a device's job journal: {error}{hint}") from error

    def get(self, job: str) -> JobState | None:
        """The last state of a job."""
        row = self._execute("SELECT state FROM jobs WHERE job = ?", (job,)).fetchone()
        return None if row is None else JobState.parse(row[0])

    def put(self, state: JobState) -> None:
        """Keep a state durably."""
        self._execute(
            "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)",
            (state.job, _REFUSED if state.state == "rejected" else int(state.terminal), state.to_bytes()),
        )

    def unfinished(self) -> list[JobState]:
        """Jobs without an end."""
        rows = self._execute("SELECT state FROM jobs WHERE ended = 0 ORDER BY job", ()).fetchall()
        return [JobState.parse(row[0]) for row in rows]

    def ended(self, *, skip: int, refused: bool = False) -> str | None:
        """The job that ended before the ``skip`` newest of its sort."""
        # A row that is replaced gets a new number: they are in the order of their last change.
        sql = "SELECT job FROM jobs WHERE ended = ? ORDER BY rowid DESC LIMIT 1 OFFSET ?"
        row = self._execute(sql, (_REFUSED if refused else _DONE, skip)).fetchone()
        return None if row is None else str(row[0])

    def ends(self, limit: int) -> list[JobState]:
        """The newest ends."""
        sql = "SELECT state FROM jobs WHERE ended = ? ORDER BY rowid DESC LIMIT ?"
        rows = self._execute(sql, (_DONE, limit)).fetchall()
        return [JobState.parse(row[0]) for row in reversed(rows)]

    def boot(self, proposed: str) -> str:
        """The id of a boot that begins."""
        last = self._execute("SELECT boot FROM boots", ()).fetchone()
        boot = later_boot(proposed, "" if last is None else str(last[0]))
        self._execute("INSERT OR REPLACE INTO boots VALUES (1, ?)", (boot,))
        return boot

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _execute(self, sql: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        try:
            return self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise JournalError(f"the job journal {self._path} failed: {error}") from error


def later_boot(proposed: str, last: str) -> str:
    """A boot id greater than the last one: who listens takes what an earlier boot says for old news."""
    return proposed if proposed > last else str(UUID(int=UUID(last).int + 1))

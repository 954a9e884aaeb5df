"""Which file was given to which job: durable, so that a restart gives no image to a second job."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from envs.errors import JournalError
from instruments.adapters.folder_scan import Signature


class Claims:
    """A table of files and the jobs that got them; a claim is durable when ``take`` returns.

    A file is known again by its name, size and time stamp, and by its content: a time stamp that a share shifts by an
    hour, or a copy under another name, does not make it a new image of the same sample.

    Args:
        path: the SQLite file, in a directory that exists; None keeps the claims in memory.

    Raises:
        JournalError: when the file cannot be used, or another driver has it.
    """

    def __init__(self, path: Path | None) -> None:
        self._name = str(path) if path is not None else ":memory:"
        try:
            self._db = sqlite3.connect(self._name, isolation_level=None, timeout=0.2)
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("BEGIN EXCLUSIVE")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS claims (path TEXT, size INTEGER, mtime_ns INTEGER, sample TEXT, "
                "sha256 TEXT, job TEXT NOT NULL, PRIMARY KEY (path, size, mtime_ns), UNIQUE (sample, sha256))"
            )
            self._db.execute("COMMIT")
            rows = self._db.execute("SELECT path, size, mtime_ns, job FROM claims").fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"{self._name} cannot be used as a folder's table of claims: {error}") from error
        # In memory as well: each look into the folder asks for every file.
        self._jobs = {(path, Signature(size, mtime)): job for path, size, mtime, job in rows}

    def job_of(self, path: str, signature: Signature) -> str | None:
        """The job that a file was given to, None when it is free."""
        return self._jobs.get((path, signature))

    def take(self, path: str, signature: Signature, *, sample: str, sha256: str, job: str) -> bool:
        """Give a file to a job, unless it, or the same content for the same sample, was given before.

        Raises:
            JournalError: when the claim cannot be written: then the file must not be given.
        """
        if (path, signature) in self._jobs:
            return False
        try:
            row = self._db.execute(
                "SELECT job FROM claims WHERE sample = ? AND sha256 = ?", (sample, sha256)
            ).fetchone()
            if row is None:
                values = (path, signature.size, signature.mtime_ns, sample, sha256, job)
                self._db.execute("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)", values)
        except sqlite3.Error as error:
            raise JournalError(f"the table of claims {self._name} failed: {error}") from error
        self._jobs[path, signature] = job if row is None else str(row[0])
        return row is None

    def release(self, job: str) -> None:
        """Set free what was given to a job that ends without a result.

        Raises:
            JournalError: when that cannot be written: then the file stays with the job.
        """
        try:
            self._db.execute("DELETE FROM claims WHERE job = ?", (job,))
        except sqlite3.Error as error:
            raise JournalError(f"the table of claims {self._name} failed: {error}") from error
        self._jobs = {key: owner for key, owner in self._jobs.items() if owner != job}

    def close(self) -> None:
        """Close the file."""
        self._db.close()

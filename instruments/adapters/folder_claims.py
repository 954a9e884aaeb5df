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
            # It is opened beside the event loop: to read a few hundred thousand claims takes a second.
            self._db = sqlite3.connect(self._name, isolation_level=None, timeout=0.2, check_same_thread=False)
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("BEGIN EXCLUSIVE")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS claims (path TEXT, size INTEGER, mtime_ns INTEGER, sample TEXT, "
                "sha256 TEXT, job TEXT NOT NULL, PRIMARY KEY (path, size, mtime_ns), UNIQUE (sample, sha256))"
            )
            self._db.execute("CREATE INDEX IF NOT EXISTS claims_by_job ON claims (job)")
            self._db.execute("COMMIT")
            # Each look into the folder asks for every file: for the answer "nobody has it" 64 bits of each suffice.
            self._keys = {hash(row) for row in self._db.execute("SELECT path, size, mtime_ns FROM claims")}
        except sqlite3.Error as error:
            raise JournalError(f"{self._name} cannot be used as a folder's table of claims: {error}") from error
        self._copies: dict[tuple[str, int, int], str] = {}

    def claimed(self, path: str, signature: Signature) -> bool:
        """Whether a file was given to a job: quick, for every file of a folder, and a guess once in 10**13 files."""
        return hash((path, signature.size, signature.mtime_ns)) in self._keys

    def job_of(self, path: str, signature: Signature) -> str | None:
        """The job that a file was given to, None when it is free.

        Raises:
            JournalError: when the table cannot be read.
        """
        key = (path, signature.size, signature.mtime_ns)
        if hash(key) not in self._keys:
            return None
        row = self._run("SELECT job FROM claims WHERE path = ? AND size = ? AND mtime_ns = ?", key)
        return str(row[0][0]) if row else self._copies.get(key)

    def take(self, path: str, signature: Signature, *, sample: str, sha256: str, job: str) -> bool:
        """Give a file to a job, unless it, or the same content for the same sample, was given before.

        Raises:
            JournalError: when the claim cannot be written: then the file must not be given.
        """
        if self.job_of(path, signature) is not None:
            return False
        key = (path, signature.size, signature.mtime_ns)
        row = self._run("SELECT job FROM claims WHERE sample = ? AND sha256 = ?", (sample, sha256))
        if row:
            self._copies[key] = str(row[0][0])
        else:
            self._run("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)", (*key, sample, sha256, job))
        self._keys.add(hash(key))
        return not row

    def release(self, job: str) -> None:
        """Set free what was given to a job that ends without a result.

        Raises:
            JournalError: when that cannot be written: then the file stays with the job.
        """
        free = self._run("SELECT path, size, mtime_ns FROM claims WHERE job = ?", (job,))
        self._run("DELETE FROM claims WHERE job = ?", (job,))
        copies = [key for key, owner in self._copies.items() if owner == job]
        for key in copies:
            del self._copies[key]
        self._keys.difference_update(map(hash, (*free, *copies)))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _run(self, statement: str, values: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"the table of claims {self._name} failed: {error}") from error

"""The real journal, a SQLite file, under the same schedules: its tables and its chain are checked as they stand."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from agent.events import Event
from agent.journal import Journal
from envs.errors import JournalError

MEMORY = Path("/dev/shm")  # noqa: S108 - where there is one it is faster, and nothing here has to last


@cache
def _empty() -> Path:
    """A journal that is brought to this release's form, to be copied: that takes as long as a whole schedule."""
    place = Path(tempfile.mkdtemp(prefix="journal-", dir=MEMORY if MEMORY.is_dir() else None))
    Journal(place, write=True).close()
    return place


@contextmanager
def real_disk() -> Iterator[Callable[[Callable[[], float]], RealDisk]]:
    """A directory with an empty journal, for one schedule."""
    with tempfile.TemporaryDirectory(prefix="lab-", dir=MEMORY if MEMORY.is_dir() else None) as directory:
        for path in _empty().iterdir():
            shutil.copy(path, directory)
        yield lambda time: RealDisk(Path(directory), time)


class RealDisk:
    """A directory; implements ``lab.Storage``."""

    def __init__(self, directory: Path, time: Callable[[], float]) -> None:
        self.full = False
        self.note: Callable[..., None] = lambda *_words: None
        self.times: list[float] = []
        self.time = time
        self._directory = directory
        self._journal: Journal | None = None

    def open(self, touch: Callable[[str], None]) -> Touched:
        """The journal, for a process that dies at one of its touches."""
        self._journal = Journal(self._directory, write=True)
        return Touched(self._journal, self, touch)

    def crashed(self) -> None:
        """The process that had it open is dead."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    @contextmanager
    def _look(self) -> Iterator[Journal]:
        with Journal(self._directory, write=False) as journal:
            yield journal

    def rows_of(self, table: sa.Table) -> list[dict[str, Any]]:
        """All rows of a projection."""
        with self._look() as journal:
            return journal.table(sa.select(table))

    def problems(self) -> list[str]:
        """What is wrong with the file, the chain and the projections."""
        try:
            with self._look() as journal:
                journal.verify(projections=True)
        except JournalError as error:
            return [f"projections: {error}"]
        return []

    def entries(self) -> list[tuple[int, datetime, float, Event]]:
        """Everything, read back."""
        with self._look() as journal:
            return [(s.seq, s.at, t, s.event) for s, t in zip(journal.read(), self.times, strict=True)]

    def left(self) -> list[str]:
        """What is still to be told."""
        with self._look() as journal:
            return [f"{effect.kind} {effect.key}" for effect in journal.outbox()]


class Touched:
    """A journal on a disk that may be full, in a process that may die around each commit."""

    def __init__(self, journal: Journal, disk: RealDisk, touch: Callable[[str], None]) -> None:
        self._journal, self._disk, self._touch = journal, disk, touch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, happened: Sequence[Event], at: datetime, **more: Any) -> Any:
        """As the journal's own."""
        self._touch("before commit")
        self._room()
        stored = self._journal.append(happened, at, **more)
        for one in stored:
            self._disk.times.append(self._disk.time())
            self._disk.note("journal", one.seq, one.event.model_dump_json())
        self._touch("after commit")
        return stored

    def settle(self, done: Any, **more: Any) -> None:
        """As the journal's own."""
        self._touch("before settling")
        self._room()
        self._journal.settle(done, **more)
        self._touch("after settling")

    def _room(self) -> None:
        if self._disk.full:
            raise JournalError("the simulated disk cannot be written (database or disk is full)")

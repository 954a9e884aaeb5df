"""Where a journal can be: the port that a file and a database server both keep."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine

from envs.errors import JournalError


class Place(Protocol):
    """A database that holds one journal, or will."""

    name: str
    """For people; it holds no password."""

    def engine(self, *, write: bool) -> Engine:
        """Ready to connect; only one that may write is asked to.

        Raises:
            JournalError: there is nothing to read, or another process writes here.
        """
        ...

    def hold(self, connection: Connection) -> None:
        """Take the writer's lease on the connection that will write; it is given back when that closes.

        Raises:
            JournalError: another process holds it.
        """
        ...

    def release(self) -> None:
        """Give back what outlives the connection."""
        ...

    def only_reading(self, connection: Connection) -> AbstractContextManager[None]:
        """Begin the writer's next transaction as one that reads: it needs no room and no right to write."""
        ...

    def leniently(self, connection: Connection) -> AbstractContextManager[None]:
        """Read damaged text without an error of the driver, so that the damage can be named."""
        ...

    def check(self, connection: Connection) -> str:
        """What is wrong with the stored pages themselves, or ``""``."""
        ...

    def copy(self, directory: Path) -> Path:
        """Write the journal as it stands at one moment into a directory, while others write; returns the file.

        Raises:
            JournalError: it cannot be read.
            OSError: the copy cannot be written.
        """
        ...

    def unopened(self, cause: object) -> JournalError:
        """What to tell a person when it could not be opened."""
        ...

    def unwritable(self, cause: object) -> JournalError:
        """What to tell a person when a write failed."""
        ...

"""A start waits for its database where a service manager listens, and says at once what waiting would not mend."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.daemon.opening import FORWARD_S, opened
from agent.daemon.systemd import Notifier
from agent.journal import Journal
from envs.errors import JournalError

NOBODY_THERE = "postgresql://agent@127.0.0.1:1/lab"


class Manager:
    """A service manager that listens."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.notifier = Notifier(str(path))

    def close(self) -> None:
        self._socket.close()

    def heard(self) -> list[str]:
        found = []
        try:
            while True:
                found.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return found


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


async def _no_sleep(_seconds: float) -> None:
    await asyncio.sleep(0)


def test_a_database_that_comes_up_later_is_waited_for(manager: Manager, tmp_path: Path) -> None:
    places: Iterator[Path | str] = iter([NOBODY_THERE, NOBODY_THERE, tmp_path / "state"])

    def opens(_place: Path | str) -> Journal:
        return Journal(next(places), write=True)

    with asyncio.run(opened(NOBODY_THERE, manager.notifier, opens=opens, sleep=_no_sleep)) as journal:
        assert journal.seq == 0
    heard = manager.heard()
    assert heard[0] == f"EXTEND_TIMEOUT_USEC={int(FORWARD_S * 1e6)}", "before anything that may take long"
    assert any("waits for the database" in one for one in heard)


def test_at_a_terminal_it_is_said_at_once() -> None:
    with pytest.raises(JournalError, match="cannot be opened"):
        asyncio.run(opened(NOBODY_THERE, Notifier(), sleep=_no_sleep))


def test_another_writer_is_not_waited_for(manager: Manager, tmp_path: Path) -> None:
    with Journal(tmp_path, write=True), pytest.raises(JournalError, match="another"):
        asyncio.run(opened(tmp_path, manager.notifier, sleep=_no_sleep))


def test_a_file_that_is_no_database_is_not_waited_for(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").mkdir()
    with pytest.raises(JournalError):
        asyncio.run(opened(tmp_path, manager.notifier, sleep=_no_sleep))

"""Who writes to a journal, as a system tells it that lists locks, lists them otherwise, or lists none."""

import os
from pathlib import Path

import pytest

from agent.journal import Journal
from agent.reading import lease


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the system lists."""
    listed = tmp_path / "locks"
    listed.write_text("")
    monkeypatch.setattr(lease, "_LOCKS", listed)
    return listed


def locked(directory: Path, pid: int) -> int:
    path = directory / lease.LOCK
    path.write_text(str(pid))
    return path.stat().st_ino


def test_a_journal_that_is_written_to_has_a_holder_and_then_none(tmp_path: Path) -> None:
    assert lease.holder(tmp_path) == ""
    with Journal(tmp_path, write=True):
        assert lease.holder(tmp_path) == f"pid {os.getpid()}"
    assert lease.holder(tmp_path) == ""


def test_a_lock_is_known_by_its_file_whatever_device_it_is_listed_under(tmp_path: Path, locks: Path) -> None:
    inode = locked(tmp_path, 1)
    locks.write_text(
        f"1: POSIX ADVISORY WRITE 7 00:1f:{inode} 0 EOF\n2: -> FLOCK ADVISORY WRITE 8 00:1f:{inode} 0 EOF\n"
        f"3: FLOCK ADVISORY WRITE 9 00:1f:{inode}1 0 EOF\n4: FLOCK ADVISORY WRITE 4711 00:1f:{inode} 0 EOF\n"
    )
    assert lease.holder(tmp_path) == "pid 4711"


def test_nobody_is_said_to_be_dead_whose_process_lives(tmp_path: Path, locks: Path) -> None:
    locked(tmp_path, os.getppid())
    assert lease.holder(tmp_path) is None
    locked(tmp_path, 2**22 + 1)  # more than any system gives
    assert lease.holder(tmp_path) == ""
    locks.unlink()
    locked(tmp_path, os.getppid())
    assert lease.holder(tmp_path) == f"pid {os.getppid()}"

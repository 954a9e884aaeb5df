"""What a device keeps in a directory of its own is whole, however many of its jobs bring the same data at once."""

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from instruments.artefacts import write_durably
from instruments.bulk.keeping import remove_leftovers


def test_threads_that_write_the_same_file_at_once_do_not_disturb_one_another(tmp_path: Path) -> None:
    data = os.urandom(1 << 20)
    path = tmp_path / hashlib.sha256(data).hexdigest()
    together = threading.Barrier(4)

    def write() -> bytes:
        together.wait()
        write_durably(path, data)
        return path.read_bytes()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert all(future.result() == data for future in [pool.submit(write) for _ in range(4)])
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept"
    write_durably(path, b"before")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(path, b"after")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


def test_what_a_crash_left_half_written_is_removed_and_nothing_else(tmp_path: Path) -> None:
    name = hashlib.sha256(b"pixels").hexdigest()
    write_durably(tmp_path / name, b"pixels")
    (tmp_path / ".notes.tmp").write_text("somebody's")
    (tmp_path / f".{name}.4711-140231.tmp").write_bytes(b"pix")
    assert remove_leftovers(tmp_path) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".notes.tmp", name]
    assert remove_leftovers(tmp_path / "none") == 0


def test_a_half_written_name_is_known_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_descriptor: int) -> None:
        names.extend(path.name for path in tmp_path.glob(".*.tmp"))

    names = list[str]()
    monkeypatch.setattr(os, "fsync", crash)
    write_durably(tmp_path / hashlib.sha256(b"pixels").hexdigest(), b"pixels")
    (tmp_path / names[0]).write_bytes(b"pix")
    assert remove_leftovers(tmp_path) == 1

"""What a device keeps in a directory of its own is whole, however many of its jobs bring the same data at once."""

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from instruments.artefacts import write_durably


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

"""Artefacts: whole or not at all, and never silently changed."""

import hashlib
from pathlib import Path

import pytest

from agent.store import ArtefactStore
from envs.errors import JournalError


def test_content_comes_back_under_its_own_hash(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path / "artefacts")
    digest = store.put(b"pixels", "image/tiff")
    assert digest == hashlib.sha256(b"pixels").hexdigest()
    assert store.get(digest) == b"pixels"
    assert store.path(digest).suffix == ".tif"


def test_the_same_content_is_kept_once(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    assert store.put(b"pixels", "image/tiff") == store.put(b"pixels", "image/tiff")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_write_that_fails_leaves_no_artefact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    store = ArtefactStore(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            store.put(b"pixels", "image/tiff")
    digest = hashlib.sha256(b"pixels").hexdigest()
    assert not list(tmp_path.iterdir())
    with pytest.raises(JournalError, match="missing"):
        store.get(digest)
    assert store.put(b"pixels", "image/tiff") == digest
    assert store.get(digest) == b"pixels"


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    digest = store.put(b"pixels", "image/tiff")
    store.path(digest).write_bytes(b"other pixels")
    with pytest.raises(JournalError, match="changed on disk"):
        store.get(digest)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="abcabcabcabc is missing"):
        ArtefactStore(tmp_path).get("abc" * 20)


def test_what_a_crash_left_half_written_is_not_the_artefact(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)

    class PowerCutError(BaseException):
        pass

    def cut(descriptor: int) -> None:
        raise PowerCutError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.fsync", cut)
        patched.setattr(Path, "unlink", lambda path, missing_ok=False: None)
        with pytest.raises(PowerCutError):
            store.put(b"pixels", "image/tiff")
    digest = hashlib.sha256(b"pixels").hexdigest()
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(JournalError, match="missing"):
        store.path(digest)

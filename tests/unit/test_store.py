"""Artefacts: whole or not at all, and never silently changed."""

import hashlib
import os
import stat
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
        with pytest.raises(JournalError, match=r"cannot be written \(No space.*free space.*--resume"):
            store.put(b"pixels", "image/tiff")
    digest = hashlib.sha256(b"pixels").hexdigest()
    assert not list(tmp_path.iterdir())
    with pytest.raises(JournalError, match="missing"):
        store.get(digest)
    assert store.put(b"pixels", "image/tiff") == digest
    assert store.get(digest) == b"pixels"


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [("image/tiff", ".tif"), ("image/jpeg", ".jpg"), ("application/pdf", ".pdf"), ("application/x-own", ".bin")],
)
def test_any_kind_of_file_is_kept(tmp_path: Path, media_type: str, suffix: str) -> None:
    store = ArtefactStore(tmp_path)
    digest = store.put(b"anything", media_type)
    assert store.path(digest).suffix == suffix
    assert store.get(digest) == b"anything"


def test_the_directory_reaches_the_disk_after_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        flushed.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    ArtefactStore(tmp_path).put(b"pixels", "image/tiff")
    assert flushed == ["file", "directory"]


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "artefacts").write_text("a file in its place")
    with pytest.raises(JournalError, match="cannot be written"):
        ArtefactStore(tmp_path / "artefacts").put(b"pixels", "image/tiff")


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

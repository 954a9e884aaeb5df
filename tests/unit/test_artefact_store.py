"""The content-addressed store: whole or not at all, once, and verified."""

import asyncio
import errno
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from instruments.artefacts import ArtefactError
from instruments.bulk.files import NoSpaceError, StoreError, hash_of
from instruments.bulk.store import ArtefactStore, TooLargeError, WrongHashError, suffix_type

PIXELS = b"II*\x00" + bytes(range(256)) * 40
SHA = hashlib.sha256(PIXELS).hexdigest()


def pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def names(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir())


def test_a_stream_becomes_one_file_named_by_its_hash(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path / "a" / "b")
    kept = store.receive(pieces(PIXELS), sha256=SHA, limit=len(PIXELS), media_type="image/tiff", length=len(PIXELS))
    assert (kept.sha256, kept.bytes, kept.new) == (SHA, len(PIXELS), True)
    assert names(store.directory) == [f"{SHA}.tif"]
    assert kept.path.read_bytes() == PIXELS == store.get(SHA)
    assert SHA in store


def test_the_same_content_again_is_the_same_file_whatever_it_is_called(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    first = store.receive(pieces(PIXELS), media_type="image/tiff")
    again = store.receive(pieces(PIXELS), media_type="application/octet-stream")
    assert (again.path, again.new) == (first.path, False)
    assert names(tmp_path) == [f"{SHA}.tif"]


def test_an_empty_artefact_is_one_too(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    assert store.get(store.receive([]).sha256) == b""


def test_other_content_than_announced_leaves_nothing(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    with pytest.raises(WrongHashError, match=f"not {SHA}"):
        store.receive(pieces(PIXELS[:-1]), sha256=SHA)
    assert names(tmp_path) == []


def test_too_many_bytes_are_refused_while_they_come(tmp_path: Path) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(100)

    with pytest.raises(TooLargeError, match="more than the 1000 bytes"):
        ArtefactStore(tmp_path).receive(endless(), limit=1000)
    assert taken == 11
    assert names(tmp_path) == []


def test_a_stream_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield PIXELS[:100]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        ArtefactStore(tmp_path).receive(broken(), sha256=SHA)
    assert names(tmp_path) == []


def test_refusals_are_errors_of_artefacts_and_of_the_record() -> None:
    assert issubclass(TooLargeError, ArtefactError)
    assert issubclass(WrongHashError, ArtefactError)
    assert issubclass(NoSpaceError, StoreError)


def test_no_room_is_said_before_anything_is_read(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path, reserve=1 << 60)
    with pytest.raises(NoSpaceError, match=r"no room for 0\.0 MB in .* reserved.*free space"):
        store.receive(pieces(PIXELS))
    assert names(tmp_path) == []
    with pytest.raises(NoSpaceError, match="no room for"):
        ArtefactStore(tmp_path).receive(pieces(PIXELS), length=1 << 60)


def test_a_disk_that_fills_up_says_so_and_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(NoSpaceError, match=r"cannot be written \(No space left on device\): free space"):
            ArtefactStore(tmp_path).receive(pieces(PIXELS))
    assert names(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_write_that_does_not_fit_says_so(tmp_path: Path) -> None:
    """A real ENOSPC of the kernel, first when writing and then when closing with bytes still buffered."""
    store = ArtefactStore(tmp_path)
    with store.incoming() as incoming:
        incoming._file.close()
        incoming._file = Path("/dev/full").open("wb")  # noqa: SIM115 - closed by the context
        with pytest.raises(NoSpaceError):
            incoming.write(bytes(1 << 20))
        incoming.write(b"buffered")
    assert names(tmp_path) == []


def test_what_decayed_on_the_disk_is_replaced_by_the_same_content(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    path = store.receive(pieces(PIXELS), media_type="image/tiff").path
    path.write_bytes(b"rot")
    for read in (store.get, store.open, lambda digest: store.path(digest, verify=True)):
        with pytest.raises(StoreError, match="changed on disk"):
            read(SHA)
    assert store.receive(pieces(PIXELS), media_type="image/png").new
    assert store.get(SHA) == PIXELS
    assert names(tmp_path) == [f"{SHA}.tif"]


def test_an_opened_artefact_begins_at_its_beginning(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    store.put(PIXELS, "image/tiff")
    with store.open(SHA) as file:
        assert file.read() == PIXELS


@pytest.mark.parametrize("digest", ["", "*", "?" * 64, "../" + SHA[3:], SHA.upper(), SHA[:-1], SHA + "0"])
def test_only_a_hash_names_an_artefact(tmp_path: Path, digest: str) -> None:
    store = ArtefactStore(tmp_path)
    store.put(PIXELS, "image/tiff")
    assert digest not in store
    with pytest.raises(StoreError, match="missing"):
        store.path(digest)


def test_leftovers_of_a_crash_go_and_what_is_being_written_stays(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    store.put(PIXELS, "image/tiff")
    (tmp_path / ".4711-0.part").write_bytes(b"half an im")
    (tmp_path / f".{SHA}.tif.4711.tmp").write_bytes(b"half an image of an earlier release")
    (tmp_path / ".keep").write_text("a person's own")
    with store.incoming(sha256=SHA) as incoming:
        incoming.write(PIXELS)
        assert store.clean() == 2
        assert ArtefactStore(tmp_path).clean() == 0
        assert not incoming.commit().new
    assert names(tmp_path) == [".keep", f"{SHA}.tif"]


def test_a_name_that_a_dead_process_of_the_same_number_left_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / f".{os.getpid()}-0.part").write_bytes(b"half")
    store = ArtefactStore(tmp_path)
    assert store.receive(pieces(PIXELS)).new
    assert store.clean() == 1


def test_a_store_without_a_directory_has_nothing_to_clean(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path / "none")
    assert store.clean() == 0
    assert SHA not in store


CRASH = """
import sys
from pathlib import Path
from instruments.bulk.store import ArtefactStore
with ArtefactStore(Path(sys.argv[1])).incoming() as incoming:
    incoming.write(bytes(5_000_000))
    print("half", flush=True)
    sys.stdin.read()
"""


def test_a_writer_that_is_killed_leaves_nothing_that_is_found(tmp_path: Path) -> None:
    child = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", CRASH, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        store = ArtefactStore(tmp_path)
        assert store.clean() == 0  # it lives, and holds its file
        child.kill()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    assert store.clean() == 1
    assert names(tmp_path) == []


def test_many_threads_bring_the_same_content_and_one_file_is_new(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    start, new = threading.Barrier(8), []

    def bring() -> None:
        start.wait()
        new.append(store.receive(pieces(PIXELS), sha256=SHA).new)

    threads = [threading.Thread(target=bring) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == [False] * 7 + [True]
    assert len(names(tmp_path)) == 1


async def stream(data: bytes) -> AsyncIterator[bytes]:
    for piece in pieces(data, 70_000):
        yield piece


def test_an_asynchronous_stream_is_kept_alike(tmp_path: Path) -> None:
    data = PIXELS * 300  # three blocks
    store = ArtefactStore(tmp_path)
    digest = hashlib.sha256(data).hexdigest()
    kept = asyncio.run(store.receive_async(stream(data), sha256=digest, limit=len(data), media_type="image/png"))
    assert kept.new
    assert store.get(digest) == data
    with pytest.raises(TooLargeError):
        asyncio.run(store.receive_async(stream(data), limit=len(data) - 1))


def test_a_cancelled_stream_leaves_nothing(tmp_path: Path) -> None:
    async def cancelled() -> None:
        begun = asyncio.Event()

        async def stuck() -> AsyncIterator[bytes]:
            yield bytes(3 << 20)
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(ArtefactStore(tmp_path).receive_async(stuck()))
        await begun.wait()
        assert len(names(tmp_path)) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert names(tmp_path) == []


def test_a_type_that_a_double_click_would_start_loses_its_name(tmp_path: Path) -> None:
    assert ArtefactStore(tmp_path).receive([b"#!"], media_type="application/x-sh").path.suffix == ".bin"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.tif", "image/tiff"), ("a.png", "image/png"), ("a.safetensors", "application/safetensors"),
     ("a.bin", "application/octet-stream"), ("a.strange", "application/octet-stream")],
)  # fmt: skip
def test_a_name_says_its_type(name: str, media_type: str) -> None:
    assert suffix_type(Path(name)) == media_type


def test_a_large_store_is_not_listed_for_each_artefact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ArtefactStore(tmp_path).put(b"old", "image/png")
    listings, scandir = list[Path](), os.scandir

    def counted(directory: Path) -> object:
        listings.append(directory)
        return scandir(directory)

    monkeypatch.setattr(os, "scandir", counted)
    store = ArtefactStore(tmp_path)
    digests = [store.put(bytes([n]), media_type) for n in range(20) for media_type in ("image/tiff", "text/csv")]
    assert [store.path(digest).read_bytes() for digest in digests[::2]] == [bytes([n]) for n in range(20)]
    assert store.put(b"old", "image/png") == hashlib.sha256(b"old").hexdigest()
    assert len(listings) == 1


def test_a_name_that_somebody_else_gave_is_found(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    store.put(b"first")
    digest = hashlib.sha256(b"by hand").hexdigest()
    (tmp_path / f"{digest}.hand.made").write_bytes(b"by hand")
    assert store.get(digest) == b"by hand"
    assert store.put(b"by hand") == digest
    assert len(list(tmp_path.iterdir())) == 2


def test_who_settles_a_large_artefact_keeps_no_other_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, reads, go = ArtefactStore(tmp_path), threading.Event(), threading.Event()
    large = store.put(b"large")

    def slow(path: Path) -> str:
        if path.name.startswith(large):
            reads.set()
            assert go.wait(10.0)
        return hash_of(path)

    monkeypatch.setattr("instruments.bulk.store.hash_of", slow)
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(store.receive, [b"large"])
        assert reads.wait(10.0)
        others = [store.receive([bytes([n])]) for n in range(8) if hash_slot(bytes([n])) != int(large[:2], 16) % 64]
        assert all(kept.new for kept in others)
        go.set()
        assert not again.result(10.0).new


def hash_slot(data: bytes) -> int:
    return int(hashlib.sha256(data).hexdigest()[:2], 16) % 64

"""Artefacts: files named by their content's SHA-256, written whole or not at all, and never silently changed.

While data arrive they are in a file whose name begins with a dot and which its writer holds locked: no listing shows
it, no reader finds it, and one that nobody holds is what a crash left behind. Several processes may share a directory.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import mimetypes
import os
import re
import shutil
import threading
from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, ParamSpec, Self, TypeVar

from instruments.artefacts import ArtefactError, sync_directory
from instruments.bulk.files import NoSpaceError, StoreError, hash_of, held, new_file, reading, storing

P = ParamSpec("P")
T = TypeVar("T")

SUFFIXES = {"image/tiff": ".tif", "image/png": ".png", "application/safetensors": ".safetensors"}
_TYPES = {suffix: media_type for media_type, suffix in SUFFIXES.items()}
# What a double click would start keeps no name that says so.
_STARTS = frozenset({".bat", ".cmd", ".com", ".csh", ".desktop", ".dll", ".exe", ".hta", ".js", ".msi", ".pl", ".py",
                     ".scr", ".sh", ".so", ".vbs"})  # fmt: skip
_DIGITS = 64
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 20
"""Bytes that are hashed and written at a time."""
_LOCKS = 64


class TooLargeError(ArtefactError):
    """More bytes came than are allowed."""


class WrongHashError(ArtefactError):
    """The bytes that came are not those that were announced."""


@dataclass(frozen=True)
class Kept:
    """An artefact in the store.

    Attributes:
        sha256: its name, 64 lower-case hexadecimal digits.
        bytes: its length.
        path: where it lies.
        new: False where the store had it already.
    """

    sha256: str
    bytes: int
    path: Path
    new: bool


class ArtefactStore:
    """Content-addressed files in a directory.

    Args:
        directory: made when the first artefact comes.
        reserve: bytes of the disk that arriving artefacts leave free.
    """

    def __init__(self, directory: Path, *, reserve: int = 0) -> None:
        self._directory = directory
        self.reserve = reserve
        self._names = itertools.count()
        self._suffixes: dict[str, None] = {}
        # By hash: who settles one artefact, and reads what is there for it, keeps nobody with another waiting.
        self._locks = tuple(threading.Lock() for _ in range(_LOCKS))

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory

    # Writing ----------------------------------------------------------------------------------------------------------

    def put(self, data: bytes, media_type: str = "application/octet-stream") -> str:
        """Keep bytes; returns their SHA-256, and then they are on the disk.

        Raises:
            StoreError: they cannot be written.
        """
        digest = hashlib.sha256(data).hexdigest()
        there = self._find_quickly(digest, _suffix(media_type))
        if there is not None and hash_of(there) == digest:
            return digest
        return self.receive([data], sha256=digest, media_type=media_type).sha256

    def receive(
        self,
        chunks: Iterable[bytes],
        *,
        sha256: str = "",
        limit: int | None = None,
        media_type: str = "application/octet-stream",
        length: int | None = None,
    ) -> Kept:
        """Keep a stream of bytes without holding it in memory; unless this returns, nothing of it stays.

        Args:
            chunks: the content.
            sha256: what its hash must be, empty when any is welcome.
            limit: most bytes.
            media_type: for the file's suffix.
            length: how many bytes are announced, to look for room first.

        Raises:
            TooLargeError: more than ``limit`` bytes came.
            WrongHashError: the content is not the announced one.
            StoreError: it cannot be written (``NoSpaceError`` when the disk is full).
        """
        with self.incoming(sha256=sha256, limit=limit, media_type=media_type, length=length) as incoming:
            for chunk in chunks:
                incoming.write(chunk)
            return incoming.commit()

    async def receive_async(
        self,
        chunks: AsyncIterable[bytes],
        *,
        sha256: str = "",
        limit: int | None = None,
        media_type: str = "application/octet-stream",
        length: int | None = None,
        reserve: int = 0,
    ) -> Kept:
        """``receive`` for an asynchronous stream: hashing and writing happen in threads.

        Args:
            chunks: the content.
            sha256: what its hash must be, empty when any is welcome.
            limit: most bytes.
            media_type: for the file's suffix.
            length: how many bytes are announced, to look for room first.
            reserve: bytes of the disk that this artefact leaves free, where the store's own reserve is less.

        Raises:
            TooLargeError: more than ``limit`` bytes came.
            WrongHashError: the content is not the announced one.
            StoreError: it cannot be written.
        """
        with self.incoming(
            sha256=sha256, limit=limit, media_type=media_type, length=length, reserve=reserve
        ) as incoming:
            block = bytearray()
            async for chunk in chunks:
                block += chunk
                if len(block) >= _BLOCK:
                    await _in_thread(incoming.write, bytes(block))
                    block.clear()
            await _in_thread(incoming.write, bytes(block))
            return await _in_thread(incoming.commit)

    def incoming(
        self,
        *,
        sha256: str = "",
        limit: int | None = None,
        media_type: str = "",
        length: int | None = None,
        reserve: int = 0,
    ) -> Incoming:
        """Open a file for an artefact that is to come: ``write`` it within the context, then ``commit``.

        Raises:
            StoreError: the file cannot be made, or there is no room for ``length`` bytes.
        """
        with storing(self._directory / (sha256 or "*")):
            self._directory.mkdir(parents=True, exist_ok=True)
            self._check_room(length or 0, max(reserve, self.reserve))
            temporary, file = new_file(self._directory, self._names)
        return Incoming(self, temporary, file, sha256=sha256, limit=limit, suffix=_suffix(media_type))

    def clean(self) -> int:
        """Remove what crashes have left half written; what others are writing now stays.

        Returns:
            How many files were removed.

        Raises:
            StoreError: the directory cannot be read, or a file not be removed.
        """
        removed = 0
        with storing(self._directory):
            for path in list(self._directory.glob(".*")) if self._directory.is_dir() else []:
                if path.suffix not in {".part", ".tmp"}:
                    continue
                with held(path) as free:
                    if free:
                        path.unlink(missing_ok=True)
                        removed += 1
        return removed

    def _check_room(self, length: int, reserve: int) -> None:
        if not length and not reserve:
            return
        free = shutil.disk_usage(self._directory).free
        if free < length + reserve:
            kept = f", {reserve / 1e6:.0f} MB of it reserved" if reserve else ""
            raise NoSpaceError(
                f"no room for {length / 1e6:.1f} MB in {self._directory} ({free / 1e6:.1f} MB free{kept}): "
                "free space on that disk"
            )

    def settle(self, temporary: Path, sha256: str, n_bytes: int, suffix: str) -> Kept:
        """Give a complete file its name, unless the same content is there already; durable when this returns."""
        with self._locks[int(sha256[:2], 16) % _LOCKS]:
            there = self._find_quickly(sha256, suffix)
            if there is not None and hash_of(there) == sha256:
                temporary.unlink()
                return Kept(sha256, n_bytes, there, new=False)
            target = there or self._directory / f"{sha256}{suffix}"  # what has decayed on the disk is replaced
            temporary.replace(target)
        if suffix not in self._suffixes:
            self._suffixes = {**self._suffixes, suffix: None}
        sync_directory(self._directory)
        return Kept(sha256, n_bytes, target, new=True)

    # Reading ----------------------------------------------------------------------------------------------------------

    def path(self, digest: str, *, verify: bool = False) -> Path:
        """Where an artefact lies.

        Raises:
            StoreError: it is not there, or, with ``verify``, its content has changed.
        """
        found = self._find(digest)
        if found is None:
            raise StoreError(f"artefact {digest[:12]} is missing from {self._directory}")
        if verify and hash_of(found) != digest:
            raise self._changed(digest)
        return found

    def get(self, digest: str) -> bytes:
        """Read an artefact and check it.

        Raises:
            StoreError: it is missing or its content has changed.
        """
        with reading(self.path(digest)) as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._changed(digest)
        return data

    def open(self, digest: str) -> BinaryIO:
        """Open an artefact at its beginning, its content checked; whoever calls closes it.

        Raises:
            StoreError: it is missing or its content has changed.
        """
        path = self.path(digest)
        with reading(path) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise self._changed(digest)
            file.seek(0)
            return os.fdopen(os.dup(file.fileno()), "rb")

    def __contains__(self, digest: str) -> bool:
        return self._find(digest) is not None

    def _find(self, digest: str) -> Path | None:
        # A name that no quick look finds may have been put there since, by hand or by another process.
        return self._find_quickly(digest) or self._find_by_listing(digest)

    def _find_quickly(self, digest: str, suffix: str = "") -> Path | None:
        """Look for an artefact under the suffixes that occur: a directory of 100,000 takes long to list."""
        if _DIGEST.fullmatch(digest) is None:  # anything else could be a pattern or a path
            return None
        if not self._suffixes:
            return self._find_by_listing(digest)
        candidates = (suffix, *self._suffixes) if suffix else tuple(self._suffixes)
        paths = (self._directory / f"{digest}{ending}" for ending in candidates)
        return next((path for path in paths if path.exists()), None)

    def _find_by_listing(self, digest: str) -> Path | None:
        if _DIGEST.fullmatch(digest) is None or not self._directory.is_dir():
            return None
        with os.scandir(self._directory) as entries:
            names = [entry.name for entry in entries if entry.name[_DIGITS : _DIGITS + 1] == "."]
        self._suffixes = {**self._suffixes, **dict.fromkeys(sorted({name[_DIGITS:] for name in names}))}
        found = sorted(name for name in names if name.startswith(digest))
        return self._directory / found[0] if found else None

    def _changed(self, digest: str) -> StoreError:
        return StoreError(f"artefact {digest[:12]} in {self._directory} has changed on disk")


class Incoming:
    """An artefact on its way into a store; leaving the context without ``commit`` leaves nothing behind."""

    def __init__(
        self, store: ArtefactStore, temporary: Path, file: BinaryIO, *, sha256: str, limit: int | None, suffix: str
    ) -> None:
        self._store = store
        self._temporary = temporary
        self._file = file
        self._expected = sha256
        self._limit = limit
        self._suffix = suffix
        self._hash = hashlib.sha256()
        self._n_bytes = 0

    def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            TooLargeError: with them it is more than allowed.
            StoreError: they cannot be written.
        """
        self._n_bytes += len(data)
        if self._limit is not None and self._n_bytes > self._limit:
            raise TooLargeError(f"more than the {self._limit} bytes that are allowed")
        self._hash.update(data)
        with storing(self._store.directory / (self._expected or "*")):
            self._file.write(data)

    def commit(self) -> Kept:
        """Keep what was written; it is on the disk when this returns.

        Raises:
            WrongHashError: it is not what was announced.
            StoreError: it cannot be kept.
        """
        found = self._hash.hexdigest()
        if self._expected and found != self._expected:
            raise WrongHashError(f"{self._n_bytes} bytes came with the SHA-256 {found}, not {self._expected}")
        with storing(self._store.directory / f"{found}{self._suffix}"):
            self._file.flush()
            os.fsync(self._file.fileno())
            return self._store.settle(self._temporary, found, self._n_bytes, self._suffix)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError:  # what is still buffered does not fit on the disk; it is not wanted any more
            pass
        finally:
            self._temporary.unlink(missing_ok=True)


def suffix_type(path: Path) -> str:
    """The media type that a file's name says."""
    return _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _suffix(media_type: str) -> str:
    """What a desktop opens it by; the name alone identifies it."""
    suffix = SUFFIXES.get(media_type) or mimetypes.guess_extension(media_type) or ".bin"
    return ".bin" if suffix in _STARTS else suffix


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run beside the loop; a cancellation waits for the end, for the file must not be closed under a writing thread."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise

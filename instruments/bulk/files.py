"""Files of an artefact store: made under a lock, read and hashed, and what goes wrong with them in one sentence."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from envs.errors import JournalError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class StoreError(JournalError):
    """The store cannot keep an artefact, or what it kept is gone or changed."""


class NoSpaceError(StoreError):
    """The disk of the store has no room."""


def new_file(directory: Path, names: Iterator[int]) -> tuple[Path, BinaryIO]:
    """A new file that only this process writes, locked while it is open; its name begins with a dot.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        path = directory / f".{os.getpid()}-{next(names)}.part"
        try:
            file = path.open("xb")
        except FileExistsError:  # left by an earlier process of this number
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same(path, file):
                return path, file
        except BlockingIOError:  # another process that cleans up has it, and removes it
            pass
        except OSError:  # a file system without locks: there nobody gets one to clean up either
            return path, file
        file.close()


def hash_of(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        StoreError: it cannot be read.
    """
    with reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same(path: Path, file: BinaryIO) -> bool:
    """Whether a name still belongs to an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold a file's lock; yields False where another process has it, or the file is gone."""
    try:
        file = path.open("rb")
    except OSError:
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield _same(path, file)


@contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """Open an artefact's file.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise StoreError(f"artefact {path} cannot be read: {error.strerror or error}") from error
    with file:
        yield file


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Say in one sentence why an artefact cannot be kept."""
    try:
        yield
    except OSError as error:
        kind = NoSpaceError if error.errno in _NO_ROOM else StoreError
        raise kind(
            f"artefact {path} cannot be written ({error.strerror or error}): free space on that disk, "
            "or make the directory writable"
        ) from error

"""Bulk data by reference, as devices make it; ``bulk.fetch`` is the agent's side."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from pathlib import Path

from envs.errors import InstrumentError
from instruments.messages import ArtefactRef

INLINE_LIMIT = 64 * 1024
"""Most bytes that travel inside a message."""


class ArtefactError(InstrumentError):
    """An artefact is too large for its message, cannot be read, or is not what its reference says."""


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that after a power cut it is there as a whole or not at all, and there once this returns.

    Args:
        path: in a directory that exists; a file that is there is replaced.
        data: its content.

    Raises:
        OSError: when it cannot be written; what was there before stays.
    """
    # Another process or thread that writes the same file has a name of its own; a dot keeps it out of every listing.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable, where the system lets one (Windows does not).

    Raises:
        OSError: when the disk refuses.
    """
    if os.name != "posix":
        return
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def inline_artefact(data: bytes, media_type: str) -> ArtefactRef:
    """Put a little data into the reference itself (RFC 2397).

    Raises:
        ArtefactError: when the data exceed 64 KB.
    """
    if len(data) > INLINE_LIMIT:
        raise ArtefactError(f"{len(data)} bytes cannot travel inline (limit {INLINE_LIMIT}): write a file instead")
    uri = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return ArtefactRef(uri=uri, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), media_type=media_type)


def file_artefact(path: Path, media_type: str) -> ArtefactRef:
    """Refer to a file that the agent can reach.

    Raises:
        ArtefactError: when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            n_bytes = file.tell()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error}") from error
    return ArtefactRef(uri=path.resolve().as_uri(), sha256=digest, bytes=n_bytes, media_type=media_type)

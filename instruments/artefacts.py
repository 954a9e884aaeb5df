"""Bulk data by reference: made by devices, fetched and verified by agents."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

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
    # Another process that writes the same file has a name of its own; a dot keeps it out of every listing.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
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
        data = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error}") from error
    digest = hashlib.sha256(data).hexdigest()
    return ArtefactRef(uri=path.resolve().as_uri(), sha256=digest, bytes=len(data), media_type=media_type)


def read_artefact(ref: ArtefactRef) -> bytes:
    """Fetch what a reference points to, and verify it.

    Raises:
        ArtefactError: when the scheme is neither ``file`` nor ``data``, the data cannot be read, or the hash differs.
    """
    parts = urlsplit(ref.uri)
    try:
        if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
            data = Path(unquote(parts.path)).read_bytes()
        elif parts.scheme == "data" and ";base64," in ref.uri:
            data = base64.b64decode(ref.uri.split(";base64,", 1)[1], validate=True)
        else:
            raise ArtefactError(f"cannot fetch {ref.uri[:80]}: only local file: and base64 data: URIs are known")
    except (OSError, ValueError) as error:
        raise ArtefactError(f"cannot fetch {ref.uri[:80]}: {error}") from error
    if len(data) != ref.bytes or hashlib.sha256(data).hexdigest() != ref.sha256:
        raise ArtefactError(f"{ref.uri[:80]} is not what was announced: its hash or length differs")
    return data

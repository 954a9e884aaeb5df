"""Where a device puts bulk data: in the message, in the agent's store, or in a directory of its own."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from pathlib import Path

from instruments.artefacts import INLINE_LIMIT, ArtefactError, file_artefact, inline_artefact, write_durably
from instruments.clock import Sleeper
from instruments.messages import ArtefactRef, UploadTicket

_log = logging.getLogger(__name__)

_LEFT_OVER = re.compile(r"\.[0-9a-f]{64}\.[0-9]+-[0-9]+\.tmp")


async def keep_artefact(
    data: bytes | Path,
    media_type: str,
    *,
    ticket: UploadTicket | None,
    directory: Path | None,
    sleeper: Sleeper,
    ca: Path | None = None,
) -> ArtefactRef:
    """Put data where the agent finds them, and refer to them.

    Args:
        data: the content, or the file that holds it.
        media_type: such as ``image/tiff``.
        ticket: leave to put them into the agent's store, as the order brought it.
        directory: of the device, which the agent can read; used when there is no ticket.
        sleeper: waits between tries.
        ca: PEM file of the authority that signed the certificate of the agent's store, instead of the system's.

    Raises:
        ArtefactError: when they are too large for the message and there is no other place, or it fails.
    """
    n_bytes = await asyncio.to_thread(_size, data)
    if n_bytes <= INLINE_LIMIT:
        return inline_artefact(await asyncio.to_thread(_content, data), media_type)
    if ticket is not None:
        from instruments.bulk.upload import upload

        return await upload(ticket, data, media_type, sleeper=sleeper, ca=ca)
    if directory is not None:
        return await asyncio.to_thread(_file, data, media_type, directory)
    raise ArtefactError(
        f"{n_bytes} bytes have no place to go: the order has no upload ticket, and the device no artefact directory"
    )


def remove_leftovers(directory: Path) -> int:
    """Remove what a crash left half written in a device's own directory; for when no driver is at work there.

    Args:
        directory: of the device; it need not be there.

    Returns:
        How many files were removed.
    """
    removed = 0
    try:
        for path in list(directory.iterdir()) if directory.is_dir() else []:
            if _LEFT_OVER.fullmatch(path.name):
                path.unlink(missing_ok=True)
                removed += 1
    except OSError as error:  # they only take room
        _log.warning("what a crash left half written in %s cannot be removed: %s", directory, error)
    return removed


def _size(data: bytes | Path) -> int:
    try:
        return len(data) if isinstance(data, bytes) else data.stat().st_size
    except OSError as error:
        raise ArtefactError(f"{data!s} cannot be read: {error}") from error


def _content(data: bytes | Path) -> bytes:
    try:
        return data if isinstance(data, bytes) else data.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{data!s} cannot be read: {error}") from error


def _file(data: bytes | Path, media_type: str, directory: Path) -> ArtefactRef:
    content = _content(data)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / hashlib.sha256(content).hexdigest()
        if not path.exists():
            write_durably(path, content)
    except OSError as error:
        raise ArtefactError(f"{directory} cannot keep an artefact of {len(content)} bytes: {error}") from error
    return file_artefact(path, media_type)

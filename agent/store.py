"""Artefacts: files named by their content's SHA-256, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from envs.errors import JournalError

SUFFIXES = {"image/tiff": ".tif", "image/png": ".png", "application/safetensors": ".safetensors"}


class ArtefactStore:
    """Content-addressed files in a directory.

    Args:
        directory: made when the first artefact comes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, data: bytes, media_type: str) -> str:
        """Keep bytes; returns their SHA-256. Written to a temporary file, flushed to disk, then renamed."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._directory / f"{digest}{SUFFIXES[media_type]}"
        if path.exists():
            return digest
        self._directory.mkdir(parents=True, exist_ok=True)
        # A name that no digest matches: what a crash leaves half-written is never taken for the artefact.
        temporary = self._directory / f".{digest}.{os.getpid()}"
        try:
            with temporary.open("wb") as handle:
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return digest

    def path(self, digest: str) -> Path:
        """Where an artefact lies.

        Raises:
            JournalError: it is not there.
        """
        found = sorted(self._directory.glob(f"{digest}.*"))
        if not found:
            raise JournalError(f"artefact {digest[:12]} is missing from {self._directory}")
        return found[0]

    def get(self, digest: str) -> bytes:
        """Read an artefact and check it.

        Raises:
            JournalError: it is missing or its content has changed.
        """
        data = self.path(digest).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise JournalError(f"artefact {digest[:12]} in {self._directory} has changed on disk")
        return data

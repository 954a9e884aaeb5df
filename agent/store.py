"""Artefacts: files named by their content's SHA-256, written whole or not at all."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from envs.errors import JournalError
from instruments.artefacts import write_durably

SUFFIXES = {"image/tiff": ".tif", "image/png": ".png", "application/safetensors": ".safetensors"}


class ArtefactStore:
    """Content-addressed files in a directory.

    Args:
        directory: made when the first artefact comes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, data: bytes, media_type: str) -> str:
        """Keep bytes; returns their SHA-256, and then they are on the disk.

        Raises:
            JournalError: they cannot be written.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self._directory / f"{digest}{_suffix(media_type)}"
        if path.exists():
            return digest
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            write_durably(path, data)
        except OSError as error:
            raise JournalError(
                f"artefact {path} cannot be written ({error.strerror or error}): free space on that disk, "
                "or make the directory writable, and continue with --resume"
            ) from error
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


def _suffix(media_type: str) -> str:
    """What a desktop opens it by; the name alone identifies it."""
    return SUFFIXES.get(media_type) or mimetypes.guess_extension(media_type) or ".bin"

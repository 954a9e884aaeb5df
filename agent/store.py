"""The campaign's artefacts: what the record refers to by its SHA-256."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from instruments.bulk import store as artefact_store
from instruments.bulk.files import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable


class ArtefactStore(artefact_store.ArtefactStore):
    """The store of ``instruments``, which here tells a person how the campaign goes on when the disk is full."""

    @override
    def receive(
        self,
        chunks: Iterable[bytes],
        *,
        sha256: str = "",
        limit: int | None = None,
        media_type: str = "application/octet-stream",
        length: int | None = None,
    ) -> artefact_store.Kept:
        try:
            return super().receive(chunks, sha256=sha256, limit=limit, media_type=media_type, length=length)
        except StoreError as error:
            raise type(error)(f"{error}, and continue with --resume") from error

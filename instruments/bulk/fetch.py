"""The agent's side of references: what they point to is fetched, within what the agent allows, and verified."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from instruments.artefacts import ArtefactError
from instruments.bulk.files import StoreError
from instruments.bulk.http import BLOCK, Opened, connect, explain, in_own_thread
from instruments.bulk.store import ArtefactStore
from instruments.messages import ArtefactRef

FETCH_LIMIT = 1 << 30
"""Most bytes that are fetched when nothing else is said: 1 GiB."""
_SHOWN = 80
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Sources:
    """Where artefacts may come from: a reference is a stranger's word, and must not make the agent read its own disk.

    Attributes:
        directories: below which ``file:`` URIs are read; any file when None.
        origins: beginnings of ``http(s)`` URIs that are asked: none unless named, any server when None.
        own: the agent's endpoint and its store: URIs below the first are read from the second.
        token: sent to the ``origins`` alone (a bearer token).
        ca: PEM file of the authority to trust instead of the system's.
        limit: most bytes of one artefact.
        timeout_s: for connecting and for each read.
    """

    directories: Sequence[Path] | None = None
    origins: Sequence[str] | None = ()
    own: tuple[str, ArtefactStore] | None = None
    token: str = ""
    ca: Path | None = None
    limit: int = FETCH_LIMIT
    timeout_s: float = 30.0


async def fetch(ref: ArtefactRef, sources: Sources | None = None) -> bytes:
    """``read`` in a thread, which ends when this is cancelled.

    Raises:
        ArtefactError: as ``read`` does.
    """
    return await in_own_thread(lambda opened: read(ref, sources, opened=opened))


def read(ref: ArtefactRef, sources: Sources | None = None, *, opened: Opened = lambda _: None) -> bytes:
    """Fetch what a reference points to, and verify its length and hash.

    Args:
        ref: with a ``file``, ``data``, ``http`` or ``https`` URI.
        sources: what is allowed; by default every local file and no server.
        opened: is told of the connection to a server before it is used.

    Raises:
        ArtefactError: the scheme is unknown, the place not allowed, the data cannot be read, too large, or not what
            was announced.
    """
    sources = sources or Sources()
    shown = ref.uri[:_SHOWN]
    if ref.bytes > sources.limit:
        raise ArtefactError(f"{shown} announces {ref.bytes} bytes, more than the {sources.limit} that are fetched")
    try:
        data = _read(ref, sources, opened)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ArtefactError(f"cannot fetch {shown}: {str(error) or type(error).__name__}") from error
    if len(data) != ref.bytes or hashlib.sha256(data).hexdigest() != ref.sha256:
        raise ArtefactError(f"{shown} is not what was announced: its hash or length differs")
    return data


def _read(ref: ArtefactRef, sources: Sources, opened: Opened) -> bytes:
    parts = urlsplit(ref.uri)
    if parts.scheme == "data" and ";base64," in ref.uri:
        return base64.b64decode(ref.uri.split(";base64,", 1)[1], validate=True)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return _read_file(Path(url2pathname(parts.path)), ref, sources.directories)
    if parts.scheme in {"http", "https"}:
        return _read_http(ref, sources, opened)
    if parts.scheme == "s3":
        raise ArtefactError(
            f"cannot fetch {ref.uri[:_SHOWN]}: s3: URIs are not supported; "
            "let the device upload to the ticket of its order, or give an https: URI signed in advance"
        )
    raise ArtefactError(
        f"cannot fetch {ref.uri[:_SHOWN]}: only local file:, base64 data:, http: and https: URIs are read"
    )


# Files ----------------------------------------------------------------------------------------------------------------


def _read_file(path: Path, ref: ArtefactRef, directories: Sequence[Path] | None) -> bytes:
    """Read at most one byte more than announced, of a regular file below the allowed directories."""
    real = path.resolve(strict=directories is None)
    if directories is not None and not any(real.is_relative_to(d.resolve()) for d in directories):
        raise ArtefactError(f"cannot fetch {ref.uri[:_SHOWN]}: it is in no directory that instruments' files come from")
    # Links were followed above and are not followed again; a pipe in a file's place would wait for ever.
    with os.fdopen(os.open(real, os.O_RDONLY | _NO_FOLLOW), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ArtefactError(f"cannot fetch {ref.uri[:_SHOWN]}: not a regular file")
        if path.resolve() != real:
            raise ArtefactError(f"cannot fetch {ref.uri[:_SHOWN]}: it moved while it was opened")
        return file.read(ref.bytes + 1)


# HTTP -----------------------------------------------------------------------------------------------------------------


def _read_http(ref: ArtefactRef, sources: Sources, opened: Opened) -> bytes:
    if sources.own is not None and _below(ref.uri, sources.own[0]):
        return _read_own(ref, *sources.own)
    if sources.origins is not None and not any(_below(ref.uri, origin) for origin in sources.origins):
        others = f": it names {', '.join(sources.origins)}" if sources.origins else ""
        raise ArtefactError(
            f"cannot fetch {ref.uri[:_SHOWN]}: a server is asked only when it is named in Sources(origins=...){others}"
        )
    connection, path = connect(ref.uri, ca=sources.ca, timeout_s=sources.timeout_s)
    opened(connection)
    headers = {"Authorization": f"Bearer {sources.token}"} if sources.token and sources.origins is not None else {}
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if 300 <= answer.status < 400:
            raise ArtefactError(f"cannot fetch {ref.uri[:_SHOWN]}: redirections are not followed")
        if answer.status != 200:
            raise ArtefactError(f"cannot fetch {ref.uri[:_SHOWN]}: {explain(answer)}")
        return _take(answer, ref.bytes + 1)
    finally:
        connection.close()


def _take(answer: http.client.HTTPResponse, most: int) -> bytes:
    """At most so many bytes, in pieces: a length that is only announced takes no memory."""
    taken = io.BytesIO()
    while taken.tell() < most and (block := answer.read(min(BLOCK, most - taken.tell()))):
        taken.write(block)
    return taken.getvalue()


def _read_own(ref: ArtefactRef, base: str, store: ArtefactStore) -> bytes:
    name = ref.uri[len(base.rstrip("/")) + 1 :]
    if name != ref.sha256:
        raise ArtefactError(f"cannot fetch {ref.uri[:_SHOWN]}: the URI and the announced hash differ")
    try:
        return store.get(name)
    except StoreError as error:
        raise ArtefactError(f"cannot fetch {ref.uri[:_SHOWN]}: {error}") from error


def _below(uri: str, base: str) -> bool:
    """Whether a URI begins with a base, up to the end of one of its levels."""
    parts, wanted = urlsplit(uri), urlsplit(base)
    if (parts.scheme, parts.netloc) != (wanted.scheme, wanted.netloc) or not parts.netloc:
        return False
    # A server may make anything of dots and their codes.
    if any(segment in {".", ".."} for segment in parts.path.split("/")) or "%" in parts.path:
        return parts.path == wanted.path
    return f"{parts.path}/".startswith(f"{wanted.path.rstrip('/')}/")

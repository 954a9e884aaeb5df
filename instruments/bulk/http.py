"""Plain HTTP by the standard library, for devices and agents that carry artefacts: one request a connection."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from instruments import own_thread
from instruments.artefacts import ArtefactError

T = TypeVar("T")
Opened = Callable[[http.client.HTTPConnection], None]
"""Is told of a connection before it is used."""

BLOCK = 1 << 20
"""Bytes that are read and sent at a time."""
_SHOWN = 300
_MOST_WORDS = 64 * 1024


class Answer(Protocol):
    """What explains itself: an ``http.client.HTTPResponse``."""

    status: int
    reason: str

    def read(self, amt: int | None = None) -> bytes:
        """Bytes of the body."""
        ...


async def in_own_thread(function: Callable[[Opened], T]) -> T:
    """Run a function that waits for servers; when this is cancelled its connections are cut, and so it ends.

    With all of the loop's own threads waiting for a server in the same process, that server would have none to answer.

    Args:
        function: is given what it must tell of each connection.

    Raises:
        Exception: what the function raises.
    """
    connections = list[http.client.HTTPConnection]()
    try:
        return await own_thread.run(partial(function, connections.append), name="artefact")
    finally:
        for connection in connections:
            if isinstance(sock := connection.sock, socket.socket):
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


def connect(uri: str, *, ca: Path | None = None, timeout_s: float = 30.0) -> tuple[http.client.HTTPConnection, str]:
    """A connection that is not open yet, and the path to ask for; environment variables for proxies do not count.

    Args:
        uri: ``http`` or ``https``; for the latter the server's certificate and name are verified.
        ca: PEM file of the authority to trust instead of the system's.
        timeout_s: for connecting and for each read and write.

    Raises:
        ArtefactError: when the URI is neither, or the authority's file cannot be read.
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ArtefactError(f"{uri[:80]} has no valid host or port") from error
    if parts.scheme not in {"http", "https"} or not host or parts.username is not None:
        raise ArtefactError(f"{uri[:80]} is not an http or https address without a user")
    path = parts.path + (f"?{parts.query}" if parts.query else "") or "/"
    if any(not "!" <= c <= "~" for c in path):
        raise ArtefactError(f"{uri[:80]!r} has characters that must be percent-encoded")
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout_s, blocksize=BLOCK), path
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ArtefactError(f"the authority's certificate {ca} cannot be read: {error}") from error
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, blocksize=BLOCK, context=context), path


def explain(answer: Answer) -> str:
    """What a server said, in a line: the status, and the detail of a problem (RFC 9457) or the first words."""
    try:
        body = answer.read(_MOST_WORDS)
    except (OSError, http.client.HTTPException):
        body = b""
    try:
        problem = json.loads(body)
        words = problem.get("detail") or problem.get("title") or ""
    except (ValueError, AttributeError, RecursionError):
        words = body.decode(errors="replace")
    words = " ".join(str(words).split())[:_SHOWN]
    return f"{answer.status} {answer.reason}" + (f": {words}" if words else "")

"""The device's side of bulk data: HTTP PUT to the place that an order's ticket names, by the standard library."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import io
import json
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from instruments.artefacts import ArtefactError
from instruments.bulk.http import Opened, connect, explain, in_own_thread
from instruments.clock import Sleeper
from instruments.messages import ArtefactRef, UploadTicket

ATTEMPTS = 6
"""Tries of one upload before it is given up."""
_COME_BACK = frozenset({408, 429})
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_MOST_WORDS = 64 * 1024


class _PassingError(Exception):
    """An attempt that may succeed another time."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        self.after_s = after_s
        super().__init__(message)


async def upload(
    ticket: UploadTicket,
    data: bytes | Path,
    media_type: str,
    *,
    sleeper: Sleeper = asyncio.sleep,
    attempts: int = ATTEMPTS,
    timeout_s: float = 30.0,
    ca: Path | None = None,
) -> ArtefactRef:
    """Put bulk data into the agent's store; once this returns they are on its disk.

    Args:
        ticket: of the order that the data belong to.
        data: the content, or the file that holds it, which is read piece by piece.
        media_type: such as ``image/tiff``.
        sleeper: waits between attempts, 0.5 s at first and then twice as long each time.
        attempts: tries when the connection fails or the server has trouble (5xx, and 408 and 429, which say that a
            connection was too slow or there are too many); what it refuses (4xx) is final.
        timeout_s: for connecting and for each read and write.
        ca: PEM file of the authority to trust instead of the system's.

    Returns:
        The reference for the job's result.

    Raises:
        ArtefactError: the file cannot be read, the data exceed the ticket's limit, the server refuses them, or no
            attempt succeeded; the message says what the server said.
    """
    sha256, n_bytes = await asyncio.to_thread(_measure, data)
    if n_bytes > ticket.limit:
        raise ArtefactError(f"{n_bytes} bytes are more than the {ticket.limit} that the agent takes")
    ref = ArtefactRef(uri=f"{ticket.uri.rstrip('/')}/{sha256}", sha256=sha256, bytes=n_bytes, media_type=media_type)
    for attempt in range(1, attempts + 1):
        put = _Put(ref, ticket.token, data, timeout_s, ca)
        try:
            await in_own_thread(put.run)
        except _PassingError as error:
            if attempt == attempts:
                raise ArtefactError(f"upload to {ref.uri} failed {attempts} times, at last: {error}") from error
            await sleeper(max(_wait_s(attempt, sha256), error.after_s))
        else:
            break
    return ref


def _wait_s(attempt: int, sha256: str) -> float:
    """Twice as long each time; the hash spreads devices that failed together over half of it."""
    spread = int(sha256[:4], 16) / 0xFFFF
    return float(min(_FIRST_WAIT_S * 2 ** (attempt - 1), _LONGEST_WAIT_S)) * (0.5 + 0.5 * spread)


def _open(data: bytes | Path) -> io.BufferedReader | io.BytesIO:
    return data.open("rb") if isinstance(data, Path) else io.BytesIO(data)


def _measure(data: bytes | Path) -> tuple[str, int]:
    """SHA-256 and length."""
    try:
        with _open(data) as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.seek(0, io.SEEK_END)
    except OSError as error:
        raise ArtefactError(f"{data!s:.200} cannot be read: {error.strerror or error}") from error


@dataclass(frozen=True)
class _Put:
    """One attempt, for a thread of its own."""

    ref: ArtefactRef
    token: str
    data: bytes | Path
    timeout_s: float
    ca: Path | None

    def run(self, opened: Opened) -> None:
        """PUT once.

        Raises:
            ArtefactError: for good.
            _PassingError: for this time.
        """
        connection, path = connect(self.ref.uri, ca=self.ca, timeout_s=self.timeout_s)
        opened(connection)
        try:
            self._check(self._exchange(connection, path))
        finally:
            connection.close()

    def _exchange(self, connection: http.client.HTTPConnection, path: str) -> http.client.HTTPResponse:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": self.ref.media_type,
            "Content-Length": str(self.ref.bytes),
        }
        try:
            file = _open(self.data)
        except OSError as error:
            raise ArtefactError(f"{self.data!s:.200} cannot be read: {error.strerror or error}") from error
        with file:
            try:
                with suppress(BrokenPipeError, ConnectionResetError):  # a server that refuses may have answered already
                    connection.request("PUT", path, body=file, headers=headers)
                return connection.getresponse()
            except ssl.SSLCertVerificationError as error:  # no other try would make it trusted
                raise ArtefactError(f"{connection.host}:{connection.port} is not trusted: {error}") from error
            except (OSError, http.client.HTTPException) as error:
                words = str(error) or type(error).__name__
                raise _PassingError(f"no answer from {connection.host}:{connection.port} ({words})") from error

    def _check(self, answer: http.client.HTTPResponse) -> None:
        if answer.status >= 500 or answer.status in _COME_BACK:
            after = answer.getheader("Retry-After", "")
            raise _PassingError(explain(answer), min(float(after), _LONGEST_WAIT_S) if after.isdecimal() else 0.0)
        if answer.status not in {200, 201}:
            raise ArtefactError(f"{self.ref.uri} does not take the data: {explain(answer)}")
        try:
            words = answer.read(_MOST_WORDS)
        except (OSError, http.client.HTTPException) as error:
            raise _PassingError(f"the answer broke off ({error})") from error
        if answer.length and len(words) < _MOST_WORDS:
            raise _PassingError(f"the answer broke off, {answer.length} bytes before its end")
        try:
            named = json.loads(words).get("sha256")
        except (ValueError, AttributeError, RecursionError):
            named = None
        if named != self.ref.sha256:
            raise ArtefactError(f"{self.ref.uri} answers for other data (SHA-256 {str(named)[:64]!r}): is it a store?")

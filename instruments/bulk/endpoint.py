"""The HTTP resource ``/artefacts/{sha256}``: PUT, GET and HEAD, with a job's token; plain ASGI.

What is refused is refused before it is read where a header suffices, and while it is read where a header lied. Errors
are problems (RFC 9457) in words for whoever writes a driver. From a shell, with URI and TOKEN of an order's ticket::

    curl -T scan.tif -H "Authorization: Bearer $TOKEN" -H "Content-Type: image/tiff" \
        "$URI/$(sha256sum < scan.tif | cut -c -64)"
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

from instruments.bulk.files import NoSpaceError, StoreError
from instruments.bulk.quotas import BusyQuotaError, QuotaError, Quotas, Share
from instruments.bulk.store import ArtefactStore, Kept, TooLargeError, WrongHashError, suffix_type
from instruments.bulk.tickets import Grant, TicketError, Tickets

_log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Iterable[tuple[str, str]]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LENGTH = re.compile(r"[0-9]{1,15}")
_MEDIA_TYPE = re.compile(r"(?:application|audio|chemical|image|model|text|video)/[A-Za-z0-9_.+\-]{1,100}")
_BLOCK = 1 << 18
_NO_END = 1 << 50
_NOT_RUN = "default-src 'none'; sandbox"


@dataclass(frozen=True)
class Limits:
    """What one client may take from the others.

    Attributes:
        uploads: at a time, and artefacts that are checked before they are given; further ones wait.
        wait_s: for a turn; then the client is told to come back later.
        idle_s: without a byte.
        rate: bytes a second below which an upload or a download is given up, after ``idle_s``.
        linger_s: how long what a refused client still sends is read and dropped, for it to read the answer.
        header_s: until a request's headers are there.
        header_bytes: most bytes of them.
        connections: at a time.
        stop_s: what is under way may go on when the server stops.
        artefacts: a job brings at most so many times its ticket's limit in all, counted since the server started.
        reserve: bytes of the disk that stay free.
    """

    uploads: int = 16
    wait_s: float = 10.0
    idle_s: float = 15.0
    rate: float = 64 * 1024
    linger_s: float = 2.0
    header_s: float = 10.0
    header_bytes: int = 16 * 1024
    connections: int = 512
    stop_s: float = 3.0
    artefacts: int = 4
    reserve: int = 256 << 20

    def allowed_s(self, n_bytes: int) -> float:
        """How long the transfer of so many bytes may take."""
        return self.idle_s + n_bytes / self.rate


class ProblemError(Exception):
    """A request is refused with this status; the message tells the client why."""

    def __init__(self, status: HTTPStatus, message: str, headers: Headers = ()) -> None:
        self.status = status
        self.headers = list(headers)
        super().__init__(message)


class _GoneError(Exception):
    """The client has hung up."""


def problem(status: HTTPStatus, message: str) -> bytes:
    """The body of a refusal."""
    return json.dumps({"title": status.phrase, "status": status.value, "detail": message}).encode()


PROBLEM = "application/problem+json"


class ArtefactEndpoint:
    """The resource as an ASGI application; its path parameter is ``sha256``.

    Args:
        store: where artefacts go.
        tickets: checks tokens.
        admits: whether a job may still bring artefacts, by its id; all may when it is None.
        limits: of clients.
    """

    def __init__(
        self,
        store: ArtefactStore,
        tickets: Tickets,
        *,
        admits: Callable[[str], bool] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._store = store
        self._tickets = tickets
        self._admits = admits
        self._limits = limits or Limits()
        self._turns = asyncio.Semaphore(self._limits.uploads)
        self._quotas = Quotas()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        call = _Call(scope, receive, send, self._limits)
        try:
            await self._answer(call)
        except ProblemError as refusal:
            await call.refuse(refusal)
        except _GoneError:
            _log.info("a client hung up before its artefact was whole; nothing of it is kept")

    async def _answer(self, call: _Call) -> None:
        if call.method not in {"PUT", "GET", "HEAD"}:
            words = "an artefact can be PUT, and read by GET and HEAD"
            raise ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, words, [("allow", "GET, HEAD, PUT")])
        if call.header_bytes > self._limits.header_bytes:  # a server bounds them loosely, by what it reads at a time
            words = f"more than {self._limits.header_bytes} bytes of headers"
            raise ProblemError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, words)
        grant = self._grant(call)
        digest = call.digest
        if _DIGEST.fullmatch(digest) is None:
            words = "the path must end in the content's SHA-256 as 64 lower-case hexadecimal digits"
            raise ProblemError(HTTPStatus.BAD_REQUEST, words)
        if call.method == "PUT":
            await self._put(call, digest, grant)
        else:
            await self._get(call, digest)

    def _grant(self, call: _Call) -> Grant:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            words = "say the ticket's token in the header 'Authorization: Bearer TOKEN'"
            raise ProblemError(HTTPStatus.UNAUTHORIZED, words, [("www-authenticate", "Bearer")])
        try:
            grant = self._tickets.check(token.strip())
        except TicketError as error:
            headers = [("www-authenticate", 'Bearer error="invalid_token"')]
            raise ProblemError(HTTPStatus.UNAUTHORIZED, str(error), headers) from error
        if self._admits is not None and not self._admits(grant.job):
            raise ProblemError(HTTPStatus.FORBIDDEN, f"job {grant.job} brings no artefacts here, or none any more")
        return grant

    # PUT --------------------------------------------------------------------------------------------------------------

    async def _put(self, call: _Call, digest: str, grant: Grant) -> None:
        media_type = call.media_type()
        length = call.length(grant.limit)
        async with self._turn():
            with await self._share(grant, length, digest) as share:
                kept = await self._receive(call, digest, length, media_type)
                share.keep(kept.bytes if kept.new else 0)
        body = {"sha256": kept.sha256, "bytes": kept.bytes, "media_type": media_type}
        status = HTTPStatus.CREATED if kept.new else HTTPStatus.OK
        headers = [("location", call.path)] if kept.new else []
        await call.reply(status, json.dumps(body).encode(), "application/json", headers)

    async def _share(self, grant: Grant, length: int, digest: str) -> Share:
        """Leave for so many more bytes of a job; what the store has, as when its answer was lost, takes none."""
        most = self._limits.artefacts * grant.limit
        try:
            return self._quotas.share(grant.job, length, most)
        except (QuotaError, BusyQuotaError) as error:
            if await asyncio.to_thread(self._store.__contains__, digest):
                return self._quotas.share(grant.job, 0, most)
            if isinstance(error, QuotaError):
                raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from error
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), [("retry-after", "1")]) from error

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await self._turns.acquire()
        except TimeoutError as error:
            words = f"{self._limits.uploads} uploads are under way: come back later"
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, words, [("retry-after", "1")]) from error
        try:
            yield
        finally:
            self._turns.release()

    async def _receive(self, call: _Call, digest: str, length: int, media_type: str) -> Kept:
        try:
            return await self._store.receive_async(
                call.body(length),
                sha256=digest,
                limit=length,
                media_type=media_type,
                length=length,
                reserve=self._limits.reserve,
            )
        except TimeoutError as error:
            words = f"slower than {self._limits.rate / 1024:.0f} KiB/s, or silent for {self._limits.idle_s:.0f} s"
            raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, words) from error
        except WrongHashError as error:
            words = f"{error}: the content is not what the path says"
            raise ProblemError(HTTPStatus.BAD_REQUEST, words) from error
        except TooLargeError as error:
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{error} by Content-Length") from error
        except NoSpaceError as error:
            _log.warning("an artefact was refused: %s", error)
            words = "the store's disk is full"
            raise ProblemError(HTTPStatus.INSUFFICIENT_STORAGE, words) from error
        except StoreError as error:
            _log.error("an artefact was refused: %s", error)
            words = "the store cannot write"
            raise ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, words) from error

    # GET --------------------------------------------------------------------------------------------------------------

    async def _get(self, call: _Call, digest: str) -> None:
        path, length = await asyncio.to_thread(self._look, digest)
        headers = [
            ("content-disposition", f'attachment; filename="{path.name}"'),
            ("etag", f'"{digest}"'),
            ("cache-control", "private, immutable"),
        ]
        if call.method == "HEAD":
            await call.begin(HTTPStatus.OK, suffix_type(path), length, headers)
            await call.send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        async with self._turn():  # it is read as a whole, and hashed, before its first byte is sent
            file = await asyncio.to_thread(self._open, digest)
        with file:
            length = file.seek(0, 2)
            file.seek(0)
            await call.begin(HTTPStatus.OK, suffix_type(path), length, headers)
            try:
                async with asyncio.timeout(self._limits.allowed_s(length)):
                    await self._send_file(call, file)
            except TimeoutError:
                _log.info("a client took an artefact too slowly; the connection is closed")
                # The announced length is not reached: no reader takes this for the whole.

    def _look(self, digest: str) -> tuple[Path, int]:
        """An artefact's place and length; in a thread, as a large store may be searched for a while."""
        if digest not in self._store:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"there is no artefact {digest}")
        try:
            path = self._store.path(digest)
            return path, path.stat().st_size
        except (StoreError, OSError) as error:
            raise _unreadable(error) from error

    def _open(self, digest: str) -> BinaryIO:
        """Its content, checked."""
        try:
            return self._store.open(digest)
        except StoreError as error:
            raise _unreadable(error) from error

    @staticmethod
    async def _send_file(call: _Call, file: BinaryIO) -> None:
        while block := await asyncio.to_thread(file.read, _BLOCK):
            await call.send({"type": "http.response.body", "body": block, "more_body": True})
        await call.send({"type": "http.response.body", "body": b"", "more_body": False})


def _unreadable(error: Exception) -> ProblemError:
    _log.error("an artefact was not given: %s", error)
    words = "the artefact has changed on the store's disk, or cannot be read"
    return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, words)


class _Call:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: Limits) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.digest: str = scope.get("path_params", {}).get("sha256", "")
        self.headers: Mapping[str, str] = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        self.header_bytes = sum(len(k) + len(v) for k, v in scope["headers"])
        self.send = send
        self._receive = receive
        self._limits = limits
        self._whole = self.method != "PUT"

    def media_type(self) -> str:
        """Of the content, without parameters."""
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if _MEDIA_TYPE.fullmatch(media_type) is None:
            words = f"Content-Type must be the artefact's media type, such as image/tiff, not {media_type[:80]!r}"
            raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
        if self.headers.get("content-encoding", "identity").strip().lower() != "identity":
            words = "Content-Encoding is not supported: send the bytes whose hash the path says"
            raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
        return media_type

    def length(self, limit: int) -> int:
        """Announced bytes, at most ``limit``."""
        text = self.headers.get("content-length", "")
        if "transfer-encoding" in self.headers or not text:
            words = "say Content-Length; a body in chunks is not taken"
            raise ProblemError(HTTPStatus.LENGTH_REQUIRED, words)
        if _LENGTH.fullmatch(text) is None:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "Content-Length must be a whole number of bytes")
        if int(text) > limit:
            words = f"{text} bytes are more than the {limit} that the ticket allows"
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
        return int(text)

    async def body(self, length: int) -> AsyncIterator[bytes]:
        """The content as it comes; only the time for which the client is waited for counts against it.

        Raises:
            TimeoutError: nothing came for too long, or too little.
        """
        left, now = self._limits.allowed_s(length), asyncio.get_running_loop().time
        while not self._whole:
            began = now()
            async with asyncio.timeout(min(self._limits.idle_s, left)):
                message = await self._receive()
            left -= now() - began
            if message["type"] == "http.disconnect":
                raise _GoneError
            self._whole = not message.get("more_body", False)
            yield message.get("body", b"")

    async def begin(self, status: HTTPStatus, media_type: str, length: int, headers: Headers = ()) -> None:
        """Send the answer's headers."""
        pairs = [
            ("content-type", media_type),
            ("content-length", str(length)),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", _NOT_RUN),
            *headers,
        ]
        encoded = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in pairs]
        await self.send({"type": "http.response.start", "status": status.value, "headers": encoded})

    async def reply(self, status: HTTPStatus, body: bytes, media_type: str, headers: Headers = ()) -> None:
        """Send a short answer."""
        await self.begin(status, media_type, len(body), headers)
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def refuse(self, refusal: ProblemError) -> None:
        """Say why, and let go of the connection in such a way that the client can read it."""
        body = problem(refusal.status, str(refusal))
        if self._whole:
            await self.reply(refusal.status, body, PROBLEM, refusal.headers)
            return
        await self.begin(refusal.status, PROBLEM, len(body), [*refusal.headers, ("connection", "close")])
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        if "expect" not in self.headers:  # such a client waits for leave, which it does not get
            await self._linger()
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self) -> None:
        # Closing at once would reset the connection under a client that still sends, and take the answer from it.
        try:
            async with asyncio.timeout(self._limits.linger_s):
                async for _ in self.body(_NO_END):
                    pass
        except (TimeoutError, _GoneError):
            pass

"""The agent's upload endpoint: devices PUT bulk data here, by the ticket that comes with an order.

``artefact_app`` is the ASGI application, for a server that has other things to offer too (``serve_app`` runs any);
``serve_artefacts`` runs it alone, inside the running event loop::

    tickets = Tickets(secrets.token_bytes(32), SystemClock())
    async with serve_artefacts(ArtefactStore(directory), tickets) as server:
        ticket = server.ticket(job)
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from envs.errors import ConfigError, MissingExtraError
from instruments.bulk.endpoint import PROBLEM, ArtefactEndpoint, Limits, problem
from instruments.bulk.store import ArtefactStore
from instruments.bulk.tickets import LIFETIME, UPLOAD_LIMIT, Tickets
from instruments.errors import TransportError
from instruments.messages import UploadTicket

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp
    from uvicorn import Server
    from uvicorn.protocols.http.h11_impl import H11Protocol

_log = logging.getLogger(__name__)

PREFIX = "/artefacts"
_COMMAND = "the artefact endpoint"
_START_S = 10.0
_CUT_S = 2.0
_WORDS_BYTES = 1 << 20
"""Longest message of a browser."""


def artefact_app(
    store: ArtefactStore,
    tickets: Tickets,
    *,
    admits: Callable[[str], bool] | None = None,
    limits: Limits | None = None,
) -> Starlette:
    """The endpoint ``/artefacts/{sha256}`` alone; what an earlier crash left half written is removed first.

    Args:
        store: where artefacts go.
        tickets: checks tokens.
        admits: whether a job may still bring artefacts, by its id; all may when it is None.
        limits: of clients.

    Raises:
        MissingExtraError: Starlette is not installed.
        StoreError: the store's directory cannot be used.
    """
    try:
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
        from starlette.routing import Route
    except ImportError as error:
        raise MissingExtraError(_COMMAND, "lab", "starlette") from error
    store.clean()
    endpoint = ArtefactEndpoint(store, tickets, admits=admits, limits=limits)
    app = Starlette(routes=[Route(f"{PREFIX}/{{sha256}}", endpoint)], exception_handlers={HTTPException: _no_such})
    app.router.redirect_slashes = False
    return app


async def _no_such(_request: Request, _error: Exception) -> Response:
    from starlette.responses import Response

    body = problem(HTTPStatus.NOT_FOUND, f"there is nothing but {PREFIX}/SHA256")
    return Response(body, HTTPStatus.NOT_FOUND, media_type=PROBLEM)


class ArtefactServer:
    """The running endpoint.

    Attributes:
        base: its address without a path.
        uri: below which the artefacts are: the base of tickets and references.
        store: where they lie.
    """

    def __init__(self, base: str, store: ArtefactStore, tickets: Tickets) -> None:
        self.base = base
        self.uri = f"{base}{PREFIX}"
        self.store = store
        self._tickets = tickets

    def ticket(self, job: str, *, limit: int = UPLOAD_LIMIT, lifetime: timedelta = LIFETIME) -> UploadTicket:
        """Leave for one job to upload here."""
        return self._tickets.issue(job, uri=self.uri, limit=limit, lifetime=lifetime)


@contextlib.asynccontextmanager
async def serve_artefacts(
    store: ArtefactStore,
    tickets: Tickets,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    public_host: str = "",
    certificate: Path | None = None,
    key: Path | None = None,
    admits: Callable[[str], bool] | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[ArtefactServer]:
    """Serve the endpoint in the running loop while the context lasts; no signal handlers, nothing left behind.

    Args:
        store: where artefacts go.
        tickets: checks tokens.
        host: address to listen on.
        port: 0 takes a free one.
        public_host: the name by which devices reach this machine, where it is not ``host``.
        certificate: PEM file of the server's certificate chain; needed unless ``host`` is this machine's own.
        key: PEM file of its private key.
        admits: whether a job may still bring artefacts.
        limits: of clients.

    Raises:
        ConfigError: TLS is missing or cannot be used, or the host cannot be listened on.
        MissingExtraError: Starlette or uvicorn is not installed.
        TransportError: the server does not start.
    """
    app = artefact_app(store, tickets, admits=admits, limits=limits)
    async with serve_app(
        app, host=host, port=port, public_host=public_host, certificate=certificate, key=key, limits=limits
    ) as base:
        yield ArtefactServer(base, store, tickets)


@contextlib.asynccontextmanager
async def serve_app(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    public_host: str = "",
    certificate: Path | None = None,
    key: Path | None = None,
    limits: Limits | None = None,
    section: str = "artefacts",
    plain: bool = False,
    websockets: bool = False,
) -> AsyncIterator[str]:
    """Serve an application as ``serve_artefacts`` does, and give its address without a path.

    Args:
        app: what is served.
        host: address to listen on.
        port: 0 takes a free one.
        public_host: the name by which others reach this machine, where it is not ``host``.
        certificate: PEM file of the server's certificate chain; needed unless ``host`` is this machine's own.
        key: PEM file of its private key.
        limits: of clients.
        section: of the configuration, which errors name.
        plain: listen without TLS beyond this machine too: only what somebody asked for in so many words.
        websockets: whether the application has some, as pages that change by themselves do.

    Raises:
        ConfigError: TLS is missing or cannot be used, or the host cannot be listened on.
        MissingExtraError: uvicorn is not installed.
        TransportError: the server does not start.
    """
    limits = limits or Limits()
    _check_tls(host, certificate, key, section, plain=plain)
    server = _server(app, limits, certificate, key, section, websockets=websockets)
    with _listen(host, port, section) as listening:
        task = asyncio.create_task(server.serve([listening]), name="HTTP server")
        try:
            await _started(server, task)
            name = public_host or host
            shown = f"[{name}]" if ":" in name else name
            yield f"{'https' if certificate else 'http'}://{shown}:{listening.getsockname()[1]}"
        finally:
            await _stop(server, task, limits.stop_s)


def _check_tls(host: str, certificate: Path | None, key: Path | None, section: str, *, plain: bool) -> None:
    if (certificate is None) != (key is None):
        raise ConfigError(f"{section}.certificate", certificate, "a certificate and its key come together")
    if certificate is None and not plain and not _on_loopback(host):
        allowed = f"a PEM file: TLS is required to listen on {host}, which other machines reach"
        raise ConfigError(f"{section}.certificate", None, allowed)


def _on_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextlib.contextmanager
def _listen(host: str, port: int, section: str) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        where = f"{host}:{port}"
        raise ConfigError(f"{section}.host", where, f"an address of this machine with a free port ({error})") from error
    with listening:
        yield listening


def _server(
    app: ASGIApp, limits: Limits, certificate: Path | None, key: Path | None, section: str, *, websockets: bool
) -> Server:
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtraError(_COMMAND, "lab", "uvicorn") from error

    class Quiet(uvicorn.Server):
        @override
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Signals belong to the process that this server is a part of."""
            yield

    config = uvicorn.Config(
        app,
        http=_impatient(limits),
        ws="websockets-sansio" if websockets else "none",
        ws_max_size=_WORDS_BYTES,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=limits.header_bytes,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        allowed = f"PEM files of a certificate and its key ({error})"
        raise ConfigError(f"{section}.certificate", str(certificate), allowed) from error
    return Quiet(config)


def _impatient(limits: Limits) -> type[H11Protocol]:
    """The protocol of uvicorn for HTTP/1.1, which alone would wait for ever for headers, and for a client to read."""
    import h11  # uvicorn needs it
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Impatient(H11Protocol):
        @override
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            super().connection_made(transport)
            self._upgraded = False
            self._patience = _Patience(self, limits)

        @override
        def data_received(self, data: bytes) -> None:
            try:
                super().data_received(data)
            except h11.LocalProtocolError:
                _log.debug("rubbish came after the end of a connection's last request")
            if not self._upgraded:
                self._patience.look()

        @override
        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._patience.end()  # from now on the connection is another protocol's, which has pings of its own
            self._upgraded = True
            super().handle_websocket_upgrade(event)

        @override
        def pause_writing(self) -> None:
            super().pause_writing()
            self._patience.stuck()

        @override
        def resume_writing(self) -> None:
            super().resume_writing()
            self._patience.moving()

        @override
        def connection_lost(self, exc: Exception | None) -> None:
            self._patience.end()
            super().connection_lost(exc)

    return Impatient


class _Patience:
    """Closes a connection on which no request comes about for too long, or whose client reads nothing."""

    def __init__(self, protocol: H11Protocol, limits: Limits) -> None:
        self._protocol = protocol
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self.look()

    def look(self) -> None:
        if not self._under_way():
            self._timer = self._timer or self._protocol.loop.call_later(self._limits.header_s, self._close)
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def stuck(self) -> None:
        # Closing would wait until the client has read what is in the buffer.
        self._stuck = self._protocol.loop.call_later(self._limits.idle_s, self._protocol.transport.abort)

    def moving(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def end(self) -> None:
        self.moving()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _under_way(self) -> bool:
        cycle: object = self._protocol.cycle  # None before the first request, whatever its type says
        return cycle is not None and not self._protocol.cycle.response_complete

    def _close(self) -> None:
        self._timer = None
        if not self._under_way():
            self._protocol.transport.close()


async def _started(server: Server, task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(_START_S):
        while not server.started:
            if task.done():
                raise TransportError(f"the HTTP server does not start: {task.exception() or 'it ended'}")
            await asyncio.sleep(0.001)


async def _stop(server: Server, task: asyncio.Task[None], grace_s: float) -> None:
    """Let what is under way come to its end for a while, then cut it."""
    server.should_exit = True
    try:
        await asyncio.wait([task], timeout=grace_s)
    finally:
        server.force_exit = True
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        requests = list(server.server_state.tasks)
        if requests:  # each sees that its client is gone, and ends by itself
            await asyncio.wait(requests, timeout=_CUT_S)
        for request in requests:
            request.cancel()
        await asyncio.gather(task, *requests, return_exceptions=True)

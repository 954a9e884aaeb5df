"""The daemon's one HTTP port: is it alive, is it ready, its metrics, the uploads of instruments, and people's pages.

Health and metrics hold no secrets, and uploads need a ticket; all the same it listens on this machine alone, unless it
has a certificate or the laboratory's file says plainly that it may do without.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.daemon.config import LabConfig
from agent.daemon.health import Check, answers
from agent.daemon.metrics import CONTENT_TYPE
from instruments.bulk.endpoint import PROBLEM, ArtefactEndpoint, Limits, problem
from instruments.bulk.server import PREFIX, ArtefactServer, serve_app
from instruments.bulk.store import ArtefactStore
from instruments.bulk.tickets import Tickets

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    _Answer = Callable[[Request], Response]

PORT: Final = 8080
LINKS: Final = {"alive": "/healthz", "ready": "/readyz", "metrics": "/metrics"}
_FRESH: Final = {"cache-control": "no-store"}


@dataclass(frozen=True)
class HttpPlace:
    """Where it listens.

    Args:
        host: address; this machine alone by default.
        port: 0 takes a free one.
        public_url: as instruments reach it, such as a proxy's address; made of host and port when it is empty.
        certificate: PEM file of the certificate chain, needed beyond this machine.
        key: PEM file of its private key.
        plain: listen beyond this machine without TLS: what the laboratory's file says in so many words.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    public_url: str = ""
    certificate: Path | None = None
    key: Path | None = None
    plain: bool = False


def place_of(config: LabConfig) -> HttpPlace:
    """Where the laboratory's file says; paths in it are below its directory."""
    told = config.http
    certificate, key = (config.home / name if name else None for name in (told.certificate, told.key))
    return HttpPlace(told.host, told.port, told.public_url, certificate, key, told.plain)


@dataclass(frozen=True)
class Uploads:
    """What the artefact endpoint needs.

    Args:
        store: where artefacts go.
        tickets: checks tokens.
        admits: whether a job may still bring artefacts, by its id; all may when it is None.
        limits: of clients.
    """

    store: ArtefactStore
    tickets: Tickets
    admits: Callable[[str], bool] | None = None
    limits: Limits | None = None


def daemon_app(
    *,
    version: str,
    alive: Sequence[Check],
    ready: Sequence[Check],
    metrics: Callable[[], bytes],
    uploads: Uploads,
    more: Sequence[BaseRoute] = (),
    pages: str = "",
) -> Starlette:
    """The application; what an earlier crash left half uploaded is removed first.

    Args:
        version: of Labwright.
        alive: what must hold for the process to be left running: ``/healthz``, and the watchdog.
        ready: what must hold for it to be of use: ``/readyz`` asks these and the others.
        metrics: in Prometheus's text format.
        uploads: what ``/artefacts`` needs.
        more: further routes, such as a dashboard's mount.
        pages: where browsers are sent that ask for nothing in particular; empty for nowhere.

    Raises:
        StoreError: the store's directory cannot be used.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    uploads.store.clean()
    endpoint = ArtefactEndpoint(uploads.store, uploads.tickets, admits=uploads.admits, limits=uploads.limits)
    app = Starlette(
        routes=[
            Route("/", _in_loop(_index(version, pages))),
            Route(LINKS["alive"], _in_loop(_health(alive))),
            Route(LINKS["ready"], _in_loop(_health([*alive, *ready]))),
            Route(LINKS["metrics"], _in_loop(_measured(metrics))),
            Route(f"{PREFIX}/{{sha256}}", endpoint),
            *more,
        ],
        exception_handlers={HTTPException: _refused},
    )
    app.router.redirect_slashes = False
    return app


def _index(version: str, pages: str) -> _Answer:
    from starlette.responses import JSONResponse, RedirectResponse

    links = {**LINKS, "dashboard": pages} if pages else LINKS
    body = {"name": "labwright", "version": version, "links": links}

    def answer(request: Request) -> Response:
        headers = {**_FRESH, "vary": "accept"}
        if pages and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(pages, headers=headers)
        return JSONResponse(body, headers=headers)

    return answer


def _health(checks: Sequence[Check]) -> _Answer:
    from starlette.responses import JSONResponse

    def answer(_request: Request) -> Response:
        found = answers(checks)
        status = HTTPStatus.SERVICE_UNAVAILABLE if any(found.values()) else HTTPStatus.OK
        body = {"status": "failing" if any(found.values()) else "ok", "checks": found}
        return JSONResponse(body, status, headers=_FRESH)

    return answer


def _measured(metrics: Callable[[], bytes]) -> _Answer:
    from starlette.responses import Response as Answer

    return lambda _request: Answer(metrics(), headers={"content-type": CONTENT_TYPE, **_FRESH})


def _in_loop(answer: _Answer) -> Callable[[Request], object]:
    """In the event loop, whose state it reads: a plain function Starlette would call in a thread."""

    async def endpoint(request: Request) -> Response:
        return answer(request)

    return endpoint


async def _refused(_request: Request, error: Exception) -> Response:
    from starlette.exceptions import HTTPException
    from starlette.responses import Response

    status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    headers = error.headers if isinstance(error, HTTPException) else None
    here = f"there is nothing here but {', '.join(LINKS.values())} and {PREFIX}/SHA256"
    text = here if status is HTTPStatus.NOT_FOUND else status.description or status.phrase
    return Response(problem(status, text), status, headers=headers, media_type=PROBLEM)


@contextlib.asynccontextmanager
async def serve_http(
    app: Starlette, place: HttpPlace, uploads: Uploads, *, websockets: bool = False
) -> AsyncIterator[ArtefactServer]:
    """Serve the application in the running loop while the context lasts; what it gives issues tickets.

    Args:
        app: what is served.
        place: where.
        uploads: what ``/artefacts`` needs.
        websockets: whether the application has some.

    Raises:
        ConfigError: TLS is missing or cannot be used, or the address cannot be listened on.
        MissingExtraError: uvicorn is not installed.
        TransportError: the server does not start.
    """
    async with serve_app(
        app,
        host=place.host,
        port=place.port,
        certificate=place.certificate,
        key=place.key,
        limits=uploads.limits,
        section="http",
        plain=place.plain,
        websockets=websockets,
    ) as base:
        yield ArtefactServer(place.public_url.rstrip("/") or base, uploads.store, uploads.tickets)

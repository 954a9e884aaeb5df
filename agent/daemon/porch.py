"""Where the dashboard stands on the daemon's HTTP port; until it is up, and when it could not be made, this says so."""

from __future__ import annotations

import html
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/dashboard"
AGAIN_S = 2
"""After so long a browser looks again whether it is up, s."""
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">{again}<title>Labwright</title></head>
<body style="font-family:system-ui,sans-serif;margin:2rem;max-width:40rem">
<h1>Labwright</h1><p>{words}</p></body></html>"""


class Porch:
    """Hands everything on to the pages once they are there.

    Attributes:
        app: the pages; None while there are none.
        fault: why there are none and will not be; empty while they are still to come.
    """

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        self.fault = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""
        if self.app is not None:
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013})  # come back later (RFC 6455, its registry)
            return
        from starlette.responses import HTMLResponse

        words = f"The dashboard is not there: {self.fault}." if self.fault else "The agent is up, its pages start."
        again = "" if self.fault else f'<meta http-equiv="refresh" content="{AGAIN_S}">'
        page = _PAGE.format(again=again, words=html.escape(words))
        headers = {"cache-control": "no-store", "retry-after": str(AGAIN_S)}
        await HTMLResponse(page, HTTPStatus.SERVICE_UNAVAILABLE, headers)(scope, receive, send)

    def routes(self) -> list[BaseRoute]:
        """Its place below the daemon's port."""
        from starlette.responses import RedirectResponse
        from starlette.routing import Mount, Route

        async def inside(_request: object) -> RedirectResponse:
            return RedirectResponse(f"{PREFIX}/")

        return [Route(PREFIX, inside), Mount(PREFIX, self)]

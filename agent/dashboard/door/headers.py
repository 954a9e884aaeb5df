"""What every answer says to the browser: what a page may load, from where, and who may keep it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EVERYWHERE: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_COMMON: Final = (
    "default-src 'self'; connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
PLAIN_POLICY: Final = f"{_COMMON}; script-src 'none'; style-src 'self'"
"""Of pages that need no script, such as the login."""
LASTING: Final = "private, max-age=31536000, immutable"
"""Of files whose address changes with their content."""
FRESH: Final = "no-store"
_SCRIPT: Final = re.compile(rb"<script(?=[\s>])")


def page_policy(nonce: str) -> str:
    """Of NiceGUI's pages: scripts run that the page itself brings or that come from here; markup put into it runs none.

    Vue makes functions of the templates of components in the browser, and NiceGUI of handlers: both need
    ``unsafe-eval``. Quasar sets styles on elements, which needs ``unsafe-inline`` for styles alone.

    Args:
        nonce: that the page's own scripts bear.
    """
    return f"{_COMMON}; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"


def stamp(headers: MutableHeaders, *, policy: str, cache: str) -> None:
    """Write an answer's headers."""
    for name, value in _EVERYWHERE.items():
        headers[name] = value
    headers["content-security-policy"] = policy
    headers["cache-control"] = cache


def with_nonce(page: bytes, nonce: str) -> bytes:
    """A page whose scripts bear the nonce.

    NiceGUI writes what pages show as JSON in which every ``<`` is escaped: what is left are its own scripts.
    """
    return _SCRIPT.sub(b'<script nonce="' + nonce.encode() + b'"', page)


class NoncedPages:
    """The pages with a nonce in each script; anything but a page passes as it is.

    Args:
        app: NiceGUI's application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; ``state.nonce`` of its scope says which."""
        nonce = scope.get("state", {}).get("nonce")
        if scope["type"] != "http" or not nonce:
            await self._app(scope, receive, send)
            return
        rewriting = _Rewriting(nonce, send)
        await self._app(scope, receive, rewriting.send)


class _Rewriting:
    def __init__(self, nonce: str, send: Send) -> None:
        self._nonce, self._send = nonce, send
        self._start: Message | None = None
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if MutableHeaders(raw=list(message["headers"])).get("content-type", "").startswith("text/html"):
                self._start = message
                return
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._page(self._start)
            return
        await self._send(message)

    async def _page(self, start: Message) -> None:
        page = with_nonce(bytes(self._body), self._nonce)
        headers = MutableHeaders(raw=start["headers"])
        headers["content-length"] = str(len(page))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": page})

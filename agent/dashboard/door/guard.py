"""What stands before the pages: nobody comes in without a session, and nothing is asked for by another site.

A plain ASGI application. Which path is which:

- ``/login`` and ``/logout`` are the door's own, ``/static`` is for all: the login's looks are there;
- ``/session`` says whether there is one, 204 or 401, without counting as a use of it;
- ``/_nicegui_ws`` is the socket of a page, ``/_nicegui`` what it loads: both are for sessions alone;
- anything else is a page: without a session the browser is led to the login.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from html import escape
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from agent.dashboard.door.headers import FRESH, LASTING, PLAIN_POLICY, page_policy, stamp
from agent.dashboard.door.sessions import Sessions
from agent.dashboard.door.settings import COOKIE, DoorSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SOCKET: Final = "/_nicegui_ws"
ASSETS: Final = "/_nicegui/"
ICON: Final = "/favicon.ico"
"""Where browsers look for a page's icon by themselves, also before anybody has logged in."""
_DYNAMIC: Final = ("/dynamic_resources/", "/_nicegui/auto/", "/_nicegui/client/")
_SAFE: Final = frozenset({"GET", "HEAD"})
_USE: Final = '42["event"'
"""How a frame begins that says what a person did; pings and acknowledgements begin otherwise."""
_POLICY_VIOLATION: Final = 1008


class Guard:
    """The door before the dashboard's pages.

    Args:
        pages: NiceGUI's application.
        door: login and logout.
        static: own style sheets and icons.
        sessions: who is in.
        settings: of the door.
        nonce: makes a page's nonce.
    """

    def __init__(
        self,
        pages: ASGIApp,
        door: ASGIApp,
        static: ASGIApp,
        sessions: Sessions,
        settings: DoorSettings,
        nonce: Callable[[], str] = lambda: secrets.token_urlsafe(16),
    ) -> None:
        self._pages, self._door, self._static = pages, door, static
        self._sessions, self._settings, self._nonce = sessions, settings, nonce

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or not."""
        if scope["type"] not in {"http", "websocket"}:
            return
        scope = _placed(scope, self._settings)
        refusal = self._foreign(scope)
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send, refusal)
        elif refusal:
            await _answer(PlainTextResponse(refusal, HTTPStatus.FORBIDDEN), scope, receive, send)
        else:
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = inside(scope)
        if path in {"/login", "/logout"}:
            await self._door(scope, receive, _stamped(send, PLAIN_POLICY, FRESH))
        elif path.startswith("/static/") or path == ICON:
            versioned = b"v=" in scope.get("query_string", b"")
            await self._static(scope, receive, _stamped(send, PLAIN_POLICY, LASTING if versioned else "no-cache"))
        elif path == "/session":
            there = self._sessions.visitor(session_of(scope)) is not None
            status = HTTPStatus.NO_CONTENT if there else HTTPStatus.UNAUTHORIZED
            await _answer(Response(status_code=status), scope, receive, send)
        elif self._sessions.visitor(session_of(scope)) is None:
            await self._stranger(scope, receive, send, path)
        elif path.startswith((ASSETS, SOCKET)):
            lasting = path.startswith(ASSETS) and not any(part in path for part in _DYNAMIC)
            await self._pages(scope, receive, _stamped(send, PLAIN_POLICY, LASTING if lasting else FRESH))
        else:
            self._sessions.touch(session_of(scope))
            scope["state"] |= {"session": session_of(scope), "nonce": self._nonce()}
            await self._pages(scope, receive, _stamped(send, page_policy(scope["state"]["nonce"]), FRESH))

    async def _stranger(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        if scope["method"] in _SAFE and not path.startswith((ASSETS, SOCKET)):
            query = scope.get("query_string", b"").decode("latin-1")
            wanted = f"{self._settings.prefix}{path}{'?' if query else ''}{query}"
            await _answer(self._to_login(scope, wanted), scope, receive, send)
            return
        await _answer(PlainTextResponse("log in first", HTTPStatus.UNAUTHORIZED), scope, receive, send)

    def _to_login(self, scope: Scope, wanted: str) -> Response:
        """The way to the login, or once more to the same page, where a link of another site led to it.

        A browser then leaves the cookie out (SameSite=Strict) though there may be a session; coming from here it does
        not. That a link in an e-mail works is all this is for.
        """
        if Headers(scope=scope).get("sec-fetch-site") in {"cross-site", "same-site"} and not session_of(scope):
            again = f'<meta http-equiv="refresh" content="0;url={escape(self._settings.own(wanted))}">'
            return HTMLResponse(f'<!doctype html><html lang="en"><title>One moment</title>{again}</html>')
        target = f"{self._settings.path('/login')}?next={quote(wanted, safe='/')}"
        return RedirectResponse(target, HTTPStatus.SEE_OTHER)

    async def _socket(self, scope: Scope, receive: Receive, send: Send, refusal: str) -> None:
        session = session_of(scope)
        if refusal or not inside(scope).startswith(SOCKET) or self._sessions.visitor(session) is None:
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return

        async def watched() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                if self._sessions.visitor(session) is None:
                    await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
                    return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION}
                if (message.get("text") or "").startswith(_USE):
                    self._sessions.touch(session)
            return message

        await self._pages(scope, watched, send)

    def _foreign(self, scope: Scope) -> str:
        """Why a request is not one that the dashboard's own pages make; empty where it is."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._settings.hosts and host.lower() not in {name.lower() for name in self._settings.hosts}:
            return f"this dashboard is not reached as {host[:100]!r}"
        if scope["type"] == "http" and scope["method"] in _SAFE:
            return ""
        origin = headers.get("origin")
        if origin is None:
            same = headers.get("sec-fetch-site", "same-origin") == "same-origin"
            return "" if same and scope["type"] == "http" else "the request does not say which site it comes from"
        return "" if urlsplit(origin).netloc.lower() == host.lower() else "the request comes from another site"


def inside(scope: Scope) -> str:
    """The path of a request below the dashboard's own; with a slash first."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return (path[len(root) :] if root and path.startswith(root) else path) or "/"


def session_of(scope: Scope) -> str:
    """The key of the session whose cookie a request bears; empty where it bears none."""
    return cookie_of(scope, COOKIE)


def cookie_of(scope: Scope, name: str) -> str:
    """A cookie's value; empty where there is none."""
    jar: SimpleCookie = SimpleCookie()
    for header in Headers(scope=scope).getlist("cookie"):
        try:
            jar.load(header)
        except CookieError:
            continue
    return jar[name].value if name in jar else ""


def _placed(scope: Scope, settings: DoorSettings) -> Scope:
    """The request with the prefix as its root, whoever mounted this; what a proxy says counts where it is believed."""
    scope = {**scope, "state": dict(scope.get("state", {}))}
    if not scope.get("root_path") and f"{scope['path']}/".startswith(f"{settings.prefix}/"):
        scope["root_path"] = settings.prefix
    if scope["path"] == scope.get("root_path"):
        scope["path"] += "/"
    headers = Headers(scope=scope)
    if settings.proxied and headers.get("x-forwarded-proto", "").split(",")[-1].strip() == "https":
        scope["scheme"] = "wss" if scope["type"] == "websocket" else "https"
    # NiceGUI would write the prefix that anybody sends into the page's addresses.
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"x-forwarded-prefix"]
    return scope


def _stamped(send: Send, policy: str, cache: str) -> Send:
    async def stamped(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = cache if message["status"] < HTTPStatus.BAD_REQUEST else FRESH
            stamp(MutableHeaders(raw=_list(message)), policy=policy, cache=kept)
        await send(message)

    return stamped


def _list(message: Message) -> list[tuple[bytes, bytes]]:
    message["headers"] = list(message.get("headers", ()))
    headers: list[tuple[bytes, bytes]] = message["headers"]
    return headers


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    await response(scope, receive, _stamped(send, PLAIN_POLICY, FRESH))

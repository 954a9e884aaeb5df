"""Logging in and out: a key that its password opens, and that the laboratory knows."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from agent.dashboard.door.form import LoginTry, read_form
from agent.dashboard.door.guard import cookie_of, session_of
from agent.dashboard.door.keys import BusyError, Keys
from agent.dashboard.door.login_page import LoginForm, Theme, login_page
from agent.dashboard.door.sessions import Roster, Sessions
from agent.dashboard.door.settings import BEFORE, COOKIE, THEME, DoorSettings
from agent.dashboard.door.throttle import Throttle
from agent.dashboard.door.tokens import FormTokens, ends
from envs.errors import UserError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from agent.identity import SigningKey

WRONG: Final = "This name and password do not go together here."
STALE_FORM: Final = "This form was too old, or your browser refuses cookies. Please try again."
NO_LAB: Final = (
    "The laboratory is not answering, so nobody's role is known here and nobody can be let in. "
    "It will work again as soon as the agent has said who its people are."
)
NOT_KNOWN: Final = (
    "The laboratory does not know this key. "
    "Give your public file (NAME.public.json) to whoever keeps the laboratory's list of people."
)
_BEFORE_S: Final = 3600


@dataclass(frozen=True)
class DoorParts:
    """What the door works with.

    Args:
        keys: that can be opened here.
        sessions: who is in.
        roster: whom the laboratory knows.
        throttle: of tries.
        settings: of the door.
        lab: the laboratory's id, at this moment.
        tokens: of forms.
        version: of the style sheets.
    """

    keys: Keys
    sessions: Sessions
    roster: Roster
    throttle: Throttle
    settings: DoorSettings
    lab: Callable[[], str]
    tokens: FormTokens = field(default_factory=FormTokens)
    version: str = ""


class Door:
    """``GET`` and ``POST /login``, ``POST /logout``; a plain ASGI application.

    Args:
        parts: what it works with.
    """

    def __init__(self, parts: DoorParts) -> None:
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        leaving = str(scope["path"]).endswith("/logout")
        if request.method == "POST":
            response = await (self._leave(request) if leaving else self._enter(request))
        elif leaving:
            response = RedirectResponse(self._parts.settings.path("/login"), HTTPStatus.SEE_OTHER)
        elif request.method in {"GET", "HEAD"}:
            response = self._show(request)
        else:
            response = PlainTextResponse("", HTTPStatus.METHOD_NOT_ALLOWED, {"allow": "GET, POST"})
        await response(scope, receive, send)

    def _show(self, request: Request) -> Response:
        wanted = self._parts.settings.own(request.query_params.get("next", ""))
        if self._parts.sessions.visitor(session_of(request.scope)) is not None:
            return RedirectResponse(wanted, HTTPStatus.SEE_OTHER)
        note = "" if self._parts.roster.known else NO_LAB
        if not note and session_of(request.scope):
            note = "Your session is over: please log in again."
        return self._page(request, LoginTry(next=wanted), HTTPStatus.OK, note=note)

    async def _enter(self, request: Request) -> Response:
        form = await read_form(request)
        if form.trouble:
            return self._page(request, form, HTTPStatus.BAD_REQUEST, trouble=form.trouble)
        if not self._parts.tokens.fits(cookie_of(request.scope, BEFORE), form.token):
            return self._page(request, form, HTTPStatus.FORBIDDEN, trouble=STALE_FORM)
        if not self._parts.roster.known:
            return self._page(request, form, HTTPStatus.SERVICE_UNAVAILABLE, note=NO_LAB)
        address = self._address(request)
        wait_s = self._parts.throttle.begin(form.name, address)
        if wait_s > 0:
            return self._too_many(request, form, wait_s)
        return await self._judge(request, form, address)

    async def _judge(self, request: Request, form: LoginTry, address: str) -> Response:
        if form.pair is not None and self._parts.roster.find(form.pair.person.key.kid) is None:
            return self._page(request, form, HTTPStatus.FORBIDDEN, trouble=NOT_KNOWN)
        try:
            key = await self._open(form)
        except BusyError as error:
            self._parts.throttle.unjudged(form.name, address)
            return self._page(request, form, HTTPStatus.SERVICE_UNAVAILABLE, trouble=_sentence(error))
        except UserError:
            return self._page(request, form, HTTPStatus.UNAUTHORIZED, trouble=WRONG)
        self._parts.throttle.passed(form.name, address)
        entry = self._parts.roster.find(key.kid)
        if entry is None or entry.name != key.name:
            return self._page(request, form, HTTPStatus.FORBIDDEN, trouble=NOT_KNOWN)
        if entry.revoked is not None:
            given_up = f"This key was given up on {entry.revoked:%d %B %Y}: use your new one."
            return self._page(request, form, HTTPStatus.FORBIDDEN, trouble=given_up)
        return self._let_in(request, form, key)

    async def _open(self, form: LoginTry) -> SigningKey:
        keys = self._parts.keys
        if form.pair is not None:
            return await asyncio.to_thread(keys.open_pair, form.pair, form.password)
        return await asyncio.to_thread(keys.open_here, form.name, form.password)

    def _let_in(self, request: Request, form: LoginTry, key: SigningKey) -> Response:
        parts = self._parts
        parts.sessions.end(session_of(request.scope))
        session = parts.sessions.begin(key.name, key.kid)
        if form.pair is not None:
            parts.keys.bring(session, form.pair)
        response = RedirectResponse(self._parts.settings.own(form.next), HTTPStatus.SEE_OTHER)
        secure = request.url.scheme == "https"
        lasts_s = int(parts.settings.absolute_s)
        response.headers.append("set-cookie", parts.settings.cookie(COOKIE, session, secure=secure, lasts_s=lasts_s))
        response.headers.append("set-cookie", parts.settings.cookie(BEFORE, "", secure=secure))
        return response

    async def _leave(self, request: Request) -> Response:
        session = session_of(request.scope)
        form = await read_form(request)
        if self._parts.sessions.visitor(session) is not None and not ends(session, form.token):
            return PlainTextResponse("this form was not made by a page of your session", HTTPStatus.FORBIDDEN)
        self._parts.sessions.end(session)
        response = RedirectResponse(self._parts.settings.path("/login"), HTTPStatus.SEE_OTHER)
        secure = request.url.scheme == "https"
        response.headers.append("set-cookie", self._parts.settings.cookie(COOKIE, "", secure=secure))
        return response

    def _too_many(self, request: Request, form: LoginTry, wait_s: float) -> Response:
        seconds = math.ceil(wait_s)
        trouble = f"Too many wrong tries. Please wait {seconds} s before the next one."
        response = self._page(request, form, HTTPStatus.TOO_MANY_REQUESTS, trouble=trouble)
        response.headers["retry-after"] = str(seconds)
        return response

    def _page(
        self, request: Request, form: LoginTry, status: HTTPStatus, *, trouble: str = "", note: str = ""
    ) -> Response:
        parts = self._parts
        browser = cookie_of(request.scope, BEFORE) or parts.tokens.new_browser()
        shown = LoginForm(
            lab=parts.lab(),
            token=parts.tokens.of(browser),
            next=self._parts.settings.own(form.next),
            name=form.name,
            trouble=trouble,
            note=note,
            theme=theme_of(request.scope),
            version=parts.version,
            own_keys=form.pair is not None,
        )
        response = HTMLResponse(login_page(shown, parts.settings), status)
        secure = request.url.scheme == "https"
        response.headers.append("set-cookie", parts.settings.cookie(BEFORE, browser, secure=secure, lasts_s=_BEFORE_S))
        return response

    def _address(self, request: Request) -> str:
        forwarded = request.headers.get("x-forwarded-for", "") if self._parts.settings.proxied else ""
        last = forwarded.rsplit(",", 1)[-1].strip()
        return last or (request.client.host if request.client is not None else "")


def theme_of(scope: Scope) -> Theme:
    """What a browser shows: as it was switched, or else as its system has it."""
    said = cookie_of(scope, THEME)
    return "light" if said == "light" else "dark" if said == "dark" else "auto"


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."

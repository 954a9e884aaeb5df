"""The dashboard put together: one ASGI application, to be mounted at its prefix or served by itself.

    keys = Keys(directory)
    dashboard = Dashboard(live=watch, voice=voice, keys=keys)
    async with dashboard.running():
        ...  # serve dashboard.asgi

NiceGUI keeps its pages in module globals: one dashboard runs in a process at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from nicegui import Client, core, ui
from nicegui.translations import translations
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from agent.dashboard import assets
from agent.dashboard.door.guard import ICON, Guard, inside
from agent.dashboard.door.headers import NoncedPages
from agent.dashboard.door.login import Door, DoorParts
from agent.dashboard.door.sessions import Roster, Sessions
from agent.dashboard.door.settings import DoorSettings
from agent.dashboard.door.throttle import Throttle
from agent.dashboard.pages import campaign, experiment, instruments, lost, people, proposal, proposals
from agent.dashboard.ports import Hall, Live, Voice
from instruments.clock import Sleeper

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from agent.dashboard.door.keys import Keys

PAGES: Final = (proposals, proposal, campaign, experiment, instruments, people, lost)
"""Modules that declare pages; ``lost`` comes last, for what none of the others knows."""
RECONNECT_S: Final = 15.0
"""How long a page is kept for a browser that has lost its connection, s."""
SWEEP_S: Final = 60.0
_HISTORY: Final = 200
_BINDINGS_S: Final = 0.5
_LANGUAGE: Final = "en-US"
_WORDS: Final = {
    "connection_lost": "The dashboard does not answer: what you see is not live any more.",
    "trying_to_reconnect": "It is tried again every few seconds.",
}


class Dashboard:
    """All pages and the door before them.

    Args:
        live: the laboratory.
        voice: what leaves.
        keys: that can be opened here; the voice's own.
        settings: of the door.
        notices: whether browsers may be told that something waits.
        clock: monotonic time, s.
        sleeper: waits.
    """

    def __init__(
        self,
        *,
        live: Live,
        voice: Voice,
        keys: Keys,
        settings: DoorSettings | None = None,
        notices: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleeper: Sleeper = asyncio.sleep,
    ) -> None:
        self.settings = settings or DoorSettings()
        self._sleeper = sleeper
        roster = Roster(lambda: live.picture.lab)
        self.sessions = Sessions(
            roster, clock, keys.forget, idle_s=self.settings.idle_s, absolute_s=self.settings.absolute_s
        )
        self.hall = Hall(live, voice, self.sessions.visitor, self.settings.prefix, notices)
        parts = DoorParts(
            keys=keys,
            sessions=self.sessions,
            roster=roster,
            throttle=Throttle(clock),
            settings=self.settings,
            lab=lambda: live.name,
            version=assets.version(),
        )
        pages = NoncedPages(core.app)
        self._guard = GZipMiddleware(Guard(pages, Door(parts), _Static(), self.sessions, self.settings))

    @property
    def asgi(self) -> ASGIApp:
        """The application: mounted at the prefix, or served as it is, when it answers below the prefix all the same."""
        return self._guard

    @property
    def mount(self) -> Mount:
        """A route that has it at its prefix."""
        return Mount(self.settings.prefix, app=self._guard)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Dashboard]:
        """Have the pages answer while the context lasts; in the loop that serves them."""
        host = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        _configure(host, self.hall.live.name)
        known = list(core.app.router.routes)
        for page in PAGES:
            page.register(self.hall)
        sweeping: asyncio.Task[None] | None = None
        stopped: BaseException | None = None
        try:
            async with host.router.lifespan_context(host):
                try:
                    sweeping = asyncio.create_task(self._sweep(), name="sweep sessions")
                    yield self
                except BaseException as error:  # noqa: BLE001 - NiceGUI shuts down after a quiet end alone
                    stopped = error
                await _ended(sweeping)
            if stopped is not None:
                raise stopped
        finally:
            core.app.router.routes[:] = known
            Client.page_routes.clear()

    async def _sweep(self) -> None:
        while True:
            await self._sleeper(SWEEP_S)
            self.sessions.sweep()


async def _ended(sweeping: asyncio.Task[None] | None) -> None:
    if sweeping is not None:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
    for client in list(Client.instances.values()):
        client.delete()


class _Static:
    """The files of ``static``; not what else is below the prefix."""

    def __init__(self) -> None:
        self._files = StaticFiles(directory=assets.STATIC)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = inside(scope).removeprefix("/static")
        if path == ICON:
            path = "/icon.svg"
        try:
            await self._files({**scope, "path": path, "root_path": ""}, receive, send)
        except HTTPException as error:  # nothing around the guard would answer it where this is served by itself
            words = HTTPStatus(error.status_code).phrase
            await PlainTextResponse(words, error.status_code, error.headers)(scope, receive, send)


def _configure(host: FastAPI, title: str) -> None:
    """Set NiceGUI up; a run before this one in the same process leaves nothing behind."""
    core.app.middleware_stack = None
    core.app.user_middleware.clear()
    core.app.config.socket_io_js_transports = ["websocket"]
    # Else any browser that is logged in writes what it likes into the log of the agent's machine.
    core.sio.handlers.get("/", {}).pop("log", None)
    translations[_LANGUAGE] = {**translations[_LANGUAGE], **_WORDS}
    ui.run_with(
        host,
        title=title,
        favicon=assets.STATIC / "icon.svg",
        dark=None,
        language=_LANGUAGE,
        binding_refresh_interval=_BINDINGS_S,
        reconnect_timeout=RECONNECT_S,
        message_history_length=_HISTORY,
        gzip_middleware_factory=None,
        tailwind=False,
        show_welcome_message=False,
    )

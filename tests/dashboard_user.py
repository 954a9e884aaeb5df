"""A person at the dashboard's pages, without a browser: NiceGUI's user simulation, for tests without pytest-asyncio.

    def test_a_proposal_is_read() -> None:
        hall = hall_of(FakeLive(sample_picture()), FakeVoice())

        async def journey(user: User) -> None:
            await user.open("/dashboard/proposals")
            await user.should_see("Proposals")

        with_pages(hall, proposals.register)(journey)

NiceGUI keeps its pages, clients and tasks in module globals: they are cleared before and after each journey.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx
from nicegui import Client, core, ui
from nicegui.functions.download import download
from nicegui.functions.navigate import Navigate
from nicegui.functions.notify import notify
from nicegui.testing import User
from nicegui.testing.general import nicegui_reset_globals, prepare_simulation
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.ports import Hall, Live, Voice
from agent.roles import Role

SESSION = "the session of a test"
PREFIX = "/dashboard"

Register = Callable[[Hall], None]
Journey = Callable[[User], Awaitable[None]]


@dataclass
class Door:
    """Who is in: one person, until ``visitor`` is set to somebody else or None.

    Attributes:
        visitor: whose session the pages' requests bear.
    """

    visitor: Visitor | None

    def __call__(self, session: str) -> Visitor | None:
        """The visitor of a session."""
        return self.visitor if session == SESSION else None


def hall_of(
    live: Live,
    voice: Voice,
    *,
    name: str = "ana",
    role: Role = Role.APPROVER,
    door: Door | None = None,
    notices: bool = False,
) -> Hall:
    """A hall with one person in it, in the role; give a ``Door`` to change that on the way."""
    return Hall(live, voice, door or Door(Visitor(name, role, SESSION)), PREFIX, notices)


def with_pages(hall: Hall, *registers: Register) -> Callable[[Journey], None]:
    """Have a journey made on some pages; what NiceGUI logs as an error on the way fails it.

    Args:
        hall: what the pages are given.
        registers: of the page modules that take part. A plain page stands for the login.

    Returns:
        What runs a journey to its end.
    """

    def make(journey: Journey) -> None:
        async def whole() -> None:
            async with _simulated(hall, registers) as user:
                await journey(user)

        with nicegui_alone(), _errors_told() as errors:
            asyncio.run(whole())
        assert not errors, f"NiceGUI logged errors: {errors}"

    return make


@contextmanager
def nicegui_alone() -> Iterator[None]:
    """Have NiceGUI's globals fresh while the context lasts: for any test that serves pages in its own process."""
    with nicegui_reset_globals():
        try:
            yield
        finally:
            # Else the modules of the pages' functions are taken out of sys.modules, ``agent`` itself among them.
            Client.page_routes.clear()
            for client in list(Client.instances.values()):
                client.delete()


@asynccontextmanager
async def _simulated(hall: Hall, registers: tuple[Register, ...]) -> AsyncIterator[User]:
    os.environ["NICEGUI_USER_SIMULATION"] = "true"
    try:
        prepare_simulation()
        core.app.config.tailwind = False
        _login_page()
        for register in registers:
            register(hall)
        transport = httpx.ASGITransport(_below(hall.prefix, core.app))
        async with (
            core.app.router.lifespan_context(core.app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as http,
        ):
            yield User(http)
            for client in list(Client.instances.values()):
                client.delete()
    finally:
        os.environ.pop("NICEGUI_USER_SIMULATION", None)
        ui.navigate = Navigate()
        ui.notify = notify
        ui.download = download


def _login_page() -> None:
    @ui.page("/login")
    def login() -> None:
        ui.label("This is the login")


def _below(prefix: str, app: ASGIApp) -> ASGIApp:
    """The application as the dashboard mounts it: below the prefix, with the session that its guard found."""

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        inside = dict(scope)
        inside["state"] = {"session": SESSION}
        if prefix and scope["path"].startswith(prefix):
            inside["root_path"] = prefix
        await app(inside, receive, send)

    return mounted


@contextmanager
def _errors_told() -> Iterator[list[str]]:
    errors: list[str] = []

    class Note(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            errors.append(self.format(record))

    note = Note(logging.ERROR)
    logger = logging.getLogger("nicegui")
    logger.addHandler(note)
    try:
        yield errors
    finally:
        logger.removeHandler(note)

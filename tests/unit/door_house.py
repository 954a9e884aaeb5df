"""The door of a dashboard with fake pages behind it, and a browser without scripts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

import httpx
from dashboard_samples import sample_laboratory
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from agent.dashboard.door.guard import Guard
from agent.dashboard.door.keys import Keys
from agent.dashboard.door.login import Door, DoorParts
from agent.dashboard.door.sessions import Roster, Sessions
from agent.dashboard.door.settings import COOKIE, DoorSettings
from agent.dashboard.door.throttle import Throttle
from agent.identity import IdentityStore
from agent.roles import Role
from instruments.profile.laboratory import Laboratory, PersonEntry

PASSWORD = "correct horse"  # noqa: S105  # of everybody here
HOST = "http://lab.example"


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """What stands behind the door."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": f"heard {message['text']}"})
        return
    await PlainTextResponse(f"page for {scope['state'].get('session', 'nobody')}")(scope, receive, send)


async def files(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("body {}", media_type="text/css")(scope, receive, send)


@dataclass
class House:
    """A dashboard's door with fake pages behind it.

    Attributes:
        laboratory: what it says; None while it says nothing.
        now: monotonic time, s.
    """

    directory: Path
    settings: DoorSettings = field(default_factory=lambda: DoorSettings(idle_s=100.0, absolute_s=1000.0))
    laboratory: Laboratory | None = None
    now: float = 0.0

    def __post_init__(self) -> None:
        store = IdentityStore(self.directory, cost=2**4)
        people = []
        for name, role in (("anna", "approver"), ("vera", "viewer"), ("zoe", "approver")):
            key = store.create(name, Role(role), PASSWORD).key
            if name != "zoe":
                people.append(PersonEntry(name=name, role=Role(role).value, kid=key.kid, x=key.x))
        self.store = store
        self.laboratory = sample_laboratory().model_copy(update={"people": tuple(people)})
        roster = Roster(lambda: self.laboratory)
        self.keys = Keys(self.directory, cost=2**4)
        self.sessions = Sessions(
            roster, lambda: self.now, self.keys.forget, idle_s=self.settings.idle_s, absolute_s=self.settings.absolute_s
        )
        self.parts = DoorParts(
            keys=self.keys, sessions=self.sessions, roster=roster, throttle=Throttle(lambda: self.now),
            settings=self.settings, lab=lambda: "hall-3",
        )  # fmt: skip
        self.app = Guard(pages, Door(self.parts), files, self.sessions, self.settings)

    def change(self, name: str, **changes: object) -> None:
        assert self.laboratory is not None
        people = tuple(e.model_copy(update=changes) if e.name == name else e for e in self.laboratory.people)
        self.laboratory = self.laboratory.model_copy(update={"people": people})

    def visit(self, journey: Callable[[Browser], Awaitable[None]], base: str = HOST) -> None:
        async def whole() -> None:
            transport = httpx.ASGITransport(self.app, client=("10.0.0.7", 1234))
            async with httpx.AsyncClient(transport=transport, base_url=base) as http:
                await journey(Browser(http))

        asyncio.run(whole())


@dataclass
class Browser:
    """A browser without scripts."""

    http: httpx.AsyncClient

    async def form(self, path: str = "/dashboard/login") -> dict[str, str]:
        shown = await self.http.get(path)
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', shown.text)
        return {name: unescape(value) for name, value in fields}

    async def log_in(self, name: str = "anna", password: str = PASSWORD, **more: str) -> httpx.Response:
        data = {**await self.form(), "name": name, "password": password, **more}
        return await self.http.post("/dashboard/login", data=data)

    @property
    def session(self) -> str:
        return self.http.cookies.get(COOKIE) or ""


def said(response: httpx.Response) -> str:
    """What a login page says is wrong, or is to be known."""
    return " ".join(unescape(text) for text in re.findall(r'role="(?:alert|status)">([^<]*)<', response.text))

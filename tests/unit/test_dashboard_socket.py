"""A page's socket lives as long as the session of who looks, and comes from these pages alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from door_house import HOST, House
from starlette.types import Message, Scope

from agent.dashboard.door.settings import COOKIE


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def _socket(house: House, session: str, frames: list[str], **headers: str) -> list[Message]:
    """What a socket is sent when it sends some frames and goes."""
    told = {"host": "lab.example", "origin": HOST, "cookie": f"{COOKIE}={session}", **headers}
    incoming: list[Message] = [{"type": "websocket.connect"}]
    incoming += [{"type": "websocket.receive", "text": frame} for frame in frames]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "websocket.disconnect", "code": 1001}

    async def send(message: Message) -> None:
        sent.append(message)
        if message.get("text") == "heard end it":
            house.sessions.end(session)

    scope: Scope = {
        "type": "websocket", "path": "/dashboard/_nicegui_ws/socket.io/", "root_path": "/dashboard", "scheme": "ws",
        "query_string": b"", "headers": [(k.encode(), v.encode()) for k, v in told.items() if v],
    }  # fmt: skip
    await house.app(scope, receive, send)
    return sent


@pytest.fixture
def session(house: House) -> str:
    assert house.laboratory is not None
    return house.sessions.begin("anna", house.laboratory.people[0].kid)


def test_a_socket_needs_a_session_and_a_page_of_these(house: House, session: str) -> None:
    def answer(key: str, **headers: str) -> str:
        return str(asyncio.run(_socket(house, key, [], **headers))[0]["type"])

    assert answer(session) == "websocket.accept"
    assert answer("guessed") == "websocket.close"
    for origin in ("http://evil.example", "null", ""):
        assert answer(session, origin=origin) == "websocket.close"


def test_a_socket_is_closed_when_its_session_ends(house: House, session: str) -> None:
    sent = asyncio.run(_socket(house, session, ["one", "end it", "three"]))
    assert [message.get("text") for message in sent] == [None, "heard one", "heard end it", None]
    assert sent[-1]["type"] == "websocket.close"


def test_what_a_person_does_in_a_page_keeps_the_session_what_the_page_does_by_itself_does_not(
    house: House, session: str
) -> None:
    house.now += 60.0
    asyncio.run(_socket(house, session, ['42["event",{"id":4}]']))
    house.now += 60.0
    asyncio.run(_socket(house, session, ["3", '42["ack",{}]', '42["log",{}]']))
    assert house.sessions.visitor(session) is not None
    house.now += 41.0
    assert house.sessions.visitor(session) is None

"""A page that is open at a dashboard without a browser's drawing: the same requests and the same socket, and no pixels.

To the server it is a browser like any other. It says when the change reached it, which is when a browser would begin to
draw it: on a machine that serves one and the same change to fifty browsers and draws it fifty times itself, drawing is
most of the work.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from contextlib import AsyncExitStack
from urllib.parse import urlencode, urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect

_TOKEN = re.compile(r'name="csrf" value="([^"]*)"')
_CLIENT = re.compile(r"'client_id': '([0-9a-f-]{36})'")
_NEXT = re.compile(r"'next_message_id': (\d+)")
_ACK_S = 3.0


class Onlooker:
    """One person's open page.

    Args:
        base: address of the pages.
        name: who logs in.
        password: of their key.
    """

    def __init__(self, base: str, name: str, password: str) -> None:
        self._base, self._name, self._password = base, name, password
        self._stack = AsyncExitStack()
        self._client, self._next = "", 0
        self.heard: asyncio.Queue[tuple[float, str]] = asyncio.Queue()

    async def open(self) -> float:
        """Log in, load the list, and connect; returns the seconds from asking for the list until the socket stands."""
        http = await self._stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        form = await http.get(f"{self._base}/login")
        token = _found(_TOKEN, form.text)
        said = {"name": self._name, "password": self._password, "csrf": token, "next": ""}
        inside = await http.post(
            f"{self._base}/login", files={k: (None, v) for k, v in said.items()},
            headers={"Origin": self._base.removesuffix("/dashboard")},
        )  # fmt: skip
        if not inside.is_redirect or "login" in inside.headers["location"]:
            raise RuntimeError(f"{self._name} is not let in: {inside.status_code}")
        begun = time.perf_counter()
        page = await http.get(f"{self._base}/proposals", headers={"Accept": "text/html"})
        self._client, self._next = _found(_CLIENT, page.text), int(_found(_NEXT, page.text))
        query = {
            "client_id": self._client, "next_message_id": self._next, "implicit_handshake": "true", "EIO": 4,
            "transport": "websocket", "document_id": secrets.token_hex(16), "tab_id": secrets.token_hex(16),
        }  # fmt: skip
        place = urlsplit(self._base)
        socket = await self._stack.enter_async_context(
            connect(
                f"ws://{place.netloc}{place.path}/_nicegui_ws/socket.io/?{urlencode(query)}", max_size=None,
                origin=f"http://{place.netloc}",  # type: ignore[arg-type]  # a NewType of str
                additional_headers={"Cookie": "; ".join(f"{c.name}={c.value}" for c in http.cookies.jar)},
            )
        )  # fmt: skip
        await socket.recv()
        await socket.send("40")
        answer = str(await socket.recv())
        if not answer.startswith("40"):
            raise RuntimeError(f"the page of {self._name} is not let in: {answer}")
        took = time.perf_counter() - begun
        for work in (self._listen(socket), self._acknowledge(socket)):
            task = asyncio.create_task(work)
            self._stack.push_async_callback(_ended, task)
        return took

    async def close(self) -> None:
        """Leave."""
        await self._stack.aclose()

    async def _listen(self, socket: ClientConnection) -> None:
        async for packet in socket:
            text = str(packet)
            if text == "2":
                await socket.send("3")
            elif text.startswith("42"):
                self.heard.put_nowait((time.time(), text))
                self._next += 1

    async def _acknowledge(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(_ACK_S)
            word = ["ack", {"client_id": self._client, "next_message_id": self._next}]
            await socket.send("42" + json.dumps(word))

    async def seen(self, pid: str, *, there: bool) -> float:
        """Time at which a change was heard: the card of a proposal came, or what stands in its place."""
        while True:
            at, text = await self.heard.get()
            if text.startswith('42["update"') and "lw-foot" in text and (f"/proposals/{pid}" in text) is there:
                return at


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    if match is None:
        raise RuntimeError(f"the page is not as expected: no {pattern.pattern}")
    return match.group(1)

"""A server of artefacts for one scene, and clients that send it bytes as they are."""

import asyncio
import contextlib
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from instruments.bulk.endpoint import Limits
from instruments.bulk.server import ArtefactServer, serve_artefacts
from instruments.bulk.store import ArtefactStore
from instruments.bulk.tickets import Tickets
from instruments.clock import SimClock

SECRET = bytes(range(32))
PIXELS = b"II*\x00" + bytes(range(256)) * 4000
SHA = hashlib.sha256(PIXELS).hexdigest()
LIMIT = 2_000_000
Scene = Callable[[ArtefactServer], Awaitable[None]]


def clock() -> SimClock:
    return SimClock(datetime(2026, 5, 4, tzinfo=UTC))


def play(directory: Path, scene: Scene, *, limits: Limits | None = None, admits: tuple[str, ...] = ("j1",)) -> None:
    """Run a scene with a server of its own; no task, thread or half file is left."""

    async def run() -> None:
        serving = serve_artefacts(
            ArtefactStore(directory), Tickets(SECRET, clock()), limits=limits, admits=admits.__contains__
        )
        async with serving as server:
            await scene(server)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    threads = set(threading.enumerate())
    asyncio.run(run())
    assert set(threading.enumerate()) <= threads
    assert not [p.name for p in directory.glob(".*")]


def bearer(server: ArtefactServer, job: str = "j1", limit: int = LIMIT) -> dict[str, str]:
    token = server.ticket(job, limit=limit).token
    return {"Authorization": f"Bearer {token}", "Content-Type": "image/tiff"}


def head(server: ArtefactServer, *more: str, path: str = f"/artefacts/{SHA}", method: str = "PUT") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: store", *(f"{k}: {v}" for k, v in bearer(server).items()), *more]
    return "\r\n".join([*lines, "", ""]).encode()


async def raw(server: ArtefactServer, *sent: bytes, eof: bool = False) -> bytes:
    """Send bytes as they are; what comes back until the server closes, at most for some seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.base.rpartition(":")[2]))
    answer = bytearray()

    async def listen() -> None:
        with contextlib.suppress(ConnectionError):  # a server that has answered may cut who goes on sending
            while block := await reader.read(65536):
                answer.extend(block)

    async with asyncio.timeout(10.0):
        listening = asyncio.create_task(listen())
        with contextlib.suppress(ConnectionError):
            for part in sent:
                writer.write(part)
                await writer.drain()
            if eof:
                writer.write_eof()
        await listening
    writer.close()
    return bytes(answer)


def entries(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir())


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def detail(answer: bytes) -> str:
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["detail"])

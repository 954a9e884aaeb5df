"""A device's uploads: over a real server, over servers that fail, and over TLS."""

import asyncio
import hashlib
import json
import shutil
import socket
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from artefact_bench import PIXELS, SHA, Sleeps, tickets

from instruments.artefacts import ArtefactError
from instruments.bulk.fetch import Sources, fetch
from instruments.bulk.server import serve_artefacts
from instruments.bulk.store import ArtefactStore
from instruments.bulk.upload import upload
from instruments.messages import ArtefactRef, UploadTicket

TOKEN = "a-token-of-some-length"  # noqa: S105 - good for nothing


Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


@asynccontextmanager
async def impostor(answering: Answering) -> AsyncIterator[UploadTicket]:
    """A server that answers as the test says; the number counts its connections from 1."""
    count = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        try:
            await answering(reader, writer, count)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield UploadTicket(uri=f"http://127.0.0.1:{port}/artefacts", token=TOKEN, limit=10_000_000)


async def request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
    return head, await reader.readexactly(int(lines.get("Content-Length", 0)))


def response(status: str, body: object, *headers: str) -> bytes:
    content = json.dumps(body).encode() if not isinstance(body, bytes) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


@pytest.mark.parametrize("from_file", [False, True])
def test_data_and_files_arrive_and_are_referred_to(tmp_path: Path, from_file: bool) -> None:
    source = tmp_path / "scan.tif"
    source.write_bytes(PIXELS)

    async def run() -> None:
        store = ArtefactStore(tmp_path / "store")
        async with serve_artefacts(store, tickets()) as server:
            ticket = server.ticket("j1", limit=len(PIXELS))
            given = source if from_file else PIXELS
            ref = await upload(ticket, given, "image/tiff")
            assert await upload(ticket, given, "image/tiff") == ref
            uri = f"{server.uri}/{SHA}"
            assert ref == ArtefactRef(uri=uri, sha256=SHA, bytes=len(PIXELS), media_type="image/tiff")
            assert await fetch(ref, Sources(own=(server.uri, store))) == PIXELS
            assert await fetch(ref, Sources(origins=[server.base], token=ticket.token)) == PIXELS
            with pytest.raises(ArtefactError, match="401 Unauthorized: say the ticket's token"):
                await fetch(ref, Sources(origins=None))
        assert [p.name for p in store.directory.iterdir()] == [f"{SHA}.tif"]

    threads = set(threading.enumerate())
    asyncio.run(run())
    assert set(threading.enumerate()) <= threads


def test_many_devices_in_the_agents_own_process_do_not_starve_its_endpoint(tmp_path: Path) -> None:
    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        store = ArtefactStore(tmp_path)
        async with serve_artefacts(store, tickets()) as server, asyncio.timeout(10.0):
            given = [b"%d" % n * 100_000 for n in range(24)]
            ticket = server.ticket("j1")
            refs = await asyncio.gather(*(upload(ticket, data, "image/tiff") for data in given))
            sources = Sources(origins=[server.uri], token=ticket.token)
            assert await asyncio.gather(*(fetch(ref, sources) for ref in refs)) == given

    asyncio.run(run())


def test_a_large_file_takes_little_memory_on_either_side(tmp_path: Path) -> None:
    source = tmp_path / "stack.tif"
    with source.open("wb") as file:
        file.truncate(100_000_000)

    async def run() -> int:
        async with serve_artefacts(ArtefactStore(tmp_path / "store"), tickets()) as server:
            tracemalloc.start()
            try:
                await upload(server.ticket("j1"), source, "image/tiff")
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert asyncio.run(run()) < 15_000_000


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_device_without_python_uploads_with_curl(tmp_path: Path) -> None:
    """The command of the endpoint's documentation, by a client that is not ours; it waits for leave to go on."""
    (tmp_path / "scan.tif").write_bytes(PIXELS * 2)
    digest = hashlib.sha256(PIXELS * 2).hexdigest()

    async def run() -> tuple[str, ...]:
        async with serve_artefacts(ArtefactStore(tmp_path / "store"), tickets()) as server:
            ticket = server.ticket("j1")
            said = []
            for token in (ticket.token, "forged"):
                headers = ["-H", f"Authorization: Bearer {token}", "-H", "Content-Type: image/tiff"]
                command = ["curl", "-s", "-T", str(tmp_path / "scan.tif"), *headers, f"{ticket.uri}/{digest}"]
                child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
                said.append((await child.communicate())[0].decode())
            return tuple(said)

    taken, refused = asyncio.run(run())
    assert json.loads(taken) == {"sha256": digest, "bytes": len(PIXELS) * 2, "media_type": "image/tiff"}
    assert json.loads(refused)["detail"] == "the token is not one of ours"


def test_an_address_of_ip_version_6_is_one_too(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")

    async def run() -> None:
        async with serve_artefacts(ArtefactStore(tmp_path), tickets(), host="::1") as server:
            assert server.uri.startswith("http://[::1]:")
            ref = await upload(server.ticket("j1"), PIXELS, "image/tiff")
            assert await fetch(ref, Sources(origins=[server.uri], token=server.ticket("j1").token)) == PIXELS

    asyncio.run(run())


def test_what_is_over_the_limit_is_not_sent() -> None:
    ticket = UploadTicket(uri="http://127.0.0.1:9/artefacts", token=TOKEN, limit=10)
    with pytest.raises(ArtefactError, match="11 bytes are more than the 10"):
        asyncio.run(upload(ticket, bytes(11), "image/tiff"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    ticket = UploadTicket(uri="http://127.0.0.1:9/artefacts", token=TOKEN, limit=10)
    with pytest.raises(ArtefactError, match=r"scan\.tif cannot be read: No such file"):
        asyncio.run(upload(ticket, tmp_path / "scan.tif", "image/tiff"))


def test_a_store_that_refuses_is_not_asked_again_and_its_words_reach_the_device(tmp_path: Path) -> None:
    async def run() -> None:
        sleeps = Sleeps()
        async with serve_artefacts(ArtefactStore(tmp_path), tickets(), admits=lambda job: False) as server:
            with pytest.raises(ArtefactError, match="403 Forbidden: job j1 brings no artefacts here"):
                await upload(server.ticket("j1"), PIXELS, "image/tiff", sleeper=sleeps)
            small = server.ticket("j1", limit=10).model_copy(update={"limit": 1 << 30})
        async with serve_artefacts(ArtefactStore(tmp_path), tickets()) as server:
            small = small.model_copy(update={"uri": server.uri})
            with pytest.raises(ArtefactError, match=r"413 .*more than the 10 that the ticket allows"):
                await upload(small, bytes(30_000_000), "image/tiff", sleeper=sleeps)
        assert sleeps.seconds == []

    asyncio.run(run())


def test_a_store_that_is_down_is_waited_for(tmp_path: Path) -> None:
    """Nobody listens, then a server that cuts, then one in trouble, then it works."""

    async def run() -> None:
        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
            if count == 1:
                await reader.readexactly(1000)
                writer.transport.abort()
                return
            head, body = await request(reader)
            assert head.startswith(f"PUT /artefacts/{SHA} HTTP/1.1\r\n")
            assert f"Authorization: Bearer {TOKEN}\r\n" in head
            assert "Content-Type: image/tiff\r\n" in head
            assert body == PIXELS
            if count == 2:
                writer.write(response("503 Service Unavailable", {"detail": "busy"}, "Retry-After: 7"))
            elif count == 3:
                writer.write(response("500 Internal Server Error", b"<html>a proxy's words</html>"))
            elif count == 4:
                writer.write(response("408 Request Timeout", {"detail": "silent for 15 s"}))
            elif count == 5:
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{")
            else:
                writer.write(response("201 Created", {"sha256": SHA}))

        sleeps = Sleeps()
        async with impostor(answering) as ticket:
            assert (await upload(ticket, PIXELS, "image/tiff", sleeper=sleeps)).sha256 == SHA
        assert len(sleeps.seconds) == 5
        assert sleeps.seconds[1] == 7.0
        for place, seconds in enumerate(sleeps.seconds):
            assert place == 1 or 0.25 * 2**place <= seconds <= 0.5 * 2**place

    asyncio.run(run())


def test_a_store_that_never_comes_is_given_up_with_the_last_reason() -> None:
    async def run() -> None:
        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
            await request(reader)
            writer.write(response("507 Insufficient Storage", {"detail": "the store's disk is full"}))

        sleeps = Sleeps()
        async with impostor(answering) as ticket:
            with pytest.raises(ArtefactError, match=r"failed 3 times, at last: 507 .*the store's disk is full"):
                await upload(ticket, b"x", "image/tiff", sleeper=sleeps, attempts=3)
        with pytest.raises(ArtefactError, match=r"failed 2 times, at last: no answer from 127\.0\.0\.1:\d+ .*refused"):
            await upload(ticket, b"x", "image/tiff", sleeper=sleeps, attempts=2)
        assert len(sleeps.seconds) == 3

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (response("200 OK", {"sha256": "0" * 64}), "answers for other data"),
        (response("200 OK", b"<html>a captive portal</html>"), "is it a store"),
        (response("204 No Content", b""), "does not take the data: 204"),
        (response("302 Found", b"", "Location: http://evil.org/"), "does not take the data: 302 Found"),
        (response("404 Not Found", b"nothing\r\nhere"), "does not take the data: 404 Not Found: nothing here"),
    ],
)
def test_what_is_no_store_is_not_believed(answer: bytes, words: str) -> None:
    async def run() -> None:
        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
            assert count == 1
            await request(reader)
            writer.write(answer)

        async with impostor(answering) as ticket:
            with pytest.raises(ArtefactError, match=words):
                await upload(ticket, PIXELS, "image/tiff", sleeper=Sleeps())

    asyncio.run(run())


def test_a_cancelled_upload_ends_at_once() -> None:
    async def run() -> None:
        begun = asyncio.Event()

        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
            await request(reader)
            begun.set()
            await reader.read()  # and never answers

        async with impostor(answering) as ticket:
            task = asyncio.create_task(upload(ticket, PIXELS, "image/tiff"))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    start = time.monotonic()
    asyncio.run(run())  # joins the thread of the upload
    assert time.monotonic() - start < 5.0


# Fetching -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (response("200 OK", b"pixelx"), "not what was announced"),
        (response("200 OK", b"pixels and more"), "not what was announced"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\npix", "not what was announced"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\nxxxxx\r\n" * 9, "not what was announced"),
        (response("302 Found", b"", "Location: file:///etc/passwd"), "redirections are not followed"),
        (response("404 Not Found", {"detail": "gone"}), "404 Not Found: gone"),
        (b"nonsense\r\n\r\n", "cannot fetch"),
        (b"", "cannot fetch"),
    ],
)
def test_only_what_was_announced_is_taken_from_a_server(answer: bytes, words: str) -> None:
    async def run() -> None:
        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
            await request(reader)
            writer.write(answer)

        async with impostor(answering) as ticket:
            sha256 = hashlib.sha256(b"pixels").hexdigest()
            ref = ArtefactRef(uri=f"{ticket.uri}/x", sha256=sha256, bytes=6, media_type="image/tiff")
            with pytest.raises(ArtefactError, match=words):
                await fetch(ref, Sources(origins=[ticket.uri]))

    asyncio.run(run())

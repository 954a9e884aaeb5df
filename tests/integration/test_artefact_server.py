"""The upload endpoint against clients that lie, stall and vanish: raw sockets where HTTP libraries are too polite."""

import asyncio
import contextlib
import hashlib
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from patience import until

from envs.errors import ConfigError
from instruments.bulk.endpoint import Limits
from instruments.bulk.server import ArtefactServer, artefact_app, serve_artefacts
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


# Well-behaved clients -------------------------------------------------------------------------------------------------


def test_an_artefact_goes_in_once_and_comes_out(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        async with httpx.AsyncClient(headers=bearer(server), base_url=server.base) as client:
            first = await client.put(f"/artefacts/{SHA}", content=PIXELS)
            again = await client.put(f"/artefacts/{SHA}", content=PIXELS)
            got = await client.get(f"/artefacts/{SHA}")
            seen = await client.head(f"/artefacts/{SHA}")
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json() == {"sha256": SHA, "bytes": len(PIXELS), "media_type": "image/tiff"}
        assert first.headers["location"] == f"/artefacts/{SHA}"
        assert (got.status_code, got.content) == (200, PIXELS)
        assert got.headers["content-type"] == "image/tiff"
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["content-disposition"] == f'attachment; filename="{SHA}.tif"'
        assert (seen.status_code, seen.content, seen.headers["content-length"]) == (200, b"", str(len(PIXELS)))

    play(tmp_path, scene)
    assert [p.name for p in tmp_path.iterdir()] == [f"{SHA}.tif"]


def test_two_uploads_of_the_same_content_at_once_are_one_file(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        async with httpx.AsyncClient(headers=bearer(server)) as client:
            uris = [f"{server.uri}/{SHA}"] * 6
            answers = await asyncio.gather(*(client.put(uri, content=PIXELS) for uri in uris))
        assert sorted(a.status_code for a in answers) == [200] * 5 + [201]

    play(tmp_path, scene)
    assert len(list(tmp_path.iterdir())) == 1


WRONG: list[tuple[str, str, dict[str, str], int, str]] = [
    ("PUT", SHA, {"Authorization": ""}, 401, "Authorization: Bearer TOKEN"),
    ("GET", SHA, {"Authorization": ""}, 401, "Authorization: Bearer TOKEN"),
    ("HEAD", SHA, {"Authorization": ""}, 401, ""),
    ("PUT", SHA, {"Authorization": "Basic dTpw"}, 401, "Authorization: Bearer TOKEN"),
    ("PUT", SHA, {"Authorization": "Bearer a.b.c"}, 401, "not one of ours"),
    ("PUT", SHA.upper(), {}, 400, "64 lower-case hexadecimal digits"),
    ("PUT", SHA[:-1], {}, 400, "64 lower-case hexadecimal digits"),
    ("GET", "*", {}, 400, "64 lower-case hexadecimal digits"),
    ("PUT", "0" * 64, {}, 400, f"with the SHA-256 {SHA}, not {'0' * 64}: the content is not what the path says"),
    ("PUT", SHA, {"Content-Type": ""}, 415, "media type, such as image/tiff, not ''"),
    ("PUT", SHA, {"Content-Type": "multipart/form-data"}, 415, "media type, such as image/tiff"),
    ("PUT", SHA, {"Content-Type": "../../x"}, 415, "media type, such as image/tiff"),
    ("PUT", SHA, {"Content-Encoding": "gzip"}, 415, "Content-Encoding"),
    ("GET", SHA, {}, 404, "no artefact"),
    ("POST", SHA, {}, 405, "PUT, and read by GET and HEAD"),
    ("DELETE", SHA, {}, 405, "PUT, and read by GET and HEAD"),
    ("PUT", "", {}, 404, "nothing but /artefacts/SHA256"),
    ("PUT", f"{SHA}/more", {}, 404, "nothing but /artefacts/SHA256"),
]


def test_a_wrong_request_is_told_why(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        async with httpx.AsyncClient() as client:
            for method, path, headers, code, words in WRONG:
                content = PIXELS if method == "PUT" else None
                merged = {**bearer(server), **headers}
                answer = await client.request(method, f"{server.uri}/{path}", headers=merged, content=content)
                assert answer.status_code == code, (method, path, headers)
                assert answer.headers["content-type"] == "application/problem+json"
                if method != "HEAD":
                    assert answer.json()["status"] == code
                    assert words in answer.json()["detail"]

    play(tmp_path, scene)
    assert entries(tmp_path) == []


def test_a_token_of_another_job_is_refused_and_so_is_an_expired_one(tmp_path: Path) -> None:
    async def run() -> None:
        time = clock()
        tickets = Tickets(SECRET, time)
        async with serve_artefacts(ArtefactStore(tmp_path), tickets, admits=lambda job: job == "j1") as server:
            uri, good = f"{server.uri}/{SHA}", bearer(server)
            async with httpx.AsyncClient() as client:
                other = await client.put(uri, headers=bearer(server, "j2"), content=PIXELS)
                time.advance(3 * 86400.0)
                late = await client.put(uri, headers=good, content=PIXELS)
        assert (other.status_code, late.status_code) == (403, 401)
        assert other.json()["detail"] == "job j2 brings no artefacts here, or none any more"
        assert "expired" in late.json()["detail"]
        assert 'error="invalid_token"' in late.headers["www-authenticate"]

    asyncio.run(run())
    assert entries(tmp_path) == []


def test_a_full_disk_is_507_and_a_decayed_artefact_500(tmp_path: Path) -> None:
    async def run() -> None:
        full = ArtefactStore(tmp_path / "full", reserve=1 << 60)
        async with serve_artefacts(full, Tickets(SECRET, clock())) as server, httpx.AsyncClient() as client:
            answer = await client.put(f"{server.uri}/{SHA}", headers=bearer(server), content=PIXELS)
            assert (answer.status_code, answer.json()["detail"]) == (507, "the store's disk is full")
        store = ArtefactStore(tmp_path / "rot")
        store.put(PIXELS, "image/tiff")
        store.path(SHA).write_bytes(b"rot")
        async with serve_artefacts(store, Tickets(SECRET, clock())) as server, httpx.AsyncClient() as client:
            answer = await client.get(f"{server.uri}/{SHA}", headers=bearer(server))
            assert answer.status_code == 500
            again = await client.put(f"{server.uri}/{SHA}", headers=bearer(server), content=PIXELS)
            healed = await client.get(f"{server.uri}/{SHA}", headers=bearer(server))
            assert (again.status_code, healed.content) == (201, PIXELS)

    asyncio.run(run())


def test_the_application_can_be_a_part_of_a_larger_one(tmp_path: Path) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    async def run() -> None:
        tickets = Tickets(SECRET, clock())
        app = Starlette(routes=[Mount("/lab", artefact_app(ArtefactStore(tmp_path), tickets))])
        token = tickets.issue("j1", uri="http://daemon/lab/artefacts").token
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/tiff"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://daemon") as client:
            answer = await client.put(f"/lab/artefacts/{SHA}", headers=headers, content=PIXELS)
            assert (answer.status_code, answer.headers["location"]) == (201, f"/lab/artefacts/{SHA}")
            assert (await client.get(answer.headers["location"], headers=headers)).content == PIXELS

    asyncio.run(run())


# Hostile clients ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "sent", "code", "words"),
    [
        (("Content-Length: 2000001",), b"", 413, "2000001 bytes are more than the 2000000 that the ticket allows"),
        (("Content-Length: 999999999999999",), bytes(10_000_000), 413, "that the ticket allows"),
        ((), b"", 411, "say Content-Length"),
        (("Transfer-Encoding: chunked",), b"ffffff\r\n" + bytes(1_000_000), 411, "a body in chunks is not taken"),
        (("Transfer-Encoding: chunked", "Content-Length: 9"), b"ffffff\r\n" + bytes(1_000_000), 411, "in chunks"),
    ],
)
def test_a_length_that_is_missing_or_too_great_is_refused_before_the_content(
    tmp_path: Path, more: tuple[str, ...], sent: bytes, code: int, words: str
) -> None:
    async def scene(server: ArtefactServer) -> None:
        answer = await raw(server, head(server, *more), sent)
        assert status(answer) == code
        assert words in detail(answer)

    play(tmp_path, scene, limits=Limits(linger_s=0.3))
    assert entries(tmp_path) == []


def test_a_length_that_is_none_is_refused(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        for length in ("-1", "1e3", "0x10", " ", "9, 10", "1" * 40):
            answer = await raw(server, head(server, f"Content-Length: {length}"), b"x" * 20)
            assert status(answer) in {400, 411, 413}, length

    play(tmp_path, scene, limits=Limits(linger_s=0.05, header_s=0.2))
    assert entries(tmp_path) == []


def test_more_bytes_than_announced_are_not_taken_for_the_content(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        short = head(server, "Content-Length: 100", "Connection: close")
        answer = await raw(server, short + PIXELS[:300])
        assert status(answer) == 400
        assert "100 bytes came with the SHA-256" in detail(answer)

    play(tmp_path, scene, limits=Limits(linger_s=0.05))
    assert entries(tmp_path) == []


def test_fewer_bytes_than_announced_then_silence_or_an_end_leave_nothing(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        request = head(server, f"Content-Length: {len(PIXELS)}")
        answer = await raw(server, request, PIXELS[:-1])
        assert status(answer) == 408
        assert "silent for 0 s" in detail(answer)
        await raw(server, request, PIXELS[:-1], eof=True)

    play(tmp_path, scene, limits=Limits(idle_s=0.1, linger_s=0.05))
    assert entries(tmp_path) == []


def test_a_client_that_trickles_is_given_up(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.base.rpartition(":")[2]))
        writer.write(head(server, f"Content-Length: {len(PIXELS)}"))

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.01)

        task = asyncio.create_task(trickle())
        async with asyncio.timeout(5.0):
            assert status(await reader.readline()) == 408
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        writer.close()

    play(tmp_path, scene, limits=Limits(idle_s=0.2, rate=1e9, linger_s=0.05))


def test_a_client_that_vanishes_leaves_nothing(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", int(server.base.rpartition(":")[2]))
            writer.write(head(server, f"Content-Length: {len(PIXELS)}") + PIXELS[:500_000])
            await writer.drain()
            await until(lambda: any(tmp_path.glob(".*")))
            writer.transport.abort()
            await until(lambda: not any(tmp_path.iterdir()))

    play(tmp_path, scene)


ELSEWHERE = [
    "/artefacts/../../../../etc/passwd",
    "/artefacts/..%2f..%2f..%2fetc%2fpasswd",
    "/artefacts/%2e%2e",
    f"/artefacts/{SHA}%00.tif",
    f"/artefacts/{SHA}%2f..",
    f"/artefacts/{SHA}%0a",
    f"/artefacts//{SHA}",
    f"/artefacts/{SHA}/",
    f"//evil.org/artefacts/{SHA}",
    f"/artefacts/.{SHA}.tif.1.tmp",
    "/etc/passwd",
    "*",
]


def test_no_path_leads_anywhere_else(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        for path in ELSEWHERE:
            for method in ("PUT", "GET"):
                request = head(server, "Content-Length: 3", "Connection: close", path=path, method=method)
                answer = await raw(server, request, b"abc")
                assert status(answer) in {400, 404}, (method, path)
                assert b"root:" not in answer

    play(tmp_path, scene)
    assert entries(tmp_path) == []


def test_headers_too_large_or_too_slow_cost_the_connection(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        assert status(await raw(server, head(server, f"X-Much: {'x' * 100_000}"))) == 431
        assert await raw(server) == b""
        assert await raw(server, b"PUT /artef") == b""
        assert status(await raw(server, b"\x16\x03\x01 this is no HTTP\r\n\r\n")) == 400

    play(tmp_path, scene, limits=Limits(header_s=0.1))


def test_an_answer_reaches_a_client_that_sends_everything_before_it_reads(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        answer = await raw(server, head(server, "Content-Length: 30000000"), bytes(30_000_000))
        assert status(answer) == 413

    play(tmp_path, scene)


def test_leave_to_go_on_is_not_given_where_the_headers_suffice(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        refused = await raw(server, head(server, "Content-Length: 30000000", "Expect: 100-continue"))
        assert status(refused) == 413
        taken = head(server, f"Content-Length: {len(PIXELS)}", "Expect: 100-continue", "Connection: close")
        assert (await raw(server, taken, PIXELS)).startswith(b"HTTP/1.1 100 ")

    play(tmp_path, scene)
    assert [p.name for p in tmp_path.iterdir()] == [f"{SHA}.tif"]


def test_uploads_beyond_those_at_a_time_are_asked_to_come_back(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", int(server.base.rpartition(":")[2]))
        writer.write(head(server, f"Content-Length: {len(PIXELS)}") + PIXELS[:10])
        await until(lambda: any(tmp_path.glob(".*")))
        answer = await raw(server, head(server, f"Content-Length: {len(PIXELS)}"), PIXELS)
        assert status(answer) == 503
        assert b"retry-after: 1\r\n" in answer
        writer.write(PIXELS[10:])
        await until((tmp_path / f"{SHA}.tif").exists)
        writer.close()

    play(tmp_path, scene, limits=Limits(uploads=1, wait_s=0.05))


def test_stopping_does_not_wait_for_a_client_that_stalls(tmp_path: Path) -> None:
    digest = ArtefactStore(tmp_path).put(bytes(30_000_000), "image/tiff")
    stalled: list[socket.socket] = []

    async def scene(server: ArtefactServer) -> None:
        for method in ("PUT", "GET"):
            stalled.append(socket.create_connection(("127.0.0.1", int(server.base.rpartition(":")[2]))))
            request = head(server, "Content-Length: 10", method=method, path=f"/artefacts/{digest}")
            stalled[-1].sendall(request + b"x" * (9 if method == "PUT" else 10))
        await until(lambda: any(tmp_path.glob(".*")))
        await asyncio.to_thread(stalled[1].recv, 1)

    started = time.monotonic()
    play(tmp_path, scene, limits=Limits(stop_s=0.05))
    assert time.monotonic() - started < 2.0
    for client in stalled:
        client.close()


def test_a_client_that_reads_nothing_is_cut(tmp_path: Path) -> None:
    digest = ArtefactStore(tmp_path).put(bytes(30_000_000), "image/tiff")

    async def scene(server: ArtefactServer) -> None:
        port = int(server.base.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(head(server, method="GET", path=f"/artefacts/{digest}"))
        await reader.read(1)
        await asyncio.sleep(0.3)
        taken = 0
        with contextlib.suppress(ConnectionResetError):
            while block := await reader.read(1 << 20):
                taken += len(block)
        assert taken < 30_000_000
        writer.close()

    play(tmp_path, scene, limits=Limits(idle_s=0.1))


# Life -----------------------------------------------------------------------------------------------------------------


CHILD = """
import asyncio, sys
from pathlib import Path
from instruments.bulk.server import serve_artefacts
from instruments.bulk.store import ArtefactStore
from instruments.bulk.tickets import Tickets
from instruments.clock import SystemClock

async def main():
    async with serve_artefacts(ArtefactStore(Path(sys.argv[1])), Tickets(bytes(range(32)), SystemClock())) as server:
        print(server.uri, server.ticket("j1").token, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_server_that_is_killed_while_it_receives_serves_no_half_file_afterwards(tmp_path: Path) -> None:
    async def run() -> None:
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, str(tmp_path), stdout=pipe)
        assert child.stdout is not None
        uri, token = (await child.stdout.readline()).decode().split()
        _, writer = await asyncio.open_connection("127.0.0.1", int(uri.split(":")[2].split("/")[0]))
        lines = f"PUT /artefacts/{SHA} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer {token}\r\nContent-Type: image/tiff"
        writer.write(f"{lines}\r\nContent-Length: {len(PIXELS)}\r\n\r\n".encode() + PIXELS[:-1])
        await until(lambda: any(tmp_path.glob(".*")))
        child.send_signal(signal.SIGKILL)
        await child.wait()
        writer.close()
        assert len(entries(tmp_path)) == 1
        async with serve_artefacts(ArtefactStore(tmp_path), Tickets(SECRET, clock())) as server:
            assert entries(tmp_path) == []
            async with httpx.AsyncClient(headers=bearer(server)) as client:
                assert (await client.get(f"{server.uri}/{SHA}")).status_code == 404
                assert (await client.put(f"{server.uri}/{SHA}", content=PIXELS)).status_code == 201

    asyncio.run(run())


def test_signals_are_the_processs_own(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    seen = []

    async def scene(server: ArtefactServer) -> None:
        seen.append(signal.getsignal(signal.SIGTERM))

    play(tmp_path, scene)
    assert seen == [before[1]]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"host": "0.0.0.0"}, "TLS is required to listen on 0.0.0.0"),  # noqa: S104
        ({"host": "lab.example.org"}, "TLS is required"),
        ({"certificate": Path("missing.pem")}, "come together"),
        ({"certificate": Path("missing.pem"), "key": Path("missing.key")}, "PEM files"),
        ({"port": 70_000}, "free port"),
    ],
)
def test_a_place_that_cannot_be_served_is_named(tmp_path: Path, where: dict[str, object], words: str) -> None:
    async def run() -> None:
        async with serve_artefacts(ArtefactStore(tmp_path), Tickets(SECRET, clock()), **where):  # type: ignore[arg-type]
            pass

    with pytest.raises(ConfigError, match=words):
        asyncio.run(run())


def test_what_fails_inside_leaves_nothing_running(tmp_path: Path) -> None:
    async def scene(server: ArtefactServer) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        play(tmp_path, scene)

"""The server of artefacts against clients that lie, trickle, stall and vanish."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest
from artefact_stage import PIXELS, SHA, detail, entries, head, play, raw, status
from patience import until

from instruments.bulk.endpoint import Limits
from instruments.bulk.server import ArtefactServer
from instruments.bulk.store import ArtefactStore


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

"""The upload endpoint against clients that lie, stall and vanish: raw sockets where HTTP libraries are too polite."""

import asyncio
import signal
import sys
from pathlib import Path

import httpx
import pytest
from artefact_stage import PIXELS, SECRET, SHA, bearer, clock, entries, play
from patience import until

from envs.errors import ConfigError
from instruments.bulk.server import ArtefactServer, artefact_app, serve_artefacts
from instruments.bulk.store import ArtefactStore
from instruments.bulk.tickets import Tickets

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

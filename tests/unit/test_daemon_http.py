"""The daemon's HTTP port: alive, ready, metrics, uploads; on this machine alone unless it is told otherwise."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from certificates import self_signed
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agent.daemon import probe
from agent.daemon.config import parse_lab
from agent.daemon.health import Check, well
from agent.daemon.http import HttpPlace, Uploads, daemon_app, place_of, serve_http
from agent.daemon.metrics import Metrics
from envs.errors import ConfigError
from instruments.bulk.server import ArtefactServer
from instruments.bulk.store import ArtefactStore
from instruments.bulk.tickets import Tickets
from instruments.clock import SimClock

PIXELS = b"II*\x00" + bytes(range(256)) * 40
SHA = hashlib.sha256(PIXELS).hexdigest()
Scene = Callable[[httpx.AsyncClient, ArtefactServer], Awaitable[None]]


def tickets() -> Tickets:
    return Tickets(bytes(32), SimClock(datetime(2026, 5, 4, tzinfo=UTC)))


def play(
    directory: Path, scene: Scene, *, said: Mapping[str, str] | None = None, place: HttpPlace | None = None
) -> None:
    """Run a scene with the port served; ``said`` are the answers of the checks at that moment."""
    said = {} if said is None else said
    uploads = Uploads(ArtefactStore(directory), tickets(), admits=lambda job: job == "j1")
    app = daemon_app(
        version="1.2.3",
        alive=[Check("journal", lambda: said.get("journal", ""))],
        ready=[Check("broker", lambda: said.get("broker", "")), Check("disk", lambda: said.get("disk", ""))],
        metrics=Metrics(version="1.2.3", mode="virtual").render,
        uploads=uploads,
        more=[Route("/dashboard", lambda _request: PlainTextResponse("here"))],
    )

    async def run() -> None:
        async with (
            serve_http(app, place or HttpPlace(port=0), uploads) as server,
            httpx.AsyncClient(base_url=server.base, trust_env=False) as client,
        ):
            await scene(client, server)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_a_well_daemon_is_alive_and_ready(tmp_path: Path) -> None:
    async def scene(client: httpx.AsyncClient, _server: ArtefactServer) -> None:
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
        assert (alive.status_code, alive.json()) == (200, {"status": "ok", "checks": {"journal": ""}})
        assert ready.json() == {"status": "ok", "checks": {"journal": "", "broker": "", "disk": ""}}
        assert alive.headers["cache-control"] == "no-store"
        assert (await client.head("/healthz")).status_code == 200

    play(tmp_path, scene)


def test_not_ready_is_no_reason_to_be_killed(tmp_path: Path) -> None:
    said = {"broker": "not connected since 12:03", "disk": ""}

    async def scene(client: httpx.AsyncClient, _server: ArtefactServer) -> None:
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["status"] == "failing"
        assert ready.json()["checks"]["broker"] == "not connected since 12:03"
        said["broker"] = ""
        assert (await client.get("/readyz")).status_code == 200

    play(tmp_path, scene, said=said)


def test_a_lost_lease_is_neither_alive_nor_ready(tmp_path: Path) -> None:
    async def scene(client: httpx.AsyncClient, _server: ArtefactServer) -> None:
        for path in ("/healthz", "/readyz"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert answer.json()["checks"]["journal"] == "another process holds the lease"

    play(tmp_path, scene, said={"journal": "another process holds the lease"})


def test_a_check_that_breaks_is_a_check_that_fails() -> None:
    def broken() -> str:
        raise OSError("no such disk")

    assert "no such disk" in Check("disk", broken).answer()
    assert not well([Check("fine", lambda: ""), Check("disk", broken)])
    assert well([Check("fine", lambda: "")])


def test_metrics_are_what_prometheus_reads(tmp_path: Path) -> None:
    async def scene(client: httpx.AsyncClient, _server: ArtefactServer) -> None:
        answer = await client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        names = {family.name for family in text_string_to_metric_families(answer.text)}
        assert {"labwright_events", "labwright_lab_stopped", "process_resident_memory_bytes"} <= names

    play(tmp_path, scene)


def test_instruments_upload_on_the_same_port_with_a_ticket(tmp_path: Path) -> None:
    async def scene(client: httpx.AsyncClient, server: ArtefactServer) -> None:
        path = f"/artefacts/{SHA}"
        assert (await client.put(path, content=PIXELS)).status_code == 401
        for job, status in (("j2", 403), ("j1", 201)):
            token = server.ticket(job, limit=1_000_000).token
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/tiff"}
            answer = await client.put(path, content=PIXELS, headers=headers)
            assert answer.status_code == status, answer.text
        assert server.uri == f"{server.base}/artefacts"

    play(tmp_path, scene)
    assert ArtefactStore(tmp_path).path(SHA).read_bytes() == PIXELS


def test_the_root_says_what_there_is_and_a_wrong_path_too(tmp_path: Path) -> None:
    async def scene(client: httpx.AsyncClient, _server: ArtefactServer) -> None:
        index = (await client.get("/")).json()
        assert index["version"] == "1.2.3"
        for path in index["links"].values():
            assert (await client.get(path)).status_code == 200
        lost = await client.get("/nowhere")
        assert lost.status_code == 404
        assert "/healthz" in lost.json()["detail"]
        wrong = await client.post("/metrics")
        assert (wrong.status_code, wrong.headers["content-type"]) == (405, "application/problem+json")
        assert (await client.get("/dashboard")).text == "here"

    play(tmp_path, scene)


def test_tickets_name_the_address_that_instruments_reach(tmp_path: Path) -> None:
    async def run() -> str:
        uploads = Uploads(ArtefactStore(tmp_path), tickets())
        app = daemon_app(version="1", alive=(), ready=(), metrics=lambda: b"", uploads=uploads)
        async with serve_http(app, HttpPlace(port=0, public_url="https://lab.example.org/"), uploads) as server:
            return server.uri

    assert asyncio.run(run()) == "https://lab.example.org/artefacts"


# Beyond this machine --------------------------------------------------------------------------------------------------


async def _nothing(_client: httpx.AsyncClient, _server: ArtefactServer) -> None:
    pass


def test_it_does_not_listen_beyond_this_machine_without_tls(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"http\.certificate.*TLS is required to listen on 0\.0\.0\.0"):
        play(tmp_path, _nothing, place=HttpPlace(host="0.0.0.0", port=0))  # noqa: S104


def test_unless_it_is_told_so_plainly(tmp_path: Path) -> None:
    async def scene(_client: httpx.AsyncClient, server: ArtefactServer) -> None:
        port = httpx.URL(server.base).port
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200

    play(tmp_path, scene, place=HttpPlace(host="0.0.0.0", port=0, plain=True))  # noqa: S104


def test_the_laboratory_s_file_says_where(tmp_path: Path) -> None:
    http = {"host": "0.0.0.0", "port": 8443, "certificate": "tls/lab.pem", "key": "/run/lab.key"}  # noqa: S104
    config = parse_lab({"lab": {"name": "lab"}, "broker": {"url": "mqtt://127.0.0.1"}, "http": http}, home=tmp_path)

    assert place_of(config) == HttpPlace(
        host="0.0.0.0", port=8443, certificate=tmp_path / "tls/lab.pem", key=Path("/run/lab.key")  # noqa: S104
    )  # fmt: skip
    plain = parse_lab({"lab": {"name": "lab"}, "broker": {"url": "mqtt://127.0.0.1"}, "http": {"plain": True}})
    assert place_of(plain) == HttpPlace(plain=True)


def test_a_port_that_is_taken_is_a_setting_to_change(tmp_path: Path) -> None:
    async def scene(_client: httpx.AsyncClient, server: ArtefactServer) -> None:
        port = httpx.URL(server.base).port or 0
        uploads = Uploads(ArtefactStore(tmp_path / "2"), tickets())
        app = daemon_app(version="1", alive=(), ready=(), metrics=lambda: b"", uploads=uploads)
        with pytest.raises(ConfigError, match=r"http\.host"):
            async with serve_http(app, HttpPlace(port=port), uploads):
                pass

    play(tmp_path, scene)


# The probe ------------------------------------------------------------------------------------------------------------


def test_the_probe_tells_a_container_how_the_daemon_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {"journal": ""}

    async def scene(_client: httpx.AsyncClient, server: ArtefactServer) -> None:
        environ = {probe.VARIABLE: f"{server.base}/healthz"}
        assert await asyncio.to_thread(probe.main, environ) == 0
        said["journal"] = "lost"
        assert await asyncio.to_thread(probe.main, environ) == 1
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["checks"] == {"journal": "lost"}

    play(tmp_path, scene, said=said)


def test_the_probe_says_when_nobody_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main({probe.VARIABLE: "http://127.0.0.1:1/healthz"}) == 1
    assert "refused" in capsys.readouterr().out
    assert probe.main({probe.VARIABLE: "http://127.0.0.1:99999/healthz"}) == 1


def test_the_probe_speaks_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)

    async def scene(client: httpx.AsyncClient, server: ArtefactServer) -> None:
        assert server.base.startswith("https://")
        assert await asyncio.to_thread(probe.main, {probe.VARIABLE: f"{server.base}/healthz"}) == 0
        with pytest.raises(httpx.ConnectError):  # who verifies is not deceived
            await client.get("/healthz")

    play(tmp_path, scene, place=HttpPlace(port=0, certificate=certificate, key=key))

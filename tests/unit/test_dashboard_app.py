"""The whole dashboard, served: every page, from here alone, at its prefix, and gone without a trace when it stops."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from dashboard_samples import FakeLive, FakeVoice, sample_picture
from dashboard_user import nicegui_alone
from nicegui import Client, core
from starlette.applications import Starlette
from starlette.types import ASGIApp

from agent.dashboard.app import Dashboard
from agent.dashboard.door.keys import Keys
from agent.dashboard.door.settings import DoorSettings
from agent.identity import IdentityStore
from agent.roles import Role
from instruments.profile.laboratory import PersonEntry

PASSWORD = "correct horse"  # noqa: S105  # of everybody here
HOST = "http://lab.example"
ADDRESSES = (
    "/", "/proposals", "/proposals/hard-P001", "/campaigns", "/campaigns/hard", "/experiments",
    "/experiments/hard-E004", "/instruments", "/people",
)  # fmt: skip
_URL = re.compile(r"""(?:src|href|action|url)\s*[=(:]\s*\\?["']?([^"'\s)>\\]+)""")

Visit = Callable[[httpx.AsyncClient], Awaitable[None]]


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with nicegui_alone():
        yield


def a_dashboard(directory: Path, settings: DoorSettings) -> Dashboard:
    picture = sample_picture()
    key = IdentityStore(directory, cost=2**4).create("anna", Role.APPROVER, PASSWORD).key
    assert picture.lab is not None
    people = (PersonEntry(name="anna", role="approver", kid=key.kid, x=key.x),)
    picture.labs[picture.lab.agent] = picture.lab.model_copy(update={"people": people})
    return Dashboard(live=FakeLive(picture), voice=FakeVoice(), keys=Keys(directory, cost=2**4), settings=settings)


def visit(directory: Path, journey: Visit, prefix: str = "/dashboard", *, mounted: bool = False) -> None:
    """Make a journey, logged in, to a dashboard that runs while it lasts."""

    async def whole() -> None:
        dashboard = a_dashboard(directory, DoorSettings(prefix=prefix))
        app: ASGIApp = Starlette(routes=[dashboard.mount]) if mounted else dashboard.asgi
        async with dashboard.running(), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOST) as http:
            shown = await http.get(f"{prefix}/login")
            fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', shown.text))
            entered = await http.post(f"{prefix}/login", data={**fields, "name": "anna", "password": PASSWORD})
            assert entered.status_code == 303
            await journey(http)

    asyncio.run(whole())


@pytest.mark.parametrize(("prefix", "mounted"), [("/dashboard", True), ("/dashboard", False), ("", False)])
def test_each_page_is_there_at_the_prefix_whoever_mounts_it(tmp_path: Path, prefix: str, mounted: bool) -> None:
    async def journey(http: httpx.AsyncClient) -> None:
        for address in ADDRESSES:
            page = await http.get(f"{prefix}{address}")
            assert page.status_code == 200, address
            assert page.headers["cache-control"] == "no-store"
            assert "hall-3" in page.text
        assert (await http.get(f"{prefix}/nowhere")).status_code == 404
        if prefix:
            assert (await http.get(prefix, follow_redirects=True)).status_code == 200

    visit(tmp_path, journey, prefix, mounted=mounted)


def test_a_page_asks_for_nothing_from_anywhere_else(tmp_path: Path) -> None:
    async def journey(http: httpx.AsyncClient) -> None:
        for address in (*ADDRESSES, "/login", "/nowhere"):
            page = await http.get(f"/dashboard{address}")
            urls = {url for url in _URL.findall(page.text) if "://" in url or url.startswith("//")}
            assert not urls, address
        for name in re.findall(r'href="(/dashboard/static/[^"]+)"', (await http.get("/dashboard/people")).text):
            style = await http.get(name)
            assert style.status_code == 200, name
            assert "max-age=31536000" in style.headers["cache-control"]
            assert "://" not in re.sub(r"/\*.*?\*/", "", style.text, flags=re.DOTALL)

    visit(tmp_path, journey)


def test_what_a_page_loads_is_there_and_is_kept(tmp_path: Path) -> None:
    async def journey(http: httpx.AsyncClient) -> None:
        text = (await http.get("/dashboard/campaigns/hard")).text
        addresses = set(re.findall(r'"(/dashboard/_nicegui/[^"]+?\.(?:js|mjs|css))"', text))
        assert len(addresses) > 5
        for address in addresses:
            loaded = await http.get(address)
            assert loaded.status_code == 200, address
            assert loaded.headers["cache-control"] == "private, max-age=31536000, immutable"

    visit(tmp_path, journey)


def test_each_script_of_a_page_bears_its_nonce_and_no_markup_can_bring_one(tmp_path: Path) -> None:
    async def journey(http: httpx.AsyncClient) -> None:
        page = await http.get("/dashboard/proposals")
        policy = page.headers["content-security-policy"]
        nonce = re.search(r"script-src 'self' 'nonce-([^']+)' 'unsafe-eval';", policy)
        assert nonce is not None
        scripts = re.findall(r"<script[^>]*>", page.text)
        assert len(scripts) > 5
        assert all(f'nonce="{nonce[1]}"' in script for script in scripts)

    visit(tmp_path, journey)


def test_a_prefix_that_a_stranger_sends_is_not_written_into_pages(tmp_path: Path) -> None:
    async def journey(http: httpx.AsyncClient) -> None:
        page = await http.get("/dashboard/people", headers={"x-forwarded-prefix": "//evil.example"})
        assert "evil.example" not in page.text

    visit(tmp_path, journey)


def test_nothing_is_written_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    async def journey(http: httpx.AsyncClient) -> None:
        assert (await http.get("/dashboard/people")).status_code == 200

    visit(tmp_path / "keys", journey)
    assert not list((tmp_path / "here").iterdir())


def test_it_can_run_again_in_the_same_process_and_leaves_nothing(tmp_path: Path) -> None:
    async def journey(http: httpx.AsyncClient) -> None:
        assert (await http.get("/dashboard/people")).status_code == 200

    routes = len(core.app.router.routes)
    for i in range(2):
        visit(tmp_path / str(i), journey)
        assert not Client.instances
        assert len(core.app.router.routes) <= routes + 1


def test_an_error_while_it_runs_ends_it_as_cleanly(tmp_path: Path) -> None:
    async def journey(http: httpx.AsyncClient) -> None:
        await http.get("/dashboard/people")
        raise LookupError("of the test")

    with pytest.raises(LookupError, match="of the test"):
        visit(tmp_path, journey)
    assert not Client.instances


@pytest.mark.parametrize("mounted", [True, False])
def test_a_file_that_is_not_there_is_answered_plainly_to_whoever_asks(tmp_path: Path, mounted: bool) -> None:
    async def journey(http: httpx.AsyncClient) -> None:
        http.cookies.clear()
        for method, address, status in (
            ("GET", "/dashboard/static/nothing.css", 404),
            ("GET", "/dashboard/static/..%2f..%2fapp.py", 404),
            ("GET", "/dashboard/static/", 404),
            ("POST", "/dashboard/favicon.ico", 405),
        ):
            headers = {"origin": HOST}
            answer = await http.request(method, address, headers=headers)
            assert answer.status_code == status, address
            assert len(answer.text) < 30
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "default-src" in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "no-store"

    visit(tmp_path, journey, mounted=mounted)


def test_no_browser_writes_into_the_log(tmp_path: Path) -> None:
    async def journey(_http: httpx.AsyncClient) -> None:
        assert {"handshake", "event", "ack"} <= core.sio.handlers["/"].keys()
        assert "log" not in core.sio.handlers["/"]

    visit(tmp_path, journey)

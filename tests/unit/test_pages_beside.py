"""The dashboard beside the agent: it comes later, may fail, and the agent's own answers stay as they are."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from patience import until
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from agent.daemon import pages
from agent.daemon.config import LabConfig, parse_lab
from agent.daemon.embedded import dashboard_user
from agent.daemon.http import Uploads, daemon_app
from agent.daemon.porch import Porch
from envs.errors import ConfigError, UserError
from instruments.bulk.store import ArtefactStore
from instruments.bulk.tickets import Tickets
from instruments.clock import SystemClock

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def config(tmp_path: Path, **dashboard: Any) -> LabConfig:
    raw = {
        "lab": {"name": "hall"}, "broker": {"url": "mqtt://agent@localhost"}, "dashboard": dashboard,
        "campaign": [{"id": "hard"}],
    }  # fmt: skip
    return parse_lab(raw, home=tmp_path)


def client_of(tmp_path: Path, porch: Porch | None) -> httpx.AsyncClient:
    app = daemon_app(
        version="1", alive=(), ready=(), metrics=lambda: b"",
        uploads=Uploads(ArtefactStore(tmp_path), Tickets(bytes(32), SystemClock())),
        more=porch.routes() if porch else (), pages="/dashboard/" if porch else "",
    )  # fmt: skip
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent")


def test_browsers_are_led_to_the_pages_and_others_get_json(tmp_path: Path) -> None:
    async def story() -> None:
        async with client_of(tmp_path, Porch()) as client:
            led = await client.get("/", headers=BROWSER)
            assert (led.status_code, led.headers["location"]) == (307, "/dashboard/")
            assert (await client.get("/")).json()["links"]["dashboard"] == "/dashboard/"
            assert (await client.get("/dashboard")).headers["location"] == "/dashboard/"
        async with client_of(tmp_path, None) as client:
            assert (await client.get("/", headers=BROWSER)).json()["name"] == "labwright"
            assert (await client.get("/dashboard/")).status_code == 404

    asyncio.run(story())


def test_until_the_pages_are_there_a_browser_is_told_and_looks_again(tmp_path: Path) -> None:
    async def story() -> None:
        porch = Porch()
        async with client_of(tmp_path, porch) as client:
            early = await client.get("/dashboard/proposals", headers=BROWSER)
            assert (early.status_code, "refresh" in early.text) == (503, True)
            assert early.headers["cache-control"] == "no-store"
            porch.fault = "ValueError: <script>"
            never = await client.get("/dashboard/", headers=BROWSER)
            assert "refresh" not in never.text
            assert "&lt;script&gt;" in never.text

            async def here(_request: object) -> PlainTextResponse:
                return PlainTextResponse("here")

            inner = Starlette()
            inner.add_route("/login", here)
            porch.app = inner
            assert (await client.get("/dashboard/login")).text == "here"

    asyncio.run(story())


class _Plan:
    def __init__(self, *_told: Any) -> None:
        pass


def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, opened: Any, scene: Any, **dashboard: Any) -> Porch:
    """Keep pages whose module is another one."""
    module = ModuleType("the_pages")
    module.Plan, module.opened = _Plan, opened  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "the_pages", module)
    monkeypatch.setattr(pages, "MODULE", "the_pages" if opened else "nicegui_is_not_here")
    house: Any = SimpleNamespace(config=config(tmp_path, **dashboard))
    porch = Porch()

    async def story() -> None:
        kept = asyncio.create_task(pages.keep_pages(house, SimpleNamespace(broker=None), porch))  # type: ignore[arg-type]
        try:
            await scene(porch)
            assert not kept.done(), "the end of this task would be the agent's"
        finally:
            kept.cancel()
            await asyncio.gather(kept, return_exceptions=True)

    asyncio.run(story())
    return porch


application = Starlette()


def test_the_pages_stand_while_the_agent_runs_and_are_gone_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @asynccontextmanager
    async def opened(plan: object) -> AsyncIterator[Any]:
        assert isinstance(plan, _Plan)
        yield SimpleNamespace(asgi=application)

    async def scene(porch: Porch) -> None:
        await until(lambda: porch.app is application)

    porch = play(monkeypatch, tmp_path, opened, scene)
    assert (porch.app, porch.fault) == (None, "")


def test_whatever_goes_wrong_with_them_the_agent_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    @asynccontextmanager
    async def opened(_plan: object) -> AsyncIterator[Any]:
        raise ZeroDivisionError("a page is wrong")
        yield

    async def scene(porch: Porch) -> None:
        await until(lambda: bool(porch.fault))

    assert "ZeroDivisionError" in play(monkeypatch, tmp_path, opened, scene).fault


def test_wrong_settings_are_in_the_log_alone_for_whoever_asks_may_be_a_stranger(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @asynccontextmanager
    async def opened(_plan: object) -> AsyncIterator[Any]:
        raise UserError("notify.email.user is lab, and there is no password for it")
        yield

    async def scene(porch: Porch) -> None:
        await until(lambda: bool(porch.fault))

    told = play(monkeypatch, tmp_path, opened, scene).fault
    assert told == "its settings are wrong: the agent's log says more"


def test_where_it_is_not_installed_is_said_how_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def scene(porch: Porch) -> None:
        await until(lambda: bool(porch.fault))

    assert "pip install 'labwright[dashboard]'" in play(monkeypatch, tmp_path, None, scene).fault


def test_what_the_file_says_is_how_they_are(tmp_path: Path) -> None:
    (tmp_path / "state" / "secrets").mkdir(parents=True)
    (tmp_path / "state" / "secrets" / "smtp-password").write_text("of the mail\n")
    told = config(tmp_path, identities="keys", session_idle_min=5, session_max_h=1, behind_proxy=True)
    make: Any = lambda *args: args  # noqa: E731 - in the place of a class
    address, topics, identities, door, notify, secrets = cast(
        "Any", pages.plan_of(make, told, told.dashboard_address({}))
    )
    assert (address.username, topics.lab, identities) == ("agent", "hall", tmp_path / "keys")
    assert (door.prefix, door.idle_s, door.absolute_s, door.proxied) == ("/dashboard", 300.0, 3600.0, True)
    assert (notify.on, secrets.smtp_password, secrets.webhook_secret) == (False, "of the mail", None)


def test_nobody_else_may_have_the_dashboards_name_at_our_own_broker(tmp_path: Path) -> None:
    raw: dict[str, Any] = {
        "lab": {"name": "hall"}, "broker": {"embedded": True, "people": ["dashboard"]}, "campaign": [{"id": "hard"}],
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"dashboard\.broker_user"):
        dashboard_user(parse_lab(raw, home=tmp_path))
    assert dashboard_user(parse_lab({**raw, "dashboard": {"broker_user": "pages"}}, home=tmp_path)) == "pages"


def test_the_agent_does_not_bring_nicegui_before_it_is_wanted() -> None:
    code = (
        "import sys; import agent.daemon.lab_run, agent.daemon.starting, agent.cli; "
        "sys.exit(any(m.split('.')[0] in {'nicegui', 'fastapi', 'PIL'} for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603

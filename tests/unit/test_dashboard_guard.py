"""Without a session no page is shown; every answer says what a browser may do with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from door_house import Browser, House

from agent.dashboard.door.settings import DoorSettings


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_without_a_session_pages_lead_to_the_login_and_all_else_is_refused(house: House) -> None:
    async def journey(browser: Browser) -> None:
        for path in ("/dashboard", "/dashboard/", "/dashboard/people", "/dashboard/_other"):
            assert (await browser.http.get(path)).status_code == 303, path
        for path in ("/dashboard/_nicegui/3.18.0/static/nicegui.js", "/dashboard/_nicegui_ws/socket.io/?EIO=4"):
            assert (await browser.http.get(path)).status_code == 401, path
        assert (await browser.http.post("/dashboard/people")).status_code == 401
        assert (await browser.http.get("/dashboard/static/labwright.css")).status_code == 200

    house.visit(journey)


def test_a_page_can_ask_whether_its_session_is_there_without_using_it(house: House) -> None:
    async def journey(browser: Browser) -> None:
        assert (await browser.http.get("/dashboard/session")).status_code == 401
        await browser.log_in()
        for _ in range(2):
            assert (await browser.http.get("/dashboard/session")).status_code == 204
            house.now += 60.0
        assert (await browser.http.get("/dashboard/session")).status_code == 401

    house.visit(journey)


def test_every_answer_says_what_a_browser_may_do_with_it(house: House) -> None:
    async def journey(browser: Browser) -> None:
        await browser.log_in()
        for path, cache in (
            ("/dashboard/login", "no-store"),
            ("/dashboard/people", "no-store"),
            ("/dashboard/static/labwright.css", "no-cache"),
            ("/dashboard/static/labwright.css?v=abc", "private, max-age=31536000, immutable"),
            ("/dashboard/_nicegui/3.18.0/static/nicegui.js", "private, max-age=31536000, immutable"),
            ("/dashboard/_nicegui/3.18.0/dynamic_resources/x", "no-store"),
        ):
            headers = (await browser.http.get(path)).headers
            assert headers["cache-control"] == cache, path
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            policy = headers["content-security-policy"]
            for part in ("default-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'self'"):
                assert part in policy
            scripts = re.search(r"script-src ([^;]*)", policy)
            assert scripts is not None
            assert "unsafe-inline" not in scripts[1]

    house.visit(journey)


def test_each_page_has_a_nonce_of_its_own(house: House) -> None:
    async def journey(browser: Browser) -> None:
        await browser.log_in()
        policies = [(await browser.http.get("/dashboard/people")).headers["content-security-policy"] for _ in range(2)]
        nonces = {match[1] for policy in policies if (match := re.search(r"'nonce-([\w-]{20,})'", policy))}
        assert len(nonces) == 2

    house.visit(journey)


def test_a_link_of_another_site_finds_the_session_at_the_second_look(house: House) -> None:
    async def journey(browser: Browser) -> None:
        shown = await browser.http.get("/dashboard/proposals/x", headers={"sec-fetch-site": "cross-site"})
        assert shown.status_code == 200
        assert 'content="0;url=/dashboard/proposals/x"' in shown.text
        led = await browser.http.get("/dashboard/proposals/x", headers={"sec-fetch-site": "same-origin"})
        assert led.status_code == 303

    house.visit(journey)


def test_only_the_configured_hosts_are_answered(tmp_path: Path) -> None:
    house = House(tmp_path, DoorSettings(hosts=("lab.example",)))

    async def journey(browser: Browser) -> None:
        assert (await browser.http.get("/dashboard/login")).status_code == 200
        rebound = await browser.http.get("/dashboard/login", headers={"host": "evil.example"})
        assert rebound.status_code == 403

    house.visit(journey)

"""Nobody comes in but with a key that the laboratory knows, for as long as it is used."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from door_house import HOST, PASSWORD, Browser, House, said

from agent.dashboard.door.login import NO_LAB, NOT_KNOWN, STALE_FORM, WRONG
from agent.dashboard.door.settings import COOKIE, DoorSettings
from agent.dashboard.door.tokens import logout_token
from agent.roles import Role


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_person_logs_in_reads_a_page_and_logs_out(house: House) -> None:
    async def journey(browser: Browser) -> None:
        led = await browser.http.get("/dashboard/proposals/hard-P001?part=why")
        assert (led.status_code, led.headers["location"]) == (
            303,
            "/dashboard/login?next=/dashboard/proposals/hard-P001%3Fpart%3Dwhy",
        )
        form = await browser.form(led.headers["location"])
        entered = await browser.http.post("/dashboard/login", data={**form, "name": "anna", "password": PASSWORD})
        assert entered.status_code == 303
        assert entered.headers["location"] == "/dashboard/proposals/hard-P001?part=why"
        page = await browser.http.get(entered.headers["location"])
        assert page.text == f"page for {browser.session}"
        assert house.sessions.visitor(browser.session).role is Role.APPROVER  # type: ignore[union-attr]

        session = browser.session
        left = await browser.http.post("/dashboard/logout", data={"csrf": logout_token(session)})
        assert (left.status_code, left.headers["location"]) == (303, "/dashboard/login")
        assert not browser.session
        assert house.sessions.visitor(session) is None
        again = await browser.http.get("/dashboard/proposals", headers={"cookie": f"{COOKIE}={session}"})
        assert again.status_code == 303

    house.visit(journey)


def test_wrong_and_unknown_are_answered_alike_and_cost_as_much(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    scrypt = hashlib.scrypt
    costs: list[tuple[int, int, int]] = []

    def counted(password: bytes, **more: Any) -> bytes:
        costs.append((more["n"], more["r"], more["p"]))
        return scrypt(password, **more)

    async def journey(browser: Browser) -> None:
        house.store.private_path("zoe").unlink()
        monkeypatch.setattr(hashlib, "scrypt", counted)
        wrong = await browser.log_in("anna", "another horse")
        for name in ("nobody", "zoe", "../anna", "a" * 64):
            unknown = await browser.log_in(name, PASSWORD)
            assert wrong.status_code == unknown.status_code == 401
            assert said(wrong) == said(unknown) == WRONG
            assert PASSWORD not in unknown.text
        assert costs == [(2**4, 8, 1)] * 5, "before anybody has ever logged in, too"
        assert 'value="anna"' in wrong.text, "the name need not be typed again"
        assert "another horse" not in wrong.text
        assert not browser.session

    house.visit(journey)


def test_a_key_that_the_laboratory_does_not_know_opens_nothing(house: House) -> None:
    async def journey(browser: Browser) -> None:
        refused = await browser.log_in("zoe")
        assert (refused.status_code, said(refused)) == (403, NOT_KNOWN)
        assert not browser.session

    house.visit(journey)


def test_a_key_that_was_given_up_opens_nothing(house: House) -> None:
    house.change("anna", revoked=datetime(2026, 5, 3, tzinfo=UTC))

    async def journey(browser: Browser) -> None:
        refused = await browser.log_in()
        assert refused.status_code == 403
        assert said(refused) == "This key was given up on 03 May 2026: use your new one."

    house.visit(journey)


def test_a_viewer_comes_in_as_a_viewer_and_rises_when_the_laboratory_says_so(house: House) -> None:
    async def journey(browser: Browser) -> None:
        assert (await browser.log_in("vera")).status_code == 303
        visitor = house.sessions.visitor(browser.session)
        assert visitor is not None
        assert not visitor.may("approve")
        house.change("vera", role="approver")
        visitor = house.sessions.visitor(browser.session)
        assert visitor is not None
        assert visitor.may("approve")

    house.visit(journey)


def test_while_the_laboratory_says_nothing_nobody_is_let_in_and_the_page_says_why(house: House) -> None:
    house.laboratory = None

    async def journey(browser: Browser) -> None:
        assert said(await browser.http.get("/dashboard/login")) == NO_LAB
        refused = await browser.log_in()
        assert (refused.status_code, said(refused)) == (503, NO_LAB)

    house.visit(journey)


def test_too_many_tries_have_to_wait_and_then_may_go_on(house: House) -> None:
    async def journey(browser: Browser) -> None:
        for _ in range(5):
            assert (await browser.log_in("anna", "another horse")).status_code == 401
        late = await browser.log_in()
        assert (late.status_code, late.headers["retry-after"]) == (429, "1")
        assert said(late) == "Too many wrong tries. Please wait 1 s before the next one."
        house.now += 1.0
        assert (await browser.log_in()).status_code == 303

    house.visit(journey)


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_a_form_that_was_not_made_here_logs_nobody_in(house: House, token: str) -> None:
    async def journey(browser: Browser) -> None:
        refused = await browser.log_in(csrf=token)
        assert (refused.status_code, said(refused)) == (403, STALE_FORM)
        assert not browser.session

    house.visit(journey)


def test_a_form_of_another_browser_logs_nobody_in(house: House) -> None:
    async def journey(browser: Browser) -> None:
        form = await browser.form()
        browser.http.cookies.clear()
        refused = await browser.http.post("/dashboard/login", data={**form, "name": "anna", "password": PASSWORD})
        assert refused.status_code == 403

    house.visit(journey)


def test_another_site_cannot_end_a_session(house: House) -> None:
    async def journey(browser: Browser) -> None:
        await browser.log_in()
        for data, headers in (
            ({}, {}),
            ({"csrf": logout_token("another")}, {}),
            ({"csrf": logout_token(browser.session)}, {"origin": "http://evil.example"}),
            ({"csrf": logout_token(browser.session)}, {"sec-fetch-site": "cross-site"}),
        ):
            refused = await browser.http.post("/dashboard/logout", data=data, headers=headers)
            assert refused.status_code == 403
        assert house.sessions.visitor(browser.session) is not None
        assert (await browser.http.get("/dashboard/logout")).status_code == 303
        assert house.sessions.visitor(browser.session) is not None, "a link alone ends nothing"

    house.visit(journey)


@pytest.mark.parametrize(("base", "secure"), [(HOST, False), ("https://lab.example", True)])
def test_the_cookie_is_for_these_pages_alone_and_for_no_script(house: House, base: str, secure: bool) -> None:
    async def journey(browser: Browser) -> None:
        entered = await browser.log_in()
        line = next(line for line in entered.headers.get_list("set-cookie") if line.startswith(f"{COOKIE}="))
        flags = line.split("; ")[1:]
        expected = {"Path=/dashboard", "HttpOnly", "SameSite=Strict", "Max-Age=1000"}
        assert set(flags) == expected | ({"Secure"} if secure else set())
        assert len(browser.session) >= 43

    house.visit(journey, base)


def test_a_proxys_word_on_tls_and_addresses_counts_only_where_it_is_configured(tmp_path: Path) -> None:
    headers = {"x-forwarded-proto": "https", "x-forwarded-for": "1.2.3.4, 10.1.1.1"}
    for proxied in (False, True):
        house = House(tmp_path / str(proxied), DoorSettings(proxied=proxied))

        async def journey(browser: Browser, proxied: bool = proxied) -> None:
            shown = await browser.http.get("/dashboard/login", headers=headers)
            assert ("Secure" in shown.headers["set-cookie"]) is proxied

        house.visit(journey)


def test_a_login_gives_a_new_session_and_ends_the_one_before(house: House) -> None:
    async def journey(browser: Browser) -> None:
        browser.http.cookies.set(COOKIE, "planted", domain="lab.example", path="/dashboard")
        await browser.log_in()
        first = browser.session
        assert first != "planted"
        again = await browser.http.get("/dashboard/login?next=/dashboard/people")
        assert (again.status_code, again.headers["location"]) == (303, "/dashboard/people")
        del browser.http.cookies[COOKIE]
        form = await browser.form()
        browser.http.cookies.set(COOKIE, first, domain="lab.example", path="/dashboard")
        await browser.http.post("/dashboard/login", data={**form, "name": "vera", "password": PASSWORD})
        assert house.sessions.visitor(first) is None
        assert house.sessions.visitor(browser.session).name == "vera"  # type: ignore[union-attr]

    house.visit(journey)


def test_a_session_that_nobody_uses_is_over_and_the_login_says_so(house: House) -> None:
    async def journey(browser: Browser) -> None:
        await browser.log_in()
        house.now += 99.0
        assert (await browser.http.get("/dashboard/people")).status_code == 200
        house.now += 99.0
        assert (await browser.http.get("/dashboard/people")).status_code == 200
        house.now += 101.0
        led = await browser.http.get("/dashboard/people")
        assert led.status_code == 303
        assert said(await browser.http.get(led.headers["location"])) == "Your session is over: please log in again."

    house.visit(journey)


def test_the_login_leads_to_no_other_site(house: House) -> None:
    async def journey(browser: Browser) -> None:
        form = await browser.form("/dashboard/login?next=https://evil.example/")
        assert form["next"] == "/dashboard/"
        entered = await browser.log_in(next="//evil.example/")
        assert entered.headers["location"] == "/dashboard/"

    house.visit(journey)

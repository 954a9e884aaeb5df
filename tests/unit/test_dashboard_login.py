"""Nobody comes in but with a key that the laboratory knows; what comes from another site is not heard."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from dashboard_samples import sample_laboratory
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from agent.dashboard.door.form import read_form
from agent.dashboard.door.guard import Guard
from agent.dashboard.door.keys import Keys
from agent.dashboard.door.login import NO_LAB, NOT_KNOWN, STALE_FORM, WRONG, Door, DoorParts
from agent.dashboard.door.sessions import Roster, Sessions
from agent.dashboard.door.settings import COOKIE, DoorSettings
from agent.dashboard.door.throttle import Throttle
from agent.dashboard.door.tokens import logout_token
from agent.identity import IdentityStore
from agent.roles import Role
from instruments.profile.laboratory import Laboratory, PersonEntry

PASSWORD = "correct horse"  # noqa: S105  # of everybody here
HOST = "http://lab.example"


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """What stands behind the door."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": f"heard {message['text']}"})
        return
    await PlainTextResponse(f"page for {scope['state'].get('session', 'nobody')}")(scope, receive, send)


async def files(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("body {}", media_type="text/css")(scope, receive, send)


@dataclass
class House:
    """A dashboard's door with fake pages behind it.

    Attributes:
        laboratory: what it says; None while it says nothing.
        now: monotonic time, s.
    """

    directory: Path
    settings: DoorSettings = field(default_factory=lambda: DoorSettings(idle_s=100.0, absolute_s=1000.0))
    laboratory: Laboratory | None = None
    now: float = 0.0

    def __post_init__(self) -> None:
        store = IdentityStore(self.directory, cost=2**4)
        people = []
        for name, role in (("anna", "approver"), ("vera", "viewer"), ("zoe", "approver")):
            key = store.create(name, Role(role), PASSWORD).key
            if name != "zoe":
                people.append(PersonEntry(name=name, role=Role(role).value, kid=key.kid, x=key.x))
        self.store = store
        self.laboratory = sample_laboratory().model_copy(update={"people": tuple(people)})
        roster = Roster(lambda: self.laboratory)
        self.keys = Keys(self.directory, cost=2**4)
        self.sessions = Sessions(
            roster, lambda: self.now, self.keys.forget, idle_s=self.settings.idle_s, absolute_s=self.settings.absolute_s
        )
        self.parts = DoorParts(
            keys=self.keys, sessions=self.sessions, roster=roster, throttle=Throttle(lambda: self.now),
            settings=self.settings, lab=lambda: "hall-3",
        )  # fmt: skip
        self.app = Guard(pages, Door(self.parts), files, self.sessions, self.settings)

    def change(self, name: str, **changes: object) -> None:
        assert self.laboratory is not None
        people = tuple(e.model_copy(update=changes) if e.name == name else e for e in self.laboratory.people)
        self.laboratory = self.laboratory.model_copy(update={"people": people})

    def visit(self, journey: Callable[[Browser], Awaitable[None]], base: str = HOST) -> None:
        async def whole() -> None:
            transport = httpx.ASGITransport(self.app, client=("10.0.0.7", 1234))
            async with httpx.AsyncClient(transport=transport, base_url=base) as http:
                await journey(Browser(http))

        asyncio.run(whole())


@dataclass
class Browser:
    """A browser without scripts."""

    http: httpx.AsyncClient

    async def form(self, path: str = "/dashboard/login") -> dict[str, str]:
        shown = await self.http.get(path)
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', shown.text)
        return {name: unescape(value) for name, value in fields}

    async def log_in(self, name: str = "anna", password: str = PASSWORD, **more: str) -> httpx.Response:
        data = {**await self.form(), "name": name, "password": password, **more}
        return await self.http.post("/dashboard/login", data=data)

    @property
    def session(self) -> str:
        return self.http.cookies.get(COOKIE) or ""


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def said(response: httpx.Response) -> str:
    """What a login page says is wrong, or is to be known."""
    return " ".join(unescape(text) for text in re.findall(r'role="(?:alert|status)">([^<]*)<', response.text))


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


# ---- A key that its owner brings along


def test_who_brings_the_files_of_their_key_logs_in_and_signs_with_it(house: House, tmp_path: Path) -> None:
    public, private = house.store.public_path("anna").read_bytes(), house.store.private_path("anna").read_bytes()
    for path in (house.store.public_path("anna"), house.store.private_path("anna")):
        path.unlink()

    async def journey(browser: Browser) -> None:
        files_ = [("files", ("a.json", private)), ("files", ("b.json", public))]
        data = {**await browser.form(), "name": "", "password": "another horse"}
        assert said(await browser.http.post("/dashboard/login", data=data, files=files_)) == WRONG
        data = {**await browser.form(), "name": "", "password": PASSWORD}
        entered = await browser.http.post("/dashboard/login", data=data, files=files_)
        assert entered.status_code == 303
        visitor = house.sessions.visitor(browser.session)
        assert visitor is not None
        assert house.keys.open(visitor, PASSWORD).name == "anna"
        await browser.http.post("/dashboard/logout", data={"csrf": logout_token(browser.session)})
        assert not house.keys._brought

    house.visit(journey)
    assert not list(tmp_path.glob("anna*")), "nothing of it is written to the disk"


def test_what_is_wrong_with_the_files_is_said(house: House) -> None:
    public, private = house.store.public_path("anna").read_bytes(), house.store.private_path("anna").read_bytes()
    stranger = house.store.public_path("zoe").read_bytes(), house.store.private_path("zoe").read_bytes()

    async def journey(browser: Browser) -> None:
        async def trouble(name: str, *contents: bytes) -> str:
            data = {**await browser.form(), "name": name, "password": PASSWORD}
            files_ = [("files", (f"{i}.json", content)) for i, content in enumerate(contents)]
            return said(await browser.http.post("/dashboard/login", data=data, files=files_))

        assert "choose both" in await trouble("anna", public)
        assert await trouble("vera", public, private) == "The files are the key of anna, not of vera."
        assert "damaged or no identity" in await trouble("", b"{}", b"[]")
        assert await trouble("", *stranger) == NOT_KNOWN
        assert "too long" in await trouble("", b"x" * 200_000, private)
        assert "Who are you?" in said(await browser.log_in(""))

    house.visit(journey)


@pytest.mark.parametrize("length", [b"6553600", b"", b"-1", b"many"])
def test_a_form_beyond_all_bounds_is_not_read_to_its_end(length: bytes) -> None:
    read = 0

    async def endless() -> Message:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 65536, "more_body": True}

    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", length)]
    scope: Scope = {"type": "http", "method": "POST", "path": "/login", "headers": headers if length else headers[:1]}
    assert "too long" in asyncio.run(read_form(Request(scope, endless))).trouble
    assert read <= 4


# ---- The guard


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


# ---- Sockets


async def _socket(house: House, session: str, frames: list[str], **headers: str) -> list[Message]:
    """What a socket is sent when it sends some frames and goes."""
    told = {"host": "lab.example", "origin": HOST, "cookie": f"{COOKIE}={session}", **headers}
    incoming: list[Message] = [{"type": "websocket.connect"}]
    incoming += [{"type": "websocket.receive", "text": frame} for frame in frames]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "websocket.disconnect", "code": 1001}

    async def send(message: Message) -> None:
        sent.append(message)
        if message.get("text") == "heard end it":
            house.sessions.end(session)

    scope: Scope = {
        "type": "websocket", "path": "/dashboard/_nicegui_ws/socket.io/", "root_path": "/dashboard", "scheme": "ws",
        "query_string": b"", "headers": [(k.encode(), v.encode()) for k, v in told.items() if v],
    }  # fmt: skip
    await house.app(scope, receive, send)
    return sent


@pytest.fixture
def session(house: House) -> str:
    assert house.laboratory is not None
    return house.sessions.begin("anna", house.laboratory.people[0].kid)


def test_a_socket_needs_a_session_and_a_page_of_these(house: House, session: str) -> None:
    def answer(key: str, **headers: str) -> str:
        return str(asyncio.run(_socket(house, key, [], **headers))[0]["type"])

    assert answer(session) == "websocket.accept"
    assert answer("guessed") == "websocket.close"
    for origin in ("http://evil.example", "null", ""):
        assert answer(session, origin=origin) == "websocket.close"


def test_a_socket_is_closed_when_its_session_ends(house: House, session: str) -> None:
    sent = asyncio.run(_socket(house, session, ["one", "end it", "three"]))
    assert [message.get("text") for message in sent] == [None, "heard one", "heard end it", None]
    assert sent[-1]["type"] == "websocket.close"


def test_what_a_person_does_in_a_page_keeps_the_session_what_the_page_does_by_itself_does_not(
    house: House, session: str
) -> None:
    house.now += 60.0
    asyncio.run(_socket(house, session, ['42["event",{"id":4}]']))
    house.now += 60.0
    asyncio.run(_socket(house, session, ["3", '42["ack",{}]', '42["log",{}]']))
    assert house.sessions.visitor(session) is not None
    house.now += 41.0
    assert house.sessions.visitor(session) is None

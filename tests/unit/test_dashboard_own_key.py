"""Who brings the files of their key along logs in with it; a form beyond all bounds is not read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from door_house import PASSWORD, Browser, House, said
from starlette.requests import Request
from starlette.types import Message, Scope

from agent.dashboard.door.form import read_form
from agent.dashboard.door.login import NOT_KNOWN, WRONG
from agent.dashboard.door.tokens import logout_token


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


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

"""People steer a laboratory in a browser: campaigns, instruments, results, the stop. A rule approves most of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e import access
from e2e.conftest import Enter
from e2e.laboratory import Laboratory, Wanted
from e2e.person import EXPERIMENT_MS, Person

if TYPE_CHECKING:
    from playwright.sync_api import Locator

PAGES = ("/proposals", "/campaigns/ceramics", "/experiments", "/instruments", "/people")


@pytest.fixture(scope="module")
def wanted() -> Wanted:
    trusted = {"name": "trusted", "factors": {"temperature": {"low": 0.0, "high": 1700.0}}}
    return Wanted(experiments=24, policy={"auto": trusted})


def enter(one: Person, path: str) -> Person:
    one.log_in(path=path)
    one.arrive()
    return one


def button(one: Person, name: str) -> Locator:
    return one.page.get_by_role("button", name=name, exact=True)


def a_result(one: Person) -> str:
    """Wait for an experiment that has a result, and open its page."""
    one.go("/experiments")
    one.arrive()
    done = one.page.locator("main tr, main li, main article").filter(has_text="completed")
    one.see(done.first, within_ms=EXPERIMENT_MS)
    done.first.get_by_role("link").first.click()
    one.see(one.page.locator(".at-result"))
    one.arrive()
    return one.page.url.rsplit("/", 1)[1]


def test_a_campaign_is_paused_and_resumed_and_everybody_sees_it(lab: Laboratory, person: Enter) -> None:
    anna, vera = enter(person("anna"), "/campaigns"), enter(person("vera", width=390), "/campaigns/ceramics")
    anna.see(button(anna, "Pause"))
    anna.shoot("campaign")
    expect(button(vera, "Pause")).to_be_hidden()
    vera.see(re.compile("^Who may pause or stop it:"))
    button(anna, "Pause").click()
    anna.sign("Sign and pause", comment="the gas bottle is changed")
    anna.see("It counted")
    anna.close_dialog()
    anna.see(button(anna, "Resume"))
    vera.see(vera.page.locator("main .lw-chip", has_text="paused").first)
    vera.see("the gas bottle is changed")
    anna.shoot("campaign-paused")
    vera.shoot("campaign-paused")
    button(anna, "Resume").click()
    anna.sign("Sign and resume")
    anna.see("It counted")
    anna.close_dialog()
    anna.see(button(anna, "Pause"))
    vera.see(vera.page.locator("main .lw-chip", has_text="running").first)


def test_an_instrument_is_taken_out_of_service_and_put_back(lab: Laboratory, person: Enter) -> None:
    ole, vera = enter(person("ole", width=390), "/instruments"), enter(person("vera"), "/instruments")
    out = ole.page.get_by_role("button", name="Take out of service: indenter-1")
    ole.see(out)
    expect(vera.page.get_by_role("button", name=re.compile("out of service"))).to_have_count(0)
    out.click()
    ole.sign("Take out of service")
    ole.see("please say it; the record keeps it")
    ole.sign("Take out of service", comment="a new diamond")
    ole.see("It counted")
    ole.close_dialog()
    vera.see(vera.page.locator("#indenter-1").get_by_text(re.compile("out of service", re.IGNORECASE)).first)
    ole.shoot("maintenance")
    vera.shoot("maintenance")
    ole.page.get_by_role("button", name="Put back into service: indenter-1").click()
    ole.sign("Put back into service")
    ole.see("It counted")
    ole.close_dialog()
    ole.see(out)


def test_a_result_is_corrected_and_taken_back_and_the_record_says_by_whom(lab: Laboratory, person: Enter) -> None:
    anna, vera = enter(person("anna"), "/experiments"), enter(person("vera", width=390), "/experiments")
    eid = a_result(anna)
    anna.see(anna.page.locator(".at-images img"))
    anna.shoot("experiment")
    vera.go(f"/experiments/{eid}")
    vera.arrive()
    vera.see(vera.page.locator(".at-images img"))
    expect(button(vera, "Correct the result …")).to_be_hidden()
    vera.shoot("experiment")
    button(anna, "Correct the result …").click()
    dialog = anna.page.get_by_role("dialog")
    field = dialog.get_by_label("Value").first
    field.fill("19.5")
    anna.shoot("amend", whole=False)
    dialog.get_by_role("button", name="Go on").click()
    anna.see(dialog.locator("strong", has_text="19.5"))
    expect(dialog).to_have_count(1)
    anna.sign("Sign and correct", comment="the load cell was off")
    anna.see("It counted")
    anna.close_dialog()
    for one in (anna, vera):
        one.see(one.page.locator(".at-changes").get_by_text(re.compile("the load cell was off")))
        one.see(one.page.locator(".at-result").get_by_text(re.compile(r"19\.5")).first)
    button(anna, "Take the result back …").click()
    anna.sign("Sign and take back", comment="the wrong powder")
    anna.see("It counted")
    anna.close_dialog()
    for one in (anna, vera):
        one.see(one.page.locator(".at-changes").get_by_text(re.compile("the wrong powder")))
        one.shoot("experiment-retracted")


def test_a_stop_holds_until_who_may_clears_it(lab: Laboratory, person: Enter) -> None:
    ole, clara, vera = (
        enter(person("ole"), "/instruments"), enter(person("clara", width=390), "/proposals"),
        enter(person("vera"), "/campaigns/ceramics"),
    )  # fmt: skip
    ole.page.get_by_role("button", name="Stop the laboratory").click()
    ole.sign("Stop the laboratory")
    ole.see("please say it; the record keeps it")
    ole.sign("Stop the laboratory", comment="smoke at the furnace")
    ole.see("It counted")
    ole.shoot("stopping", whole=False)
    ole.close_dialog()
    for one in (ole, clara, vera):
        one.see(one.page.get_by_role("alert").get_by_text("STOPPED", exact=True))
        one.see(one.page.get_by_role("alert").get_by_text("smoke at the furnace"))
        one.shoot("stopped")
    for one in (ole, vera):
        expect(button(one, "Clear the stop")).to_be_hidden()
    vera.go("/people")  # it latches: another page says it too
    vera.see(vera.page.get_by_role("alert").get_by_text("STOPPED", exact=True))
    assert "stop" in lab.command("status").stdout.lower()
    button(clara, "Clear the stop").click()
    clara.sign("Clear the stop", comment="it was the toaster")
    clara.see("It counted")
    clara.close_dialog()
    for one in (ole, clara, vera):
        one.see_not(one.page.get_by_text("STOPPED", exact=True))
    clara.shoot("cleared")


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1440, False)])
def test_pages_stand_in_nobodys_way(lab: Laboratory, person: Enter, width: int, *, dark: bool) -> None:
    ben = person("ben", width=width, dark=dark)
    ben.go("/login")
    found = {"/login": access.look_at(ben.page, tabs=5)}
    ben.shoot("page-login")
    enter(ben, "/proposals")
    for path in (*PAGES, f"/proposals/{ben.waiting()[0]}", "/nowhere"):
        ben.go(path)
        ben.arrive()
        ben.see(ben.page.locator("main h1"))
        found[path] = access.look_at(ben.page)
        ben.shoot(f"page-{path.split('/')[1]}{'-one' if path.count('/') > 1 else ''}")
    eid = a_result(ben)
    found[eid] = access.look_at(ben.page)
    ben.shoot("page-experiment")
    ben.faults.clear()  # that a page is nowhere is one
    assert {path: faults for path, faults in found.items() if faults} == {}

"""What people see when something goes wrong: the broker is gone, the agent is gone, a password is wrong."""

from __future__ import annotations

import re
import signal

from playwright.sync_api import expect

from e2e.conftest import Enter
from e2e.laboratory import Laboratory, apart


def test_a_lost_broker_is_said_at_once_and_nothing_old_can_be_decided_on(lab: Laboratory, person: Enter) -> None:
    anna = person("anna")
    anna.log_in()
    anna.arrive()
    pid = anna.waiting()[0]
    anna.open_proposal(pid)
    approve = anna.page.get_by_role("button", name="Approve", exact=True)
    expect(approve).to_be_enabled()
    # Stopped, not killed: its supervisor would have another one there within a second.
    broker = lab.broker
    broker.send_signal(signal.SIGSTOP)
    try:
        anna.see("broker cannot be reached", within_ms=60_000)
        expect(approve).to_be_disabled()
        expect(anna.page.locator("main.lw-stale")).to_be_visible()
        anna.shoot("broker-lost")
    finally:
        broker.send_signal(signal.SIGCONT)
    anna.see_not("broker cannot be reached", within_ms=60_000)
    expect(approve).to_be_enabled(timeout=60_000)
    expect(anna.page.locator("main.lw-stale")).to_have_count(0)
    anna.approve(pid)


def test_an_agent_that_is_gone_is_said_to_be(lab: Laboratory, person: Enter) -> None:
    """The pages are apart, as on an approver's machine: the agent's process stands still, and its broker goes on."""
    with apart(lab, "ben") as pages:
        ben = person("ben", width=390, base=pages)
        ben.log_in()
        ben.arrive()
        ben.waiting()
        ben.see_not("Not live", within_ms=30_000)
        lab.process.send_signal(signal.SIGSTOP)
        try:
            ben.see("The agent is gone", within_ms=60_000)
            expect(ben.page.get_by_role("button", name=re.compile("^Approve")).first).to_be_disabled()
            ben.shoot("agent-gone")
        finally:
            lab.process.send_signal(signal.SIGCONT)
        ben.see_not("The agent is gone", within_ms=60_000)
        ben.approve(ben.waiting()[-1])


def test_pages_that_hang_are_noticed_in_seconds_and_what_they_show_is_said_to_be_old(
    lab: Laboratory, person: Enter
) -> None:
    """The process of the pages stands still: its sockets stay open, and nothing comes through them."""
    anna = person("anna")
    anna.log_in()
    anna.arrive()
    popup = anna.page.locator("#popup")
    expect(popup).to_be_hidden()
    lab.process.send_signal(signal.SIGSTOP)
    try:
        expect(popup).to_be_visible(timeout=8_000)
        assert anna.page.evaluate(
            "() => getComputedStyle(document.getElementById('popup')).opacity === '1'"
            " && document.querySelector('.lw-header').getBoundingClientRect().top"
            " >= document.getElementById('popup').getBoundingClientRect().bottom - 1"
        ), "the banner stands above the header, not on it"
        anna.shoot("pages-hang")
    finally:
        lab.process.send_signal(signal.SIGCONT)
    expect(popup).to_be_hidden(timeout=30_000)

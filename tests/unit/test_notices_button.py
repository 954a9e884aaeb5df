"""The button that lets a browser say what waits: there only where the settings allow it, and honest about its state."""

from __future__ import annotations

import asyncio

import pytest
from dashboard_samples import NOW, FakeLive, FakeVoice, sample_picture, sample_proposal, waiting
from dashboard_user import SESSION, Door, hall_of, with_pages
from nicegui import ui
from nicegui.testing import User
from patience import until

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.notices import browser
from agent.dashboard.pages import notices_button as button_page
from agent.dashboard.pages.notices_button import notices_button
from agent.dashboard.ports import Hall
from agent.roles import Role
from instruments.clock import SimClock


def a_page(hall: Hall) -> None:
    @ui.page("/proposals")
    def proposals() -> None:
        ui.label("in the middle")
        notices_button(hall)


def says(user: User, state: str, *, hidden: bool) -> None:
    """What the page's script would send."""
    assert user.client is not None
    listeners = user.client.layout._event_listeners.values()
    listener = next(one for one in listeners if one.type == browser.EVENT)
    message = {"listener_id": listener.id, "args": {"state": state, "hidden": hidden}}
    user.client.layout._handle_event(message)


def test_there_is_none_where_the_settings_do_not_allow_it() -> None:
    async def journey(user: User) -> None:
        await user.open("/dashboard/proposals")
        await user.should_see("in the middle")
        with user:
            assert not [one for one in user.current_layout.descendants() if isinstance(one, ui.button)]

    with_pages(hall_of(FakeLive(sample_picture()), FakeVoice()), a_page)(journey)


def test_it_says_its_state_and_tells_only_while_the_page_is_out_of_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    live, told, clock = FakeLive(sample_picture(n_proposals=1)), list[str](), SimClock(NOW)
    monkeypatch.setattr(button_page, "LOOK_S", 0.002)
    monkeypatch.setattr(button_page, "SystemClock", lambda: clock)

    async def journey(user: User) -> None:
        client = await user.open("/dashboard/proposals")
        monkeypatch.setattr(client, "run_javascript", told.append)
        with user:
            (button,) = [one for one in user.current_layout.descendants() if isinstance(one, ui.button)]
        says(user, "on", hidden=False)
        assert button.props["aria-pressed"] == "true"
        says(user, "on", hidden=True)
        live.picture.proposals["hard-P003"] = waiting(sample_proposal(3))
        clock.advance(browser.LOOK_S)
        await until(lambda: bool(told), within_s=5.0)
        assert "hard-P003" in told[0]
        assert "hard-P001" not in told[0]  # it waited before the page was hidden
        says(user, "blocked", hidden=True)
        assert not button.enabled
        assert button.props["aria-label"] == "Notices are blocked"

    with_pages(hall_of(live, FakeVoice(), notices=True), a_page)(journey)


def test_who_may_not_decide_any_more_is_not_told_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    live, told, clock = FakeLive(sample_picture(n_proposals=1)), list[str](), SimClock(NOW)
    monkeypatch.setattr(button_page, "LOOK_S", 0.002)
    monkeypatch.setattr(button_page, "SystemClock", lambda: clock)
    door = Door(Visitor("anna", Role.APPROVER, SESSION))

    async def journey(user: User) -> None:
        client = await user.open("/dashboard/proposals")
        monkeypatch.setattr(client, "run_javascript", told.append)
        says(user, "on", hidden=True)
        door.visitor = Visitor("anna", Role.VIEWER, SESSION)
        live.picture.proposals["hard-P003"] = waiting(sample_proposal(3))
        clock.advance(browser.LOOK_S)
        await asyncio.sleep(0.05)
        assert told == []

    with_pages(hall_of(live, FakeVoice(), door=door, notices=True), a_page)(journey)

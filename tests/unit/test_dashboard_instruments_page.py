"""The page of the instruments: alive without being rebuilt, and a switch that is signed."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from dashboard_samples import (
    AGENT,
    NOW,
    PASSWORD,
    FakeLive,
    FakeVoice,
    sample_at_work,
    sample_laboratory,
    sample_status,
)
from dashboard_user import hall_of, with_pages
from nicegui import ui
from nicegui.testing import User
from patience import until

from agent.dashboard.live.freshness import Freshness
from agent.dashboard.live.picture import Change
from agent.dashboard.pages import instruments
from agent.dashboard.ports import Hall
from agent.roles import Role
from instruments.profile.laboratory import Maintenance

PAGE = "/dashboard/instruments"


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruments, "TICK_S", 0.002)


class Room:
    def __init__(self, role: Role = Role.OPERATOR) -> None:
        self.picture = sample_at_work()
        for instrument in self.picture.instruments.values():
            instrument.heard_s = time.monotonic()
        self.live, self.voice = FakeLive(self.picture), FakeVoice()
        self.hall: Hall = hall_of(self.live, self.voice, name="ole", role=role)


def shown(user: User) -> list[ui.html]:
    with user:
        return [one for one in user.current_layout.descendants() if isinstance(one, ui.html) and one.visible]


def markup(user: User) -> str:
    return "\n".join(element.content for element in shown(user))


def test_every_instrument_has_a_card_with_what_it_does_and_where_that_leads() -> None:
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        page = markup(user)
        for words in ("furnace-1", "Sinter MgO", "until about 15:00", "sem-1", "3 instruments", "heater off"):
            assert words in page
        assert 'href="/dashboard/experiments/hard-E011"' in page
        assert 'aria-valuenow="42.0"' in page

    with_pages(room.hall, instruments.register)(journey)


def test_a_reading_changes_its_own_part_alone() -> None:
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        before = {element.id: element.content for element in shown(user)}
        room.picture.instruments["furnace-1"].telemetry["temperature"].append((NOW, 1612.0))
        room.live.change(Change("telemetry", "furnace-1"))
        await until(lambda: "1612" in markup(user), within_s=5.0)
        changed = [one for one in shown(user) if before.get(one.id) != one.content]
        assert len(changed) == 1
        assert "Temperature" in changed[0].content

    with_pages(room.hall, instruments.register)(journey)


def test_old_readings_stand_still() -> None:
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        room.live.fresh = Freshness("broker-lost", "The connection to the broker is lost.", 60.0)
        room.live.change(Change("link"))
        await asyncio.sleep(0.01)
        before = markup(user)
        room.live.present = NOW + timedelta(hours=1)
        await asyncio.sleep(0.05)  # some twenty ticks
        assert markup(user) == before
        room.live.fresh = Freshness("live")
        room.live.change(Change("link"))
        await until(lambda: "until about 15:00 (in 2" in markup(user), within_s=5.0)

    with_pages(room.hall, instruments.register)(journey)


def test_an_instrument_that_comes_later_gets_its_card() -> None:
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        room.picture.instruments["xrd-1"] = type(room.picture.instruments["sem-1"])(
            status=sample_status("error", message="<script>alert(1)</script>"), heard_s=time.monotonic()
        )
        room.live.change(Change("instrument", "xrd-1"))
        await until(lambda: "xrd-1" in markup(user), within_s=5.0)
        assert "&lt;script&gt;" in markup(user)
        assert "<script>alert" not in markup(user)

    with_pages(room.hall, instruments.register)(journey)


def test_taking_it_out_of_service_needs_a_reason_and_a_signature() -> None:
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        user.find(marker="service-furnace-1").click()
        await user.should_see("Password of your key")
        user.find(marker="password").type(PASSWORD)
        user.find(marker="sign").click()
        await until(lambda: "please say it" in markup(user), within_s=5.0)
        assert not room.voice.calls
        user.find(marker="comment").type("the element is being changed")
        user.find(marker="sign").click()
        await until(lambda: bool(room.voice.calls), within_s=5.0)
        call = room.voice.calls[0]
        assert (call.name, call.visitor.name) == ("ask", "ole")
        assert call.said == {
            "password": PASSWORD, "action": "maintenance", "subject": "furnace-1", "arguments": {"on": True},
            "comment": "the element is being changed",
        }  # fmt: skip

    with_pages(room.hall, instruments.register)(journey)


def test_what_is_out_of_service_is_put_back_by_the_same_switch() -> None:
    room = Room()
    entry = Maintenance(by="ada", reason="cleaning", since=NOW - timedelta(hours=1))
    room.picture.labs[AGENT] = sample_laboratory(maintenance={"furnace-1": entry})

    async def journey(user: User) -> None:
        await user.open(PAGE)
        assert "Taken out of service by ada" in markup(user)
        user.find(marker="service-furnace-1").click()
        await user.should_see("Password of your key")
        user.find(marker="password").type(PASSWORD)
        user.find(marker="sign").click()
        await until(lambda: bool(room.voice.calls), within_s=5.0)
        assert room.voice.calls[0].said["arguments"] == {"on": False}

    with_pages(room.hall, instruments.register)(journey)


def test_a_viewer_has_no_switch() -> None:
    async def journey(user: User) -> None:
        await user.open(PAGE)
        await user.should_not_see(marker="service-furnace-1")

    with_pages(Room(Role.VIEWER).hall, instruments.register)(journey)

"""What stands around every page: what mode the laboratory is in, its stop, who is in, and whether all of it is live."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from dashboard_samples import FakeLive, FakeVoice, sample_laboratory, sample_picture
from dashboard_user import SESSION, Door, hall_of, with_pages
from nicegui import ui
from nicegui.testing import User

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.live.freshness import Freshness
from agent.dashboard.live.picture import Change, LabPicture
from agent.dashboard.pages import lost
from agent.dashboard.pages.shell import frame
from agent.dashboard.pages.signed import confirm_signed
from agent.dashboard.ports import Hall
from agent.deciding.sending import Answer as Counted
from agent.roles import Role
from envs.errors import UserError
from instruments.profile.laboratory import Stop

PAGE = "/dashboard/proposals"
PASSWORD = "correct horse"  # noqa: S105  # of everybody here


def a_page(hall: Hall) -> None:
    @ui.page("/proposals")
    def proposals() -> None:
        with frame(hall, "Proposals", "proposals") as page:
            ui.label("in the middle")
            ui.button("who", on_click=lambda: ui.label(f"still {page.still_in()}"))
            heard = ui.label("")

            def refresh(changes: frozenset[Change]) -> None:
                heard.set_text(f"{len(changes)} experiments")

            page.follow({"experiment"}, refresh)


class Room:
    """A page of one person, with what it is given.

    Args:
        role: theirs.
    """

    def __init__(self, role: Role = Role.APPROVER) -> None:
        self.picture: LabPicture = sample_picture(n_proposals=3, n_experiments=1)
        self.live, self.voice = FakeLive(self.picture), FakeVoice()
        self.door = Door(Visitor("anna", role, SESSION))
        self.hall = hall_of(self.live, self.voice, door=self.door)

    def stop(self, reason: str = "smoke <b>at</b> furnace 2") -> None:
        stop = Stop(by="ole", reason=reason, at=datetime(2026, 6, 1, 11, 30, tzinfo=UTC))
        self.set_lab(stop=stop)

    def set_lab(self, **changes: object) -> None:
        lab = self.picture.lab or sample_laboratory()
        self.picture.labs[lab.agent] = lab.model_copy(update=changes)
        self.live.change(Change("lab", lab.agent))


def markup(user: User) -> str:
    """All markup of the page that is seen."""
    with user:
        elements = [e for e in user.current_layout.descendants() if isinstance(e, ui.html) and e.visible]
    return "\n".join(element.content for element in elements)


def title(user: User) -> str:
    assert user.client is not None
    return user.client.title or ""


def test_it_says_which_laboratory_who_is_in_and_how_many_proposals_wait() -> None:
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        await user.should_see("in the middle")
        shown = markup(user)
        for words in ("hall-3", "anna", "approver", "VIRTUAL", "aria-current='page'", ", 3 waiting", "Log out"):
            assert words in shown
        assert title(user) == "(3) Proposals · hall-3"

    with_pages(room.hall, a_page)(journey)


@pytest.mark.parametrize(("mode", "word"), [("live", ">LIVE"), ("shadow", ">SHADOW"), ("dry-run", ">DRY RUN")])
def test_the_mode_is_said_in_a_word(mode: str, word: str) -> None:
    room = Room()
    room.set_lab(mode=mode, speed=1.0)

    async def journey(user: User) -> None:
        await user.open(PAGE)
        assert word in markup(user)

    with_pages(room.hall, a_page)(journey)


def test_the_number_of_waiting_proposals_follows_what_comes() -> None:
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        gone = next(iter(room.picture.proposals))
        del room.picture.proposals[gone]
        room.live.change(Change("proposal", gone))
        assert ", 2 waiting" in markup(user)
        assert title(user) == "(2) Proposals · hall-3"
        room.picture.proposals.clear()
        room.live.change(Change("proposal", gone))
        assert "waiting" not in markup(user)
        assert title(user) == "Proposals · hall-3"

    with_pages(room.hall, a_page)(journey)


def test_a_page_hears_what_it_follows_until_its_browser_is_gone() -> None:
    room = Room()

    async def journey(user: User) -> None:
        client = await user.open(PAGE)
        room.live.change(Change("experiment", "E1"), Change("telemetry", "furnace"))
        await user.should_see("1 experiments")
        client.delete()
        assert not room.live.listeners
        room.live.change(Change("experiment", "E1"))

    with_pages(room.hall, a_page)(journey)


def test_old_values_are_said_to_be_old() -> None:
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        assert "Not live" not in markup(user)
        room.live.fresh = Freshness("broker-lost", "The connection to the broker is lost.", 130.0)
        room.live.change(Change("link"))
        shown = markup(user)
        assert "<strong>Not live.</strong> The connection to the broker is lost." in shown
        assert "2\N{NO-BREAK SPACE}min" in shown
        main = next(e for e in user.current_layout.descendants() if e.tag == "main")
        assert "lw-stale" in main.classes
        room.live.fresh = Freshness("live", age_s=0.1)
        room.live.change(Change("link"))
        assert "lw-stale" not in main.classes
        assert "Not live" not in markup(user)

    with_pages(room.hall, a_page)(journey)


def test_the_stop_stands_over_the_page_while_it_holds_whatever_its_reason_says() -> None:
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        assert "STOPPED" not in markup(user)
        room.stop()
        shown = markup(user)
        assert "STOPPED" in shown
        assert "<strong>ole</strong>" in shown
        assert "smoke &lt;b&gt;at&lt;/b&gt; furnace 2" in shown
        assert "<b>at" not in shown
        room.set_lab(stop=None)
        assert "STOPPED" not in markup(user)

    with_pages(room.hall, a_page)(journey)


@pytest.mark.parametrize(
    ("role", "stops", "clears"),
    [
        (Role.VIEWER, False, False),
        (Role.OPERATOR, True, False),
        (Role.APPROVER, True, True),
        (Role.SAFETY, True, True),
        (Role.ADMIN, True, False),
    ],
)
def test_who_may_stop_the_laboratory_and_who_may_clear_the_stop(role: Role, stops: bool, clears: bool) -> None:
    room = Room(role)
    room.stop()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        for marker, allowed in (("stop-lab", stops), ("clear-lab", clears)):
            if allowed:
                await user.should_see(marker=marker)
            else:
                await user.should_not_see(marker=marker)

    with_pages(room.hall, a_page)(journey)


def test_stopping_needs_a_reason_and_a_password_and_says_what_came_of_it() -> None:
    room = Room(Role.OPERATOR)
    room.voice.counted = Counted("counted", "hall-3 stopped by anna", "request", "ab" * 16)

    async def journey(user: User) -> None:
        await user.open(PAGE)
        user.find(marker="stop-lab").click()
        await user.should_see(marker="signed-dialog")
        assert "emergency stop at the instrument" in markup(user)
        user.find(marker="sign").click()
        await seen(user, "Why: please say it")
        user.find(marker="comment").type("smoke")
        user.find(marker="sign").click()
        await seen(user, "type the password")
        assert not room.voice.calls
        user.find(marker="password").type(PASSWORD).trigger("keydown.enter")
        await seen(user, "It counted: hall-3 stopped by anna")
        (call,) = room.voice.calls
        assert (call.name, call.said["action"], call.said["comment"]) == ("ask", "stop-lab", "smoke")
        assert call.said["password"] == PASSWORD
        await user.should_not_see(marker="sign")

    with_pages(room.hall, a_page)(journey)


def test_a_wrong_password_is_said_in_the_dialog_and_let_go_of() -> None:
    room = Room()
    room.voice.error = UserError("wrong password for anna")

    async def journey(user: User) -> None:
        await user.open(PAGE)
        user.find(marker="stop-lab").click()
        user.find(marker="comment").type("smoke")
        user.find(marker="password").type("another horse")
        user.find(marker="sign").click()
        await seen(user, "Wrong password for anna.")
        (field,) = user.find(marker="password").elements
        assert isinstance(field, ui.input)
        assert field.value == ""
        room.voice.error = None
        room.voice.counted = Counted("refused", "anna may not do that")
        user.find(marker="password").type(PASSWORD)
        user.find(marker="sign").click()
        await seen(user, "It was refused: anna may not do that")
        room.voice.counted = Counted("unknown")
        user.find(marker="password").type(PASSWORD)
        user.find(marker="sign").click()
        await seen(user, "It is not known whether this counted")

    with_pages(room.hall, a_page)(journey)


def test_what_is_shown_old_can_be_stopped_but_not_decided_on() -> None:
    room = Room()
    room.stop()
    room.live.fresh = Freshness("agent-silent", "The agent has not been heard of.", 40.0)

    async def journey(user: User) -> None:
        await user.open(PAGE)
        user.find(marker="clear-lab").click()
        user.find(marker="password").type(PASSWORD)
        user.find(marker="sign").click()
        await seen(user, "Nothing can be decided now: The agent has not been heard of.")
        assert not room.voice.calls
        user.find(marker="cancel").click()
        await asyncio.sleep(0)

    with_pages(room.hall, a_page)(journey)


def test_a_dialog_is_sent_once_however_often_it_is_clicked() -> None:
    room = Room()
    calls: list[tuple[str, str]] = []

    def page_of(hall: Hall) -> None:
        @ui.page("/proposals")
        def proposals() -> None:
            with frame(hall, "Proposals", "proposals") as page:
                ready = asyncio.Event()

                async def act(password: str, comment: str) -> Counted:
                    calls.append((password, comment))
                    await ready.wait()
                    return Counted("counted", "done")

                ui.button("open", on_click=lambda: confirm_signed(page, title="T", words="<i>W</i>", action=act))
                ui.button("free", on_click=ready.set)

    async def journey(user: User) -> None:
        await user.open(PAGE)
        user.find("open").click()
        await user.should_see(marker="signed-dialog")
        assert "&lt;i&gt;W&lt;/i&gt;" in markup(user)
        user.find(marker="password").type(PASSWORD).trigger("keydown.enter")
        await asyncio.sleep(0.01)
        user.find(marker="password").type(PASSWORD).trigger("keydown.enter")
        user.find(marker="sign").click()
        await seen(user, "waiting for the laboratory")
        user.find("free").click()
        await seen(user, "It counted: done")
        assert calls == [(PASSWORD, "")]

    with_pages(room.hall, page_of)(journey)


def test_an_action_after_the_session_has_ended_leads_to_the_login() -> None:
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        user.find(marker="stop-lab").click()
        user.find(marker="comment").type("smoke")
        user.find(marker="password").type(PASSWORD)
        room.door.visitor = None
        user.find(marker="sign").click()
        await user.should_see("This is the login")
        assert not room.voice.calls

    with_pages(room.hall, a_page)(journey)


def test_a_page_that_is_opened_after_the_session_has_ended_leads_to_the_login() -> None:
    room = Room()
    room.door.visitor = None

    async def journey(user: User) -> None:
        await user.open(PAGE)
        await user.should_see("This is the login")
        await user.should_not_see("in the middle")

    with_pages(room.hall, a_page)(journey)


def test_an_open_page_is_led_to_the_login_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.dashboard.pages.shell.TICK_S", 0.002)
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        room.door.visitor = Visitor("anna", Role.VIEWER, SESSION)
        for _ in range(200):
            if ">viewer<" in markup(user):
                break
            await asyncio.sleep(0.005)
        await user.should_not_see(marker="stop-lab")
        room.door.visitor = None
        await user.should_see("This is the login", retries=20)

    with_pages(room.hall, a_page)(journey)


def test_the_colours_are_switched_and_kept_in_the_browser() -> None:
    room = Room()

    async def journey(user: User) -> None:
        await user.open(PAGE)
        said = []
        for _ in range(4):
            (switch,) = user.find(marker="theme").elements
            said.append(switch.props["aria-label"])
            user.find(marker="theme").click()
        assert [words.split(".")[0] for words in said] == [
            "Colours: as the system has them", "Colours: light", "Colours: dark", "Colours: as the system has them",
        ]  # fmt: skip

    with_pages(room.hall, a_page)(journey)


def test_an_address_that_no_page_has_is_said_to_be_none() -> None:
    room = Room()

    async def journey(user: User) -> None:
        response = await user.http_client.get("/dashboard/no/<i>such</i>")
        assert response.status_code == 404
        assert "is not an address of this dashboard" in response.text

    with_pages(room.hall, a_page, lost.register)(journey)


async def seen(user: User, words: str) -> None:
    """Wait until the page's markup says something."""
    for _ in range(100):
        if words in markup(user):
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"{words!r} is not in\n{markup(user)}")

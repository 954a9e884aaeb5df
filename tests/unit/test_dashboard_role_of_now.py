"""What a person may do is looked up at the moment in which they do it, not when their page was loaded."""

from __future__ import annotations

from dashboard_user import SESSION, with_pages
from nicegui.testing import User
from test_dashboard_shell import PAGE, PASSWORD, Room, a_page, markup, seen

from agent.dashboard.door.visitor import Visitor
from agent.roles import Role


def test_a_role_that_is_taken_away_takes_its_buttons_with_it_at_once() -> None:
    room = Room(Role.SAFETY)

    async def journey(user: User) -> None:
        room.stop()
        await user.open(PAGE)
        assert "safety" in markup(user)
        user.find(marker="clear-lab").click()
        await user.should_see(marker="signed-dialog")
        room.door.visitor = Visitor("anna", Role.VIEWER, SESSION)
        room.set_lab(seq=99)
        assert "viewer" in markup(user)
        await user.should_not_see(marker="clear-lab")
        user.find(marker="password").type(PASSWORD)
        user.find(marker="sign").click()
        await seen(user, "You are viewer now, and were safety when this was opened")
        assert not room.voice.calls

    with_pages(room.hall, a_page)(journey)


def test_where_the_session_ended_meanwhile_nothing_is_signed() -> None:
    room = Room(Role.SAFETY)

    async def journey(user: User) -> None:
        await user.open(PAGE)
        user.find(marker="stop-lab").click()
        await user.should_see(marker="signed-dialog")
        user.find(marker="comment").type("smoke")
        user.find(marker="password").type(PASSWORD)
        room.door.visitor = None
        user.find(marker="sign").click()
        await user.should_see("This is the login")
        assert not room.voice.calls

    with_pages(room.hall, a_page)(journey)

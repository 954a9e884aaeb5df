"""The page of the people: who may do what, who decided what, and the chain verified by a click."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dashboard_samples import NOW, FakeLive, FakeVoice, sample_outcome, sample_picture
from dashboard_user import hall_of, with_pages
from nicegui import ui
from nicegui.testing import User
from patience import until

from agent.dashboard.live.picture import Change
from agent.dashboard.pages import people
from agent.roles import Role
from envs.errors import UserError
from instruments.errors import TransportError
from instruments.profile.questions import Answer, Entry, Verification

PAGE = "/dashboard/people"


class Room:
    def __init__(self) -> None:
        self.picture = sample_picture()
        self.picture.outcomes |= {one.proposal: one for one in (sample_outcome(i, by=("ben",)) for i in range(1, 31))}
        self.live, self.voice = FakeLive(self.picture), FakeVoice()
        self.hall = hall_of(self.live, self.voice, name="vera", role=Role.VIEWER)

    def has_entries(self, first: int, n: int, *, more: bool) -> None:
        entries = tuple(
            Entry(
                seq=first - i, at=NOW - timedelta(minutes=i), kind="vote.cast", text=f"entry <{first - i}>", by="anna",
                subject="hard-P002", hash="a" * 64, signed=True,
            )
            for i in range(n)
        )  # fmt: skip
        self.voice.answers["audit"] = Answer(question="q", about="audit", ts=NOW, entries=entries, more=more)


@pytest.fixture
def room() -> Room:
    return Room()


def markup(user: User) -> str:
    with user:
        elements = [one for one in user.current_layout.descendants() if isinstance(one, ui.html) and one.visible]
    return "\n".join(element.content for element in elements)


def test_who_there_is_what_they_may_do_and_how_the_record_stands(room: Room) -> None:
    async def journey(user: User) -> None:
        await user.open(PAGE)
        page = markup(user)
        for words in ("anna", "approver", "the rule well-known", "approve proposals", "Whole", "up to entry 1830"):
            assert words in page
        assert "labwright audit verify" in page
        assert room.voice.calls == []  # the agent is asked for entries only when somebody wants to see them

    with_pages(room.hall, people.register)(journey)


def test_the_whole_chain_is_verified_by_a_click_of_anybody(room: Room) -> None:
    found = Verification(whole=False, entries=1834, signatures=61, took_s=2.0, faults=("entry <7> is another's",))
    room.voice.answers["verify"] = Answer(question="q", about="verify", ts=NOW, verification=found)

    async def journey(user: User) -> None:
        await user.open(PAGE)
        user.find(marker="verify").click()
        await until(lambda: "The record is not whole: 1834 entries read" in markup(user), within_s=5.0)
        assert "entry &lt;7&gt; is another" in markup(user)

    with_pages(room.hall, people.register)(journey)


@pytest.mark.parametrize("error", [UserError("the agent does not answer"), TransportError("the broker is gone")])
def test_an_agent_that_does_not_answer_is_said_so(room: Room, error: Exception) -> None:
    room.voice.error = error

    async def journey(user: User) -> None:
        await user.open(PAGE)
        user.find(marker="verify").click()
        await until(lambda: str(error) in markup(user), within_s=5.0)
        with user:
            buttons = [one for one in user.current_layout.descendants() if "verify" in one._markers]
        assert all(isinstance(one, ui.button) and one.enabled for one in buttons)  # one may try again

    with_pages(room.hall, people.register)(journey)


def test_decisions_are_turned_page_by_page_and_follow_what_comes(room: Room) -> None:
    async def journey(user: User) -> None:
        await user.open(PAGE)
        assert "1 to 12 of 32" in markup(user)
        user.find("Older").click()
        await until(lambda: "13 to 24 of 32" in markup(user), within_s=5.0)
        user.find("Newer").click()
        await until(lambda: "1 to 12 of 32" in markup(user), within_s=5.0)
        late = sample_outcome(500, ts=NOW, by=("clara",))
        room.picture.outcomes[late.proposal] = late
        room.live.change(Change("outcome", late.proposal))
        assert "hard-P500" in markup(user)
        assert "1 to 12 of 33" in markup(user)

    with_pages(room.hall, people.register)(journey)


def test_the_record_of_one_person_or_thing_is_asked_for_and_turned(room: Room) -> None:
    room.has_entries(1834, 25, more=True)

    async def journey(user: User) -> None:
        await user.open(f"{PAGE}?about=anna")
        await until(lambda: "entry &lt;1834&gt;" in markup(user), within_s=5.0)
        assert room.voice.calls[-1].said == {"subject": "anna", "before": None, "limit": 25}
        room.has_entries(1809, 5, more=False)
        user.find("Older").click()
        await until(lambda: "entries 1805 to 1809" in markup(user), within_s=5.0)
        assert room.voice.calls[-1].said["before"] == 1810
        user.find("Newer").click()
        await until(lambda: len(room.voice.calls) == 3, within_s=5.0)
        assert room.voice.calls[-1].said["before"] is None

    with_pages(room.hall, people.register)(journey)


def test_a_name_that_can_be_none_is_not_asked_for(room: Room) -> None:
    async def journey(user: User) -> None:
        await user.open(PAGE)
        user.find(marker="about").type("<b>anna</b>")
        user.find(marker="show").click()
        await until(lambda: "letters, digits" in markup(user), within_s=5.0)
        assert room.voice.calls == []

    with_pages(room.hall, people.register)(journey)


def test_a_person_narrows_the_decisions_to_theirs(room: Room) -> None:
    async def journey(user: User) -> None:
        await user.open(PAGE)
        user.find(marker="about").type("hard-P007")
        user.find(marker="show").click()
        await until(lambda: "1 to 1 of 1" in markup(user), within_s=5.0)

    with_pages(room.hall, people.register)(journey)

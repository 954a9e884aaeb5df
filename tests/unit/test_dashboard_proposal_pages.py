"""The pages of proposals as people use them: they decide on exactly what they read, and on nothing else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta

from dashboard_samples import (
    NOW,
    PASSWORD,
    FakeLive,
    FakeVoice,
    sample_campaign,
    sample_outcome,
    sample_picture,
    sample_proposal,
    sample_revision,
    waiting,
)
from dashboard_user import PREFIX, Journey, hall_of, with_pages
from nicegui import ui
from nicegui.testing import User

from agent.dashboard.live.freshness import Freshness
from agent.dashboard.live.picture import Change, LabPicture, Waiting
from agent.dashboard.pages import proposal, proposals
from agent.deciding.sending import Answer as Counted
from agent.roles import Role
from envs.errors import UserError
from instruments.messages import Quantity
from instruments.profile.agent_messages import Estimate
from instruments.profile.questions import Answer, Preview

ONE = f"{PREFIX}/proposals/hard-P001"
TWO = f"{PREFIX}/proposals/hard-P002"


class Place:
    """A laboratory, and one person at its pages."""

    def __init__(self, picture: LabPicture | None = None, name: str = "ben", role: Role = Role.APPROVER) -> None:
        self.live, self.voice = FakeLive(picture or sample_picture()), FakeVoice()
        self.name, self.role = name, role

    def visited(self, journey: Journey) -> None:
        hall = hall_of(self.live, self.voice, name=self.name, role=self.role)
        with_pages(hall, proposals.register, proposal.register)(journey)

    def changes(self, *changes: Change) -> None:
        self.live.change(*changes)

    def foresees(self, **more: object) -> None:
        told = self.live.picture.proposals["hard-P001"].proposal
        expected = {"hardness": Estimate(value=33.3, unit="GPa", std=1.1)}
        fields = {"proposal": told.proposal, "revision": 1, "design": told.design, "prediction": expected, **more}
        self.voice.answers["preview"] = Answer(
            question="q", about="preview", ts=NOW, preview=Preview.model_validate(fields)
        )  # fmt: skip

    @property
    def decisions(self) -> list[tuple[str, str, str]]:
        """What was signed: proposal, digest and choice."""
        said = [call.said for call in self.voice.calls if call.name == "decide"]
        return [(one["read"].proposal, one["read"].digest, one["choice"]) for one in said]

    def digest(self, pid: str) -> str:
        return self.live.picture.proposals[pid].published.digest


def only(user: User, mark: str) -> ui.element:
    """The one visible element with a mark."""
    found = [one for one in user.find(marker=mark).elements if one.visible]
    assert len(found) == 1, f"{len(found)} of {mark}"
    return found[0]


def is_enabled(user: User, mark: str) -> bool:
    return bool(getattr(only(user, mark), "enabled", True))


def markup(user: User) -> str:
    """All that pages say in markup."""
    assert user.client is not None
    return "".join(one.content for one in user.client.elements.values() if isinstance(one, ui.html) and one.visible)


async def sign(user: User, comment: str = "", password: str = PASSWORD) -> None:
    if comment:
        user.find(marker="comment").type(comment)
    user.find(marker="password").type(password)
    user.find(marker="sign").click()
    await settled(user, lambda: "The laboratory's answer …" not in markup(user))


def gone_dialogs(user: User) -> list[ui.dialog]:
    return [one for one in user.find(marker="signed-dialog").elements if isinstance(one, ui.dialog)]


async def settled(user: User, true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.002)
    raise AssertionError(f"it did not become so; the page says: {markup(user)[-2000:]}")


def test_what_is_approved_is_exactly_what_was_published() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="approve").click()
        await user.should_see(marker="signed-dialog")
        said = markup(user)
        assert place.digest("hard-P001")[:12] in said
        assert "hall-3" in said
        assert "revision 1" in said
        await sign(user, "good margin")
        await settled(user, lambda: "It counted" in markup(user))

    place.visited(journey)
    assert place.decisions == [("hard-P001", place.digest("hard-P001"), "approve")]
    assert place.voice.calls[0].said["comment"] == "good margin"
    assert place.voice.calls[0].said["password"] == PASSWORD


def test_a_rejection_needs_a_reason() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="reject").click()
        await sign(user)
        await settled(user, lambda: "Reason: please say it" in markup(user))
        assert place.voice.calls == []
        await sign(user, "too hot for this die")
        await settled(user, lambda: "It counted" in markup(user))

    place.visited(journey)
    assert place.decisions == [("hard-P001", place.digest("hard-P001"), "reject")]
    assert place.voice.calls[0].said["comment"] == "too hot for this die"


def test_a_wrong_password_is_said_and_may_be_typed_again() -> None:
    place = Place()
    place.voice.error = UserError("the password is wrong")

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="approve").click()
        await sign(user, password="wrong")  # noqa: S106 - it is wrong
        await settled(user, lambda: "The password is wrong." in markup(user))
        place.voice.error = None
        await sign(user)
        await settled(user, lambda: "It counted" in markup(user))

    place.visited(journey)


def test_what_was_changed_meanwhile_is_not_signed() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="approve").click()
        await user.should_see(marker="signed-dialog")
        changed = sample_revision(1)
        place.live.picture.proposals[changed.proposal] = waiting(changed)
        await sign(user)  # before the page has heard of it
        await settled(user, lambda: "while you read revision 1" in markup(user))
        assert place.decisions == []
        place.changes(Change("proposal", "hard-P001"))
        await user.should_see(marker="changed-dialog")
        await settled(user, lambda: "Please read it again" in markup(user))
        assert not gone_dialogs(user)[0].value
        for closed in gone_dialogs(user):
            closed.delete()  # as a browser says that it is hidden
        user.find(marker="again").click()
        user.find(marker="approve").click()
        await sign(user)
        await settled(user, lambda: "It counted" in markup(user))

    place.visited(journey)
    assert place.decisions == [("hard-P001", place.digest("hard-P001"), "approve")]


def test_the_page_says_that_it_was_changed_and_what() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(ONE)
        changed = sample_revision(1)
        place.live.picture.proposals[changed.proposal] = waiting(changed)
        place.changes(Change("proposal", "hard-P001"))
        await settled(user, lambda: "anna changed this while you were reading: it is revision 2" in markup(user))
        assert "Against revision 1" in markup(user)

    place.visited(journey)


def test_an_edit_shows_the_difference_and_a_fresh_prediction_before_it_is_signed() -> None:
    place = Place()
    place.foresees(quorum=2, feasibility=0.41)

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="edit").click()
        await user.should_see(marker="edit-dialog")
        assert not is_enabled(user, "predict")
        assert not is_enabled(user, "sign-edit")
        temperature = only(user, "edit-process.temperature")
        assert isinstance(temperature, ui.select)
        temperature.set_value(1700.0)
        await settled(user, lambda: "1700\N{NO-BREAK SPACE}°C</ins>" in markup(user))
        assert not is_enabled(user, "sign-edit")
        user.find(marker="predict").click()
        await settled(user, lambda: "33.3 ± 1.1" in markup(user))
        assert "2 people" in markup(user)
        assert is_enabled(user, "sign-edit")
        temperature.set_value(1750.0)  # another edit than the one that was predicted
        assert not is_enabled(user, "sign-edit")
        user.find(marker="predict").click()
        await settled(user, lambda: is_enabled(user, "sign-edit"))
        user.find(marker="sign-edit").click()
        await user.should_see(marker="signed-dialog")
        await sign(user)
        await settled(user, lambda: "It counted" in markup(user))

    place.visited(journey)
    asked = [call.said["changes"] for call in place.voice.calls if call.name == "preview"]
    assert asked == [{"process.temperature": 1700.0}, {"process.temperature": 1750.0}]
    assert place.decisions == [("hard-P001", place.digest("hard-P001"), "edit")]
    assert place.voice.calls[-1].said["changes"] == {"process.temperature": 1750.0}


def test_an_edit_that_the_limits_refuse_cannot_be_signed() -> None:
    place = Place()
    place.foresees(refusals=("1850 Cel is too hot for SiC",))

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="edit").click()
        await user.should_see(marker="edit-dialog")
        field = only(user, "edit-process.temperature")
        assert isinstance(field, ui.select)
        field.set_value(1850.0)
        user.find(marker="predict").click()
        await settled(user, lambda: "too hot for SiC" in markup(user))
        assert not is_enabled(user, "sign-edit")

    place.visited(journey)
    assert place.decisions == []


def test_where_nobody_predicts_an_edit_may_be_signed_with_a_word_of_warning() -> None:
    place = Place()
    place.voice.error = UserError("the agent did not answer in 10 s")

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="edit").click()
        await user.should_see(marker="edit-dialog")
        field = only(user, "edit-process.hold")
        assert isinstance(field, ui.select)
        field.set_value(0.5)
        user.find(marker="predict").click()
        await settled(user, lambda: "without a prediction" in markup(user))
        assert is_enabled(user, "sign-edit")

    place.visited(journey)


def test_several_are_decided_with_one_password_each_by_its_own_decision() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals")
        user.find(marker="select-page").click()
        await user.should_see("3 selected")
        # One of them is changed after it was selected: nobody has read that.
        user.find(marker="approve-many").click()
        await user.should_see(marker="signed-dialog")
        changed = sample_revision(3)
        place.live.picture.proposals[changed.proposal] = waiting(changed)
        await sign(user)
        await settled(user, lambda: "2 of 3 decisions counted" in markup(user))
        assert "hard-P003 was changed by anna while you read revision 1" in markup(user)

    digests = {pid: place.digest(pid) for pid in ("hard-P001", "hard-P002")}
    place.visited(journey)
    assert place.decisions == [(pid, digest, "approve") for pid, digest in digests.items()]


def test_a_wrong_password_for_several_signs_nothing() -> None:
    place = Place()
    place.voice.error = UserError("the password is wrong")

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals")
        user.find(marker="select-page").click()
        user.find(marker="reject-many").click()
        await sign(user, "out of tungsten")
        await settled(user, lambda: "The password is wrong." in markup(user))
        assert len(place.decisions) == 1  # it was tried once, not three times
        place.voice.error = None
        await sign(user, password=PASSWORD)
        await settled(user, lambda: "3 of 3 decisions counted" in markup(user))
        assert {choice for _, _, choice in place.decisions} == {"reject"}

    place.visited(journey)


def test_two_people_must_approve_and_the_first_may_not_twice() -> None:
    place = Place(name="anna")

    async def journey(user: User) -> None:
        await user.open(TWO)
        assert "1 of 2: anna approved; another person is needed" in markup(user)
        assert not is_enabled(user, "approve")
        assert "You approved this revision before" in markup(user)
        assert is_enabled(user, "reject")

    place.visited(journey)


def test_a_viewer_reads_everything_and_decides_nothing() -> None:
    place = Place(name="vera", role=Role.VIEWER)

    async def journey(user: User) -> None:
        await user.open(ONE)
        assert not any(is_enabled(user, mark) for mark in ("approve", "reject", "edit"))
        assert "Approving needs the role approver or safety; you are viewer." in markup(user)
        await user.open(f"{PREFIX}/proposals")
        assert not any(one.enabled for one in user.find(marker="approve").elements if isinstance(one, ui.button))

    place.visited(journey)


def test_old_values_are_not_decided_on() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(ONE)
        assert is_enabled(user, "approve")
        place.live.fresh = Freshness("broker-lost", "The broker does not answer since 12:00.")
        place.live.present = NOW + timedelta(hours=1)
        place.changes(Change("link"))
        await settled(user, lambda: not is_enabled(user, "approve"))
        assert "The broker does not answer since 12:00." in markup(user)
        assert "2\N{NO-BREAK SPACE}h 23\N{NO-BREAK SPACE}min left" in markup(user)  # as it stood when it was heard
        place.live.fresh = Freshness("live")
        place.changes(Change("link"))
        await settled(user, lambda: is_enabled(user, "approve"))
        assert "1\N{NO-BREAK SPACE}h 23\N{NO-BREAK SPACE}min left" in markup(user)

    place.visited(journey)


def test_what_was_decided_leaves_the_list_by_itself_and_its_dialog_stays() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="approve").click()
        await sign(user)
        await settled(user, lambda: "It counted" in markup(user))
        del place.live.picture.proposals["hard-P001"]
        place.live.picture.outcomes["hard-P001"] = sample_outcome(1, by=("ben",), ts=NOW, experiment="hard-E004")
        place.changes(Change("proposal", "hard-P001"), Change("outcome", "hard-P001"))
        await settled(user, lambda: "Approved by ben" in markup(user))
        assert f"{PREFIX}/experiments/hard-E004" in markup(user)
        assert "It counted" in markup(user)

    place.visited(journey)


def test_what_is_gone_and_what_never_was_is_said() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals/hard-P902")
        assert "Rejected by anna" in markup(user)
        await user.open(f"{PREFIX}/proposals/<b>x")
        assert "No proposal &lt;b&gt;x waits here" in markup(user)
        assert "<b>x" not in markup(user)

    place.visited(journey)


def test_taking_back_is_asked_for_by_a_request() -> None:
    place = Place(name="ole", role=Role.OPERATOR)
    place.voice.counted = Counted("counted", "hard-P001 was withdrawn", "request", "ab" * 16)

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="withdraw").click()
        await sign(user)
        await settled(user, lambda: "It counted" in markup(user))

    place.visited(journey)
    (call,) = place.voice.calls
    assert (call.name, call.said["action"]) == ("ask", "withdraw")


def test_the_list_is_filtered_and_says_when_there_is_nothing() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals")
        search = only(user, "filter-search")
        assert isinstance(search, ui.input)
        search.set_value("zrb2")
        await settled(user, lambda: "hard-P001" not in cards(user))
        assert "ZrB₂" in cards(user)
        search.set_value("unobtainium")
        await settled(user, lambda: "None of the 3 that wait" in markup(user))
        search.set_value(None)
        await settled(user, lambda: "hard-P001" in cards(user))
        place.live.picture.proposals.clear()
        place.changes(Change("proposal"))
        await settled(user, lambda: "Nothing waits for a decision" in markup(user))
        assert "good margin to the melting point" in markup(user)  # what was decided lately

    place.visited(journey)


def cards(user: User) -> str:
    """What the cards say that are seen."""
    assert user.client is not None
    seen = [one for one in user.client.elements.values() if "lw-proposal" in one.classes and one.visible]
    return "".join(child.content for one in seen for child in one.descendants() if isinstance(child, ui.html))


def test_a_thousand_proposals_cost_a_page_no_more_than_twelve() -> None:
    few, many = Place(sample_picture(12)), Place(sample_picture(12))
    for one in list(many.live.picture.proposals.values()):
        for n in range(1, 84):
            named = {"proposal": f"{one.proposal}-{n}"}
            copy = Waiting(one.proposal.model_copy(update=named), one.published.model_copy(update=named))
            many.live.picture.proposals[copy.proposal.proposal] = copy
    assert len(many.live.picture.proposals) == 1008
    counted: list[int] = []

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals")
        assert user.client is not None
        counted.append(len(user.client.elements))
        assert len(re.findall("<svg", markup(user))) <= 20

    few.visited(journey)
    many.visited(journey)
    assert counted[0] == counted[1] < 260


def test_time_goes_on_by_itself_and_what_expires_cannot_be_approved() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(ONE)
        for page_ in (ONE, f"{PREFIX}/proposals"):
            place.live.present = NOW
            await user.open(page_)
            assert user.client is not None
            timers = [one for one in user.client.elements.values() if isinstance(one, ui.timer)]
            place.live.present = NOW + timedelta(hours=2)
            tick(timers)
            assert "23\N{NO-BREAK SPACE}min left" in markup(user)
            place.live.present = NOW + timedelta(hours=2, minutes=24)
            tick(timers)
            assert "It has expired: it counts as not approved." in markup(user)
        await user.open(ONE)
        assert not is_enabled(user, "approve")

    place.visited(journey)


def tick(timers: list[ui.timer]) -> None:
    """As the pages' own timers do when their time has come."""
    for timer in timers:
        if timer.callback is not None and "proposal" in timer.callback.__module__:
            with timer.parent_slot or timer.client:
                timer.callback()


def test_a_thousand_are_turned_page_by_page() -> None:
    place = Place(sample_picture(30))

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals")
        await user.should_see("1–12 of 30")
        user.find(marker="next").click()
        await user.should_see("13–24 of 30")
        user.find(marker="next").click()
        await user.should_see("25–30 of 30")
        assert not is_enabled(user, "next")

    place.visited(journey)


def test_nothing_that_a_message_says_becomes_markup() -> None:
    evil = '"><img src=x onerror=alert(1)>'
    picture = sample_picture(1)
    hold = Quantity(value=1.0, unit="h")
    design = {"formula": evil, "process.hold": hold, "process.additive": evil}
    bad = sample_proposal(1, rationale=evil, design=design)
    picture.proposals[bad.proposal] = waiting(bad)
    picture.outcomes["hard-P901"] = sample_outcome(901, reason=evil)
    picture.campaigns["hard"].state = sample_campaign(votes={})
    place = Place(picture)

    async def journey(user: User) -> None:
        for page in (ONE, f"{PREFIX}/proposals"):
            await user.open(page)
            assert "&lt;img" in markup(user)
            assert "<img src=x" not in markup(user)
            user.find(marker="approve").click()
            await user.should_see(marker="signed-dialog")
            assert "<img src=x" not in markup(user)

    place.visited(journey)

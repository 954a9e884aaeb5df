"""Deciding on the pages of proposals: on exactly what was read, and on nothing else."""

from __future__ import annotations

from dashboard_place import ONE, TWO, Place, gone_dialogs, is_enabled, markup, only, settled, sign
from dashboard_samples import (
    NOW,
    PASSWORD,
    sample_outcome,
    sample_revision,
    waiting,
)
from dashboard_user import PREFIX
from nicegui import ui
from nicegui.testing import User

from agent.dashboard.live.picture import Change
from agent.deciding.sending import Answer as Counted
from agent.roles import Role
from envs.errors import UserError


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


def test_a_prediction_of_another_revision_is_not_signed_on() -> None:
    place = Place()
    place.foresees(revision=2)

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="edit").click()
        await user.should_see(marker="edit-dialog")
        field = only(user, "edit-process.hold")
        assert isinstance(field, ui.select)
        field.set_value(0.5)
        user.find(marker="predict").click()
        await settled(user, lambda: "of revision 2, which is not the one you read" in markup(user))
        assert not is_enabled(user, "sign-edit")

    place.visited(journey)


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


def test_what_was_selected_and_then_changed_is_not_selected_any_more() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals")
        user.find(marker="select-page").click()
        await user.should_see("3 selected")
        changed = sample_revision(3)
        place.live.picture.proposals[changed.proposal] = waiting(changed)
        place.changes(Change("proposal", "hard-P003"))
        await user.should_see("2 selected; hard-P003 changed meanwhile: not selected any more")

    place.visited(journey)


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

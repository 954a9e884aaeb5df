"""What a person reads before signing on the pages of proposals: all that bears on it, as it will be."""

from __future__ import annotations

import asyncio
import re

from dashboard_place import ONE, Place, gone_dialogs, is_enabled, markup, only, settled
from dashboard_samples import (
    NOW,
    sample_laboratory,
    sample_outcome,
    sample_picture,
    sample_proposal,
    waiting,
)
from dashboard_user import PREFIX
from nicegui import ui
from nicegui.elements.keyboard import Keyboard
from nicegui.events import GenericEventArguments
from nicegui.testing import User

from agent.dashboard.live.picture import Change
from agent.deciding.sending import Answer as Counted
from envs.errors import UserError
from instruments.messages import Quantity
from instruments.profile.agent_messages import Check, Hazard
from instruments.profile.laboratory import Stop
from instruments.profile.model_messages import Domain


def test_an_edit_is_signed_with_the_design_as_it_will_be() -> None:
    place = Place()
    design = place.live.picture.proposals["hard-P001"].proposal.design
    after = {**design, "crystal": "mp-1894", "formula": "WC"}
    hot = Check(instrument="furnace-1", command="sinter", parameter="temperature", low=900, high=1900,
                value=Quantity(value=1890.5, unit="Cel"))  # fmt: skip
    place.foresees(design=after, checks=(hot,))

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="edit").click()
        await user.should_see(marker="edit-dialog")
        crystal = only(user, "edit-crystal")
        assert isinstance(crystal, ui.select)
        crystal.set_value("mp-1894")
        user.find(marker="predict").click()
        await settled(user, lambda: is_enabled(user, "sign-edit"))
        foreseen = markup(user)
        assert "<td>SiC (mp-8062)</td><td class='lw-new '>WC (mp-1894)</td>" in foreseen
        assert "1 value near a limit" in foreseen
        assert "Near the upper limit</b>: sinter: temperature 1890.5\N{NO-BREAK SPACE}°C" in foreseen
        user.find(marker="sign-edit").click()
        await user.should_see(marker="signed-dialog")
        (box,) = re.findall(r"<dl class=.lw-kv lw-signing.>.*?</dl>", markup(user))
        assert "<dt>Crystal</dt><dd><ins>mp-1894</ins>" in box
        assert "<dt>Formula</dt><dd>WC</dd>" in box
        assert "SiC" not in box

    place.visited(journey)


def test_an_edit_that_nobody_predicted_is_signed_with_the_design_as_it_will_be() -> None:
    place = Place()
    place.voice.error = UserError("the agent did not answer in 10 s")

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="edit").click()
        await user.should_see(marker="edit-dialog")
        for mark, value in (("edit-process.temperature", 1750.0), ("edit-crystal", "mp-1894")):
            field = only(user, mark)
            assert isinstance(field, ui.select)
            field.set_value(value)
        user.find(marker="predict").click()
        await settled(user, lambda: is_enabled(user, "sign-edit"))
        user.find(marker="sign-edit").click()
        await user.should_see(marker="signed-dialog")
        assert "<dt>Temperature</dt><dd><ins>1750\N{NO-BREAK SPACE}°C</ins>" in markup(user)
        assert "<dt>Formula</dt><dd>WC</dd>" in markup(user)

    place.visited(journey)


def test_several_at_once_say_all_that_one_says() -> None:
    picture = sample_picture()
    design = {
        **picture.proposals["hard-P001"].proposal.design,
        "process.temperature": Quantity(value=1923.75, unit="Cel"),
    }
    grave = Hazard(code="toxic", severity="danger", text="Carbon monoxide is given off.")
    warm = Hazard(code="hot", severity="warning", text="Stays hot for hours.")
    check = Check(instrument="furnace-1", command="sinter", parameter="temperature", low=900, high=1900,
                  value=Quantity(value=1923.75, unit="Cel"))  # fmt: skip
    risky = sample_proposal(
        1, design=design, hazards=(warm, grave), checks=(check,), quorum=3,
        domain=Domain(verdict="outside", score=1.4, text="hotter than all measured designs"),
    )  # fmt: skip
    picture.proposals["hard-P001"] = waiting(risky)
    picture.labs["agent-1"] = sample_laboratory(stop=Stop(by="clara"))
    place = Place(picture)

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals")
        user.find(marker="select-page").click()
        user.find(marker="approve-many").click()
        await user.should_see(marker="signed-dialog")
        listed = only(user, "many-list")
        assert isinstance(listed, ui.html)
        (line,) = [one for one in listed.content.split("<li>") if "hard-P001" in one]
        for said in (
            "mp-8062", "1923.75\N{NO-BREAK SPACE}°C", "(90%: ", "Carbon monoxide", "Stays hot for hours",
            "Beyond the limit", "allowed 900 to 1900", "Outside what the models know", "stopped by clara",
            "Yours is approval 1 of 3: two more people must approve too.",
        ):  # fmt: skip
            assert said in line

    place.visited(journey)


def test_no_key_opens_a_dialog_over_another() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(ONE)
        assert user.client is not None
        (keyboard,) = [one for one in user.client.elements.values() if isinstance(one, Keyboard)]

        def press(key: str) -> None:
            held = dict.fromkeys(("repeat", "altKey", "ctrlKey", "metaKey", "shiftKey"), False)
            args = {"action": "keydown", "key": key, "code": f"Key{key.upper()}", "location": 0, **held}
            with keyboard:
                keyboard._handle_key(GenericEventArguments(sender=keyboard, client=keyboard.client, args=args))

        user.find(marker="stop-lab").click()
        await user.should_see(marker="signed-dialog")
        for key in "are":
            press(key)
        assert [dialog.props["aria-label"] for dialog in gone_dialogs(user)] == ["Stop the laboratory?"]
        assert not [one for one in user.client.elements.values() if "edit-dialog" in one._markers]
        for dialog in gone_dialogs(user):
            dialog.delete()
        press("a")
        assert [dialog.props["aria-label"] for dialog in gone_dialogs(user)] == ["Approve SiC?"]

    place.visited(journey)


def test_what_became_of_it_meanwhile_is_said_in_words() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(ONE)
        user.find(marker="approve").click()
        await user.should_see(marker="signed-dialog")
        del place.live.picture.proposals["hard-P001"]
        place.live.picture.outcomes["hard-P001"] = sample_outcome(1, by=("policy:well-known",), ts=NOW)
        place.changes(Change("proposal", "hard-P001"), Change("outcome", "hard-P001"))
        await settled(user, lambda: "hard-P001 was approved by the rule well-known meanwhile." in markup(user))

    place.visited(journey)


def test_while_it_is_signed_nothing_can_be_typed() -> None:
    place, went_on = Place(), asyncio.Event()

    async def slow(*_said: object, **_more: object) -> Counted:
        await went_on.wait()
        return Counted("refused", "no")

    async def journey(user: User) -> None:
        place.voice.decide = slow  # type: ignore[method-assign]
        await user.open(ONE)
        user.find(marker="reject").click()
        await user.should_see(marker="signed-dialog")
        user.find(marker="comment").type("too hot")
        user.find(marker="password").type("correct horse")
        user.find(marker="sign").click()
        await settled(user, lambda: "Signing, and waiting" in markup(user))
        assert not any(is_enabled(user, mark) for mark in ("password", "comment", "sign"))
        went_on.set()
        await settled(user, lambda: "It was refused: no" in markup(user))
        await settled(user, lambda: all(is_enabled(user, mark) for mark in ("password", "comment", "sign")))

    place.visited(journey)

"""The pages of experiments, as people use them."""

from __future__ import annotations

import base64
import time
from datetime import timedelta
from typing import Any

from dashboard_experiments import FURNACE_JOB
from dashboard_samples import NOW, PASSWORD, FakeLive, FakeVoice, sample_experiment, sample_picture
from dashboard_user import hall_of, with_pages
from nicegui import ui
from nicegui.testing import User

from agent.dashboard.live.picture import Change
from agent.dashboard.pages import experiment
from agent.roles import Role
from envs.errors import UserError
from instruments.messages import Quantity
from instruments.profile.agent_messages import Thumbnail
from instruments.profile.experiment_messages import ExperimentState, StepState
from instruments.profile.questions import Answer, Entry, Picture

EID = "hard-E001"
_JPEG = base64.b64encode(b"a picture").decode()


def _voice() -> FakeVoice:
    voice = FakeVoice()
    shown = Picture(sha256="ab" * 32, thumbnail=Thumbnail(media_type="image/jpeg", data=_JPEG), width=1024, height=768)
    entry = Entry(
        seq=41, at=NOW, kind="step.ended", text="sinter succeeded <b>", by="anna", hash="cd" * 32, signed=True
    )
    voice.answers["picture"] = Answer(question="q", about="picture", ts=NOW, picture=shown)
    voice.answers["audit"] = Answer(question="q", about="audit", ts=NOW, entries=(entry,), more=True)
    return voice


def _page(user: User) -> str:
    return "".join(part.content for part in user.find(ui.html).elements)


def _sintering() -> ExperimentState:
    one = sample_experiment(11, "running", images=())
    sinter = StepState(
        step="sinter", state="accepted", command="sinter", instrument="furnace-1", job=FURNACE_JOB.format(11),
        begun_at=NOW - timedelta(hours=1),
    )  # fmt: skip
    return one.model_copy(update={"steps": (sinter,)})


def test_an_experiment_is_found_in_the_table() -> None:
    live = FakeLive(sample_picture(n_experiments=24))

    async def journey(user: User) -> None:
        await user.open("/dashboard/experiments")
        await user.should_see("24 experiments, page 1 of 2")
        user.find(marker="search").type("hard-E003")
        await user.should_see("1 experiment, page 1 of 1")
        text = _page(user)
        assert f"href='/dashboard/experiments/{EID}'" not in text
        assert "taken back" in text
        live.picture.experiments["hard-E003"] = sample_experiment(3, outcome="infeasible", found={})
        live.change(Change("experiment", "hard-E003"))
        assert "cannot be made" in _page(user)

    with_pages(hall_of(live, _voice()), experiment.register)(journey)


def test_an_experiment_shows_its_recipe_result_picture_and_record() -> None:
    voice = _voice()

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/experiments/{EID}")
        await user.should_see("Mean grain diameter")
        await user.should_see("Scale bar, 20 µm")
        text = _page(user)
        for said in ("Sinter", "peak temperature", "90% interval", "Pixel size", "hard-P001, revision 1", "anna"):
            assert said in text
        assert f"data:image/jpeg;base64,{_JPEG}" in text
        user.find(marker="show-audit").click()
        await user.should_see("sinter succeeded &lt;b&gt;")
        await user.should_see("Older")

    with_pages(hall_of(FakeLive(sample_picture()), voice), experiment.register)(journey)
    assert [call.said["subject"] for call in voice.calls if call.name == "audit"] == [EID]
    overlay = sample_experiment(1).images[1].overlay
    assert [call.said["sha256"] for call in voice.calls if call.name == "picture"] == [overlay]


def test_a_picture_that_does_not_come_is_said_to_be_missing() -> None:
    voice = _voice()
    voice.error = UserError("too many questions: ask again in a minute")

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/experiments/{EID}")
        await user.should_see("The picture cannot be shown: too many questions")

    with_pages(hall_of(FakeLive(sample_picture()), voice), experiment.register)(journey)


def test_readings_and_progress_move_while_the_furnace_works() -> None:
    live = FakeLive(sample_picture())
    one = _sintering()
    live.picture.experiments[one.experiment] = one
    live.picture.instruments["furnace-1"].heard_s = time.monotonic()

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/experiments/{one.experiment}")
        assert "42" in _page(user)
        ids = {chart.id for chart in user.find(ui.echart).elements}
        assert len(ids) == 2
        furnace = live.picture.instruments["furnace-1"]
        furnace.telemetry["temperature"].append((NOW, 1234.5))
        furnace.jobs[FURNACE_JOB.format(11)] = furnace.jobs[FURNACE_JOB.format(11)].model_copy(
            update={"progress": 0.43}
        )
        live.change(Change("telemetry", "furnace-1"))
        assert {chart.id for chart in user.find(ui.echart).elements} == ids
        text = _page(user)
        assert "43\N{NO-BREAK SPACE}% done" in text
        assert "1234" in text or "1235" in text

    with_pages(hall_of(live, _voice()), experiment.register)(journey)


def _ask(eid: str, picture_changes: dict[str, ExperimentState], *steps: Any) -> list[dict[str, Any]]:
    """What is asked of the agent after some clicks and typing on an experiment's page."""
    voice, live = _voice(), FakeLive(sample_picture())
    live.picture.experiments.update(picture_changes)

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/experiments/{eid}")
        for marker, text in steps:
            await user.should_see(marker=marker)
            if text is None:
                user.find(marker=marker).click()
                if marker == "go-on":
                    # As a browser does once a dialog has gone: what was opened out of it must stay.
                    await user.should_see(marker="signed-dialog")
                    user.find(marker=f"{steps[0][0]}-dialog").trigger("hide")
            else:
                user.find(marker=marker).clear().type(text)
        await user.should_see("It counted")

    with_pages(hall_of(live, voice), experiment.register)(journey)
    return [dict(call.said) for call in voice.calls if call.name == "ask"]


def test_a_result_is_corrected_with_a_reason() -> None:
    (said,) = _ask(
        EID, {}, ("amend", None), ("value-hardness", "27,5"), ("std-hardness", ""), ("go-on", None),
        ("comment", "the load cell was off"), ("password", PASSWORD), ("sign", None),
    )  # fmt: skip
    assert (said["action"], said["subject"], said["comment"]) == ("amend", EID, "the load cell was off")
    assert said["arguments"] == {"hardness": 27.5}


def test_what_was_measured_with_many_digits_and_left_alone_is_not_signed() -> None:
    found = {
        "hardness": Quantity(value=23.456789012345, unit="GPa", std=0.61234567890123),
        "density": Quantity(value=5.2345678901234, unit="g/cm3", std=0.0512345678901),
        "drift": Quantity(value=0.0, unit="um", std=None),
    }
    (said,) = _ask(
        EID, {EID: sample_experiment(1, found=found)}, ("amend", None), ("value-hardness", "25"), ("go-on", None),
        ("comment", "the load cell was off"), ("password", PASSWORD), ("sign", None),
    )  # fmt: skip
    assert said["arguments"] == {"hardness": 25.0}


def test_a_result_is_taken_back_with_a_reason() -> None:
    (said,) = _ask(EID, {}, ("retract", None), ("comment", "the wrong pellet"), ("password", PASSWORD), ("sign", None))
    assert (said["action"], said["arguments"], said["comment"]) == ("retract", {}, "the wrong pellet")


def test_a_person_says_what_became_of_an_order() -> None:
    lost = sample_experiment(7, "needs_reconcile")
    (said,) = _ask(
        lost.experiment, {lost.experiment: lost}, ("reconcile-again", None), ("comment", "the furnace was cold"),
        ("password", PASSWORD), ("sign", None),
    )  # fmt: skip
    assert (said["action"], said["arguments"]) == ("reconcile", {"verdict": "again"})


def test_a_sample_is_moved() -> None:
    (said,) = _ask(
        EID, {}, ("move", None), ("place", "shelf B"), ("go-on", None), ("password", PASSWORD), ("sign", None)
    )
    assert (said["action"], said["arguments"]) == ("move", {"place": "shelf B"})


def test_who_only_looks_changes_nothing_and_is_told_who_may() -> None:
    async def journey(user: User) -> None:
        await user.open(f"/dashboard/experiments/{EID}")
        for marker in ("amend", "retract", "move", "reconcile-again"):
            await user.should_not_see(marker=marker)
        await user.should_see("What is on record may be changed by: operator, approver or safety.")

    with_pages(hall_of(FakeLive(sample_picture()), _voice(), role=Role.VIEWER), experiment.register)(journey)

"""The page of a campaign, as people use it."""

from __future__ import annotations

from dashboard_samples import (
    CAMPAIGN,
    PASSWORD,
    FakeLive,
    FakeVoice,
    sample_campaign,
    sample_experiment,
    sample_picture,
    sample_space,
)
from dashboard_user import SESSION, Door, hall_of, with_pages
from nicegui import ui
from nicegui.testing import User

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.live.freshness import Freshness
from agent.dashboard.live.picture import CampaignPicture, Change
from agent.dashboard.pages import campaign
from agent.roles import Role
from instruments.messages import Quantity


def _page(user: User) -> str:
    return "".join(part.content for part in user.find(ui.html).elements)


def test_the_only_campaign_is_opened_at_once() -> None:
    async def journey(user: User) -> None:
        await user.open("/dashboard/campaigns")
        await user.should_see(f"Campaign {CAMPAIGN}")

    with_pages(hall_of(FakeLive(sample_picture()), FakeVoice()), campaign.register)(journey)


def test_a_campaign_tells_how_far_it_is() -> None:
    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        text = _page(user)
        for said in ("running", "Best so far", "experiments left", "measured values lie in their 90% interval"):
            assert said in text
        assert f"href='/dashboard/experiments/{CAMPAIGN}-E006'" in text
        assert len(user.find(ui.echart).elements) >= 4

    with_pages(hall_of(FakeLive(sample_picture()), FakeVoice()), campaign.register)(journey)


def test_a_chart_moves_in_place_when_an_experiment_ends() -> None:
    live = FakeLive(sample_picture())

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        before = user.find(ui.echart).elements
        ids = {one.id for one in before}
        better = sample_experiment(12, found={"hardness": Quantity(value=44.0, unit="GPa", std=0.5)})
        live.picture.experiments[better.experiment] = better
        live.change(Change("experiment", better.experiment))
        after = user.find(ui.echart).elements
        assert {one.id for one in after} == ids
        words = [one.options["aria"]["label"]["description"] for one in after]
        assert any("Best: 44.0 ± 0.5" in said for said in words)

    with_pages(hall_of(live, FakeVoice()), campaign.register)(journey)


def test_a_pause_is_signed_with_the_persons_password() -> None:
    voice = FakeVoice()

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        user.find(marker="pause-campaign").click()
        await user.should_see("No further experiment of it begins")
        user.find(marker="password").type(PASSWORD)
        user.find(marker="sign").click()
        await user.should_see("It counted")

    with_pages(hall_of(FakeLive(sample_picture()), voice), campaign.register)(journey)
    (call,) = voice.calls
    assert (call.said["action"], call.said["subject"], call.said["password"]) == ("pause", CAMPAIGN, PASSWORD)


def test_a_stop_says_that_it_latches_and_needs_a_reason() -> None:
    voice = FakeVoice()

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        user.find(marker="stop-campaign").click()
        await user.should_see("The stop latches")
        user.find(marker="password").type(PASSWORD)
        user.find(marker="sign").click()
        await user.should_see("please say it")
        assert not voice.calls
        user.find(marker="comment").type("the argon runs out")
        user.find(marker="password").type(PASSWORD)
        user.find(marker="sign").click()
        await user.should_see("It counted")

    with_pages(hall_of(FakeLive(sample_picture()), voice), campaign.register)(journey)
    assert [(call.said["action"], call.said["comment"]) for call in voice.calls] == [("stop", "the argon runs out")]


def test_who_only_looks_has_no_buttons() -> None:
    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        await user.should_not_see(marker="pause-campaign")
        await user.should_not_see(marker="stop-campaign")

    with_pages(hall_of(FakeLive(sample_picture()), FakeVoice(), role=Role.VIEWER), campaign.register)(journey)


def test_an_operator_may_not_clear_a_stop() -> None:
    picture = sample_picture()
    picture.campaigns[CAMPAIGN].state = sample_campaign().model_copy(update={"phase": "stopped", "reason": "by anna"})

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        await user.should_not_see(marker="resume-campaign")
        await user.should_see("approver or safety")

    with_pages(hall_of(FakeLive(picture), FakeVoice(), role=Role.OPERATOR), campaign.register)(journey)


def test_nothing_but_a_stop_is_asked_for_while_values_are_old() -> None:
    live = FakeLive(sample_picture())
    live.fresh = Freshness("broker-lost", "the broker is gone", 40.0)

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        (pause,), (stop,) = user.find(marker="pause-campaign").elements, user.find(marker="stop-campaign").elements
        assert isinstance(pause, ui.button)
        assert isinstance(stop, ui.button)
        assert (pause.enabled, stop.enabled) == (False, True)

    with_pages(hall_of(live, FakeVoice()), campaign.register)(journey)


def test_a_campaign_that_is_not_known_yet_appears_when_it_is_told() -> None:
    live = FakeLive(sample_picture())
    kept = live.picture.campaigns.pop(CAMPAIGN)

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        await user.should_see("No campaign hard is known here")
        live.picture.campaigns[CAMPAIGN] = kept
        live.change(Change("campaign", CAMPAIGN))
        await user.should_see("Predicted against measured")

    with_pages(hall_of(live, FakeVoice()), campaign.register)(journey)


def test_a_campaign_without_any_experiment_is_shown() -> None:
    picture = sample_picture(n_proposals=0, n_experiments=0)
    picture.campaigns[CAMPAIGN] = CampaignPicture(sample_campaign().model_copy(update={"best": None}), None, None)
    live = FakeLive(picture)

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        text = _page(user)
        for said in ("No result counts yet", "not known yet", "have not learned anything yet", "must be known first"):
            assert said in text
        picture.campaigns[CAMPAIGN].space = sample_space()
        first = sample_experiment(1, found={"hardness": Quantity(value=44.0, unit="GPa", std=0.5)})
        picture.experiments[first.experiment] = first
        live.change(Change("experiment", first.experiment))
        assert "44.0 ± 0.5" in _page(user)

    with_pages(hall_of(live, FakeVoice()), campaign.register)(journey)


def test_no_axes_are_invented_where_there_is_nothing_to_be_drawn() -> None:
    picture = sample_picture(n_proposals=0, n_experiments=0)
    picture.campaigns[CAMPAIGN] = CampaignPicture(
        sample_campaign().model_copy(update={"best": None}), sample_space(), None
    )
    live = FakeLive(picture)

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        text = _page(user)
        for said in ("No experiment has ended yet", "No experiment with a prediction", "No experiment is known yet"):
            assert said in text
        assert not any("by experiment" in one for one in _descriptions(user))
        await user.should_not_see("Older")
        first = sample_experiment(1)
        picture.experiments[first.experiment] = first
        live.change(Change("experiment", first.experiment))
        assert "No experiment has ended yet" not in _page(user)
        assert any("by experiment" in one for one in _descriptions(user))

    with_pages(hall_of(live, FakeVoice()), campaign.register)(journey)


def _descriptions(user: User) -> list[str]:
    with user:
        there = [one for one in user.current_layout.descendants() if isinstance(one, ui.echart)]
    return [one.options["aria"]["label"]["description"] for one in there]


def test_a_role_that_is_changed_while_the_page_stands_open_has_other_buttons() -> None:
    live = FakeLive(sample_picture())
    door = Door(Visitor("ana", Role.VIEWER, SESSION))

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        await user.should_not_see(marker="pause-campaign")
        door.visitor = Visitor("ana", Role.APPROVER, SESSION)
        live.change(Change("lab", "agent"))
        await user.should_see(marker="pause-campaign")

    with_pages(hall_of(live, FakeVoice(), door=door), campaign.register)(journey)


def test_what_comes_from_the_bus_is_never_markup() -> None:
    picture = sample_picture()
    evil = "<img src=x onerror=alert(1)>"
    state = sample_campaign()
    picture.campaigns[CAMPAIGN].state = state.model_copy(update={"goal": evil, "phase": "paused", "reason": evil})

    async def journey(user: User) -> None:
        await user.open(f"/dashboard/campaigns/{CAMPAIGN}")
        assert "<img src=x" not in _page(user)
        assert "&lt;img" in _page(user)

    with_pages(hall_of(FakeLive(picture), FakeVoice()), campaign.register)(journey)

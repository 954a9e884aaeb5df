"""The pages of proposals as people read them: all of it is said, it stays up to date, and it stays small."""

from __future__ import annotations

import re
from datetime import timedelta

from dashboard_place import ONE, Place, cards, is_enabled, markup, only, settled, tick
from dashboard_samples import (
    NOW,
    sample_campaign,
    sample_outcome,
    sample_picture,
    sample_proposal,
    sample_revision,
    waiting,
)
from dashboard_user import PREFIX
from nicegui import ui
from nicegui.testing import User

from agent.dashboard.live.freshness import Freshness
from agent.dashboard.live.picture import Change, Waiting
from agent.roles import Role
from instruments.messages import Quantity


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


def test_what_is_gone_and_what_never_was_is_said() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals/hard-P902")
        assert "Rejected by anna" in markup(user)
        await user.open(f"{PREFIX}/proposals/<b>x")
        assert "No proposal &lt;b&gt;x waits here" in markup(user)
        assert "<b>x" not in markup(user)

    place.visited(journey)


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


def test_a_link_to_a_campaigns_proposals_says_of_which_they_are() -> None:
    place = Place()

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals?campaign=other")
        assert "None of the 3 that wait" in markup(user)
        field = only(user, "filter-campaign")
        assert isinstance(field, ui.select)
        assert field.value == "other"
        field.set_value("")
        await settled(user, lambda: "hard-P001" in cards(user))

    place.visited(journey)


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


def test_what_does_not_fit_on_a_page_is_on_the_next() -> None:
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


def test_a_formula_is_a_name_of_its_buttons_and_never_makes_links_of_them() -> None:
    evil = 'x" href="https://elsewhere.example/login" innerHTML="<b>" class="y'
    picture = sample_picture(1)
    bad = sample_proposal(1, design={"formula": evil, "process.hold": Quantity(value=1.0, unit="h")})
    picture.proposals[bad.proposal] = waiting(bad)
    place = Place(picture)

    async def journey(user: User) -> None:
        await user.open(f"{PREFIX}/proposals")
        for mark, doing in (("approve", "Approve"), ("reject", "Reject"), ("edit", "Edit"), ("select", "Select")):
            props = only(user, mark).props
            assert props["aria-label"] == f"{doing} {evil}, hard-P001"
            assert not {"href", "innerHTML"} & set(props)
        for mark, opened, title in (("edit", "edit-dialog", "Edit"), ("reject", "signed-dialog", "Reject")):
            user.find(marker=mark).click()
            await user.should_see(marker=opened)
            (dialog,) = user.find(marker=opened).elements
            assert dialog.props["aria-label"].startswith(f"{title} {evil}")
            assert not {"href", "innerHTML"} & set(dialog.props)

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

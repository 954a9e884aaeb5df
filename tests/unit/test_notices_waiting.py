"""What waits for a person: of all that is on the bus, nothing that is over and nothing that nobody can settle."""

from datetime import timedelta

from dashboard_samples import (
    AGENT,
    CAMPAIGN,
    NOW,
    sample_campaign,
    sample_experiment,
    sample_laboratory,
    sample_picture,
    sample_proposal,
    waiting,
)

from agent.dashboard.notices.settings import ALL
from agent.dashboard.notices.waiting import Item, waiting_in
from agent.roles import Role
from instruments.profile.agent_messages import Hazard
from instruments.profile.laboratory import Stop


def of(items: tuple[Item, ...], about: str) -> list[Item]:
    return [item for item in items if item.about == about]


def test_proposals_wait_for_those_who_may_approve_the_most_pressing_first() -> None:
    found = waiting_in(sample_picture(), ALL)

    assert [item.id for item in found] == ["hard-P001", "hard-P002", "hard-P003"]
    assert found[0].roles == {Role.APPROVER, Role.SAFETY}
    assert found[0].page == "/proposals/hard-P001"
    assert "SiC" in found[0].title
    assert "32" not in found[0].title  # what is expected stands below
    assert "GPa expected" in found[0].detail


def test_who_has_voted_has_done_their_part() -> None:
    second = waiting_in(sample_picture(), ALL)[1]

    assert second.done == ("anna",)
    assert "1 of 2 have approved" in second.title
    assert "approved by anna so far" in second.detail.lower()


def test_all_that_can_hurt_is_told_the_gravest_first() -> None:
    hazards = (
        Hazard(code="hot", severity="warning", text="do not open before 200 Cel"),
        Hazard(code="H319", severity="note", text="goggles"),
        Hazard(code="H260", severity="danger", text="no water"),
    )
    picture = sample_picture(n_proposals=1)
    picture.proposals["hard-P001"] = waiting(sample_proposal(1, hazards=hazards))
    (one,) = waiting_in(picture, ALL)

    assert "Danger: no water; warning: do not open before 200\N{NO-BREAK SPACE}°C" in one.detail
    assert "goggles" not in one.detail


def test_an_edit_is_another_wait_and_what_has_expired_is_none() -> None:
    picture = sample_picture(n_proposals=1)
    before = waiting_in(picture, ALL)
    picture.proposals["hard-P001"] = waiting(sample_proposal(1, revision=2))
    after = waiting_in(picture, ALL)
    picture.labs[AGENT] = sample_laboratory(ts=NOW + timedelta(days=1))

    assert before[0].mark != after[0].mark
    assert waiting_in(picture, ALL) == ()


def test_an_experiment_that_nobody_knows_the_end_of_waits() -> None:
    picture = sample_picture(n_proposals=0)
    lost = sample_experiment(9, "needs_reconcile", reason="the furnace restarted while it ran")
    picture.experiments[lost.experiment] = lost

    (item,) = of(waiting_in(picture, ALL), "reconcile")

    assert "hard-E009" in item.title
    assert item.text == "the furnace restarted while it ran"
    assert Role.OPERATOR in item.roles
    assert Role.VIEWER not in item.roles


def test_a_stop_comes_first_and_waits_for_those_who_may_clear_it() -> None:
    picture = sample_picture()
    picture.labs[AGENT] = sample_laboratory(stop=Stop(by="ole", reason="smoke", at=NOW))

    first = waiting_in(picture, ALL)[0]

    assert (first.about, first.title, first.text) == ("stop", "hall-3 is stopped by ole", "smoke")
    assert first.roles == {Role.APPROVER, Role.SAFETY}


def test_a_campaign_waits_where_a_rule_paused_it_and_not_where_a_person_did() -> None:
    picture = sample_picture(n_proposals=0)
    reasons = {
        "policy:limits: no design is left inside the limits": "no design is left inside the limits",
        "ole: lunch": None,
    }
    for reason, text in reasons.items():
        picture.campaigns[CAMPAIGN].state = sample_campaign(phase="paused", reason=reason)
        found = of(waiting_in(picture, ALL), "campaign")
        assert [item.text for item in found] == ([text] if text else [])


def test_only_what_is_asked_for_is_told() -> None:
    assert waiting_in(sample_picture(), ("stop", "reconcile")) == ()

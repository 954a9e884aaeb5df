"""What the pages of proposals show, without any page: the list, a card, what a person may do, an edit's difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dashboard_samples import (
    NOW,
    sample_campaign,
    sample_laboratory,
    sample_picture,
    sample_proposal,
    sample_revision,
    waiting,
)

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.live.picture import LabPicture
from agent.dashboard.pages import proposal_sections as sections
from agent.dashboard.views import proposal_parts as parts
from agent.dashboard.views.proposal_card import ProposalCard, card_of, ordinal
from agent.dashboard.views.proposal_limits import limits_of
from agent.dashboard.views.proposal_rights import Quorum, is_own_revision
from agent.dashboard.views.proposals import Wish, decided, decided_lately, ids_of, list_of
from agent.roles import Role
from instruments.messages import Quantity
from instruments.profile.agent_messages import Check, Estimate, Hazard, NearestSample
from instruments.profile.laboratory import Stop
from instruments.profile.model_messages import Domain, Goal

ANNA = Visitor("anna", Role.APPROVER, "s")
BEN = Visitor("ben", Role.APPROVER, "s")


def flat(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\u2212", "-")


def card(pid: str = "hard-P001", visitor: Visitor = BEN, picture: LabPicture | None = None) -> ProposalCard:
    picture = picture or sample_picture()
    return card_of(picture.proposals[pid], picture, NOW, visitor)


def found(picture: LabPicture, wish: Wish, visitor: Visitor = BEN) -> list[str]:
    return [one.id for one in list_of(picture, NOW, visitor, wish).cards]


def test_a_card_says_what_is_made_what_is_expected_and_what_it_costs() -> None:
    one = card()
    assert one.formula == "SiC"
    temperature = one.proposal.design["process.temperature"]
    assert isinstance(temperature, Quantity)
    assert ("temperature", f"{temperature.value:g} °C") in [(name, flat(value)) for name, value in one.process]
    (prediction,) = one.predictions
    assert prediction.is_goal
    assert flat(prediction.text).endswith("GPa")
    assert " to " in prediction.interval
    assert prediction.best == 31.2
    assert prediction.scale[0] < prediction.low < prediction.value < prediction.high < prediction.scale[1]
    assert "worse than the best so far" in prediction.gain
    assert dict(one.cost) == {"furnace": "5\N{NO-BREAK SPACE}h", "runs": "1"}
    assert flat(one.duration) == "6 h 36 min"
    assert one.why.rank == "1st of the 3 that wait"
    assert flat(one.expiry.words) == "2 h 23 min left (14 s of real time)"


def test_the_unit_and_the_direction_decide_whether_something_is_better() -> None:
    estimate = {"porosity": Estimate(value=0.02, unit="1", std=0.004)}
    goal = Goal(property="porosity", unit="1", direction="minimize")
    (less,) = parts.predictions_of(estimate, (goal,), {"porosity": Quantity(value=0.05, unit="1")})
    assert less.gain == "0.03 better than the best so far"
    (other,) = parts.predictions_of(estimate, (goal,), {"porosity": Quantity(value=5.0, unit="%")})
    assert other.best is None  # another unit is never compared
    (same,) = parts.predictions_of(estimate, (goal,), {"porosity": Quantity(value=0.0201, unit="1")})
    assert same.gain == "as good as the best so far"


def test_the_nearest_sample_says_what_is_another_in_it() -> None:
    nearest = card().nearest
    assert nearest is not None
    assert nearest.is_told
    assert nearest.distance == "0.18 times the usual distance between finished designs"
    assert {name for name, _, _ in nearest.differs} >= {"Formula"}
    picture = sample_picture()
    del picture.experiments[nearest.experiment]
    far = NearestSample(experiment="hard-E001", distance=3.21)
    told = parts.nearest_of(far, {}, None)
    assert told is not None
    assert told.distance == "3.2 times the usual distance between finished designs"
    same = parts.nearest_of(far.model_copy(update={"distance": 0.0}), {}, None)
    assert same is not None
    assert same.distance == "the same design"
    gone = card(picture=picture).nearest
    assert gone is not None
    assert not gone.is_told
    assert gone.differs == ()


def test_effects_are_in_order_of_their_share_and_know_where_the_design_is() -> None:
    effects = card().effects
    assert [effect.name for effect in effects][:2] == ["Temperature", "Powder size"]
    assert all(effect.index is not None for effect in effects)
    assert effects[0].best != effects[0].here


@pytest.mark.parametrize(
    ("value", "low", "high", "words"),
    [
        (1550.0, 900.0, 1900.0, "within"),
        (1890.0, 900.0, 1900.0, "near the upper limit"),
        (1900.0, 900.0, 1900.0, "at the upper limit"),
        (1901.0, 900.0, 1900.0, "beyond the limit"),
        (910.0, 900.0, 1900.0, "near the lower limit"),
        (900.0, 900.0, 1900.0, "at the lower limit"),
        (5.0, None, None, "no limit is told"),
        (60.0, None, 50.0, "beyond the limit"),
        (49.9, None, 50.0, "near the upper limit"),
        (9.8, None, 50.0, "within"),
        (0.2, 0.05, 10.0, "within"),
        (0.5, 0.0, 12.0, "within"),
        (0.0, 0.0, 60.0, "within"),  # nothing at all is not near too much
    ],
)
def test_a_value_is_held_against_its_limits(value: float, low: float | None, high: float | None, words: str) -> None:
    check = Check(
        instrument="furnace-1", command="sinter", parameter="temperature", low=low, high=high,
        value=Quantity(value=value, unit="Cel"),
    )  # fmt: skip
    (limit,) = limits_of([check])
    assert limit.words == words
    assert (limit.at is None) == (low is None or high is None)


def test_the_gravest_hazard_comes_first() -> None:
    hazards = [Hazard(code=s, severity=s, text="Above 200 Cel.") for s in ("note", "danger", "warning")]
    assert [danger.severity for danger in parts.dangers_of(hazards)] == ["danger", "warning", "note"]
    assert flat(parts.dangers_of(hazards)[0].text) == "Above 200 °C."


def test_time_runs_out_in_red_under_a_tenth() -> None:
    made = NOW - timedelta(hours=10)
    assert parts.expiry_of(made, NOW + timedelta(hours=10), NOW).tone == ""
    assert parts.expiry_of(made, NOW + timedelta(hours=1.2), NOW).tone == ""
    assert parts.expiry_of(made, NOW + timedelta(hours=1.0), NOW).tone == "bad"
    week = parts.expiry_of(NOW - timedelta(hours=5), NOW + timedelta(minutes=50), NOW)
    assert (week.tone, week.is_soon) == ("warn", True)
    over = parts.expiry_of(made, NOW, NOW)
    assert over.is_over
    assert over.words == "expired"


@pytest.mark.parametrize(
    ("quorum", "words"),
    [
        (Quorum(1, ()), "one person decides"),
        (Quorum(2, ()), "0 of 2: two people must approve"),
        (Quorum(2, ("anna",)), "1 of 2: anna approved; another person is needed"),
        (Quorum(4, ("anna", "ben")), "2 of 4: anna and ben approved; two more people are needed"),
    ],
)
def test_the_quorum_is_said_in_words(quorum: Quorum, words: str) -> None:
    assert quorum.words == words


@pytest.mark.parametrize(
    ("role", "approve", "reject", "edit", "withdraw"),
    [
        (Role.VIEWER, False, False, False, False),
        (Role.OPERATOR, False, True, False, True),
        (Role.APPROVER, True, True, True, True),
        (Role.SAFETY, True, True, True, True),
        (Role.ADMIN, False, False, False, False),
    ],
)
def test_a_role_allows_what_the_agent_would_count(
    role: Role, approve: bool, reject: bool, edit: bool, withdraw: bool
) -> None:
    rights = card(visitor=Visitor("ole", role, "s")).rights
    said = (rights.approve, rights.reject, rights.edit, rights.withdraw)
    assert [not words for words in said] == [approve, reject, edit, withdraw]
    assert all(role.value in words for words in said if words)


def test_who_has_voted_or_edited_or_came_too_late_is_told_so() -> None:
    picture = sample_picture()
    voted = card("hard-P002", ANNA, picture)
    assert "another person is needed" in voted.rights.approve
    assert not card("hard-P002", BEN, picture).rights.approve

    picture.campaigns["hard"].state = sample_campaign()  # without any vote for it
    picture.campaigns["hard"].state = sample_campaign(votes={})
    own = card("hard-P002", ANNA, picture).rights
    assert not own.approve
    assert "four eyes" in own.warnings[0]
    for may, reason in ((False, "another person must approve it"), (True, "")):
        picture.proposals["hard-P002"] = waiting(sample_revision(2, editor_may_approve=may))
        mine = card("hard-P002", ANNA, picture).rights
        assert reason in mine.approve
        assert (bool(mine.approve), mine.warnings) == (not may, ())
        assert not card("hard-P002", BEN, picture).rights.approve

    stopped = sample_picture()
    stopped.campaigns["hard"].state = sample_campaign(phase="stopped")
    assert "The campaign hard is stopped" in card(picture=stopped).rights.approve
    assert not card(picture=stopped).rights.reject
    stopped.campaigns["hard"].state = sample_campaign(phase="paused")
    stopped.labs["agent-1"] = sample_laboratory(stop=Stop(by="clara"))
    assert "stopped by clara" in card(picture=stopped).rights.warnings[0]

    late = card_of(picture.proposals["hard-P001"], picture, NOW + timedelta(days=2), BEN)
    assert "expired" in late.rights.approve
    stale = card_of(picture.proposals["hard-P001"], picture, NOW, BEN, stale="The broker is not there.")
    assert stale.rights.approve == stale.rights.reject == "The broker is not there."


def test_a_revision_shows_what_it_changed() -> None:
    changes = {name: (flat(before), flat(after)) for name, before, after in card("hard-P002").changes}
    assert changes["Temperature"][1] == "1750 °C"
    assert changes["Hold"][1] == "3 h"
    assert card("hard-P001").changes == ()


def test_the_list_is_filtered_searched_sorted_and_paged() -> None:
    picture = sample_picture(30)
    first = list_of(picture, NOW, BEN, Wish())
    assert (len(first.cards), first.n_found, first.n_pages) == (12, 30, 3)
    assert [one.expiry.at for one in first.cards] == sorted(one.expiry.at for one in first.cards)
    assert len(list_of(picture, NOW, BEN, Wish(page=99)).cards) == 6
    assert first.pools == ("bo", "ppo", "random")

    assert found(picture, Wish(search="p007")) == ["hard-P007"]
    assert {card_.formula for card_ in list_of(picture, NOW, BEN, Wish(search="TiB₂")).cards} == {"TiB₂"}
    assert {card_.why.pool.split(":")[0] for card_ in list_of(picture, NOW, BEN, Wish(pool="ppo")).cards} == {"ppo"}
    assert found(picture, Wish(campaign="other")) == []
    assert found(picture, Wish(only="second")) == ["hard-P002"]
    assert first.counts["second"] == 1
    assert "hard-P002" not in ids_of(picture, NOW, ANNA, Wish(only="mine"))
    assert len(ids_of(picture, NOW, BEN, Wish(only="mine"))) == 30
    assert ids_of(picture, NOW, Visitor("vera", Role.VIEWER, "s"), Wish(only="mine")) == ()

    values = [one.predictions[0].value for one in list_of(picture, NOW, BEN, Wish(sort="expected")).cards]
    assert values == sorted(values, reverse=True)
    acquired = [one.proposal.acquisition for one in list_of(picture, NOW, BEN, Wish(sort="acquisition")).cards]
    assert [a.value for a in acquired if a] == sorted((a.value for a in acquired if a), reverse=True)


@pytest.mark.parametrize("visitor", [ANNA, BEN, Visitor("vera", Role.VIEWER, "s")])
@pytest.mark.parametrize("phase", ["running", "stopped"])
def test_the_list_finds_as_mine_what_the_cards_let_me_approve(visitor: Visitor, phase: str) -> None:
    picture = sample_picture(9)
    for i, may in ((4, True), (5, False), (6, None)):
        own = sample_revision(i, edited_by=visitor.name, editor_may_approve=may)
        picture.proposals[own.proposal] = waiting(own)
    picture.campaigns["hard"].state = sample_campaign(phase=phase)
    for hours in (0, 3, 24):
        now = NOW + timedelta(hours=hours)
        cards = [card_of(one, picture, now, visitor) for one in picture.proposals.values()]
        # A person's own revision is not theirs to decide where it is not known whether they may.
        mine = {one.id for one in cards if not one.rights.approve and not is_own_revision(one.proposal, visitor.name)}
        assert set(ids_of(picture, now, visitor, Wish(only="mine"))) == mine


def test_what_expects_nothing_comes_last() -> None:
    picture = sample_picture(2)
    bare = sample_proposal(9, prediction={}, acquisition=None)
    picture.proposals[bare.proposal] = waiting(bare)
    assert found(picture, Wish(sort="expected"))[-1] == bare.proposal
    assert found(picture, Wish(sort="acquisition"))[-1] == bare.proposal
    assert card(bare.proposal, picture=picture).predictions == ()


def test_what_was_decided_says_by_whom_and_why() -> None:
    picture = sample_picture()
    latest = decided_lately(picture, NOW)
    assert len(latest) == 2
    assert latest[0].at >= latest[1].at
    approved = decided(picture, NOW, "hard-P901")
    assert approved is not None
    assert (approved.verdict, approved.by, approved.reason) == ("approved", "anna", "good margin to the melting point")
    assert decided(picture, NOW, "hard-P001") is None


def test_places_are_written_as_people_say_them() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 112)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "112th",
    ]  # fmt: skip


def test_a_prediction_with_a_wide_spread_is_its_median_and_its_ends_everywhere() -> None:
    wide = Estimate(value=44.9, unit="GPa", std=43.0, low=12.4, high=154.0)
    best = {"hardness": Quantity(value=19.8, unit="GPa")}
    goal = Goal(property="hardness", unit="GPa", direction="maximize")
    (one,) = parts.predictions_of({"hardness": wide}, (goal,), best)
    assert (flat(one.text), flat(one.interval)) == ("44.9 GPa", "12.4 to 154 GPa")
    assert flat(one.gain).startswith("25 GPa better")


def test_whether_the_models_know_it_is_said_in_a_plain_sentence_before_the_numbers() -> None:
    for verdict in ("inside", "edge", "outside"):
        known = parts.known_of(Domain(verdict=verdict, score=1.0, text="2.8 lengthscales off"))
        assert known is not None
        assert known.meaning.endswith(".")
        assert not any(letter.isdigit() for letter in known.meaning)
        said = sections.summary(replace(card(), known=known))
        assert said.index(known.meaning) < said.index("2.8 lengthscales off")


def test_a_long_text_is_folded_and_all_of_it_is_there() -> None:
    short, long = sample_proposal(1, rationale="Finer grains."), sample_proposal(1, rationale="Finer & finer. " * 130)
    for proposal, folded in ((short, False), (long, True)):
        picture = sample_picture()
        picture.proposals["hard-P001"] = waiting(proposal)
        said = sections.why(card(picture=picture))
        assert ("<details" in said) == folded
        assert said.count("Finer") == proposal.rationale.count("Finer")


def test_keys_are_told_to_whom_they_serve() -> None:
    assert "<kbd>a</kbd> approve, <kbd>r</kbd> reject, <kbd>e</kbd> edit" in sections.keys(card())
    assert sections.keys(card(visitor=Visitor("vera", Role.VIEWER, "s"))) == ""

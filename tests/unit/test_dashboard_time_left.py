"""How long a decision can wait, where the laboratory's time runs ahead of people's."""

from __future__ import annotations

from datetime import timedelta

from dashboard_samples import AGENT, NOW, sample_laboratory, sample_picture

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.pages.proposal_slot import as_of
from agent.dashboard.views import proposal_parts as parts
from agent.dashboard.views.proposal_card import card_of
from agent.roles import Role


def plain(expiry: parts.Expiry) -> str:
    return expiry.words.replace("\N{NO-BREAK SPACE}", " ")


def test_how_soon_time_runs_out_for_people_is_said_where_the_laboratorys_runs_ahead() -> None:
    def words(left: timedelta, speed: float) -> str:
        return plain(parts.expiry_of(NOW, NOW + left, NOW, speed))

    assert words(timedelta(hours=2, minutes=40), 600.0) == "2 h 40 min left (16 s of real time)"
    assert words(timedelta(hours=2, minutes=40), 1.0) == "2 h 40 min left"
    assert words(timedelta(days=60), 600.0).endswith("left")
    assert words(timedelta(0), 600.0) == "expired"


def test_a_card_says_it_and_goes_on_saying_it() -> None:
    picture = sample_picture()
    picture.labs[AGENT] = sample_laboratory(speed=600.0)
    waiting = picture.proposals["hard-P001"]
    now = waiting.proposal.expires_at - timedelta(hours=2)
    card = card_of(waiting, picture, now, Visitor("ben", Role.APPROVER, ""))
    assert plain(card.expiry) == "2 h left (12 s of real time)"
    assert plain(as_of(card, now + timedelta(hours=1)).expiry) == "1 h left (6 s of real time)"

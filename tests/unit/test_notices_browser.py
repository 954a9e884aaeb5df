"""What a browser says while its page is out of sight: what began to wait since, to whom it concerns."""

import gc
import weakref

from dashboard_samples import NOW, FakeLive, sample_picture, sample_proposal, waiting

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.live.freshness import Freshness
from agent.dashboard.notices.browser import LOOK_S, MOST, Absence, Lookout, lookout_of, notices_of
from agent.roles import Role
from instruments.clock import SimClock


def test_only_what_began_to_wait_while_it_was_away_and_only_once() -> None:
    live, clock = FakeLive(sample_picture(n_proposals=1)), SimClock(NOW)
    away = Absence(Lookout(live, clock), Visitor("anna", Role.APPROVER, "s"))

    live.picture.proposals["hard-P003"] = waiting(sample_proposal(3))
    assert away.news() == ()  # it is looked every few seconds
    clock.advance(LOOK_S)

    assert [item.id for item in away.news()] == ["hard-P003"]
    assert away.news() == ()


def test_who_may_not_decide_or_has_done_so_is_told_nothing() -> None:
    live, clock = FakeLive(sample_picture(n_proposals=1)), SimClock(NOW)
    lookout = Lookout(live, clock)
    viewer, anna = (Absence(lookout, Visitor(name, role, "s")) for name, role in (
        ("vera", Role.VIEWER), ("anna", Role.APPROVER)))  # fmt: skip
    live.picture.proposals["hard-P002"] = waiting(sample_proposal(2, quorum=2))  # anna has voted
    clock.advance(LOOK_S)

    assert viewer.news() == ()
    assert anna.news() == ()


def test_old_data_is_no_news() -> None:
    live, clock = FakeLive(sample_picture(n_proposals=1)), SimClock(NOW)
    away = Absence(Lookout(live, clock), Visitor("anna", Role.APPROVER, "s"))
    live.fresh = Freshness("broker-lost")
    live.picture.proposals["hard-P003"] = waiting(sample_proposal(3))
    clock.advance(LOOK_S)

    assert away.news() == ()


def test_many_are_one_notice_that_counts_them() -> None:
    live, clock = FakeLive(sample_picture(n_proposals=9)), SimClock(NOW)
    items = Lookout(live, clock).items()

    (one,) = notices_of(items, "hall-3", "/dashboard")
    few = notices_of(items[:MOST], "hall-3", "/dashboard")

    assert one["title"] == "hall-3: 9 things wait for you"
    assert few[0]["href"] == "/dashboard/proposals/hard-P001"
    assert len({each["tag"] for each in few}) == MOST


def test_all_pages_of_a_laboratory_share_one_lookout_and_it_goes_with_the_last_of_them() -> None:
    live, clock = FakeLive(sample_picture()), SimClock(NOW)
    lookout = lookout_of(live, clock)
    assert lookout_of(live, clock) is lookout
    assert lookout_of(FakeLive(sample_picture()), clock) is not lookout
    gone = weakref.ref(live)
    del live, lookout
    gc.collect()
    assert gone() is None

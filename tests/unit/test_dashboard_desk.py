"""What all browsers' pages of a campaign show alike is worked out once."""

from __future__ import annotations

from dashboard_samples import CAMPAIGN, FakeLive, sample_events, sample_experiment, sample_outcome, sample_picture

from agent.dashboard.pages.campaign_desk import Desk


def test_what_happened_is_worked_out_once_until_something_happens() -> None:
    picture = sample_picture(n_proposals=2, n_experiments=4)
    desk = Desk(FakeLive(picture))
    first = desk.happened(CAMPAIGN, 0, 10)
    assert desk.happened(CAMPAIGN, 0, 10) is first
    assert desk.happened(CAMPAIGN, 0, 2) is not first
    picture.events.extend(sample_events(3))
    by_event = desk.happened(CAMPAIGN, 0, 10)
    assert by_event is not first
    picture.outcomes["hard-P955"] = sample_outcome(955)
    by_outcome = desk.happened(CAMPAIGN, 0, 10)
    assert by_outcome.total == by_event.total + 1
    picture.experiments["hard-E055"] = sample_experiment(55, "ended")
    assert desk.happened(CAMPAIGN, 0, 10) is not by_outcome
    assert desk.happened(CAMPAIGN, 0, 10) is desk.happened(CAMPAIGN, 0, 10)

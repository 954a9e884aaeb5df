"""What a campaign's page shows, against values worked out by hand and against slower ways to the same."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from dashboard_samples import CAMPAIGN, NOW, sample_campaign, sample_experiment, sample_picture, sample_proposal

from agent.dashboard.live.picture import LabPicture
from agent.dashboard.pages import campaign_markup
from agent.dashboard.views import words
from agent.dashboard.views.campaign import campaign_ids, campaign_view
from agent.dashboard.views.campaign_curve import curve_of
from agent.dashboard.views.campaign_pareto import Axis, Direction, axes_of, front_of, undominated
from agent.dashboard.views.campaign_parity import parity_of, wilson
from agent.dashboard.views.campaign_pools import pools_of
from agent.dashboard.views.campaign_spending import parallel, spending_of, time_left
from agent.dashboard.views.campaign_timeline import Moment, timeline_of
from instruments.messages import Quantity
from instruments.profile.agent_messages import Estimate
from instruments.profile.campaign_messages import Best, BudgetLine
from instruments.profile.experiment_messages import Correction, ExperimentState
from instruments.profile.model_messages import Goal

HARDNESS = Goal(property="hardness", unit="GPa")


def _gpa(value: float, std: float | None = 0.5) -> dict[str, Quantity]:
    return {"hardness": Quantity(value=value, unit="GPa", std=std)}


def _ended(i: int, hour: float, value: float, **changes: Any) -> ExperimentState:
    at = NOW + timedelta(hours=hour)
    fields: dict[str, Any] = {
        "found": _gpa(value),
        "corrections": (),
        "begun_at": at - timedelta(hours=2),
        "ended_at": at,
        **changes,
    }
    return sample_experiment(i, **fields)


def _retraction(before: dict[str, Quantity]) -> Correction:
    return Correction(kind="retracted", by="clara", at=NOW, reason="wrong pellet", before=before)


def test_the_best_so_far_follows_the_order_of_ends_not_of_ids() -> None:
    curve = curve_of([_ended(3, 1, 20), _ended(1, 2, 25), _ended(2, 3, 22)], HARDNESS)
    assert [point.experiment for point in curve.points] == ["hard-E003", "hard-E001", "hard-E002"]
    assert [(one.n, one.value) for one in curve.best] == [(1, 20), (2, 25), (3, 25)]
    assert curve.last is not None
    assert curve.last.experiment == "hard-E001"


def test_a_lower_value_is_better_where_the_goal_says_so() -> None:
    curve = curve_of(
        [_ended(1, 1, 20), _ended(2, 2, 25), _ended(3, 3, 18)], HARDNESS.model_copy(update={"direction": "minimize"})
    )
    assert [one.value for one in curve.best] == [20, 20, 18]


def test_what_was_taken_back_is_seen_but_does_not_count() -> None:
    gone = _ended(1, 1, 40, found={}, corrections=(_retraction(_gpa(40)),))
    curve = curve_of([gone, _ended(2, 2, 20)], HARDNESS)
    assert [(point.mark, point.value) for point in curve.points] == [("retracted", 40), ("measured", 20)]
    assert [(one.n, one.value) for one in curve.best] == [(2, 20)]


def test_a_corrected_value_is_the_one_that_counts() -> None:
    amended = Correction(kind="amended", by="clara", at=NOW, reason="load cell", before=_gpa(40))
    curve = curve_of([_ended(1, 1, 30, corrections=(amended,))], HARDNESS)
    assert curve.points[0].amended
    assert [one.value for one in curve.best] == [30]


def test_failures_have_no_value_and_tell_what_cannot_be_made_from_what_gave_nothing() -> None:
    failed = [
        sample_experiment(1, outcome="infeasible", found={}),
        sample_experiment(2, outcome="invalid_measurement", found={}),
        sample_experiment(3, "running", found={}),
        _ended(4, 0, 30, found={"hardness": Quantity(value=3059.0, unit="[HV]")}),
    ]
    curve = curve_of(failed, HARDNESS)
    assert [point.mark for point in curve.points] == ["infeasible", "failed", "failed"]
    assert not curve.best


def test_coverage_uses_published_quantiles_and_else_a_normal_distribution() -> None:
    # 20 +- 2: the normal 90% interval is 16.71 to 23.29.
    normal = {"hardness": Estimate(value=20, unit="GPa", std=2)}
    skewed = {"hardness": Estimate(value=20, unit="GPa", std=2, low=19, high=30)}
    parity = parity_of(
        [
            _ended(1, 1, 23.2, prediction=normal),
            _ended(2, 2, 23.4, prediction=normal),
            _ended(3, 3, 29.0, prediction=skewed),
            _ended(4, 4, 18.0, prediction=skewed),
            _ended(5, 5, 20.0, prediction={}),
        ],
        HARDNESS,
    )
    assert [point.inside for point in parity.points] == [True, False, True, False]
    assert parity.covered == 2
    assert parity.mean_error == pytest.approx((3.2 + 3.4 + 9.0 + 2.0) / 4)
    assert "2 of 4" in parity.words


def test_a_measurement_is_judged_with_its_own_uncertainty() -> None:
    # 1 off, with 0.5 and 0.6 in quadrature: 1.28 sigma, which is inside nine of ten (1.64); 1.4 off is 1.79 sigma.
    expected = {"hardness": Estimate(value=20, unit="GPa", std=0.5)}
    parity = parity_of(
        [
            _ended(1, 1, 21.0, found=_gpa(21.0, 0.6), prediction=expected),
            _ended(2, 2, 21.4, found=_gpa(21.4, 0.6), prediction=expected),
            _ended(3, 3, 21.0, found=_gpa(21.0, None), prediction=expected),
        ],
        HARDNESS,
    )
    assert [point.inside for point in parity.points] == [True, False, False]


def test_the_interval_of_a_share_is_wilsons() -> None:
    # Newcombe, Statistics in Medicine 17, 857 (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def _beaten(one: tuple[float, float], other: tuple[float, float], signs: tuple[float, float]) -> bool:
    better = [sign * (b - a) for a, b, sign in zip(one, other, signs, strict=True)]
    return min(better) >= 0 and max(better) > 0


@pytest.mark.parametrize("directions", [("maximize", "maximize"), ("minimize", "maximize"), ("minimize", "minimize")])
def test_the_front_is_what_trying_every_pair_gives(directions: tuple[Direction, Direction]) -> None:
    rng = random.Random(7)
    signs = tuple(1.0 if direction == "maximize" else -1.0 for direction in directions)
    for n in (0, 1, 2, 5, 40, 40, 40):
        # Few different values, so that ties and twins occur.
        values = [(float(rng.randint(0, 9)), float(rng.randint(0, 9))) for _ in range(n)]
        expected = [not any(_beaten(one, other, (signs[0], signs[1])) for other in values) for one in values]
        assert undominated(values, directions) == expected


def test_a_trade_off_has_real_durations_of_samples_and_expected_ones_of_proposals() -> None:
    picture = LabPicture()
    cheap = _ended(1, 4, 20, begun_at=NOW + timedelta(hours=3))
    dear = _ended(2, 9, 30, begun_at=NOW)
    beaten = _ended(3, 9, 19, begun_at=NOW + timedelta(hours=1))
    proposal = sample_proposal(1, duration=Quantity(value=5, unit="h"))
    x, y = Axis("duration", "h", "minimize"), Axis("hardness", "GPa", "maximize")
    front = front_of(picture, [cheap, dear, beaten], x, y, [proposal])
    assert [(one.id, one.x, one.front) for one in front.points] == [
        ("hard-E001", 1, True),
        ("hard-E002", 9, True),
        ("hard-E003", 8, False),
    ]
    assert [one.id for one in front.best] == ["hard-E001", "hard-E002"]
    assert [one.x for one in front.expected] == [5]


def test_goals_come_first_and_bring_their_direction() -> None:
    picture = sample_picture(n_experiments=12)
    axes = axes_of(picture, picture.of_campaign(CAMPAIGN), [HARDNESS])
    assert axes[0] == Axis("hardness", "GPa", "maximize", goal=True)
    assert {"grain_size", "duration", "furnace_hours"} <= {axis.name for axis in axes}


def test_every_experiment_is_counted_once_with_its_pool() -> None:
    experiments = [
        sample_experiment(1, pool="ppo"),
        sample_experiment(2, pool="ppo", outcome="infeasible"),
        sample_experiment(3, pool="sobol", retracted=True),
        sample_experiment(4, "running", pool="ppo"),
    ]
    pools = pools_of(experiments)
    assert pools.pools == ("ppo", "sobol")
    assert [pools.of(kind, "ppo") for kind in ("completed", "infeasible", "open")] == [1, 1, 1]
    assert pools.of("retracted", "sobol") == 1
    assert sum(pools.of(kind, pool) for kind in pools.kinds for pool in pools.pools) == 4


def test_the_time_left_is_experiments_left_times_the_median_over_those_at_a_time() -> None:
    # Three of 2, 4 and 6 h that end together after 6 h: 12 h of work in 6 h is two at a time. Median 4 h.
    ended = [_ended(i, 6, 20, begun_at=NOW + timedelta(hours=6 - 2 * i)) for i in (1, 2, 3)]
    running = sample_experiment(4, "running", found={})
    budget = {"experiments": BudgetLine(used=4, limit=10)}
    left = time_left([*ended, running], budget, NOW)
    assert left.left == 7
    assert left.seconds == pytest.approx(7 * 4 * 3600 / 2)
    assert left.ends_at == NOW + timedelta(hours=14)
    assert "7 experiments left" in left.basis
    assert "4\N{NO-BREAK SPACE}h each" in left.basis
    assert time_left([*ended, running], budget, NOW, goes_on=False).left == 1


def _four_hours(n: int, at_once: int = 1) -> list[ExperimentState]:
    """So many that took four hours each."""
    ends = [4.0 * (1 + i // at_once) for i in range(n)]
    return [_ended(i, end, 20, begun_at=NOW + timedelta(hours=end - 4)) for i, end in enumerate(ends, 1)]


def test_the_last_experiment_takes_as_long_as_one_however_many_ran_at_a_time() -> None:
    left = time_left(_four_hours(6, at_once=3), {"experiments": BudgetLine(used=6, limit=7)}, NOW)
    assert left.left == 1
    assert left.seconds == pytest.approx(4 * 3600)
    assert "one at a time" in left.basis


def test_the_line_that_is_spent_first_says_how_many_are_left() -> None:
    # Ten took 69 h of furnace: 6.9 h each, and 20 h are enough for two more.
    budget = {
        "experiments": BudgetLine(used=10, limit=60),
        "furnace_hours": BudgetLine(used=69, limit=89, unit="h"),
        "sem_hours": BudgetLine(used=5, unit="h"),
    }
    left = time_left(_four_hours(10), budget, NOW)
    assert left.left == 2
    assert "2 experiments left until furnace hours are spent" in left.basis
    # One of them has begun, and is not paid for yet.
    begun = {**budget, "experiments": BudgetLine(used=11, limit=60)}
    assert time_left([*_four_hours(10), sample_experiment(11, "running", found={})], begun, NOW).left == 2
    assert "Furnace hours are spent" in time_left(
        _four_hours(10), {**budget, "furnace_hours": BudgetLine(used=69, limit=70, unit="h")}, NOW
    ).basis  # fmt: skip


def test_a_campaign_that_does_not_go_on_has_no_time_of_its_end() -> None:
    picture = sample_picture()
    state = picture.campaigns[CAMPAIGN].state
    assert state is not None
    for phase, known in (("running", True), ("paused", False), ("draft", False)):
        picture.campaigns[CAMPAIGN].state = state.model_copy(update={"phase": phase})
        view = campaign_view(picture, CAMPAIGN, NOW)
        assert view is not None
        assert (view.left.seconds or 0.0) > 0.0
        assert (view.left.ends_at is not None) == known, phase
        assert ("from when it goes on" in view.left.basis) != known


def test_counts_of_a_budget_are_told_whole() -> None:
    (line,) = spending_of({"experiments": BudgetLine(used=12345, limit=20001)})
    assert (line.used, line.limit) == (words.grouped("12345"), words.grouped("20001"))


def test_pauses_between_experiments_do_not_count_as_work() -> None:
    hours = [(0, 1), (5, 6), (5, 6)]
    spans = [(NOW + timedelta(hours=a), NOW + timedelta(hours=b)) for a, b in hours]
    assert parallel(spans) == pytest.approx(1.5)


def test_without_anything_to_go_by_no_time_is_told() -> None:
    assert time_left([], {}, NOW).seconds is None
    left = time_left([], {"experiments": BudgetLine(used=0, limit=3)}, NOW)
    assert (left.left, left.seconds) == (3, None)


def test_what_is_limited_stands_first_with_its_share() -> None:
    budget = {
        "sem_hours": BudgetLine(used=3, unit="h"),
        "experiments": BudgetLine(used=3, limit=12),
        "cost.powder": BudgetLine(used=5, limit=5, unit="g"),
    }
    lines = spending_of(budget)
    assert [(one.name, one.share) for one in lines] == [("Experiments", 0.25), ("Powder", 1.0), ("Sem hours", None)]


def test_a_timeline_is_newest_first_and_tells_nothing_of_other_campaigns() -> None:
    picture = sample_picture()
    other = _ended(99, 1, 20, campaign="other", proposal="other-P001")
    picture.experiments[other.experiment] = other
    picture.campaigns["other"] = picture.campaigns[CAMPAIGN]
    moments = timeline_of(picture, CAMPAIGN).moments
    assert [one.at for one in moments] == sorted((one.at for one in moments), reverse=True)
    assert not any("hard-E099" in one.text for one in moments)
    assert any("took back the result of hard-E003" in one.text for one in moments)
    ended = [one for one in moments if one.about == "hard-E001" and "completed" in one.text]
    assert len(ended) == 1
    assert ended[0].page == "/experiments/hard-E001"


def test_a_timeline_is_read_in_parts() -> None:
    picture = sample_picture()
    whole = timeline_of(picture, CAMPAIGN)
    parts = [timeline_of(picture, CAMPAIGN, begin, 5) for begin in range(0, whole.total, 5)]
    assert [moment for part in parts for moment in part.moments] == list(whole.moments)
    beyond = timeline_of(picture, CAMPAIGN, 10_000, 5)
    assert (beyond.begin, beyond.moments) == (parts[-1].begin, parts[-1].moments)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("policy:limits: 1700 Cel is too hot", "the rule limits: 1700 °C is too hot"),
        ("clara: the powder is late", "clara: the powder is late"),
        ("", ""),
    ],
)
def test_why_a_campaign_stands_as_it_does_is_in_peoples_words(told: str, words: str) -> None:
    picture = sample_picture()
    picture.campaigns[CAMPAIGN].state = sample_campaign(phase="paused", reason=told)
    view = campaign_view(picture, CAMPAIGN, NOW)
    assert view is not None
    assert view.reason == words


def test_a_campaign_is_shown_before_all_of_it_has_come() -> None:
    picture = sample_picture()
    picture.campaigns[CAMPAIGN].state = None
    picture.campaigns[CAMPAIGN].space = None
    picture.campaigns[CAMPAIGN].model = None
    view = campaign_view(picture, CAMPAIGN, NOW)
    assert view is not None
    assert view.phase == "not told yet"
    assert view.best is not None
    assert view.left.seconds is None
    assert campaign_view(picture, "no-such", NOW) is None
    assert campaign_ids(picture) == (CAMPAIGN,)


def test_the_best_is_the_lowest_where_the_goal_says_so_also_where_the_agent_says_another() -> None:
    picture = sample_picture(n_experiments=0)
    for one in (_ended(1, 1, 20), _ended(2, 2, 25)):
        picture.experiments[one.experiment] = one
    campaign = picture.campaigns[CAMPAIGN]
    assert campaign.state is not None
    assert campaign.space is not None
    hardest = Best(experiment="hard-E002", design=picture.experiments["hard-E002"].design, found=_gpa(25))
    campaign.state = campaign.state.model_copy(update={"best": hardest})
    for direction, expected in (("maximize", "hard-E002"), ("minimize", "hard-E001")):
        goal = campaign.space.goals[0].model_copy(update={"direction": direction})
        campaign.space = campaign.space.model_copy(update={"goals": (goal,)})
        view = campaign_view(picture, CAMPAIGN, NOW)
        assert view is not None
        assert view.best is not None
        assert view.best.experiment == expected
        assert view.best.page == f"/experiments/{expected}"
    campaign.state = campaign.state.model_copy(
        update={"best": hardest.model_copy(update={"experiment": "hard-E900", "found": _gpa(1)})}
    )
    view = campaign_view(picture, CAMPAIGN, NOW)
    assert view is not None
    assert view.best is not None
    assert (view.best.experiment, view.best.page) == ("hard-E900", "")  # from before what is retained


def test_a_timeline_links_the_very_thing_and_names_rules_as_people_call_them() -> None:
    picture = sample_picture()
    (one,) = [o for o in picture.outcomes.values() if o.experiment][:1]
    picture.outcomes = {one.proposal: one.model_copy(update={"by": ("policy:well-known",)})}
    (moment,) = [m for m in timeline_of(picture, CAMPAIGN).moments if m.text.startswith(one.proposal)]
    assert "by the rule well-known" in moment.text
    told = Moment(NOW, "info", "hard-E10 waits behind hard-E1", "/experiments/hard-E1", "hard-E1")
    markup = campaign_markup.timeline([told], "/dash", NOW)
    assert "hard-E10 waits behind <a class='lw-link' href='/dash/experiments/hard-E1'>hard-E1</a>" in markup

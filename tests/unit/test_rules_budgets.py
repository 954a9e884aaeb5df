"""A budget holds back what would exceed it, says until when, and forgets what is older than a day."""

import re
import tomllib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.budgets import Budgets, Held, Spent, read_budgets
from envs.errors import ConfigError

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def budgets_of(text: str) -> Budgets:
    return read_budgets(tomllib.loads(text), source="LAB.toml")


def test_without_budgets_nothing_is_held() -> None:
    spent = Spent(failures=99)
    for n in range(50):
        spent = spent.started(NOON + n * HOUR, {"currency": 1e9}).worked("furnace", 1e6, NOON)
    assert Budgets().holds(spent, NOON) is None


def test_runs_a_day_say_when_the_next_can_begin() -> None:
    budgets = budgets_of("runs_per_day = 2")
    spent = Spent().started(NOON).started(NOON + 3 * HOUR)
    held = budgets.holds(spent, NOON + 4 * HOUR)
    assert held is not None
    assert held.code == "budget_runs_per_day"
    assert "the next can begin at 2026-06-02 12:00 UTC" in held.reason
    assert budgets.holds(spent, NOON + 24 * HOUR) is None


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=40), st.integers(1, 5))
def test_a_budget_never_lets_more_through_in_any_day_and_keeps_its_word(minutes: list[int], most: int) -> None:
    budgets, spent, begun, now = Budgets(runs_per_day=most), Spent(), [], NOON
    for wait in minutes:
        now += timedelta(minutes=wait)
        if budgets.holds(spent, now) is None:
            spent = spent.started(now)
            begun.append(now)
        assert len(spent.starts) <= most
    assert all(b - a >= timedelta(days=1) for a, b in zip(begun, begun[most:], strict=False))


def test_failures_in_a_row_wait_for_a_person() -> None:
    budgets = budgets_of("consecutive_failures = 3")
    spent = Spent().ended(False).ended(False)
    assert budgets.holds(spent, NOON) is None
    assert budgets.holds(spent.ended(True).ended(False), NOON) is None
    held = budgets.holds(spent.ended(False), NOON)
    assert held is not None
    assert held.code == "budget_consecutive_failures"
    assert "person" in held.reason
    assert budgets.holds(spent.ended(False).resumed(), NOON) is None


def test_hours_in_total_and_a_day_with_the_estimate_before_the_fact() -> None:
    budgets = budgets_of("furnace_hours = 40\nfurnace_hours_per_day = 20")
    spent = Spent().worked("furnace", 8.0, NOON).worked("furnace", 9.0, NOON + 10 * HOUR).worked("sem", 99.0, NOON)
    now = NOON + 11 * HOUR
    assert budgets.holds(spent, now) is None
    assert budgets.holds(spent, now, {"furnace_hours": 3.0}) is None
    held = budgets.holds(spent, now, {"furnace_hours": 4.0})
    assert held is not None
    assert held.code == "budget_furnace_hours_per_day"
    assert "2026-06-02 12:00 UTC" in held.reason
    assert budgets.holds(spent, NOON + 24 * HOUR, {"furnace_hours": 4.0}) is None
    never = budgets.holds(spent, now, {"furnace_hours": 21.0})
    assert never is not None
    assert "never fits" in never.reason
    total = budgets.holds(spent, now + 48 * HOUR, {"furnace_hours": 23.5})
    assert total == Held(
        "budget_furnace_hours",
        "hours of furnace: 17 of 40 are spent and the next experiment would take 23.5: "
        "it goes on when a person raises the budget",
    )


def test_cost_by_name() -> None:
    budgets = budgets_of("cost.currency = 100")
    spent = Spent().started(NOON, {"currency": 60.0, "powder": 3.0})
    assert budgets.holds(spent, NOON, {"currency": 40.0}) is None
    assert budgets.holds(spent, NOON, {"currency": float("nan")}) is not None
    held = budgets.holds(spent, NOON, {"currency": 41.0})
    assert held is not None
    assert held.code == "budget_cost_currency"
    assert budgets.holds(spent.started(NOON, {"currency": 40.0}), NOON) is not None


def test_what_is_older_than_a_day_is_not_kept() -> None:
    spent = Spent()
    for n in range(2000):
        spent = spent.started(NOON + n * HOUR).worked("furnace", 0.5, NOON + n * HOUR)
    assert len(spent.starts) <= 24
    assert len(spent.recent) <= 24
    assert spent.hours["furnace"] == pytest.approx(1000.0)


def test_lines_for_people_are_named_as_in_the_file() -> None:
    budgets = budgets_of("runs_per_day = 8\nfurnace_hours = 40\nfurnace_hours_per_day = 20\ncost.furnace_hours = 90")
    spent = Spent().started(NOON, {"furnace_hours": 5.0}).worked("furnace", 4.0, NOON)
    assert budgets.used(spent, NOON + 25 * HOUR) == {
        "runs_per_day": (0.0, 8.0, "1"),
        "furnace_hours": (4.0, 40.0, "h"),
        "furnace_hours_per_day": (0.0, 20.0, "h"),
        "cost.furnace_hours": (5.0, 90.0, "h"),
    }


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("runs_per_day = -1", "budgets.runs_per_day"),
        ("runs_per_day = 1.5", "budgets.runs_per_day"),
        ("consecutive_failures = 0", "budgets.consecutive_failures"),
        ("furnace = 3", "budgets.furnace"),
        ("furnace_hours = -3", "budgets.furnace_hours"),
        ('furnace_hours = "3"', "budgets.furnace_hours"),
        ("furnace_hours = inf", "budgets.furnace_hours"),
        ("cost.currency = -3", "budgets.cost.currency"),
    ],
)
def test_a_wrong_budget_is_named(text: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        budgets_of(text)
    assert refused.value.key == key


spells = st.lists(st.tuples(st.integers(0, 1439), st.floats(0.0, 6.0)), max_size=15)


@given(spells, st.floats(1.0, 24.0), st.floats(0.0, 8.0))
def test_hours_a_day_keep_their_word_of_when_it_goes_on(
    spells: list[tuple[int, float]], limit: float, more: float
) -> None:
    budgets, spent = Budgets(hours_per_day={"furnace": limit}), Spent()
    for minute, hours in sorted(spells):
        spent = spent.worked("furnace", hours, NOON + timedelta(minutes=minute))
    now, estimate = NOON + 24 * HOUR - timedelta(minutes=1), {"furnace_hours": more}
    held = budgets.holds(spent, now, estimate)
    used = sum(hours for minute, hours in spells)
    assert (held is None) == (used < limit - 1e-9 and used + more <= limit + 1e-9)
    if held is None:
        return
    found = re.search(r"can begin at (\S+ \S+) UTC", held.reason)
    if found is None:
        assert more > limit
        return
    at = datetime.strptime(found[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    assert budgets.holds(spent, at, estimate) is None
    assert at == NOON + 24 * HOUR or budgets.holds(spent, at - timedelta(minutes=1), estimate) is not None

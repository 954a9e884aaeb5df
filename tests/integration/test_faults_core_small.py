"""A share of the simulated faults of the core: schedules hold, planted mistakes are seen, no chance is left."""

import subprocess
import sys
from pathlib import Path

import pytest
from faults import core
from faults.simulation.bugs import BUGS
from faults.simulation.fixed import recipe
from faults.simulation.loop import START
from faults.simulation.plan import KINDS, draw
from faults.simulation.play import play, without_threads

from agent import events as ev
from agent.core import CampaignRules, LabRules, LabState, Tick, decide, evolve

SCHEDULES = 100
FIRST = 20_001
"""Other seeds than those of the full count."""
PER_BUG = 25


@pytest.mark.slow
def test_every_invariant_holds_in_a_share_of_the_schedules() -> None:
    found = core.schedules(FIRST, SCHEDULES)
    assert found.broken == []
    assert found.n == SCHEDULES
    assert found.n_real >= 1
    assert found.counts["acts"] > 5 * SCHEDULES
    assert found.counts["crashes"] > 20
    assert len(found.blows) > 0.8 * len(KINDS)  # nearly every kind of fault was among them


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_mistake_is_seen_by_the_invariant_that_is_meant_to(name: str) -> None:
    caught = core.hunt(name, 1, PER_BUG, provoked=True)
    assert caught.after
    assert caught.by.startswith(BUGS[name].caught_by)


def test_the_mistakes_are_gone_when_they_are_not_planted() -> None:
    with without_threads():
        before = play(3).digest
        for bug in BUGS.values():
            with bug.plant():
                pass
        assert play(3).digest == before


def test_the_same_seed_takes_the_same_course_in_another_process() -> None:
    program = (
        "from faults.simulation.play import play, without_threads\n"
        "with without_threads():\n"
        "    print(*(play(seed).digest for seed in (4, 51, 43)))\n"
    )
    found = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    with without_threads():
        here = [play(seed).digest for seed in (4, 51, 43)]
    assert found.stdout.split() == here
    assert len(set(here)) == 3


def test_two_orders_of_a_campaign_that_wait_at_one_step_are_said_once() -> None:
    """They took turns in telling their reasons, and wrote the journal full within seconds."""
    with without_threads():
        lines = play(14).lines
    held = [line for line in lines if '"kind":"dispatch.held"' in line]
    assert 0 < len(held) < 60


def test_a_plan_follows_from_its_seed_alone() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


def test_a_floor_that_is_missed_is_said() -> None:
    found = core.Found(n=1, broken=[(5, ["one run: twice"])])
    misses = core.misses_of(found, [core.Caught("used-again", 0)], bugs=True)
    assert misses[0] == "seed 5: one run: twice"
    assert "used-again was not seen" in misses[1]
    assert "8 are the least" in misses[2]


def test_a_campaign_that_is_resumed_when_all_of_it_is_done_comes_to_its_end() -> None:
    """It was running for ever: nothing of it was left whose end could have been its own."""
    state, budget = core_state(), 1
    rules = LabRules({"alpha": CampaignRules(budget, 1, 1, recipe(2), ())})
    decided = decide(state, Tick(), rules, START)
    assert [type(event).__name__ for event in decided.events] == ["CampaignEnded"]


def core_state() -> LabState:
    state = LabState()
    evolve(state, ev.CampaignCreated(campaign="alpha", name="", config={}, space_version="0", software=""), START)
    state.campaigns["alpha"].experiments["alpha-E001"] = None
    return state

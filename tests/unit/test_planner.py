"""The planner: feasible, new, reproducible proposals, each with its forecast and its source."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from agent.config import parse_config
from agent.planner import POOLS_OF, Plan, Planner, Strategy
from agent.wiring import Problem, build_problem
from envs.design import Design
from envs.errors import InfeasibleDesignError
from surrogates.design_features import DesignFeatures
from surrogates.observations import Made, NotMade, Observation, Reading

SEED = 11
FACTORS: list[dict[str, object]] = [
    {"name": "powder_size", "unit": "um", "levels": [0.4]},
    {"name": "additive", "levels": ["none"]},
    {"name": "temperature", "unit": "Cel", "levels": [1400.0, 1500.0]},
    {"name": "hold", "unit": "h", "levels": [1.0, 4.0]},
    {"name": "heating_rate", "unit": "K/min", "levels": [5.0]},
    {"name": "pressure", "unit": "MPa", "levels": [0.0]},
]
CORUNDUM: dict[str, object] = {"library": "ceramics", "crystals": ["mp-1143"], "factors": FACTORS}


@pytest.fixture(scope="module")
def problem() -> Problem:
    return build_problem(parse_config({"campaign": {"seed": SEED, "labelled": 0.05}}))


@pytest.fixture(scope="module")
def features(problem: Problem) -> DesignFeatures:
    """Fitted once: the crystal surrogate is the same for every planner here."""
    return problem._features()


@pytest.fixture(scope="module")
def history(problem: Problem) -> dict[str, Observation]:
    """Made-up outcomes on real designs: porous where cold, one that failed."""
    rng = np.random.default_rng(3)
    found: dict[str, Observation] = {}
    for n, design in enumerate(problem.space.sample(rng, 8), start=1):
        temperature = float(design.process["temperature"])
        porosity = float(np.clip(0.3 - 0.0002 * (temperature - 1200.0), 0.01, 0.3))
        hardness = 20.0 * math.exp(-5.0 * porosity)
        found[f"E{n:03d}"] = Made(design, Reading(hardness, 0.4), Reading(porosity, 0.01), Reading(1.0, 0.1))
    failed = found["E008"].design
    found["E008"] = NotMade(failed, "melted")
    return found


def planner(problem: Problem, strategy: Strategy, features: DesignFeatures | None = None) -> Planner:
    def given() -> DesignFeatures:
        assert features is not None, "this strategy learns nothing from features"
        return features

    return Planner(problem.space, strategy, given, seed=SEED)


def designs(plan: Plan) -> list[Design]:
    return [p.design for p in plan.proposals]


def test_every_strategy_starts_from_the_same_designs(problem: Problem) -> None:
    starts = [designs(planner(problem, s).start(6)) for s in Strategy]
    assert all(s == starts[0] for s in starts)
    assert len(set(starts[0])) == 6
    assert all(problem.space.is_feasible(d) for d in starts[0])


def test_random_proposes_feasible_designs_that_are_new(problem: Problem, history: dict[str, Observation]) -> None:
    plan = planner(problem, Strategy.RANDOM).ask(history, 1, 8)
    assert len(set(designs(plan))) == 8
    assert all(problem.space.is_feasible(d) for d in designs(plan))
    assert not set(designs(plan)) & {o.design for o in history.values()}
    assert {p.pool for p in plan.proposals} == {"random"}


def test_with_too_little_to_learn_from_it_draws_at_random(problem: Problem, history: dict[str, Observation]) -> None:
    few = dict(list(history.items())[:3])
    plan = planner(problem, Strategy.HYBRID).ask(few, 1, 4)
    assert {p.pool for p in plan.proposals} == {"random"}
    assert all(p.forecast is None for p in plan.proposals)


@pytest.mark.parametrize("strategy", [Strategy.BO, Strategy.HYBRID])
def test_a_learned_plan_is_feasible_new_and_explained(
    problem: Problem, features: DesignFeatures, history: dict[str, Observation], strategy: Strategy
) -> None:
    plan = planner(problem, strategy, features).ask(history, 1, 4)
    assert len(set(designs(plan))) == 4
    assert all(problem.space.is_feasible(d) for d in designs(plan))
    assert not set(designs(plan)) & {o.design for o in history.values()}
    assert set(plan.candidates) == set(POOLS_OF[strategy])
    for proposal in plan.proposals:
        forecast = proposal.forecast
        assert forecast is not None
        assert forecast.low < forecast.median < forecast.high
        assert 0 <= forecast.porosity < 1
        assert 0 < forecast.feasibility < 1
        assert proposal.nearest in history
        assert proposal.pool in POOLS_OF[strategy]
    assert bool(plan.checkpoint) == (strategy is Strategy.HYBRID)


def test_the_same_history_and_seed_give_the_same_plan(
    problem: Problem, features: DesignFeatures, history: dict[str, Observation]
) -> None:
    first, second = (planner(problem, Strategy.HYBRID, features).ask(history, 1, 3) for _ in range(2))
    assert first == second


def test_effects_are_what_the_models_say_of_the_changed_designs(
    problem: Problem, features: DesignFeatures, history: dict[str, Observation]
) -> None:
    asked = planner(problem, Strategy.BO, features)
    (proposal,) = asked.ask(history, 1, 1).proposals
    assert proposal.expected is not None
    design, effects = proposal.design, proposal.expected.effects
    assert [e.factor for e in effects] == [f.name for f in problem.space.factors]
    assert sum(e.share for e in effects) == pytest.approx(1.0)
    for effect in effects:
        around = [Design(design.crystal, {**design.process, effect.factor: level}) for level in effect.levels]
        one_by_one = [asked.foresee(history, [d])[0].forecast for d in around]
        assert effect.median == pytest.approx([f.median for f in one_by_one])
        assert effect.low == pytest.approx([f.low for f in one_by_one])
        assert effect.high == pytest.approx([f.high for f in one_by_one])


def test_the_campaigns_effects_follow_what_made_the_outcomes(
    problem: Problem, features: DesignFeatures, history: dict[str, Observation]
) -> None:
    """The made-up outcomes rise with temperature; the law that the models know gives the other factors some share."""
    found = {e.factor: e for e in planner(problem, Strategy.BO, features).ask(history, 1, 1).effects}
    assert max(found.values(), key=lambda e: e.share) is found["temperature"]
    assert found["temperature"].median[-1] > found["temperature"].median[0]


def test_what_was_measured_is_known_and_its_crystal_too(
    problem: Problem, features: DesignFeatures, history: dict[str, Observation]
) -> None:
    asked = planner(problem, Strategy.BO, features)
    made = [o.design for o in history.values() if isinstance(o, Made)]
    for expected in asked.foresee(history, made):
        assert expected.standing.verdict == "inside"
        assert expected.standing.score == pytest.approx(0.0, abs=1e-6)
        assert expected.standing.text.endswith("crystal measured before")
        assert expected.distance == 0.0
        assert expected.found["hardness"] == (pytest.approx(history[expected.nearest].hardness.value), 0.4)  # type: ignore[union-attr]
    others = asked.foresee(history, problem.space.sample(np.random.default_rng(0), 200))
    verdicts = [e.standing.verdict for e in others]
    assert set(verdicts) == {"inside", "edge", "outside"}
    assert all((e.standing.score >= 1.0) == (e.standing.verdict == "outside") for e in others)


def test_how_near_the_nearest_is_is_told_in_distances_between_finished_designs(
    problem: Problem, features: DesignFeatures, history: dict[str, Observation]
) -> None:
    """Each finished design, left out, is on the median at a distance of 1 from the others."""
    asked = planner(problem, Strategy.BO, features)
    past = features.rows([o.design for o in history.values()])[:, 3:].numpy()
    table = cdist(past, past)
    typical = np.median([row[row > 0.0].min() for row in table])
    some = problem.space.sample(np.random.default_rng(3), 5)
    for expected, row in zip(asked.foresee(history, some), features.rows(some)[:, 3:].numpy(), strict=True):
        assert expected.distance == pytest.approx(cdist(row[None], past).min() / typical)
    same = {f"E{i:03d}": next(iter(history.values())) for i in range(6)}
    for expected in asked.foresee(same, some):
        assert expected.distance is None


def test_asking_about_a_design_changes_no_plan(
    problem: Problem, features: DesignFeatures, history: dict[str, Observation]
) -> None:
    curious, quiet = (planner(problem, Strategy.HYBRID, features) for _ in range(2))
    few = dict(list(history.items())[:3])
    some = problem.space.sample(np.random.default_rng(1), 3)
    assert curious.foresee(few, some) == []
    curious.foresee(history, some)
    assert curious.ask(history, 1, 2) == quiet.ask(history, 1, 2)
    with pytest.raises(InfeasibleDesignError):
        curious.foresee(history, [Design("mp-0", some[0].process)])


def test_a_restored_policy_goes_on_where_it_was_left(
    problem: Problem, features: DesignFeatures, history: dict[str, Observation]
) -> None:
    through = planner(problem, Strategy.PPO, features)
    checkpoint = through.ask(history, 1, 2).checkpoint
    resumed = planner(problem, Strategy.PPO, features)
    resumed.restore(checkpoint)
    assert resumed.ask(history, 2, 2) == through.ask(history, 2, 2)


def test_learning_beats_chance_by_the_rule_that_made_the_outcomes(
    problem: Problem, features: DesignFeatures, history: dict[str, Observation]
) -> None:
    """The made-up outcomes are better when hot, which random designs do not know."""

    def hot(plan: Plan) -> float:
        return float(np.mean([float(d.process["temperature"]) for d in designs(plan)]))

    informed = planner(problem, Strategy.BO, features).ask(history, 1, 6)
    assert hot(informed) > hot(planner(problem, Strategy.RANDOM).ask(history, 1, 6)) + 100.0


def test_the_policy_has_its_share_of_a_batch_and_no_more(
    problem: Problem, features: DesignFeatures, history: dict[str, Observation]
) -> None:
    plan = planner(problem, Strategy.HYBRID, features).ask(history, 1, 4)
    assert [p.pool for p in plan.proposals[:3]] == ["ppo"] * 3
    assert len(set(designs(plan))) == 4
    assert all(p.pool != "ppo" for p in planner(problem, Strategy.BO, features).ask(history, 1, 4).proposals)


def test_what_was_made_without_a_result_is_not_proposed_again(
    problem: Problem, features: DesignFeatures, history: dict[str, Observation]
) -> None:
    first = designs(planner(problem, Strategy.BO, features).ask(history, 1, 4))
    again = designs(planner(problem, Strategy.BO, features).ask(history, 1, 4, made_before=first))
    assert len(again) == 4
    assert not set(first) & set(again)


def test_a_space_that_is_used_up_has_nothing_to_propose() -> None:
    small = build_problem(parse_config({"space": CORUNDUM}))
    asked = planner(small, Strategy.RANDOM)
    everything = designs(asked.start(50))
    assert len(everything) == small.space.n_feasible
    history: dict[str, Observation] = {f"E{n:03d}": NotMade(d, "no") for n, d in enumerate(everything)}
    assert not asked.ask(history, 1, 2).proposals


def test_a_single_compound_is_learned_about_to_its_last_design(features: DesignFeatures) -> None:
    """All crystals alike: nothing to compare them by, and in the end nothing left to propose."""
    roomy = {**CORUNDUM, "factors": [f | {"levels": [0.2, 0.4]} if f["name"] == "powder_size" else f for f in FACTORS]}
    small = build_problem(parse_config({"campaign": {"seed": SEED, "labelled": 0.05}, "space": roomy}))
    asked = Planner(small.space, Strategy.HYBRID, small._features, seed=SEED)
    n_all = int(small.space.n_feasible)
    history: dict[str, Observation] = {}
    for n, design in enumerate(designs(asked.start(5))):
        history[f"E{n:03d}"] = Made(design, Reading(10.0 + n, 0.3), Reading(0.05, 0.01), Reading(1.0, 0.1))
    rest = designs(asked.ask(history, 1, n_all))
    assert len(rest) == n_all - 5
    history |= {f"F{n:03d}": NotMade(d, "melted") for n, d in enumerate(rest)}
    assert not asked.ask(history, 2, 2).proposals

"""Both environments against Gymnasium's and Stable-Baselines3's own contracts, and against each other."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from envs.crystals import CrystalLibrary
from envs.design import Design, FactorValue
from envs.design_batch import INVALID_PENALTY, BatchedDesign
from envs.errors import ConfigError
from envs.lookahead import draw
from envs.material_design import MaterialDesignEnv
from envs.reward import PhysicsGuess, Rereferenced
from envs.rules import LinearWindow, MeltingShare, SinteringFloor, Stock
from envs.sinter_batch import BatchedSinter, SinterTask, Variability
from envs.sinter_control import SinterControlEnv
from envs.space import DesignSpace, Factor, flagship, grid
from envs.vector import DesignVecEnv


class SumOfLevels:
    """A reward that is cheap and known."""

    def __init__(self, space: DesignSpace) -> None:
        self.space = space

    def score(self, designs: Sequence[Design]) -> npt.NDArray[np.float64]:
        return np.asarray(self.space.encode_process(designs).sum(axis=1))


@pytest.fixture(scope="module")
def space() -> DesignSpace:
    return flagship()


@pytest.fixture(scope="module")
def hard_space() -> DesignSpace:
    """Three coupled windows on a few crystals: under 0.2% of the combinations are feasible."""
    library = flagship().library.subset(flagship().library.ids[::27])
    factors = (
        Factor("temperature", "Cel", grid(1000, 2200, 100)),
        *(Factor(n, "1", tuple(float(i) for i in range(8))) for n in "abc"),
        Factor("hold", "h", (0.5, 1.0, 2.0, 4.0, 8.0)),
    )
    rules = (
        MeltingShare(0.7),
        SinteringFloor(0.5),
        Stock(("Y", "Hf", "Ca")),
        LinearWindow(("a", "b"), (1.0, 2.0), 20.0, 21.0),
        LinearWindow(("b", "c", "hold"), (1.0, 1.0, 1.0), 4.0, 8.0),
        LinearWindow(("temperature", "hold"), (1.0, 100.0), 2000.0, 2100.0),
    )
    return DesignSpace(library, factors, rules, "hard")


def env_factories() -> list[Callable[[], gymnasium.Env[Any, Any]]]:
    return [lambda: gymnasium.make("MaterialDesign-v0"), lambda: gymnasium.make("SinterControl-v0")]


@pytest.mark.parametrize("make", env_factories(), ids=["MaterialDesign-v0", "SinterControl-v0"])
def test_gymnasium_and_sb3_find_nothing_to_complain_about(make: Callable[[], gymnasium.Env[Any, Any]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gymnasium_check_env(make().unwrapped)
        sb3_check_env(make().unwrapped, warn=True)


@pytest.mark.parametrize("make", env_factories(), ids=["MaterialDesign-v0", "SinterControl-v0"])
def test_seeds_reproduce_an_episode(make: Callable[[], gymnasium.Env[Any, Any]]) -> None:
    def episode(seed: int) -> list[tuple[list[float], float, bool]]:
        env = make()
        rng = np.random.default_rng(9)
        observation, _ = env.reset(seed=seed)
        trace = [(observation.tolist(), 0.0, False)]
        done = False
        while not done:
            if isinstance(env.unwrapped, MaterialDesignEnv):
                action: Any = rng.choice(np.flatnonzero(env.unwrapped.action_masks()))
            else:
                action = np.array([rng.uniform(-1, 1), -1.0], dtype=np.float32)
            observation, reward, terminated, truncated, _ = env.step(action)
            done = terminated or truncated
            trace.append((observation.tolist(), float(reward), done))
        return trace

    assert episode(4) == episode(4)


def roll_out(space: DesignSpace, n: int, rng: np.random.Generator) -> list[Design]:
    batch = BatchedDesign(space, SumOfLevels(space), n)
    batch.reset()
    outcome = None
    for _ in range(batch.n_steps):
        masks = batch.masks()
        assert masks.any(axis=1).all()
        outcome = batch.step(draw(masks.astype(np.float64), rng))
        assert not outcome.invalid.any()
    assert outcome is not None
    assert outcome.terminated.all()
    return [d for d in outcome.designs if d is not None]


def test_every_masked_episode_is_a_feasible_design(space: DesignSpace) -> None:
    designs = roll_out(space, 3000, np.random.default_rng(0))
    assert len(designs) == 3000
    assert all(space.violations(d) == () for d in designs)
    assert len({space.crystals.families[space.library.index(d.crystal)] for d in designs}) == 5


def test_every_masked_episode_is_feasible_where_hardly_any_combination_is(hard_space: DesignSpace) -> None:
    assert 1 <= hard_space.n_feasible < 0.002 * hard_space.n_total
    designs = roll_out(hard_space, 3000, np.random.default_rng(1))
    assert len(designs) == 3000
    assert all(hard_space.is_feasible(d) for d in set(designs))


def test_masks_reach_every_feasible_design_of_a_small_space() -> None:
    factors = tuple(Factor(n, "1", (0.0, 1.0, 2.0, 3.0)) for n in "abc")
    space = DesignSpace(
        CrystalLibrary(()), factors, (LinearWindow(("a", "b", "c"), (1.0, 1.0, 1.0), 8.0, 9.0),), "corner"
    )
    designs = roll_out(space, 500, np.random.default_rng(0))
    assert len(set(designs)) == space.n_feasible == 4


def test_an_invalid_action_ends_the_episode_with_the_penalty(space: DesignSpace) -> None:
    env = MaterialDesignEnv(space)
    env.reset(seed=0)
    wrong = int(np.flatnonzero(~env.action_masks())[0])
    _, reward, terminated, truncated, info = env.step(np.int64(wrong))
    assert (reward, terminated, truncated, info) == (INVALID_PENALTY, True, False, {"invalid_action": True})


def test_the_end_carries_reward_and_design_and_the_steps_before_nothing(space: DesignSpace) -> None:
    env, rng = MaterialDesignEnv(space), np.random.default_rng(2)
    env.reset(seed=0)
    done, rewards = False, []
    info: dict[str, Any] = {}
    while not done:
        assert info == {}
        _, reward, done, _, info = env.step(rng.choice(np.flatnonzero(env.action_masks())))
        rewards.append(reward)
    design = Design.from_dict(info["design"])
    assert space.is_feasible(design)
    assert rewards[:-1] == [0.0] * (2 + len(space.factors))
    assert rewards[-1] == PhysicsGuess(space).score([design])[0]


def test_campaign_context_is_seen_and_checked(space: DesignSpace) -> None:
    env = MaterialDesignEnv(space)
    observation, _ = env.reset(seed=0, options={"budget_left": 0.25, "best_so_far": -0.5, "trust": 0.75})
    assert observation[-3:].tolist() == [0.25, -0.5, 0.75]
    with pytest.raises(ConfigError, match=r"options\.mood"):
        env.reset(options={"mood": 1.0})
    with pytest.raises(ConfigError, match=r"from 0 to 1"):
        env.reset(options={"trust": 2.0})


def test_a_parametric_space_needs_an_injected_reward(hard_space: DesignSpace) -> None:
    factors = (Factor("a", "1", (0.0, 1.0, 2.0)), Factor("b", "", ("x", "y"), ordinal=False))
    space = DesignSpace(CrystalLibrary(()), factors, (), "sheet")
    with pytest.raises(ConfigError, match="to be injected"):
        MaterialDesignEnv(space)
    env = MaterialDesignEnv(space, SumOfLevels(space))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sb3_check_env(env, warn=True)
    env.reset(seed=0)
    env.step(np.int64(2))
    _, reward, terminated, _, info = env.step(np.int64(1))
    assert terminated
    assert info["design"] == {"crystal": "", "process": {"a": 2.0, "b": "y"}}
    assert reward == 2.0


def test_the_vector_environment_agrees_with_single_ones_step_by_step(space: DesignSpace) -> None:
    n, rng = 5, np.random.default_rng(3)
    vector = DesignVecEnv(BatchedDesign(space, PhysicsGuess(space), n))
    singles = [MaterialDesignEnv(space) for _ in range(n)]
    assert vector.has_attr("action_masks")
    np.testing.assert_array_equal(vector.reset(), [e.reset(seed=0)[0] for e in singles])
    for step in range(30):
        masks = np.stack(vector.env_method("action_masks"))
        np.testing.assert_array_equal(masks, [e.action_masks() for e in singles])
        actions = draw(masks.astype(np.float64), rng)
        if step % 7 == 3:
            actions[0] = np.flatnonzero(~masks[0])[0]
        observations, rewards, dones, infos = vector.step(actions)
        for i, env in enumerate(singles):
            observation, reward, terminated, truncated, info = env.step(np.int64(actions[i]))
            assert dones[i] == (terminated or truncated)
            assert rewards[i] == np.float32(reward)
            if dones[i]:
                np.testing.assert_array_equal(infos[i]["terminal_observation"], observation)
                assert infos[i]["TimeLimit.truncated"] == truncated
                assert ("design" in infos[i]) == ("design" in info)
                if "design" in info:
                    assert infos[i]["design"].to_dict() == info["design"]
                observation, _ = env.reset()
            np.testing.assert_array_equal(observations[i], observation)


def test_the_default_reward_knows_what_every_ceramist_knows(space: DesignSpace) -> None:
    guess = PhysicsGuess(space)
    carbide = next(c for c in space.library if c.formula == "TiC")
    middle: dict[str, FactorValue] = {
        "powder_size": 0.4,
        "additive": "none",
        "temperature": 1800.0,
        "hold": 1.0,
        "heating_rate": 10.0,
        "pressure": 40.0,
    }
    cold: dict[str, FactorValue] = middle | {"temperature": 1200.0}
    coarse: dict[str, FactorValue] = middle | {"powder_size": 3.2}
    soft = min(space.library, key=lambda c: float(space.crystals.melting[space.library.index(c.id)]))
    scores = guess.score([
        Design(carbide.id, middle), Design(carbide.id, cold), Design(carbide.id, coarse), Design(soft.id, middle),
    ])  # fmt: skip
    assert scores[0] > scores[1:].max()
    assert (scores > 0).all()
    assert scores[0] < 1.5


def test_shaping_clips_around_the_reference(space: DesignSpace) -> None:
    designs = space.sample(np.random.default_rng(0), 200)
    model = SumOfLevels(space)
    shaped = Rereferenced.against(model, designs)
    raw, score = model.score(designs), shaped.score(designs)
    np.testing.assert_allclose(score, np.clip((raw - shaped.reference) / shaped.scale, -2, 2))
    assert 0.2 < (score > 0).mean() < 0.3


def no_variability() -> Variability:
    means = {k: (v[0], 0.0) for k, v in vars(Variability()).items() if isinstance(v, tuple)}
    return Variability(**means, density_noise=0.0, shrinkage_noise=0.0)


def schedule(setpoints: Sequence[float], variability: Variability, n: int = 1, seed: int = 0) -> BatchedSinter:
    batch = BatchedSinter(np.random.default_rng(seed), n, variability=variability)
    now = batch.task.coolest
    for setpoint in setpoints:
        batch.step(np.tile([(setpoint - now) / batch.task.largest_change, -1.0], (n, 1)))
        now = setpoint
    return batch


def test_hotter_and_longer_is_denser_and_coarser() -> None:
    runs = [schedule(s, no_variability()).outcome for s in ([1250.0] * 4, [1250.0] * 8, [1250.0] + [1400.0] * 7)]
    density, grain = np.array([r[0][0] for r in runs]), np.array([r[1][0] for r in runs])
    assert (np.diff(density) > 0).all()
    assert (np.diff(grain) > 0).all()
    assert (density < 1.0).all()


def test_the_nominal_batch_can_meet_the_specification_and_batches_differ() -> None:
    task = SinterTask()
    density, grain = schedule([1300.0] * 8, no_variability()).outcome
    assert density[0] >= task.density
    assert grain[0] <= task.grain_size
    spread_density, spread_grain = schedule([1300.0] * 8, Variability(), n=400).outcome
    in_spec = (spread_density >= task.density) & (spread_grain <= task.grain_size)
    assert 0.3 < in_spec.mean() < 0.8


def test_integration_is_converged() -> None:
    fine = SinterTask(sub_step=5.0)
    ends = []
    for task in (SinterTask(), fine):
        batch = BatchedSinter(np.random.default_rng(0), 1, task, no_variability())
        for change in (1.0, 0.5, 0.0, 0.0):
            batch.step(np.array([[change, -1.0]]))
        ends.append(batch.outcome)
    assert ends[0][0][0] == pytest.approx(ends[1][0][0], abs=0.005)
    assert ends[0][1][0] == pytest.approx(ends[1][1][0], rel=0.01)


def test_stopping_ends_a_run_and_ten_segments_end_it_too() -> None:
    env = SinterControlEnv()
    env.reset(seed=1)
    _, reward, terminated, truncated, info = env.step(np.array([0.0, 1.0], dtype=np.float32))
    assert (terminated, truncated, info["in_spec"]) == (True, False, False)
    assert reward == pytest.approx(-1.0)
    env.reset(seed=1)
    ends = [env.step(np.array([0.5, -1.0], dtype=np.float32)) for _ in range(10)]
    assert [e[2] for e in ends] == [False] * 9 + [True]
    assert set(ends[-1][4]) == {"density", "grain_size", "in_spec"}
    assert all(e[1] < 0 for e in ends[:-1])
    with pytest.raises(ConfigError, match="no reset options"):
        env.reset(options={"a": 1})

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
import torch

from agent.ppo import PolicyProposer, PolicySettings
from envs.crystals import CrystalLibrary
from envs.design import Design
from envs.errors import ConfigError
from envs.reward import PhysicsGuess
from envs.rules import LinearWindow
from envs.space import DesignSpace, Factor, flagship


class Peak:
    """A synthetic score with one best corner: refractory crystals, fine powder, a preferred temperature."""

    def __init__(self, space: DesignSpace) -> None:
        self.space = space

    def score(self, designs: Sequence[Design]) -> npt.NDArray[np.float64]:
        rows = self.space.indices(designs)
        process = self.space.encode_levels(rows[:, 1:])
        column = self.space.process_columns.index
        refractory = self.space.crystals.melting[rows[:, 0]] / 1000.0
        return np.asarray(
            refractory - process[:, column("powder_size")] - 4.0 * (process[:, column("temperature")] - 0.6) ** 2
        )


@pytest.fixture(scope="module")
def space() -> DesignSpace:
    return flagship()


@pytest.fixture(scope="module")
def trained(space: DesignSpace) -> PolicyProposer:
    proposer = PolicyProposer(space, seed=1)
    proposer.train(Peak(space), 10_000)
    return proposer


def test_proposals_of_a_trained_policy_beat_random_ones(space: DesignSpace, trained: PolicyProposer) -> None:
    score = Peak(space).score
    proposed = score(trained.propose(100, np.random.default_rng(0)))
    drawn = score(space.sample(np.random.default_rng(0), 100))
    untrained = score(PolicyProposer(space, seed=1).propose(100, np.random.default_rng(0)))
    assert np.mean(proposed) > np.quantile(drawn, 0.95)
    assert np.mean(proposed) > np.quantile(untrained, 0.9)


def test_proposals_are_distinct_feasible_and_repeat_under_a_seed(space: DesignSpace, trained: PolicyProposer) -> None:
    designs = trained.propose(300, np.random.default_rng(5))
    assert len(set(designs)) == len(designs) == 300
    assert all(space.is_feasible(d) for d in designs)
    assert trained.propose(300, np.random.default_rng(5)) == designs


def test_training_repeats_under_a_seed_and_reports(space: DesignSpace) -> None:
    def run() -> tuple[bytes, list[int]]:
        proposer, seen = PolicyProposer(space, seed=3, n_envs=16), list[int]()
        result = proposer.train(PhysicsGuess(space), 1000, lambda steps, _: seen.append(steps))
        assert result.steps == seen[-1] >= 1000
        assert np.isfinite(result.mean_reward)
        return proposer.to_bytes(), seen

    assert run() == run()


def test_a_checkpoint_continues_exactly(space: DesignSpace) -> None:
    guess = PhysicsGuess(space)
    first = PolicyProposer(space, seed=4, n_envs=16)
    first.train(guess, 600)
    second = PolicyProposer.from_bytes(space, first.to_bytes(), n_envs=16)
    assert second.propose(20, np.random.default_rng(0)) == first.propose(20, np.random.default_rng(0))
    first.train(guess, 600)
    second.train(guess, 600)
    assert first.to_bytes() == second.to_bytes()


def test_checkpoints_of_another_space_or_network_are_refused(space: DesignSpace) -> None:
    factors = tuple(Factor(n, "1", (0.0, 1.0, 2.0)) for n in "ab")
    other = PolicyProposer(DesignSpace(CrystalLibrary(()), factors, (), "other"), n_envs=4)
    with pytest.raises(ConfigError, match="space_version"):
        PolicyProposer.from_bytes(space, other.to_bytes())
    with pytest.raises(ConfigError, match="safetensors"):
        PolicyProposer.from_bytes(space, b"nonsense")
    with pytest.raises(ConfigError, match=r"policy\.width"):
        PolicyProposer.from_bytes(other.space, other.to_bytes(), 4, PolicySettings(width=8))


def test_process_wide_random_state_threads_and_dtype_are_left_alone(space: DesignSpace) -> None:
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002
    random.seed(11)
    before = torch.get_rng_state(), str(np.random.get_state()), random.getstate()  # noqa: NPY002
    settings = torch.get_num_threads(), torch.get_default_dtype(), torch.distributions.Distribution._validate_args
    proposer = PolicyProposer(space, seed=2, n_envs=8)
    proposer.train(PhysicsGuess(space), 100)
    proposer.propose(5, np.random.default_rng(0))
    after = torch.get_rng_state(), str(np.random.get_state()), random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    now = torch.get_num_threads(), torch.get_default_dtype(), torch.distributions.Distribution._validate_args
    assert settings == now


def test_a_tiny_space_gives_all_it_has_and_no_more() -> None:
    factors = tuple(Factor(n, "1", (0.0, 1.0, 2.0)) for n in "ab")
    space = DesignSpace(CrystalLibrary(()), factors, (LinearWindow(("a", "b"), (1.0, 1.0), 2.0, 2.0),), "diagonal")
    proposer = PolicyProposer(space, n_envs=4)
    assert len(proposer.propose(10, np.random.default_rng(0))) == space.n_feasible == 3
    assert proposer.propose(0, np.random.default_rng(0)) == []

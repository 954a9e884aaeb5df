"""Designs that a masked PPO policy builds, trained on the acquisition and warm from round to round."""

from __future__ import annotations

import numpy as np

from agent.pools import PoolRequest
from agent.ppo import PolicyProposer
from envs.design import Design
from envs.space import DesignSpace

STEPS_PER_ROUND = 6_000


class PolicyPool:
    """Trains a policy a little further on the current acquisition, then lets it propose."""

    name = "ppo"

    def __init__(self, space: DesignSpace, *, seed: int, steps: int = STEPS_PER_ROUND) -> None:
        self._space = space
        self._policy = PolicyProposer(space, seed=seed)
        self._steps = steps

    def ask(self, request: PoolRequest, rng: np.random.Generator) -> list[Design]:
        """Distinct feasible designs sampled from the policy under its masks, best-scoring first."""
        self._policy.train(request.score, self._steps)
        designs = self._policy.propose(request.n, rng)
        order = np.argsort(-request.score.score(designs), kind="stable")
        return [designs[i] for i in order]

    def checkpoint(self) -> bytes:
        """The policy as safetensors."""
        return self._policy.to_bytes()

    def restore(self, checkpoint: bytes) -> None:
        """Continue from a checkpoint of the same space."""
        self._policy = PolicyProposer.from_bytes(self._space, checkpoint)

"""Feasible designs drawn uniformly."""

from __future__ import annotations

import numpy as np

from agent.pools import PoolRequest
from envs.design import Design
from envs.space import DesignSpace


class RandomPool:
    """Uniform over the feasible designs of a space."""

    name = "random"

    def __init__(self, space: DesignSpace) -> None:
        self._space = space

    def ask(self, request: PoolRequest, rng: np.random.Generator) -> list[Design]:
        """Distinct feasible designs; fewer than asked where the space holds fewer."""
        return list(dict.fromkeys(self._space.sample(rng, request.n)))

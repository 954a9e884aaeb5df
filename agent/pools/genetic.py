"""Local search: designs bred from good ones under the rules of the space, generation by generation."""

from __future__ import annotations

import numpy as np

from agent.pools import PoolRequest
from envs.design import Design
from envs.space import DesignSpace

N_GENERATIONS = 5
CROSSOVER_SHARE = 0.3
N_FRESH = 200
"""Random designs among the first parents, so that the search also starts where nothing has been made."""


class GeneticPool:
    """Mutates and crosses over the best designs so far, and keeps what scores best."""

    name = "local"

    def __init__(self, space: DesignSpace) -> None:
        self._space = space

    def ask(self, request: PoolRequest, rng: np.random.Generator) -> list[Design]:
        """The best-scoring distinct designs of the last generations, best first."""
        population = list(dict.fromkeys([*request.parents, *self._space.sample(rng, N_FRESH)]))
        scores = dict(zip(population, request.score.score(population), strict=True))
        for _ in range(N_GENERATIONS):
            ranked = sorted(scores, key=scores.__getitem__, reverse=True)[: request.n]
            children = [c for c in self._breed(ranked, request.n, rng) if c not in scores]
            if children:
                children = list(dict.fromkeys(children))
                scores.update(zip(children, request.score.score(children), strict=True))
        return sorted(scores, key=scores.__getitem__, reverse=True)[: request.n]

    def _breed(self, ranked: list[Design], n: int, rng: np.random.Generator) -> list[Design]:
        children = []
        # Rank-biased choice: squaring a uniform draw favours the front of the list.
        first, second = ((rng.random(n) ** 2) * len(ranked)).astype(int), rng.integers(len(ranked), size=n)
        for i, j, crossed in zip(first, second, rng.random(n) < CROSSOVER_SHARE, strict=True):
            child = self._space.crossover(ranked[i], ranked[j], rng) if crossed else ranked[i]
            children.append(self._space.mutate(child, rng))
        return children

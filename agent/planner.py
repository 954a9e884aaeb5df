"""Decides which experiments are worth making: pools propose, the acquisition disposes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor

from agent.acquisition import Scorer, choose_batch
from agent.pools import Pool, PoolRequest
from agent.pools.genetic import GeneticPool
from agent.pools.library import LibraryPool
from agent.pools.policy import PolicyPool
from agent.pools.random import RandomPool
from agent.proposal import Forecast, Proposal
from envs.design import Design
from envs.space import DesignSpace
from surrogates.composite import MIN_OBSERVATIONS, CompositeModel, Prediction
from surrogates.design_features import DesignFeatures
from surrogates.observations import Made, Observation
from surrogates.process_gp import FeasibilityModel

N_PARENTS = 8
POOL_SIZES = {"random": 400, "local": 200, "ppo": 64, "library": 200}


class Strategy(StrEnum):
    """How a campaign chooses: at random, by Bayesian optimisation, by PPO's proposals alone, or by all pools."""

    RANDOM = "random"
    BO = "bo"
    PPO = "ppo"
    HYBRID = "hybrid"


POOLS_OF: Mapping[Strategy, tuple[str, ...]] = {
    Strategy.RANDOM: ("random",),
    Strategy.BO: ("random", "local", "library"),
    Strategy.PPO: ("ppo",),
    Strategy.HYBRID: ("random", "local", "library", "ppo"),
}


@dataclass(frozen=True)
class Plan:
    """One round's decision.

    Args:
        proposals: in the order in which they should be made.
        candidates: number of candidates that each pool gave.
        checkpoint: state of the learning policy after this round, safetensors; empty when there is none.
    """

    proposals: tuple[Proposal, ...]
    candidates: Mapping[str, int] = field(default_factory=dict)
    checkpoint: bytes = b""


class Planner:
    """Ask for a plan with what has been observed so far; the same history and round give the same plan.

    Args:
        space: the design space.
        strategy: which pools propose.
        features: builds the design features when they are first needed: fitting the crystal surrogate takes seconds.
        seed: of everything random here.
    """

    def __init__(
        self, space: DesignSpace, strategy: Strategy, features: Callable[[], DesignFeatures], *, seed: int
    ) -> None:
        self._space = space
        self._strategy = strategy
        self._make_features = features
        self._features: DesignFeatures | None = None
        self._seed = seed
        self._policy = PolicyPool(space, seed=seed) if "ppo" in POOLS_OF[strategy] else None
        available: dict[str, Pool] = {
            "random": RandomPool(space),
            "local": GeneticPool(space),
            "library": LibraryPool(space),
        }
        if self._policy:
            available["ppo"] = self._policy
        self._pools = [available[name] for name in POOLS_OF[strategy]]

    def restore(self, checkpoint: bytes) -> None:
        """Put the learning policy back to where an earlier round left it."""
        if self._policy and checkpoint:
            self._policy.restore(checkpoint)

    def start(self, n: int) -> Plan:
        """The first designs: uniform over the feasible ones, the same for every strategy with this seed."""
        designs = list(dict.fromkeys(self._space.sample(np.random.default_rng([self._seed, 0]), 2 * n)))[:n]
        return Plan(tuple(Proposal(d, pool="start") for d in designs), {"start": len(designs)})

    def ask(self, history: Mapping[str, Observation], round_index: int, n: int) -> Plan:
        """Plan the next ``n`` experiments.

        Args:
            history: observations by experiment identifier, in the order in which they were made.
            round_index: number of this round, from 1; seeds its draws.
            n: batch size.
        """
        rng = np.random.default_rng([self._seed, round_index])
        made = [o for o in history.values() if isinstance(o, Made)]
        if self._strategy is Strategy.RANDOM or len(made) < MIN_OBSERVATIONS:
            return self._at_random(history, n, rng)
        if self._features is None:
            self._features = self._make_features()
        features = self._features
        model = CompositeModel(features, made)
        observed = list(history.values())
        feasibility = FeasibilityModel(
            features.rows([o.design for o in observed]),
            _succeeded(observed),
            features.process_columns,
            features.homologous_column,
        )
        scorer = Scorer(features, model, feasibility, float(model.measured.max()))
        sources = self._gather(made, history, scorer, rng)
        chosen = choose_batch(
            list(sources), n, features=features, model=model, feasibility=feasibility, scorer=scorer,
            seed=self._seed * 10_000 + round_index,
        )  # fmt: skip
        prediction, success = scorer.forecast([d for d, _ in chosen])
        nearest = _nearest(features, [d for d, _ in chosen], history)
        proposals = tuple(
            Proposal(d, sources[d], value, _forecast(prediction, success, i), nearest[i])
            for i, (d, value) in enumerate(chosen)
        )
        counts = {p.name: sum(s == p.name for s in sources.values()) for p in self._pools}
        return Plan(proposals, counts, self._policy.checkpoint() if self._policy else b"")

    def _at_random(self, history: Mapping[str, Observation], n: int, rng: np.random.Generator) -> Plan:
        seen = {o.design for o in history.values()}
        designs = [d for d in dict.fromkeys(self._space.sample(rng, n + len(seen) + 8)) if d not in seen][:n]
        return Plan(tuple(Proposal(d, pool="random") for d in designs), {"random": len(designs)})

    def _gather(
        self, made: Sequence[Made], history: Mapping[str, Observation], scorer: Scorer, rng: np.random.Generator
    ) -> dict[Design, str]:
        """Candidates with the pool that gave them first; what was already made is left out."""
        parents = [o.design for o in sorted(made, key=lambda o: -o.hardness.value)[:N_PARENTS]]
        seen = {o.design for o in history.values()}
        sources: dict[Design, str] = {}
        for pool in self._pools:
            for design in pool.ask(PoolRequest(POOL_SIZES[pool.name], parents, scorer), rng):
                if design not in seen:
                    sources.setdefault(design, pool.name)
        return sources


def _succeeded(observed: Sequence[Observation]) -> Tensor:
    return torch.tensor([isinstance(o, Made) for o in observed])


def _forecast(prediction: Prediction, success: Tensor, i: int) -> Forecast:
    return Forecast(
        median=float(prediction.median[i]),
        low=float(prediction.low[i]),
        high=float(prediction.high[i]),
        porosity=float(prediction.porosity[i]),
        grain_size=float(prediction.grain_size[i]),
        feasibility=float(success[i]),
    )


def _nearest(features: DesignFeatures, designs: Sequence[Design], history: Mapping[str, Observation]) -> list[str]:
    ids = list(history)
    past = features.rows([history[i].design for i in ids])[:, 3:]
    closest = torch.cdist(features.rows(designs)[:, 3:], past).argmin(dim=1)
    return [ids[int(i)] for i in closest]

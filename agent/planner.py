"""Decides which experiments are worth making: pools propose, the acquisition disposes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor

from agent.acquisition import Models, Scorer, choose_batch
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
RESERVED_SHARE = 0.75
"""Share of a batch for which the policy's designs compete among themselves: chosen on ten seeds of the flagship, where
an open competition for every place spent most of a small budget on compounds that the models knew little of."""

MAX_DRAWS = 50
"""Rounds of drawing before a space counts as used up."""
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
        notes: what went worse than it should, in words.
    """

    proposals: tuple[Proposal, ...]
    candidates: Mapping[str, int] = field(default_factory=dict)
    checkpoint: bytes = b""
    notes: tuple[str, ...] = ()


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

    @property
    def strategy(self) -> Strategy:
        """How it chooses."""
        return self._strategy

    def restore(self, checkpoint: bytes) -> None:
        """Put the learning policy back to where an earlier round left it."""
        if self._policy and checkpoint:
            self._policy.restore(checkpoint)

    def start(self, n: int) -> Plan:
        """The first designs: uniform over the feasible ones, the same for every strategy with this seed."""
        designs = list(dict.fromkeys(self._space.sample(np.random.default_rng([self._seed, 0]), 2 * n)))[:n]
        return Plan(tuple(Proposal(d, pool="start") for d in designs), {"start": len(designs)})

    def ask(
        self, history: Mapping[str, Observation], round_index: int, n: int, *, made_before: Collection[Design] = ()
    ) -> Plan:
        """Plan the next ``n`` experiments.

        Args:
            history: observations by experiment identifier, in the order in which they were made.
            round_index: number of this round, from 1; seeds its draws.
            n: batch size.
            made_before: designs not to propose again, whether they gave an observation or not.
        """
        rng = np.random.default_rng([self._seed, round_index])
        made = [o for o in history.values() if isinstance(o, Made)]
        taken = {o.design for o in history.values()}.union(made_before)
        if self._strategy is Strategy.RANDOM or len(made) < MIN_OBSERVATIONS:
            return self._at_random(taken, n, rng)
        models = self._learn(history, made)
        scorer = Scorer(models)
        sources = self._gather(made, taken, scorer, rng)
        if not sources:
            return self._at_random(taken, n, rng)
        chosen = choose_batch(
            list(sources),
            n,
            models,
            scorer,
            seed=self._seed * 10_000 + round_index,
            reserved=[d for d, pool in sources.items() if pool == "ppo"],
            n_reserved=round(RESERVED_SHARE * n) if self._policy else 0,
        )
        designs = [design for design, _ in chosen]
        prediction, success = models.forecast(designs)
        nearest = _nearest(models.features, designs, history)
        proposals = tuple(
            Proposal(d, sources[d], value, _forecast(prediction, success, i), nearest[i])
            for i, (d, value) in enumerate(chosen)
        )
        counts = {p.name: sum(s == p.name for s in sources.values()) for p in self._pools}
        return Plan(proposals, counts, self._checkpoint(), models.notes)

    def _learn(self, history: Mapping[str, Observation], made: Sequence[Made]) -> Models:
        """Fit this round's models; the crystal surrogate is fitted once."""
        if self._features is None:
            self._features = self._make_features()
        features = self._features
        observed = list(history.values())
        rows = features.rows([o.design for o in observed])
        succeeded = torch.tensor([isinstance(o, Made) for o in observed])
        columns, main = features.process_columns, features.homologous_column
        return Models(features, CompositeModel(features, made), FeasibilityModel(rows, succeeded, columns, main))

    def _checkpoint(self) -> bytes:
        return self._policy.checkpoint() if self._policy else b""

    def _at_random(self, taken: Collection[Design], n: int, rng: np.random.Generator) -> Plan:
        """Unseen feasible designs; fewer than ``n`` only when hardly any is left."""
        found: dict[Design, None] = {}
        for _ in range(MAX_DRAWS):
            found.update((d, None) for d in self._space.sample(rng, n + len(taken) + 8) if d not in taken)
            if len(found) >= min(n, self._space.n_feasible - len(taken)):
                break
        designs = list(found)[:n]
        return Plan(tuple(Proposal(d, pool="random") for d in designs), {"random": len(designs)}, self._checkpoint())

    def _gather(
        self, made: Sequence[Made], taken: Collection[Design], scorer: Scorer, rng: np.random.Generator
    ) -> dict[Design, str]:
        """Candidates with the pool that gave them first; what was already made is left out."""
        parents = [o.design for o in sorted(made, key=lambda o: -o.hardness.value)[:N_PARENTS]]
        sources: dict[Design, str] = {}
        for pool in self._pools:
            for design in pool.ask(PoolRequest(POOL_SIZES[pool.name], parents, scorer), rng):
                if design not in taken:
                    sources.setdefault(design, pool.name)
        return sources


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

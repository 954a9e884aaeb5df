"""Decides which experiments are worth making: pools propose, the acquisition disposes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import torch

from agent.acquisition import Models, Scorer, choose_batch
from agent.expectations import expectations
from agent.pools import Pool, PoolRequest
from agent.pools.genetic import GeneticPool
from agent.pools.library import LibraryPool
from agent.pools.policy import PolicyPool
from agent.pools.random import RandomPool
from agent.proposal import Expectation, Proposal
from envs.design import Design
from envs.space import DesignSpace
from surrogates.composite import MIN_OBSERVATIONS, CompositeModel
from surrogates.design_features import DesignFeatures
from surrogates.factor_effects import FactorCurve, average_effects
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
        effects: of each factor on the objective, averaged over what was made; empty while nothing has been learned.
    """

    proposals: tuple[Proposal, ...]
    candidates: Mapping[str, int] = field(default_factory=dict)
    checkpoint: bytes = b""
    notes: tuple[str, ...] = ()
    effects: tuple[FactorCurve, ...] = ()


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
        self._learned: tuple[tuple[tuple[str, Observation], ...], Models] | None = None
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

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about the models that learned last."""
        return self._learned[1].notes if self._learned else ()

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
        expected = expectations(models, self._space, [design for design, _ in chosen], history)
        proposals = tuple(Proposal(d, sources[d], value, e) for (d, value), e in zip(chosen, expected, strict=True))
        counts = {p.name: sum(s == p.name for s in sources.values()) for p in self._pools}
        effects = average_effects(self._space, models.features, models.outcome, [o.design for o in made])
        return Plan(proposals, counts, self._checkpoint(), models.notes, effects)

    def foresee(self, history: Mapping[str, Observation], designs: Sequence[Design]) -> list[Expectation]:
        """What the models say of designs that nobody has proposed; nothing is chosen, drawn or learned by it.

        The models of the last history are kept: while nothing is measured, asking again takes no fitting.

        Args:
            history: as in ``ask``.
            designs: of the space.

        Raises:
            InfeasibleDesignError: one is not of the space.
        """
        for design in designs:
            self._space.check(design)
        made = [o for o in history.values() if isinstance(o, Made)]
        if len(made) < MIN_OBSERVATIONS:
            return []
        # A plan is made by models fitted for it, so that it does not depend on what was asked before; these are kept.
        same = self._learned is not None and self._learned[0] == tuple(history.items())
        models = self._learned[1] if self._learned is not None and same else self._learn(history, made)
        return expectations(models, self._space, designs, history)

    def _learn(self, history: Mapping[str, Observation], made: Sequence[Made]) -> Models:
        """Fit the models of a history; the crystal surrogate is fitted once."""
        if self._features is None:
            self._features = self._make_features()
        features = self._features
        observed = list(history.values())
        rows = features.rows([o.design for o in observed])
        succeeded = torch.tensor([isinstance(o, Made) for o in observed])
        columns, main = features.process_columns, features.homologous_column
        models = Models(features, CompositeModel(features, made), FeasibilityModel(rows, succeeded, columns, main))
        self._learned = tuple(history.items()), models
        return models

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

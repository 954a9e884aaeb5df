"""Sources of candidates: each is asked for designs, and the acquisition chooses among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from envs.design import Design
from envs.ports import RewardModel


@dataclass(frozen=True)
class PoolRequest:
    """What a pool may look at when it proposes.

    Args:
        n: how many designs are wanted, at most.
        parents: good designs so far, best first.
        score: the marginal acquisition of any feasible design.
    """

    n: int
    parents: Sequence[Design]
    score: RewardModel


class Pool(Protocol):
    """A source of candidates."""

    @property
    def name(self) -> str:
        """Name under which proposals of this pool are recorded."""
        ...

    def ask(self, request: PoolRequest, rng: np.random.Generator) -> list[Design]:
        """At most ``request.n`` distinct feasible designs."""
        ...

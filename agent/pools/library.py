"""The whole library: every crystal, each with processes that have worked or look promising."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agent.pools import PoolRequest
from envs import laws
from envs.design import Design
from envs.space import DesignSpace

PROCESSES_PER_CRYSTAL = 4
TEMPERATURE = "temperature"


class LibraryPool:
    """Carries the best parents' processes over to every crystal, at the same share of its melting estimate."""

    name = "library"

    def __init__(self, space: DesignSpace) -> None:
        self._space = space

    def ask(self, request: PoolRequest, rng: np.random.Generator) -> list[Design]:
        """The best-scoring pairs of a crystal and a carried-over process, best first; none without parents."""
        parents = list(request.parents[:PROCESSES_PER_CRYSTAL])
        if not parents:
            return []
        rows = [
            self._space.repair(row, rng)
            for parent in self._space.indices(parents)
            for row in self._transplanted(parent)
        ]
        pairs = list(dict.fromkeys(self._space.designs(np.array(rows))))
        order = np.argsort(-request.score.score(pairs))
        return [pairs[i] for i in order[: request.n]]

    def _transplanted(self, parent: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The parent's row on every crystal, ``n_crystals x (1 + n_factors)``, feasible or not."""
        n = len(self._space.library)
        rows = np.tile(parent, (n, 1))
        rows[:, 0] = np.arange(n)
        slot = 1 + [f.name for f in self._space.factors].index(TEMPERATURE)
        levels = self._space.factors[slot - 1].values
        melting = np.asarray(self._space.crystals.melting)
        wanted = (levels[parent[slot]] + laws.KELVIN) / melting[parent[0]] * melting - laws.KELVIN
        rows[:, slot] = np.abs(wanted[:, None] - levels[None, :]).argmin(axis=1)
        return rows

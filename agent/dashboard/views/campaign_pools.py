"""What became of the designs of each source of candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from instruments.profile.experiment_messages import ExperimentState

KINDS: tuple[str, ...] = (
    "completed", "infeasible", "invalid_measurement", "retryable", "aborted", "superseded", "retracted", "open",
)  # fmt: skip
"""How experiments can stand, in the order in which charts show them; ``open`` are those that have not ended."""


@dataclass(frozen=True)
class PoolOutcomes:
    """Outcomes by source.

    Args:
        pools: sources, the busiest first.
        counts: experiments by kind and, in it, by source.
    """

    pools: tuple[str, ...] = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those that occur."""
        return tuple(kind for kind in KINDS if any(self.counts.get(kind, {}).values()))

    def of(self, kind: str, pool: str) -> int:
        """How many experiments of a source are of a kind."""
        return self.counts.get(kind, {}).get(pool, 0)


def kind_of(one: ExperimentState) -> str:
    """How an experiment stands, as one word."""
    if one.phase != "ended" or one.outcome is None:
        return "open"
    return "retracted" if one.retracted else one.outcome


def pools_of(experiments: Iterable[ExperimentState]) -> PoolOutcomes:
    """Count a campaign's experiments by the pool that their designs came from."""
    counted = Counter((kind_of(one), one.pool or "not told") for one in experiments)
    totals: Counter[str] = Counter()
    for (_, pool), n in counted.items():
        totals[pool] += n
    pools = tuple(sorted(totals, key=lambda pool: (-totals[pool], pool)))
    counts = {kind: {pool: counted[kind, pool] for pool in pools} for kind in KINDS}
    return PoolOutcomes(pools, counts)

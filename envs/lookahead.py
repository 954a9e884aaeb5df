"""Which choices still lead to a feasible design: exact, for every prefix, without search.

A design is a sequence of slots (crystal first, then each process factor); every rule is a table over a few slots.
Bucket elimination (Dechter, Artificial Intelligence 113, 41, 1999) removes the slots from the last to the first: all
tables that mention a slot and no later one are joined, and their sum over the slot goes on as a table over earlier
slots. With sums of products instead of or of ands the entries count feasible completions. Reading the joined tables
forwards then gives masks that never run into a dead end, and sampling by the counts is uniform over feasible designs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
MAX_CELLS = 20_000_000
"""Largest joined table; rules that couple more slots than this holds would need another method."""

_Table = tuple[tuple[int, ...], FloatArray]


class Lookahead:
    """Counts of feasible completions for every choice after every feasible prefix.

    Args:
        sizes: options per slot.
        tables: (slots, allowed) pairs; ``allowed`` has one axis per slot, in the same order.

    Raises:
        ConfigError: when the rules together couple too many slots for an exact table.
    """

    def __init__(self, sizes: Sequence[int], tables: Sequence[tuple[tuple[int, ...], BoolArray]]) -> None:
        self.sizes = tuple(sizes)
        pending = [_sorted(slots, table) for slots, table in tables]
        self._buckets: list[_Table] = [((), np.zeros(0))] * len(self.sizes)
        total = 1.0
        for slot in reversed(range(len(self.sizes))):
            mine = [t for t in pending if t[0] and t[0][-1] == slot]
            pending = [t for t in pending if not (t[0] and t[0][-1] == slot)]
            scope, joined = self._join([*mine, ((slot,), np.ones(self.sizes[slot]))])
            self._buckets[slot] = (scope, joined)
            message = joined.sum(axis=-1)
            if len(scope) == 1:
                total *= float(message)
            else:
                pending.append((scope[:-1], message))
        self.n_feasible = total

    @property
    def n_slots(self) -> int:
        """Number of slots."""
        return len(self.sizes)

    def weights(self, slot: int, prefix: IntArray) -> FloatArray:
        """Feasible completions of each option, up to a factor that is common to the row.

        Args:
            slot: the slot to choose next.
            prefix: choices so far, shape ``(n, at least slot)``; a feasible prefix.

        Returns:
            Shape ``(n, sizes[slot])``; zero exactly where no feasible completion exists.
        """
        scope, joined = self._buckets[slot]
        if len(scope) == 1:
            return np.broadcast_to(joined, (len(prefix), len(joined)))
        return np.asarray(joined[tuple(prefix[:, s] for s in scope[:-1])])

    def mask(self, slot: int, prefix: IntArray) -> BoolArray:
        """Options that leave a feasible completion, shape ``(n, sizes[slot])``."""
        return np.asarray(self.weights(slot, prefix) > 0)

    def sample(self, rng: np.random.Generator, n: int) -> IntArray:
        """``n`` designs as slot indices, uniform over all feasible ones, shape ``(n, n_slots)``."""
        chosen = np.zeros((n, self.n_slots), dtype=np.int64)
        for slot in range(self.n_slots):
            chosen[:, slot] = draw(self.weights(slot, chosen), rng)
        return chosen

    def _join(self, tables: Sequence[_Table]) -> _Table:
        scope = tuple(sorted({s for slots, _ in tables for s in slots}))
        shape = tuple(self.sizes[s] for s in scope)
        if np.prod(shape, dtype=float) > MAX_CELLS:
            cells = " x ".join(map(str, shape))
            raise ConfigError(
                "space.rules", cells, f"at most {MAX_CELLS:,} combinations of what the rules couple: use fewer levels"
            )
        joined = np.ones(shape)
        for slots, table in tables:
            joined = joined * table.reshape([self.sizes[s] if s in slots else 1 for s in scope])
        return scope, joined


def draw(weights: FloatArray, rng: np.random.Generator) -> IntArray:
    """One column index per row, with probability proportional to the row's weights, shape ``(n,)``."""
    cumulative = np.cumsum(weights, axis=1)
    threshold = rng.random(len(weights)) * cumulative[:, -1]
    return np.asarray((cumulative <= threshold[:, None]).sum(axis=1), dtype=np.int64)


def _sorted(slots: tuple[int, ...], table: BoolArray) -> _Table:
    order = np.argsort(slots)
    return tuple(slots[i] for i in order), np.transpose(table, order).astype(np.float64)

"""The best feasible design of a space in one laboratory: what a campaign's regret is counted from.

A space has millions of designs, so not all are tried. A compound is left out only by a ceiling that none of its designs
can pass: fully dense, its grains no coarser than the finest powder. All others are climbed from several starts, one
factor at a time until no change of one factor helps, and the best of them by changes of two factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from envs.design import Design
from envs.factors import Factor
from envs.space import DesignSpace
from simulators.samples import stream
from simulators.truth import LabTruth

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

N_DRAWN = 2000
N_STARTS = 4
"""Starts of a climb for each compound."""
N_PAIRED = 4
"""Climbers that are tried with changes of two factors in the end."""


@dataclass(frozen=True)
class Optimum:
    """The best design that was found.

    Args:
        design: as it would be ordered.
        hardness: its true expected hardness, GPa.
        n_tried: designs whose truth was computed.
        n_excluded: compounds that no process could have brought so far.
        n_compounds: of the space.
    """

    design: Design
    hardness: float
    n_tried: int
    n_excluded: int
    n_compounds: int

    @property
    def how(self) -> str:
        """How it was found, in words."""
        n = self.n_compounds - self.n_excluded
        climbed = f"{N_STARTS} starts for " + ("the one compound" if n == 1 else f"each of the {n} compounds")
        return (
            f"{self.n_tried:,} designs tried: {N_DRAWN:,} at random, then climbs by one factor, and by two, from "
            f"{climbed} that can reach it with some process; fully dense and with the finest grains the other "
            f"{self.n_excluded} stay below. A local search: a better design of a compound that was climbed may hide."
        )


def best_design(truth: LabTruth, space: DesignSpace) -> Optimum:
    """The hardest feasible design, by its expected true hardness; the same for the same laboratory and space.

    Args:
        truth: of the laboratory.
        space: with crystals.

    Raises:
        KeyError: when a process factor that a firing needs is no factor of the space.
    """
    return _Search(truth, space).best()


class _Search:
    def __init__(self, truth: LabTruth, space: DesignSpace) -> None:
        self._truth = truth
        self._space = space
        self._known: dict[bytes, float] = {}
        self._ceilings = _ceilings(truth, space)

    def best(self) -> Optimum:
        drawn = self._space.lookahead.sample(stream(self._truth.seed, "optimum"), N_DRAWN)
        climbers = self._climb(self._starts(drawn), 1)
        order = np.argsort(-self._values(climbers), kind="stable")
        climbers = self._climb(climbers[order[:N_PAIRED]], 2)
        top = climbers[int(np.argmax(self._values(climbers)))]
        reached = float(self._values(top[None, :])[0])
        return Optimum(
            self._space.designs(top[None, :])[0],
            reached,
            len(self._known),
            int(np.sum(self._ceilings < reached)),
            len(self._space.library),
        )

    def _starts(self, drawn: Rows) -> Rows:
        """For each compound that might win the best of its drawn designs, and of the best processes found with it."""
        values = self._values(drawn)
        order = np.argsort(-values, kind="stable")
        processes = np.unique(drawn[order[:40], 1:], axis=0)
        found = []
        for crystal in np.flatnonzero(self._ceilings >= values.max()):
            moved = np.column_stack([np.full(len(processes), crystal), processes])
            rows = np.concatenate([drawn[drawn[:, 0] == crystal], moved])
            rows = rows[self._space.feasible_rows(rows)]
            found.append(rows[np.argsort(-self._values(rows), kind="stable")[:N_STARTS]])
        return np.concatenate(found)

    def _climb(self, rows: Rows, n_changed: int) -> Rows:
        """Move every design to its best neighbour until none moves; those of compounds that cannot win drop out."""
        moving = np.ones(len(rows), dtype=np.bool_)
        while moving.any():
            reached = self._values(rows).max()
            for climber in np.flatnonzero(moving):
                if self._ceilings[rows[climber, 0]] < reached:
                    moving[climber] = False
            around = [self._neighbours(rows[i], n_changed) for i in np.flatnonzero(moving)]
            if around:
                self._values(np.concatenate(around))  # all at once: a batch costs hardly more than a design
            for climber, near in zip(np.flatnonzero(moving), around, strict=True):
                values = self._values(near)
                top = int(np.argmax(values))
                moving[climber] = values[top] > self._values(rows[climber][None, :])[0]
                if moving[climber]:
                    rows[climber] = near[top]
            rows, kept = np.unique(rows, axis=0, return_index=True)
            moving = moving[kept]
        return rows

    def _neighbours(self, row: Rows, n_changed: int) -> Rows:
        """The feasible designs of the same compound that differ in so many factors at most, itself first."""
        found = [row[None, :]]
        for slots in combinations(range(1, len(row)), n_changed):
            levels = [np.arange(self._space.lookahead.sizes[slot]) for slot in slots]
            grid = np.stack([axis.ravel() for axis in np.meshgrid(*levels, indexing="ij")], axis=1)
            changed = np.repeat(row[None, :], len(grid), axis=0)
            changed[:, list(slots)] = grid
            found.append(changed)
        rows = np.concatenate(found)
        return np.asarray(rows[self._space.feasible_rows(rows)])

    def _values(self, rows: Rows) -> Array:
        """True hardness of designs in GPa; each is computed once."""
        keys = [row.tobytes() for row in rows]
        new = {key: row for key, row in zip(keys, rows, strict=True) if key not in self._known}
        if new:
            designs = self._space.designs(np.array(list(new.values())))
            self._known.update(zip(new, self._truth.true_hardness_many(designs).tolist(), strict=True))
        return np.array([self._known[key] for key in keys])


def _ceilings(truth: LabTruth, space: DesignSpace) -> Array:
    """What no design of each compound can pass, GPa: dense, with the finest grains, with the best additive."""
    factors = {f.name: f for f in space.factors}
    finest = min(_numbers(factors["powder_size"]))
    additives = [str(level) for level in factors["additive"].levels]
    return np.array(
        [max(truth.hardness(crystal.id, additive, 1.0, finest) for additive in additives) for crystal in space.library]
    )


def _numbers(factor: Factor) -> Sequence[float]:
    return [float(level) for level in factor.levels]

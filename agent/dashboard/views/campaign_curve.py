"""How a campaign got better: measured values in the order in which experiments ended, and the best so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from instruments.messages import Quantity
from instruments.profile.experiment_messages import ExperimentState
from instruments.profile.model_messages import Goal

Mark = Literal["measured", "retracted", "infeasible", "failed"]
"""What a point is: a value that counts, one that was taken back, a design that cannot be made, no result else."""


@dataclass(frozen=True)
class CurvePoint:
    """One experiment that ended.

    Args:
        n: its number in the order in which they ended, from 1.
        experiment: its id.
        at: when it ended.
        mark: what became of it.
        value: that was measured, in the goal's unit; None where nothing was.
        std: standard uncertainty of the value, likewise.
        amended: whether a person corrected the value.
    """

    n: int
    experiment: str
    at: datetime
    mark: Mark
    value: float | None = None
    std: float | None = None
    amended: bool = False


@dataclass(frozen=True)
class BestSoFar:
    """The best value from one experiment on.

    Args:
        n: number of the experiment, from 1.
        experiment: that made the best sample; it may be an earlier one.
        value: of it, in the goal's unit.
        std: standard uncertainty; 0 where none is known.
    """

    n: int
    experiment: str
    value: float
    std: float


@dataclass(frozen=True)
class Curve:
    """A campaign's way.

    Args:
        goal: what is looked for.
        points: experiments that ended, in that order.
        best: the best so far at each of them, from the first that counts on.
    """

    goal: Goal
    points: tuple[CurvePoint, ...] = ()
    best: tuple[BestSoFar, ...] = ()

    @property
    def last(self) -> BestSoFar | None:
        """The best of all."""
        return self.best[-1] if self.best else None


def counts(experiment: ExperimentState) -> bool:
    """Whether what was measured counts: the experiment was completed, and nobody took its result back."""
    return experiment.phase == "ended" and experiment.outcome == "completed" and not experiment.retracted


def in_order(experiments: Iterable[ExperimentState]) -> list[ExperimentState]:
    """Those that ended, in the order of their ends."""
    ended = [one for one in experiments if one.phase == "ended"]
    return sorted(ended, key=lambda one: (one.ended_at or one.ts, one.experiment))


def curve_of(experiments: Iterable[ExperimentState], goal: Goal) -> Curve:
    """How the values of one property got better.

    Args:
        experiments: of one campaign, in any order.
        goal: which property, in which unit, and which values are better. Values in other units do not count.
    """
    points = tuple(_point(n, one, goal) for n, one in enumerate(in_order(experiments), 1))
    return Curve(goal, points, tuple(_running(points, goal)))


def _point(n: int, one: ExperimentState, goal: Goal) -> CurvePoint:
    at = one.ended_at or one.ts
    if one.outcome == "infeasible":
        return CurvePoint(n, one.experiment, at, "infeasible")
    quantity = one.found.get(goal.property) or _taken_back(one, goal.property)
    if one.outcome != "completed" or quantity is None or quantity.unit != goal.unit:
        return CurvePoint(n, one.experiment, at, "failed")
    amended = any(correction.kind == "amended" for correction in one.corrections)
    mark: Mark = "retracted" if one.retracted else "measured"
    return CurvePoint(n, one.experiment, at, mark, quantity.value, quantity.std, amended)


def _taken_back(one: ExperimentState, name: str) -> Quantity | None:
    said = [c.before[name] for c in one.corrections if c.kind == "retracted" and name in c.before]
    return said[-1] if said else None


def _running(points: Iterable[CurvePoint], goal: Goal) -> Iterable[BestSoFar]:
    best: BestSoFar | None = None
    sign = 1.0 if goal.direction == "maximize" else -1.0
    for point in points:
        counted = point.mark == "measured" and point.value is not None
        if counted and (best is None or sign * (point.value or 0.0) > sign * best.value):
            best = BestSoFar(point.n, point.experiment, point.value or 0.0, point.std or 0.0)
        if best is not None:
            yield BestSoFar(point.n, best.experiment, best.value, best.std)

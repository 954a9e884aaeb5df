"""How well the models foresaw what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from agent.dashboard.views.agreement import agrees
from agent.dashboard.views.campaign_curve import counts, in_order
from agent.dashboard.views.words import bounds
from instruments.profile.experiment_messages import ExperimentState
from instruments.profile.model_messages import Goal

Z95 = 1.959963984540054
NOMINAL = 0.9


@dataclass(frozen=True)
class ParityPoint:
    """One experiment: what was expected and what came.

    Args:
        experiment: its id.
        predicted: expectation, in the goal's unit.
        low: 5% quantile of the prediction.
        high: 95% quantile.
        measured: the value that counts.
        std: standard uncertainty of the measurement; 0 where none is known.
    """

    experiment: str
    predicted: float
    low: float
    high: float
    measured: float
    std: float

    @property
    def inside(self) -> bool:
        """Whether the measured value agrees with the prediction's 90% interval, its own uncertainty counted."""
        return agrees(self.measured, self.predicted, self.low, self.high, self.std)


@dataclass(frozen=True)
class Parity:
    """Predicted against measured.

    Args:
        goal: which property.
        points: in the order in which experiments ended.
    """

    goal: Goal
    points: tuple[ParityPoint, ...] = ()

    @property
    def covered(self) -> int:
        """How many measured values agree with their intervals."""
        return sum(point.inside for point in self.points)

    @property
    def mean_error(self) -> float | None:
        """Mean of the absolute differences, in the goal's unit."""
        if not self.points:
            return None
        return math.fsum(abs(point.measured - point.predicted) for point in self.points) / len(self.points)

    @property
    def words(self) -> str:
        """What the intervals are worth, for people."""
        if not self.points:
            return "No experiment with a prediction has been measured yet."
        low, high = wilson(self.covered, len(self.points))
        share = f"{100 * self.covered / len(self.points):.0f}%"
        of = f"{self.covered} of {len(self.points)} measured values"
        said = f"{of} lie in their 90% interval, their own uncertainty counted ({share})"
        if low <= NOMINAL <= high:
            return f"{said}, as it should be for so many."
        trouble = "too narrow" if high < NOMINAL else "too wide"
        return f"{said}: the intervals are {trouble}."


def wilson(found: int, of: int) -> tuple[float, float]:
    """The 95% interval of a share (E. B. Wilson, J. Am. Stat. Assoc. 22, 209, 1927, eq. 4).

    Args:
        found: how many.
        of: of how many; at least 1.
    """
    p, z2 = found / of, Z95**2
    middle = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def parity_of(experiments: Iterable[ExperimentState], goal: Goal) -> Parity:
    """What was predicted of one property before experiments, and what was measured.

    Args:
        experiments: of one campaign, in any order; those whose result counts are taken.
        goal: which property, in which unit.
    """
    points = []
    for one in in_order(experiments):
        expected, found = one.prediction.get(goal.property), one.found.get(goal.property)
        if not counts(one) or expected is None or found is None or {expected.unit, found.unit} != {goal.unit}:
            continue
        low, high = bounds(expected)
        points.append(ParityPoint(one.experiment, expected.value, low, high, found.value, found.std or 0.0))
    return Parity(goal, tuple(points))

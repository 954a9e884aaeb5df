"""A proposal: a design, what the models expect of it, and why it was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envs.design import Design
from surrogates.applicability import Standing
from surrogates.factor_effects import FactorCurve


@dataclass(frozen=True)
class Forecast:
    """What the models expect of a design.

    Args:
        median: of the objective.
        low: 5% quantile.
        high: 95% quantile.
        porosity: median area fraction.
        grain_size: median mean diameter, um.
        feasibility: probability that the synthesis works out.
    """

    median: float
    low: float
    high: float
    porosity: float
    grain_size: float
    feasibility: float


@dataclass(frozen=True)
class Expectation:
    """What the models know of one design.

    Args:
        forecast: what they expect of it.
        nearest: identifier of the finished experiment whose design is most alike.
        distance: to that one, in the columns of ``DesignFeatures``, over how far finished designs mostly are from each
            other there: 0 is the same design, 1 as near as they mostly are; None where there is only one to compare.
        found: what that one gave, value and standard uncertainty by property; empty where it failed.
        effects: of each factor on the objective, the others held.
        standing: whether they know designs like it.
    """

    forecast: Forecast
    nearest: str
    distance: float | None
    found: Mapping[str, tuple[float, float]]
    effects: tuple[FactorCurve, ...]
    standing: Standing


@dataclass(frozen=True)
class Proposal:
    """One design to make.

    Args:
        design: what to make.
        pool: which source of candidates it came from.
        acquisition: log of the acquisition value at the time of choosing; ``None`` where none was used.
        expected: what the models say of it; ``None`` while nothing has been learned.
    """

    design: Design
    pool: str
    acquisition: float | None = None
    expected: Expectation | None = None

    @property
    def forecast(self) -> Forecast | None:
        """What the models expect; ``None`` while nothing has been learned."""
        return self.expected.forecast if self.expected else None

    @property
    def nearest(self) -> str:
        """Identifier of the finished experiment whose design is most alike, ``""`` when there is none."""
        return self.expected.nearest if self.expected else ""

"""A proposal: a design, what the models expect of it, and why it was chosen."""

from __future__ import annotations

from dataclasses import dataclass

from envs.design import Design


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
class Proposal:
    """One design to make.

    Args:
        design: what to make.
        pool: which source of candidates it came from.
        acquisition: log of the acquisition value at the time of choosing; ``None`` where none was used.
        forecast: what the models expect; ``None`` while nothing has been measured.
        nearest: identifier of the finished experiment whose design is most alike, ``""`` when there is none.
    """

    design: Design
    pool: str
    acquisition: float | None = None
    forecast: Forecast | None = None
    nearest: str = ""

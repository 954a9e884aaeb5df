"""What the models learn from: one record an experiment."""

from __future__ import annotations

from dataclasses import dataclass

from envs.design import Design


@dataclass(frozen=True)
class Reading:
    """A measured value.

    Args:
        value: in the unit of its use.
        std: standard uncertainty, same unit, positive.
    """

    value: float
    std: float

    def __post_init__(self) -> None:
        if not self.std > 0:
            raise ValueError(f"a reading needs a positive standard uncertainty, got {self.std}")


@dataclass(frozen=True)
class Made:
    """A finished experiment: hardness in GPa from the indenter, the rest as the CNN read it in the image.

    Args:
        design: what was made.
        hardness: GPa.
        porosity: area fraction.
        grain_size: mean equivalent diameter, um.
    """

    design: Design
    hardness: Reading
    porosity: Reading
    grain_size: Reading


@dataclass(frozen=True)
class NotMade:
    """An experiment whose synthesis failed for a reason that lies in the design."""

    design: Design
    reason: str


Observation = Made | NotMade

"""What is inside a sintered body: the truth that instruments look at, each in its own way."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Body:
    """The state of one body after its firing.

    Args:
        density: relative density, 0 to 1.
        grain_size: mean equivalent circular diameter of the grains in a section, um; abnormal grains are not in it.
        open_share: share of the porosity that is connected to the surface, 0 to 1.
        abnormal: volume fraction of abnormally grown grains, 0 to 1.
        second_phase: volume fraction of what the additive left or made, 0 to 1.
        cracks: length of cracks per area of a section, 1/mm.

    Raises:
        ValueError: a value is beyond its range.
    """

    density: float
    grain_size: float
    open_share: float = 0.0
    abnormal: float = 0.0
    second_phase: float = 0.0
    cracks: float = 0.0

    def __post_init__(self) -> None:
        for name in ("density", "open_share", "abnormal", "second_phase"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} of a body is 0 to 1, not {getattr(self, name)}")
        if not (0.0 < self.grain_size < np.inf and 0.0 <= self.cracks < np.inf):
            raise ValueError(f"a body has no grains of {self.grain_size} um and no cracks of {self.cracks} /mm")

    @property
    def porosity(self) -> float:
        """Volume fraction of all pores, 0 to 1."""
        return 1.0 - self.density

    @property
    def open_porosity(self) -> float:
        """Volume fraction of the pores that a liquid enters, 0 to 1."""
        return self.open_share * self.porosity

    def to_dict(self) -> dict[str, float]:
        """Plain form; ``Body(**...)`` is its inverse."""
        found: dict[str, Any] = asdict(self)
        return found

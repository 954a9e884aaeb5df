"""What the process factors of a firing may be, as the virtual furnace takes them: campaigns for it are checked by this.

It stands here and not with the furnace, so that a campaign's space is checked without loading a simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class FiringLimit:
    """What one factor may be: a number within limits, or one of a few words.

    Args:
        unit: UCUM code; empty for words.
        low: least value.
        high: greatest value.
        options: the words; empty for a number.
    """

    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    options: tuple[str, ...] = ()

    def allows(self, level: float | str) -> bool:
        """Whether the furnace takes this level."""
        if self.options or isinstance(level, str):
            return level in self.options
        return self.low <= level <= self.high

    @property
    def words(self) -> str:
        """The same for people."""
        return f"one of {', '.join(self.options)}" if self.options else f"{self.low:g} to {self.high:g} {self.unit}"


FIRING: Mapping[str, FiringLimit] = MappingProxyType(
    {
        "powder_size": FiringLimit("um", 0.05, 10.0),
        "additive": FiringLimit(options=("none", "MgO", "Y2O3", "B4C")),
        "temperature": FiringLimit("Cel", 400.0, 2200.0),
        "hold": FiringLimit("h", 0.05, 24.0),
        "heating_rate": FiringLimit("K/min", 0.5, 100.0),
        "pressure": FiringLimit("MPa", 0.0, 80.0),
    }
)
"""By name of the factor."""

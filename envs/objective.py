"""What counts as good: one measured outcome, its unit and its direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from envs.errors import ConfigError

KEYS = ("name", "unit", "direction")


class Direction(StrEnum):
    """Which way an outcome improves."""

    MAXIMISE = "maximise"
    MINIMISE = "minimise"


@dataclass(frozen=True)
class Objective:
    """One outcome to improve.

    Args:
        name: the measured outcome, such as ``hardness``.
        unit: its UCUM unit, such as ``GPa``.
        direction: which way it improves.

    Raises:
        ConfigError: the name is empty.
    """

    name: str
    unit: str
    direction: Direction = Direction.MAXIMISE

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("objective.name", self.name, "the name of a measured outcome")

    def utility(self, value: float) -> float:
        """The value turned so that larger is better."""
        return value if self.direction is Direction.MAXIMISE else -value

    def to_dict(self) -> dict[str, object]:
        """Plain JSON-ready form; ``from_dict`` is its exact inverse."""
        return {"name": self.name, "unit": self.unit, "direction": str(self.direction)}

    @staticmethod
    def from_dict(data: Mapping[str, object]) -> Objective:
        """Read what ``to_dict`` wrote, or an ``[objective]`` table.

        Raises:
            ConfigError: a key is unknown, a text missing, or the direction none of the two.
        """
        for key, value in data.items():
            if key not in KEYS:
                raise ConfigError(f"objective.{key}", value, f"the keys {', '.join(KEYS)}")
            if not isinstance(value, str):
                raise ConfigError(f"objective.{key}", value, "a text")
        direction = str(data.get("direction", Direction.MAXIMISE))
        if direction not in tuple(Direction):
            raise ConfigError("objective.direction", direction, "'maximise' or 'minimise'")
        return Objective(str(data.get("name", "")), str(data.get("unit", "")), Direction(direction))


FLAGSHIP = Objective("hardness", "GPa")
"""What campaigns on the virtual laboratory are for. The unit and the best of every record derive from it."""

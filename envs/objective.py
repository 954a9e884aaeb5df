"""What counts as good: one measured outcome, its direction, and the value that would be enough."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError

FloatArray = npt.NDArray[np.float64]


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
        direction: ``maximise`` or ``minimise``.
        target: the value that ends the campaign when reached, or ``None``.

    Raises:
        ConfigError: an empty name, an unknown direction, or a target that is not finite.
    """

    name: str
    unit: str
    direction: Direction = Direction.MAXIMISE
    target: float | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("objective.name", self.name, "the name of a measured outcome")
        if self.direction not in tuple(Direction):
            raise ConfigError("objective.direction", self.direction, "'maximise' or 'minimise'")
        object.__setattr__(self, "direction", Direction(self.direction))
        if self.target is not None:
            if not math.isfinite(self.target):
                raise ConfigError("objective.target", self.target, "a finite number")
            object.__setattr__(self, "target", float(self.target))

    @property
    def sign(self) -> float:
        """+1 when larger is better, -1 when smaller is."""
        return 1.0 if self.direction is Direction.MAXIMISE else -1.0

    def utility(self, values: FloatArray) -> FloatArray:
        """Values turned so that larger is better, same shape."""
        return np.asarray(self.sign * np.asarray(values, dtype=np.float64))

    def best(self, values: FloatArray) -> int:
        """Position of the best of ``values``, shape ``(n,)``, n >= 1."""
        return int(np.argmax(self.utility(values)))

    def reached(self, value: float) -> bool:
        """Whether a value is at least as good as the target; never without a target."""
        return self.target is not None and self.sign * value >= self.sign * self.target

    @property
    def version(self) -> str:
        """SHA-256 over everything that defines the objective."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Plain JSON-ready form; ``from_dict`` is its exact inverse."""
        return {"name": self.name, "unit": self.unit, "direction": str(self.direction), "target": self.target}

    @staticmethod
    def from_dict(data: Mapping[str, object]) -> Objective:
        """Read what ``to_dict`` wrote.

        Raises:
            ConfigError: an unknown direction or a target that is not a number.
        """
        target = data.get("target")
        if target is not None and (isinstance(target, bool) or not isinstance(target, int | float)):
            raise ConfigError("objective.target", target, "a number or nothing")
        direction = str(data.get("direction", "maximise"))
        if direction not in tuple(Direction):
            raise ConfigError("objective.direction", direction, "'maximise' or 'minimise'")
        return Objective(str(data.get("name", "")), str(data.get("unit", "")), Direction(direction), target)

"""A process factor: its unit and the levels it may take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from envs.design import FactorValue
from envs.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

MAX_LEVELS = 1000
"""Of one factor: finer than any furnace can be set, and small enough for exact tables over several factors."""
LOG_SPAN = 10.0
"""A positive numeric factor whose largest level is at least this many times its smallest is scaled by its logarithm."""


@dataclass(frozen=True)
class Factor:
    """One process factor on its grid.

    Args:
        name: key in a design's ``process``.
        unit: UCUM unit of the levels (``Cel``, ``MPa``), ``""`` for categories.
        levels: at least one level, distinct; numbers (ascending when ordinal) or category names.
        ordinal: whether neighbouring levels are alike; a category that is not ordinal is one-hot encoded.

    Raises:
        ConfigError: levels are empty, too many, repeated, mixed, not finite or not ascending.
    """

    name: str
    unit: str
    levels: tuple[FactorValue, ...]
    ordinal: bool = True

    def __post_init__(self) -> None:
        key = f"factors.{self.name}.levels"
        if not self.name:
            raise ConfigError("factors.name", self.name, "a factor needs a name")
        if not self.levels:
            raise ConfigError(key, self.levels, "a factor needs at least one level")
        if len(self.levels) > MAX_LEVELS:
            raise ConfigError(key, f"{len(self.levels)} levels", f"at most {MAX_LEVELS:,} levels")
        numeric = [isinstance(v, int | float) and not isinstance(v, bool) for v in self.levels]
        if not (all(numeric) or all(isinstance(v, str) for v in self.levels)):
            raise ConfigError(key, self.levels, "levels are all numbers or all category names")
        # Numbers become floats, so that equal designs have equal JSON and so equal digests.
        levels = tuple(v if isinstance(v, str) else as_float(v) for v in self.levels)
        object.__setattr__(self, "levels", levels)
        if len(set(levels)) != len(levels):
            raise ConfigError(key, self.levels, "levels must be distinct")
        numbers = [v for v in levels if not isinstance(v, str)]
        if not all(map(math.isfinite, numbers)):
            raise ConfigError(key, self.levels, "levels must be finite")
        if self.ordinal and any(after <= before for before, after in pairwise(numbers)):
            raise ConfigError(key, self.levels, "the levels of an ordinal numeric factor must ascend")

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return len(self.levels)

    @property
    def is_numeric(self) -> bool:
        """Whether the levels are numbers."""
        return not isinstance(self.levels[0], str)

    @cached_property
    def values(self) -> FloatArray:
        """Numeric levels, shape ``(n_levels,)``; the rank where the levels are category names."""
        import numpy as np

        if self.is_numeric:
            return np.array(self.levels, dtype=np.float64)
        return np.arange(self.n_levels, dtype=np.float64)

    @cached_property
    def rank(self) -> dict[FactorValue, int]:
        """Level to its position."""
        return {v: i for i, v in enumerate(self.levels)}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the encoded columns: the factor's name, or ``name=level`` for each category."""
        return (self.name,) if self.ordinal else tuple(f"{self.name}={v}" for v in self.levels)

    @cached_property
    def codes(self) -> FloatArray:
        """Encoding of every level in [0, 1], shape ``(n_levels, len(columns))``.

        Ordinal: linear in the value, or in its logarithm where the levels span a decade or more. Otherwise one-hot.
        """
        import numpy as np

        if not self.ordinal:
            return np.eye(self.n_levels)
        values = self.values
        if values[0] > 0 and values[-1] / values[0] >= LOG_SPAN and self.is_numeric:
            values = np.log(values)
        span = values[-1] - values[0]
        return np.asarray(((values - values[0]) / span if span > 0 else np.zeros_like(values))[:, None])

    def to_dict(self) -> dict[str, object]:
        """Plain JSON-ready form."""
        return {"name": self.name, "unit": self.unit, "levels": list(self.levels), "ordinal": self.ordinal}


def as_float(value: float) -> float:
    """The number as a float, infinite where it is an integer beyond every float."""
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def grid(start: float, stop: float, step: float, *, key: str = "factors.step") -> tuple[float, ...]:
    """Evenly spaced levels from ``start`` to ``stop``, both included.

    Args:
        start: lowest level.
        stop: highest level, at least ``start``.
        step: distance of levels, > 0.
        key: where the step stands, for the message.

    Raises:
        ConfigError: a value is not finite or in the wrong order, or there are more than ``MAX_LEVELS`` levels.
    """
    if not (all(map(math.isfinite, (start, stop, step))) and step > 0 and stop >= start):
        raise ConfigError(key, step, f"finite numbers with step > 0 and stop >= start, not {start:g} to {stop:g}")
    n = (stop - start) / step + 1
    if not n <= MAX_LEVELS:
        raise ConfigError(key, step, f"at most {MAX_LEVELS:,} levels from {start:g} to {stop:g}, not {n:,.0f}")
    return tuple(float(start + i * step) for i in range(round(n)))


def factor_columns(factors: Sequence[Factor]) -> tuple[str, ...]:
    """Names of the encoded columns of several factors, in order."""
    return tuple(c for f in factors for c in f.columns)

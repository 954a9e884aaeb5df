"""A region of the design space that people trust."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from envs.design import Design, FactorValue


@dataclass(frozen=True)
class Range:
    """What a factor may be: a number within bounds, or one of some words.

    Args:
        low: smallest number, in the factor's unit.
        high: largest number.
        options: words.
        unit: of the factor, for people.
    """

    low: float = -math.inf
    high: float = math.inf
    options: tuple[str, ...] = ()
    unit: str = ""

    def holds(self, value: FactorValue) -> bool:
        """Whether a value is within."""
        return value in self.options if isinstance(value, str) else self.low <= value <= self.high

    @property
    def words(self) -> str:
        """The same for people."""
        if self.options:
            return " or ".join(self.options)
        if math.isinf(self.low):
            return f"at most {self.high:.10g} {self.unit}".strip()
        if math.isinf(self.high):
            return f"at least {self.low:.10g} {self.unit}".strip()
        return f"{self.low:.10g} to {self.high:.10g} {self.unit}".strip()


@dataclass(frozen=True)
class Region:
    """Designs whose factors are within ranges, of some crystals.

    Args:
        factors: by name; one that is not named may be anything that the design space has.
        crystals: ids; empty together with ``formulas`` for any.
        formulas: names of compounds, likewise.
    """

    factors: Mapping[str, Range] = field(default_factory=dict)
    crystals: tuple[str, ...] = ()
    formulas: tuple[str, ...] = ()

    def holds(self, design: Design, names: Mapping[str, str]) -> bool:
        """Whether a design is within; ``names`` are the formulas of crystals, by id."""
        if any(name not in design.process or not r.holds(design.process[name]) for name, r in self.factors.items()):
            return False
        listed = self.crystals or self.formulas
        return not listed or design.crystal in self.crystals or names.get(design.crystal, "") in self.formulas

    @property
    def words(self) -> str:
        """The same for people."""
        parts = [f"{name} {r.words}" for name, r in self.factors.items()]
        if self.crystals or self.formulas:
            parts.append(f"of {' or '.join((*self.formulas, *self.crystals))}")
        return ", ".join(parts)

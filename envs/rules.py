"""Named validity rules: each is a table over the few slots it depends on, so that lookahead can reason about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from envs.crystals import HAZARDOUS
from envs.descriptors import CompositionTable
from envs.design import FactorValue
from envs.errors import ConfigError
from envs.factors import Factor
from envs.laws import KELVIN

BoolArray = npt.NDArray[np.bool_]
CRYSTAL = "crystal"
"""The slot name of the crystal in a rule's scope."""


@dataclass(frozen=True)
class Grid:
    """What rules are evaluated on: the crystals and the factors of a space."""

    crystals: CompositionTable
    factors: Mapping[str, Factor]

    def values(self, factor: str) -> npt.NDArray[np.float64]:
        """Numeric levels of a factor, shape ``(n_levels,)``."""
        return self.factors[factor].values


@dataclass(frozen=True)
class Rule(ABC):
    """One validity rule. Subclasses are frozen dataclasses whose fields are the rule's parameters."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def scope(self) -> tuple[str, ...]:
        """Slots the rule depends on: ``CRYSTAL`` and factor names, in the order of the table's axes."""

    @abstractmethod
    def table(self, grid: Grid) -> BoolArray:
        """What is allowed: one axis per slot of the scope, one entry per option."""

    @abstractmethod
    def explain(self, grid: Grid, row: int, values: Mapping[str, FactorValue]) -> str:
        """Why the design with crystal ``row`` and process ``values`` breaks the rule, and what would not."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-ready form, read back by ``rule_from_dict``."""
        return {"rule": self.name, **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}}


@dataclass(frozen=True)
class MeltingShare(Rule):
    """The temperature stays at or below a share of the estimated melting temperature (both in K)."""

    name: ClassVar[str] = "melting_share"
    share: float = 0.85
    factor: str = "temperature"

    @property
    @override
    def scope(self) -> tuple[str, ...]:
        return (CRYSTAL, self.factor)

    @override
    def table(self, grid: Grid) -> BoolArray:
        kelvin = grid.values(self.factor) + KELVIN
        return np.asarray(kelvin[None, :] <= self.share * grid.crystals.melting[:, None])

    @override
    def explain(self, grid: Grid, row: int, values: Mapping[str, FactorValue]) -> str:
        melting = grid.crystals.melting[row]
        return (
            f"{values[self.factor]:g} Cel is too hot for {grid.crystals.formulas[row]}, estimated to melt at "
            f"{melting:.0f} K: at most {self.share:g} of it, {self.share * melting - KELVIN:.0f} Cel"
        )


@dataclass(frozen=True)
class SinteringFloor(Rule):
    """The temperature reaches a share of the estimated melting temperature, below which nothing sinters.

    Clipped to the hottest level, so that the most refractory compounds stay feasible.
    """

    name: ClassVar[str] = "sintering_floor"
    share: float = 0.45
    factor: str = "temperature"

    def _floor(self, grid: Grid) -> npt.NDArray[np.float64]:
        return np.asarray(np.minimum(self.share * grid.crystals.melting, grid.values(self.factor).max() + KELVIN))

    @property
    @override
    def scope(self) -> tuple[str, ...]:
        return (CRYSTAL, self.factor)

    @override
    def table(self, grid: Grid) -> BoolArray:
        return np.asarray(grid.values(self.factor)[None, :] + KELVIN >= self._floor(grid)[:, None])

    @override
    def explain(self, grid: Grid, row: int, values: Mapping[str, FactorValue]) -> str:
        return (
            f"{values[self.factor]:g} Cel is too cold to sinter {grid.crystals.formulas[row]}: at least "
            f"{self._floor(grid)[row] - KELVIN:.0f} Cel"
        )


@dataclass(frozen=True)
class DieLimit(Rule):
    """Pressure is applied only up to the die's temperature limit (graphite creeps above)."""

    name: ClassVar[str] = "die_limit"
    limit: float = 2000.0

    @property
    @override
    def scope(self) -> tuple[str, ...]:
        return ("temperature", "pressure")

    @override
    def table(self, grid: Grid) -> BoolArray:
        cold = grid.values("temperature") <= self.limit
        return np.asarray(cold[:, None] | (grid.values("pressure") == 0.0)[None, :])

    @override
    def explain(self, grid: Grid, row: int, values: Mapping[str, FactorValue]) -> str:
        return (
            f"{values['pressure']:g} MPa at {values['temperature']:g} Cel: the die takes pressure up to "
            f"{self.limit:g} Cel; use no pressure or a lower temperature"
        )


@dataclass(frozen=True)
class RampWithPressure(Rule):
    """Without pressure the furnace is a radiant one, which cannot heat faster than its limit (K/min)."""

    name: ClassVar[str] = "ramp_with_pressure"
    limit: float = 20.0

    @property
    @override
    def scope(self) -> tuple[str, ...]:
        return ("heating_rate", "pressure")

    @override
    def table(self, grid: Grid) -> BoolArray:
        slow = grid.values("heating_rate") <= self.limit
        return np.asarray(slow[:, None] | (grid.values("pressure") > 0.0)[None, :])

    @override
    def explain(self, grid: Grid, row: int, values: Mapping[str, FactorValue]) -> str:
        return (
            f"{values['heating_rate']:g} K/min without pressure: at most {self.limit:g} K/min, or hot-press the powder"
        )


@dataclass(frozen=True)
class IncompatibleAdditive(Rule):
    """An additive does not go with compounds of an element: boron carbide reduces oxides when hot."""

    name: ClassVar[str] = "incompatible_additive"
    additive: str = "B4C"
    element: str = "O"

    @property
    @override
    def scope(self) -> tuple[str, ...]:
        return (CRYSTAL, "additive")

    @override
    def table(self, grid: Grid) -> BoolArray:
        reacts = np.array([self.element in e for e in grid.crystals.elements], dtype=np.bool_)
        used = np.array([level == self.additive for level in grid.factors["additive"].levels], dtype=np.bool_)
        return ~(reacts[:, None] & used[None, :])

    @override
    def explain(self, grid: Grid, row: int, values: Mapping[str, FactorValue]) -> str:
        return f"{self.additive} reacts with {grid.crystals.formulas[row]}: choose another additive or none"


@dataclass(frozen=True)
class ExcludedElements(Rule):
    """Crystals that hold any of the elements are left out."""

    name: ClassVar[str] = "excluded_elements"
    elements: tuple[str, ...] = ()

    @property
    @override
    def scope(self) -> tuple[str, ...]:
        return (CRYSTAL,)

    @override
    def table(self, grid: Grid) -> BoolArray:
        excluded = frozenset(self.elements)
        return np.array([not excluded & e for e in grid.crystals.elements], dtype=np.bool_)

    @override
    def explain(self, grid: Grid, row: int, values: Mapping[str, FactorValue]) -> str:
        found = ", ".join(sorted(grid.crystals.elements[row] & frozenset(self.elements)))
        return f"{grid.crystals.formulas[row]} holds {found}"


@dataclass(frozen=True)
class Hazard(ExcludedElements):
    """Toxic, radioactive or corrosive elements are left out."""

    name: ClassVar[str] = "hazard"
    elements: tuple[str, ...] = tuple(sorted(HAZARDOUS))


@dataclass(frozen=True)
class Stock(ExcludedElements):
    """Elements without a precursor in stock are left out."""

    name: ClassVar[str] = "stock"


@dataclass(frozen=True)
class LinearWindow(Rule):
    """lower <= sum of coefficient times value <= upper, over numeric factors."""

    name: ClassVar[str] = "linear_window"
    factors: tuple[str, ...] = ()
    coefficients: tuple[float, ...] = ()
    lower: float = -1e300
    upper: float = 1e300

    def __post_init__(self) -> None:
        if not self.factors or len(self.factors) != len(self.coefficients):
            raise ConfigError(f"rules.{self.name}.coefficients", self.coefficients, "one coefficient for each factor")

    @property
    @override
    def scope(self) -> tuple[str, ...]:
        return self.factors

    @override
    def table(self, grid: Grid) -> BoolArray:
        axes = np.meshgrid(*(grid.values(f) for f in self.factors), indexing="ij")
        total = sum(c * a for c, a in zip(self.coefficients, axes, strict=True))
        slack = 1e-9 * max(1.0, abs(self.lower) if abs(self.lower) < 1e299 else 1.0)
        return np.asarray((total >= self.lower - slack) & (total <= self.upper + slack))

    @override
    def explain(self, grid: Grid, row: int, values: Mapping[str, FactorValue]) -> str:
        terms = " + ".join(f"{c:g} {f}" for c, f in zip(self.coefficients, self.factors, strict=True))
        total = sum(c * float(values[f]) for c, f in zip(self.coefficients, self.factors, strict=True))
        return f"{terms} = {total:g} is outside {self.lower:g} to {self.upper:g}"


RULES: dict[str, type[Rule]] = {
    rule.name: rule
    for rule in (
        MeltingShare, SinteringFloor, DieLimit, RampWithPressure, IncompatibleAdditive, Hazard, Stock, LinearWindow,
    )
}  # fmt: skip
"""Rules that a configuration may name."""


def rule_from_dict(data: Mapping[str, Any], *, source: str = "") -> Rule:
    """Read what ``Rule.to_dict`` wrote, or one entry of a configuration's ``rules``.

    Raises:
        ConfigError: the rule or one of its parameters is unknown or of the wrong type.
    """
    name = data.get("rule")
    if name not in RULES:
        raise ConfigError("rules.rule", name, f"one of {', '.join(RULES)}", source=source)
    kind = RULES[str(name)]
    parameters: dict[str, Any] = {}
    for key, value in data.items():
        if key == "rule":
            continue
        fields = kind.__dataclass_fields__
        if key not in fields:
            raise ConfigError(f"rules.{name}.{key}", value, f"one of {', '.join(fields)}", source=source)
        parameters[key] = _typed(f"rules.{name}.{key}", value, fields[key].default, source)
    return kind(**parameters)


def _typed(key: str, value: Any, default: object, source: str) -> Any:
    if isinstance(default, tuple) and isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(float(v) if isinstance(v, int | float) else str(v) for v in value)
    if isinstance(default, float) and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, str) and isinstance(value, str):
        return value
    wanted = {float: "a number", str: "a name", tuple: "a list"}[type(default)]
    raise ConfigError(key, value, wanted, source=source)

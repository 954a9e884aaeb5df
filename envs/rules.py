"""Named validity rules: each is a table over the few slots it depends on, so that lookahead can reason about it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from envs.crystals import HAZARDOUS
from envs.descriptors import CompositionTable
from envs.design import FactorValue
from envs.elements import check_elements
from envs.errors import ConfigError
from envs.factors import Factor, as_float
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
        """Numeric levels of a factor, shape ``(n_levels,)``.

        Raises:
            ConfigError: it is no factor, or its levels are names.
        """
        if factor not in self.factors or not self.factors[factor].is_numeric:
            raise ConfigError("space.rules", factor, "a rule about numbers needs a factor with numeric levels")
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
class PressureLimit(Rule):
    """A factor has a limit that counts only with pressure, or only without."""

    factor: ClassVar[str]
    pressed: ClassVar[bool]
    limit: float

    @property
    @override
    def scope(self) -> tuple[str, ...]:
        return (self.factor, "pressure")

    @override
    def table(self, grid: Grid) -> BoolArray:
        within = grid.values(self.factor) <= self.limit
        free = (grid.values("pressure") > 0.0) != self.pressed
        return np.asarray(within[:, None] | free[None, :])


@dataclass(frozen=True)
class DieLimit(PressureLimit):
    """Pressure is applied only up to the die's temperature limit in Cel (graphite creeps above)."""

    name: ClassVar[str] = "die_limit"
    factor: ClassVar[str] = "temperature"
    pressed: ClassVar[bool] = True
    limit: float = 2000.0

    @override
    def explain(self, grid: Grid, row: int, values: Mapping[str, FactorValue]) -> str:
        return (
            f"{values['pressure']:g} MPa at {values['temperature']:g} Cel: the die takes pressure up to "
            f"{self.limit:g} Cel; use no pressure or a lower temperature"
        )


@dataclass(frozen=True)
class RampWithPressure(PressureLimit):
    """Without pressure the furnace is a radiant one, which cannot heat faster than its limit (K/min)."""

    name: ClassVar[str] = "ramp_with_pressure"
    factor: ClassVar[str] = "heating_rate"
    pressed: ClassVar[bool] = False
    limit: float = 20.0

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

    def __post_init__(self) -> None:
        check_elements((self.element,), f"rules.{self.name}.element")

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

    def __post_init__(self) -> None:
        check_elements(self.elements, f"rules.{self.name}.elements")

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


def rule_from_dict(data: Mapping[str, Any]) -> Rule:
    """Read what ``Rule.to_dict`` wrote, or one entry of a configuration's ``rules``.

    Raises:
        ConfigError: the rule or one of its parameters is unknown or of the wrong type.
    """
    name = data.get("rule")
    if not isinstance(name, str) or name not in RULES:
        raise ConfigError("rules.rule", name, f"one of {', '.join(RULES)}")
    kind = RULES[name]
    types = {f.name: str(f.type) for f in fields(kind)}
    parameters: dict[str, Any] = {}
    for key, value in data.items():
        if key == "rule":
            continue
        if key not in types:
            raise ConfigError(f"rules.{name}.{key}", value, f"the keys {', '.join(['rule', *types])}")
        parameters[key] = READERS[types[key]](f"rules.{name}.{key}", value)
    return kind(**parameters)


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(number := as_float(value)):
        raise ConfigError(key, value, "a finite number")
    return number


def _name(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(key, value, "a name")
    return value


def _list(key: str, value: object) -> Sequence[object]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ConfigError(key, value, "a list")
    return value


READERS: Mapping[str, Callable[[str, object], Any]] = {
    "float": _number,
    "str": _name,
    "tuple[str, ...]": lambda key, value: tuple(_name(key, v) for v in _list(key, value)),
    "tuple[float, ...]": lambda key, value: tuple(_number(key, v) for v in _list(key, value)),
}
"""Type of a rule's parameter, as annotated, to what reads its value from a configuration."""

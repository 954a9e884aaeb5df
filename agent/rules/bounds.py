"""What one parameter of an order may be, and what two may be together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from instruments.messages import Quantity, Value
from instruments.units import UnitError, check_unit, convert

COMMON = frozenset({
    "1", "%", "s", "min", "h", "d", "m", "mm", "um", "nm", "kg", "g", "mg", "ug", "L", "mL", "K", "Cel", "K/min",
    "K/s", "K/h", "Pa", "kPa", "MPa", "GPa", "bar", "mbar", "N", "mN", "V", "mV", "A", "mA", "W", "kW", "Hz", "deg",
    "rad", "mol", "mol/L", "mL/min", "L/min", "mm/s", "um/s",
})  # fmt: skip
"""Units that are known to be some: for these nobody waits until pint has read all of UCUM."""
SLACK = 1e-9
"""Share of a bound by which a converted value may miss it: 2173.15 K is 1900 Cel but for rounding."""


@dataclass(frozen=True)
class Bound:
    """What one parameter may be: a quantity within bounds where there is a unit, else a word.

    Args:
        low: smallest value, in ``unit``.
        high: largest value, likewise.
        unit: UCUM code; empty for words.
        options: the words that are allowed; empty for any.
        optional: whether an order may leave it out, which leaves the choice to the instrument.
    """

    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    options: tuple[str, ...] = ()
    optional: bool = False

    def refusal(self, name: str, value: Value) -> str:
        """Why a value is not allowed, in a sentence; empty when it is."""
        if isinstance(value, str):
            return self._refused_word(name, value)
        if not self.unit:
            allowed = f"one of {', '.join(self.options)}" if self.options else "a word"
            return f"{name} = {shown(value)} is a quantity, but the limits allow {allowed}"
        try:
            return self._refused_number(name, value, in_unit(value, self.unit))
        except UnitError as error:
            return f"{name} = {shown(value)} cannot be compared with its limits: {error}"

    def _refused_number(self, name: str, value: Quantity, number: float) -> str:
        if not math.isfinite(number):
            return f"{name} = {number} is not a finite number"
        if number < self.low and not self._nearly(value, number, self.low):
            return f"{name} = {shown(value)} is below the limit of {numbered(self.low, self.unit)}"
        if number > self.high and not self._nearly(value, number, self.high):
            return f"{name} = {shown(value)} is above the limit of {numbered(self.high, self.unit)}"
        return ""

    def _nearly(self, value: Quantity, number: float, bound: float) -> bool:
        """Whether a value is a bound but for the rounding of its conversion, in either unit.

        Either, because a share of nothing is nothing: 273.15 K is 0 Cel but for rounding, and no share of 0 says so.
        """
        if value.unit == self.unit:
            return False
        theirs = convert(bound, self.unit, value.unit)
        return math.isclose(number, bound, rel_tol=SLACK) or math.isclose(value.value, theirs, rel_tol=SLACK)

    def _refused_word(self, name: str, word: str) -> str:
        if self.unit:
            return f"{name} = {word!r} is a word, but the limits are in {self.unit}"
        if self.options and word not in self.options:
            return f"{name} = {word!r} is not allowed; allowed: {', '.join(self.options)}"
        return ""

    @property
    def fault(self) -> str:
        """What is wrong with the bound itself; empty when nothing is."""
        if self.options and self.unit:
            return "either options (for words) or a unit (for quantities)"
        if not self.unit and (math.isfinite(self.low) or math.isfinite(self.high)):
            return "low and high together with their unit"
        if math.isnan(self.low) or math.isnan(self.high) or self.low > self.high:
            return f"low <= high, not {self.low:g} and {self.high:g}"
        return unit_fault(self.unit)


@dataclass(frozen=True)
class Combination:
    """If one parameter is so, then another must be so.

    Args:
        kind: of instrument that it counts for; empty where ``instrument`` is given.
        instrument: the one instrument that it counts for.
        command: of it.
        when: the parameter that is looked at.
        above: the rule counts when ``when`` is larger than this, in ``unit``.
        below: the rule counts when ``when`` is smaller than this.
        options: the rule counts when ``when`` is one of these words.
        unit: UCUM code of ``above`` and ``below``.
        parameter: that is bounded then.
        bound: of it.
    """

    kind: str
    instrument: str
    command: str
    when: str
    above: float
    below: float
    options: tuple[str, ...]
    unit: str
    parameter: str
    bound: Bound

    def concerns(self, kind: str, instrument: str, command: str) -> bool:
        """Whether the rule is about a command of an instrument."""
        return command == self.command and (instrument == self.instrument if self.instrument else kind == self.kind)

    def refusal(self, parameters: Mapping[str, Value], unknown: frozenset[str] = frozenset()) -> str:
        """Why an order's parameters are not allowed together; empty when they are.

        Args:
            parameters: of the order.
            unknown: names of those that are not known yet, which are not judged.
        """
        if {self.when, self.parameter} & unknown:
            return ""
        if self.when not in parameters:
            return f"{self.when} is not given, but what {self.parameter} may be depends on it"
        try:
            counts = self._counts(parameters[self.when])
        except UnitError as error:
            return f"{self.when} = {shown(parameters[self.when])} cannot be judged: {error}"
        if not counts:
            return ""
        if self.parameter not in parameters:
            return f"{self.parameter} is not given, but {self.words} needs it within limits"
        refused = self.bound.refusal(self.parameter, parameters[self.parameter])
        return f"{refused}, which holds for {self.words}" if refused else ""

    def _counts(self, value: Value) -> bool:
        if isinstance(value, str) or self.options:
            # A word where a number should be is refused by its own bound; here the stricter reading counts.
            return value in self.options if self.options and isinstance(value, str) else True
        number = in_unit(value, self.unit)
        # Written so that NaN, of which every comparison is false, counts.
        return not (number <= self.above or number >= self.below)

    @property
    def words(self) -> str:
        """When the rule counts, for people."""
        if self.options:
            return f"{self.when} of {' or '.join(self.options)}"
        above = f" above {self.above:.10g} {self.unit}" if math.isfinite(self.above) else ""
        below = f" below {self.below:.10g} {self.unit}" if math.isfinite(self.below) else ""
        return f"{self.when}{above}{' and' if above and below else ''}{below}"


def in_unit(quantity: Quantity, unit: str) -> float:
    """A quantity's value in another unit.

    Raises:
        UnitError: the units do not measure the same thing, or one is no UCUM code.
    """
    return convert(quantity.value, quantity.unit, unit)


def shown(value: Value) -> str:
    """A value as people write it."""
    return repr(value) if isinstance(value, str) else numbered(value.value, value.unit)


def numbered(number: float, unit: str) -> str:
    """A number with its unit, as people write it."""
    return f"{number:.10g}" if unit == "1" else f"{number:.10g} {unit}".strip()


def unit_fault(unit: str) -> str:
    """Why a text is no unit; empty when it is one, or there is none."""
    if not unit or unit in COMMON:
        return ""
    try:
        check_unit(unit)
    except UnitError as error:
        return str(error)
    return ""

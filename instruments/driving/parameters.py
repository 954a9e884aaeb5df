"""What a command's parameters may be: typed, with units and limits, checked before anything moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from instruments.messages import JobError, Quantity, Value
from instruments.units import UnitError, check_unit, convert

_SLACK = 1e-9
"""Relative error that a conversion of units may bring: a limit given in another unit is still within the limits."""


class ParameterRule(Protocol):
    """What one parameter may be."""

    @property
    def default(self) -> float | str | None:
        """What the command takes when the order says nothing; None when the order must say it."""
        ...

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the parameter as it travels."""
        ...

    def check(self, name: str, value: Value) -> JobError | None:
        """The reason for which a value is refused, None when it is good."""
        ...

    def plain(self, value: Value) -> float | str:
        """A good value as the command's function takes it."""
        ...


@dataclass(frozen=True)
class Parameter:
    """A quantity between two limits, both allowed; orders may use any unit that converts.

    Args:
        unit: UCUM code of the limits and of what the function gets.
        low: least value.
        high: greatest value.
        summary: one line for people.
        default: taken when an order does not say it.
        whole: only whole numbers; the function gets an ``int``.

    Raises:
        ValueError: when the limits are not finite or in the wrong order, or the default is beyond them.
        UnitError: when the unit is no UCUM code.
    """

    unit: str
    low: float
    high: float
    summary: str = ""
    default: float | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        if not float("-inf") < self.low <= self.high < float("inf"):
            raise ValueError(f"limits must be finite and ordered, not {self.low} to {self.high}")
        if self.default is not None and not self.low <= self.default <= self.high:
            raise ValueError(f"the default {self.default} is outside {self.low} to {self.high}")
        check_unit(self.unit)

    def schema(self) -> dict[str, Any]:
        """An object with a bounded value and the unit of the bounds."""
        value: dict[str, Any] = {"type": "number", "minimum": self.low, "maximum": self.high}
        if self.whole:
            value["multipleOf"] = 1
        properties = {"value": value, "unit": {"const": self.unit}, "std": {"type": "number", "minimum": 0}}
        default = {} if self.default is None else {"default": {"value": self.default, "unit": self.unit}}
        return {"type": "object", "properties": properties, "required": ["value", "unit"], **_note(self), **default}

    def check(self, name: str, value: Value) -> JobError | None:
        """Refuse words, units of something else, and values beyond the limits."""
        if isinstance(value, str):
            return JobError(code="parameters", message=f"{name} must be a quantity in {self.unit}, not {value!r}")
        try:
            number = self._number(value)
        except UnitError as error:
            return JobError(code="unit", message=f"{name} must be given in {self.unit}, not in {value.unit}: {error}")
        if not self.low <= number <= self.high:
            message = f"{name} = {number:g} {self.unit} is outside {self.low:g} to {self.high:g} {self.unit}"
            return JobError(code="limits", message=message)
        if self.whole and number != round(number):
            return JobError(code="limits", message=f"{name} = {number:g} must be a whole number")
        return None

    def plain(self, value: Value) -> float | str:
        """The number in the declared unit."""
        if isinstance(value, str):
            raise TypeError(f"{value!r} was not checked")
        number = self._number(value)
        return round(number) if self.whole else number

    def _number(self, value: Quantity) -> float:
        if value.unit == self.unit:
            return value.value
        number = convert(value.value, value.unit, self.unit)
        for limit in (self.low, self.high):
            if abs(number - limit) <= _SLACK * max(abs(limit), self.high - self.low):
                return limit
        return round(number) if self.whole and abs(number - round(number)) < _SLACK * max(1.0, abs(number)) else number


@dataclass(frozen=True)
class Choice:
    """One word of a few.

    Raises:
        ValueError: when there is nothing to choose from, or the default is not offered.
    """

    options: tuple[str, ...]
    summary: str = ""
    default: str | None = None

    def __post_init__(self) -> None:
        if not self.options:
            raise ValueError("a choice needs at least one option")
        if self.default is not None and self.default not in self.options:
            raise ValueError(f"the default {self.default!r} is not one of {', '.join(self.options)}")

    def schema(self) -> dict[str, Any]:
        """A string of an enumeration."""
        default = {} if self.default is None else {"default": self.default}
        return {"type": "string", "enum": list(self.options), **_note(self), **default}

    def check(self, name: str, value: Value) -> JobError | None:
        """Refuse quantities and words that are not offered."""
        if not isinstance(value, str):
            return JobError(code="parameters", message=f"{name} must be one of {', '.join(self.options)}")
        if value not in self.options:
            message = f"{name} = {value!r} is not one of {', '.join(self.options)}"
            return JobError(code="limits", message=message)
        return None

    def plain(self, value: Value) -> float | str:
        """The word."""
        return str(value)


@dataclass(frozen=True)
class Text:
    """Free text, such as a sample's name, of limited length."""

    max_length: int = 256
    summary: str = ""
    default: str | None = None

    def schema(self) -> dict[str, Any]:
        """A string of limited length."""
        default = {} if self.default is None else {"default": self.default}
        return {"type": "string", "maxLength": self.max_length, **_note(self), **default}

    def check(self, name: str, value: Value) -> JobError | None:
        """Refuse quantities and long texts."""
        if not isinstance(value, str):
            return JobError(code="parameters", message=f"{name} must be text")
        if len(value) > self.max_length:
            return JobError(code="limits", message=f"{name} is longer than {self.max_length} characters")
        return None

    def plain(self, value: Value) -> float | str:
        """The text."""
        return str(value)


def _note(rule: Parameter | Choice | Text) -> dict[str, str]:
    return {"description": rule.summary} if rule.summary else {}

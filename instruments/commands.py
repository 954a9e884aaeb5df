"""How a device declares its commands: parameters with units and limits, checked before anything moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from instruments.messages import ArtefactRef, CommandDescription, JobError, Quantity, Value

_Function = TypeVar("_Function", bound=Callable[..., Awaitable["JobResult"]])
_MARK = "_labwright_command"


class ParameterRule(Protocol):
    """What one parameter may be."""

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the parameter as it travels."""
        ...

    def check(self, name: str, value: Value) -> JobError | None:
        """The reason for which a value is refused, None when it is good."""
        ...


@dataclass(frozen=True)
class Parameter:
    """A quantity in one unit between two limits, both allowed.

    Raises:
        ValueError: when the limits are not finite or in the wrong order.
    """

    unit: str
    low: float
    high: float
    summary: str = ""

    def __post_init__(self) -> None:
        if not float("-inf") < self.low <= self.high < float("inf"):
            raise ValueError(f"limits must be finite and ordered, not {self.low} to {self.high}")

    def schema(self) -> dict[str, Any]:
        """An object with a bounded value and a constant unit."""
        value = {"type": "number", "minimum": self.low, "maximum": self.high}
        properties = {"value": value, "unit": {"const": self.unit}, "std": {"type": "number", "minimum": 0}}
        note = {"description": self.summary} if self.summary else {}
        return {"type": "object", "properties": properties, "required": ["value", "unit"], **note}

    def check(self, name: str, value: Value) -> JobError | None:
        """Refuse words, other units and values beyond the limits."""
        if isinstance(value, str):
            return JobError(code="parameters", message=f"{name} must be a quantity in {self.unit}, not {value!r}")
        if value.unit != self.unit:
            return JobError(code="unit", message=f"{name} must be given in {self.unit}, not in {value.unit}")
        if not self.low <= value.value <= self.high:
            message = f"{name} = {value.value:g} {self.unit} is outside {self.low:g} to {self.high:g} {self.unit}"
            return JobError(code="limits", message=message)
        return None


@dataclass(frozen=True)
class Choice:
    """One word of a few.

    Raises:
        ValueError: when there is nothing to choose from.
    """

    options: tuple[str, ...]
    summary: str = ""

    def __post_init__(self) -> None:
        if not self.options:
            raise ValueError("a choice needs at least one option")

    def schema(self) -> dict[str, Any]:
        """A string of an enumeration."""
        note = {"description": self.summary} if self.summary else {}
        return {"type": "string", "enum": list(self.options), **note}

    def check(self, name: str, value: Value) -> JobError | None:
        """Refuse quantities and words that are not offered."""
        if not isinstance(value, str):
            return JobError(code="parameters", message=f"{name} must be one of {', '.join(self.options)}")
        if value not in self.options:
            message = f"{name} = {value!r} is not one of {', '.join(self.options)}"
            return JobError(code="limits", message=message)
        return None


@dataclass(frozen=True)
class Text:
    """Free text, such as a sample's name, of limited length."""

    max_length: int = 256
    summary: str = ""

    def schema(self) -> dict[str, Any]:
        """A string of limited length."""
        note = {"description": self.summary} if self.summary else {}
        return {"type": "string", "maxLength": self.max_length, **note}

    def check(self, name: str, value: Value) -> JobError | None:
        """Refuse quantities and long texts."""
        if not isinstance(value, str):
            return JobError(code="parameters", message=f"{name} must be text")
        if len(value) > self.max_length:
            return JobError(code="limits", message=f"{name} is longer than {self.max_length} characters")
        return None


@dataclass(frozen=True)
class JobResult:
    """What a command's function returns: values and references to bulk data."""

    values: Mapping[str, Value] = field(default_factory=dict)
    artefacts: Mapping[str, ArtefactRef] = field(default_factory=dict)


@dataclass(frozen=True)
class CommandSpec:
    """A declared command; ``method`` is the name of the function that carries it out."""

    method: str
    summary: str
    parameters: Mapping[str, ParameterRule]

    def describe(self) -> CommandDescription:
        """As it stands in the instrument's description."""
        properties = {name: rule.schema() for name, rule in self.parameters.items()}
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
        return CommandDescription(summary=self.summary, parameters=schema)

    def check(self, parameters: Mapping[str, Value]) -> JobError | None:
        """The first reason for which parameters are refused, None when all are good."""
        if parameters.keys() != self.parameters.keys():
            missing = sorted(self.parameters.keys() - parameters.keys())
            unknown = sorted(parameters.keys() - self.parameters.keys())
            return JobError(code="parameters", message=f"missing: {missing or 'none'}; unknown: {unknown or 'none'}")
        faults = (rule.check(name, parameters[name]) for name, rule in self.parameters.items())
        return next((fault for fault in faults if fault is not None), None)


def command(*, summary: str, parameters: Mapping[str, ParameterRule] | None = None) -> Callable[[_Function], _Function]:
    """Declare a method of a ``Device`` as a command, under the method's name.

    The method is called as ``await method(job, **parameters)`` with a float in the declared unit for each ``Parameter``
    and a string for each ``Choice`` or ``Text``; it returns a ``JobResult`` or raises a ``DeviceFault``.
    """

    def declare(function: _Function) -> _Function:
        rules = MappingProxyType(dict(parameters or {}))
        function.__dict__[_MARK] = CommandSpec(function.__name__, summary, rules)
        return function

    return declare


def declared_commands(owner: type) -> dict[str, CommandSpec]:
    """The commands of a class and its bases, by name."""
    found: dict[str, CommandSpec] = {}
    for name in dir(owner):
        spec = getattr(getattr(owner, name), "__dict__", {}).get(_MARK)
        if isinstance(spec, CommandSpec):
            found[name] = spec
    return found


def plain(parameters: Mapping[str, Value]) -> dict[str, float | str]:
    """Checked parameters as a command's function takes them: quantities as bare numbers in the declared unit."""
    return {name: value.value if isinstance(value, Quantity) else value for name, value in parameters.items()}

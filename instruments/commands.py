"""How a device declares its commands and channels: what they take, what they give, how long they last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_type_hints

from instruments.driving.driver_check import check_function
from instruments.driving.parameters import Choice, Parameter, ParameterRule, Text
from instruments.messages import (
    ArtefactRef,
    ChannelDescription,
    CommandDescription,
    JobError,
    Quantity,
    ResultDescription,
    Value,
)
from instruments.units import check_unit

__all__ = ["Channel", "Choice", "CommandSpec", "JobResult", "Parameter", "ParameterRule", "Returns", "Text", "command"]

Function = Callable[..., Any]
"""What carries a command out: ``async def f(job, **parameters)``, or a plain ``def``, which runs in a worker thread."""
_Function = TypeVar("_Function", bound=Function)
_MARK = "_labwright_command"


@dataclass(frozen=True)
class Returns:
    """One thing that a command gives: a quantity in ``unit``, bulk data of ``media_type``, or a word (neither).

    Args:
        unit: UCUM code, of a quantity.
        media_type: of bulk data.
        summary: one line for people.
        optional: whether the command may succeed without it, as where it is not always known.

    Raises:
        UnitError: when the unit is no UCUM code.
        ValueError: when both are given.
    """

    unit: str | None = None
    media_type: str | None = None
    summary: str = ""
    optional: bool = False

    def __post_init__(self) -> None:
        if self.unit is not None and self.media_type is not None:
            raise ValueError("a result is a quantity in a unit or bulk data of a media type, not both")
        if self.unit is not None:
            check_unit(self.unit)

    def describe(self) -> ResultDescription:
        """As it stands in the instrument's description."""
        return ResultDescription(
            summary=self.summary, unit=self.unit, media_type=self.media_type, optional=self.optional
        )


@dataclass(frozen=True)
class Channel:
    """One channel of telemetry.

    Args:
        unit: UCUM code.
        summary: one line for people.
        period_s: time between readings.
        read: name of the device's method that reads it, ``def`` or ``async def``, without arguments, giving a number
            in ``unit``; read every ``period_s``. Without one the driver publishes when it likes.

    Raises:
        UnitError: when the unit is no UCUM code.
        ValueError: when there is something to read and no period.
    """

    unit: str
    summary: str = ""
    period_s: float | None = None
    read: str | None = None

    def __post_init__(self) -> None:
        check_unit(self.unit)
        if self.period_s is not None and not 0.0 < self.period_s < float("inf"):
            raise ValueError(f"a channel's period is a positive number of seconds, not {self.period_s}")
        if self.read is not None and self.period_s is None:
            raise ValueError(f"a channel that reads {self.read}() needs a period_s")

    def describe(self) -> ChannelDescription:
        """As it stands in the instrument's description."""
        return ChannelDescription(unit=self.unit, summary=self.summary, period_s=self.period_s)


@dataclass(frozen=True)
class JobResult:
    """What a command's function returns: values and references to bulk data."""

    values: Mapping[str, Value] = field(default_factory=dict)
    artefacts: Mapping[str, ArtefactRef] = field(default_factory=dict)


@dataclass(frozen=True)
class CommandSpec:
    """A declared command.

    Args:
        name: as it is ordered.
        summary: one line for people.
        parameters: what it takes.
        results: what a success gives.
        duration_s: how long it usually takes.
        cancellable: whether a cancellation can end it early.
        example: parameters with which it may be carried out at any time without harm or cost; for checks.

    Raises:
        ValueError: when the example is not what the command takes.
    """

    name: str
    summary: str
    parameters: Mapping[str, ParameterRule] = field(default_factory=dict)
    results: Mapping[str, Returns] = field(default_factory=dict)
    duration_s: float | None = None
    cancellable: bool = True
    example: Mapping[str, Value] | None = None

    def __post_init__(self) -> None:
        if self.example is not None and (fault := self.check(self.example)) is not None:
            raise ValueError(f"the example of command {self.name} would be refused: {fault.message}")

    def describe(self) -> CommandDescription:
        """As it stands in the instrument's description."""
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {name: rule.schema() for name, rule in self.parameters.items()},
            "required": [name for name, rule in self.parameters.items() if rule.default is None],
            "additionalProperties": False,
        }
        return CommandDescription(
            summary=self.summary,
            parameters=schema,
            results={name: result.describe() for name, result in self.results.items()},
            duration_s=self.duration_s,
            cancellable=self.cancellable,
            example=None if self.example is None else dict(self.example),
        )

    def check(self, parameters: Mapping[str, Value]) -> JobError | None:
        """The first reason for which parameters are refused, None when all are good."""
        missing = sorted(self._required - parameters.keys())
        unknown = sorted(parameters.keys() - self.parameters.keys())
        if missing or unknown:
            told = [f"{name} is missing" for name in missing] + [f"{name} is unknown" for name in unknown]
            return JobError(code="parameters", message=f"{', '.join(told)}; it takes {', '.join(self.parameters)}")
        faults = (self.parameters[name].check(name, value) for name, value in parameters.items())
        return next((fault for fault in faults if fault is not None), None)

    def plain(self, parameters: Mapping[str, Value]) -> dict[str, float | str]:
        """Checked parameters as the function takes them: bare numbers in the declared units, defaults filled in."""
        given = {name: rule.default for name, rule in self.parameters.items() if rule.default is not None}
        return given | {name: self.parameters[name].plain(value) for name, value in parameters.items()}

    @property
    def _required(self) -> set[str]:
        return {name for name, rule in self.parameters.items() if rule.default is None}


def command(
    *,
    summary: str,
    parameters: Mapping[str, ParameterRule] | None = None,
    results: Mapping[str, Returns] | None = None,
    duration_s: float | None = None,
    cancellable: bool = True,
    example: Mapping[str, Value] | None = None,
) -> Callable[[_Function], _Function]:
    """Declare a method of a ``Device`` as a command, under the method's name.

    The method is called as ``method(job, **parameters)``: a number in the declared unit for each ``Parameter``, a
    string for each ``Choice`` or ``Text``. Written ``async def`` it runs in the event loop; written ``def`` in a worker
    thread, where it may block. It returns a ``JobResult``, a mapping of values, or None, or raises a ``DeviceFault``.

    Args:
        summary: one line for people.
        parameters: the rules by name; without them they are read from the method's annotations, as in
            ``temperature: Annotated[float, Parameter("Cel", 20, 1700)]``.
        results: what a success gives.
        duration_s: how long it usually takes.
        cancellable: whether a cancellation can end it early.
        example: parameters with which it may be carried out at any time without harm or cost; for checks.

    Raises:
        ValueError: when the example is not what the command takes, or the method does not take what the rules say.
    """

    def declare(function: _Function) -> _Function:
        rules = annotated_rules(function) if parameters is None else dict(parameters)
        check_function(function.__name__, function, rules, method=True)
        function.__dict__[_MARK] = CommandSpec(
            function.__name__,
            summary,
            MappingProxyType(rules),
            MappingProxyType(dict(results or {})),
            duration_s,
            cancellable,
            example,
        )
        return function

    return declare


def annotated_rules(function: Function) -> dict[str, ParameterRule]:
    """The rules in a function's ``Annotated`` parameters, by name."""
    rules: dict[str, ParameterRule] = {}
    for name, hint in get_type_hints(function, include_extras=True).items():
        found = [part for part in get_args(hint)[1:] if isinstance(part, Parameter | Choice | Text)]
        if found and name != "return":
            rules[name] = found[0]
    return rules


def declared_commands(owner: type) -> dict[str, CommandSpec]:
    """The commands of a class and its bases, by name."""
    found: dict[str, CommandSpec] = {}
    for name in dir(owner):
        spec = getattr(getattr(owner, name), "__dict__", {}).get(_MARK)
        if isinstance(spec, CommandSpec):
            found[name] = spec
    return found


def as_result(found: object) -> JobResult:
    """What a command's function returned, as a result.

    Raises:
        TypeError: when it is neither a ``JobResult`` nor a mapping of values nor None.
    """
    if found is None:
        return JobResult()
    if isinstance(found, JobResult):
        return found
    if isinstance(found, Mapping) and all(isinstance(value, Quantity | str | ArtefactRef) for value in found.values()):
        artefacts = {name: value for name, value in found.items() if isinstance(value, ArtefactRef)}
        return JobResult({name: value for name, value in found.items() if name not in artefacts}, artefacts)
    raise TypeError(f"a command returns a JobResult, a mapping of quantities, words and references, or None: {found!r}")

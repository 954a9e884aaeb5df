"""Rules about what a description says: schemas, units, limits and examples, before any order is given."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from instruments.conformance.evidence import many, plain
from instruments.conformance.examination import Examination
from instruments.conformance.rules import BrokenRuleError, Theme, UntriedRuleError, rule
from instruments.units import UnitError, check_unit


def parameters_of(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The schemas of single parameters, by name."""
    properties = schema.get("properties", {})
    found = properties if isinstance(properties, Mapping) else {}
    return {str(name): part for name, part in found.items() if isinstance(part, Mapping)}


def quantity_of(part: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """The unit and the schema of the number where a parameter is a quantity, else None."""
    inner = part.get("properties")
    if not isinstance(inner, Mapping) or not isinstance(inner.get("value"), Mapping):
        return None
    unit = inner.get("unit", {})
    if not isinstance(unit, Mapping):
        return "", inner["value"]
    named = unit.get("const", unit.get("default"))
    if named is None and isinstance(unit.get("enum"), list) and unit["enum"]:
        named = unit["enum"][0]
    return str(named or ""), inner["value"]


def _validator() -> Any:
    try:
        from jsonschema import Draft202012Validator
    except ModuleNotFoundError:
        raise UntriedRuleError("jsonschema is not installed: pip install jsonschema") from None
    return Draft202012Validator


@rule("DES-1", "Schemas", "The parameters of each command are described by a valid JSON Schema 2020-12 of an object.")
async def schemas(exam: Examination) -> str:
    """Checked against the metaschema."""
    commands = exam.description.commands
    for name, described in commands.items():
        if described.parameters.get("type") != "object":
            raise BrokenRuleError(f"{name}: the schema is not of an object", 'Write "type": "object".')
    validator = _validator()
    from jsonschema.exceptions import SchemaError

    for name, described in commands.items():
        try:
            validator.check_schema(described.parameters)
        except SchemaError as error:
            raise BrokenRuleError(f"{name}: {'/'.join(map(str, error.path))}: {error.message}"[:300]) from error
    return many(len(commands), "schema") if commands else "no commands"


@rule("DES-2", "Units", "Every unit is a UCUM code: of parameters, results and channels.")
async def units(exam: Examination) -> str:
    """Each can be read by the units library."""
    seen = set()
    for where, unit in _units(exam):
        try:
            seen.add(check_unit(unit))
        except UnitError as error:
            raise BrokenRuleError(f"{where}: {error}", "UCUM is case-sensitive: Cel, um, MPa, 1, %.") from error
    return ", ".join(sorted(seen)) or "no quantities"


def _units(exam: Examination) -> Iterator[tuple[str, str]]:
    for name, command in exam.description.commands.items():
        for parameter, part in parameters_of(command.parameters).items():
            if (quantity := quantity_of(part)) is not None:
                yield f"{name}, parameter {parameter}", quantity[0]
        for result, said in command.results.items():
            if said.unit is not None:
                yield f"{name}, result {result}", said.unit
    for name, channel in exam.description.channels.items():
        yield f"channel {name}", channel.unit


@rule("DES-3", "Limits", "Each quantity has a finite lowest and highest value, in this order.")
async def limits(exam: Examination) -> str:
    """An agent, and a person who approves, must know how far a parameter goes."""
    n = 0
    for name, command in exam.description.commands.items():
        for parameter, part in parameters_of(command.parameters).items():
            if (quantity := quantity_of(part)) is None:
                continue
            low, high = quantity[1].get("minimum"), quantity[1].get("maximum")
            where, n = f"{name}, parameter {parameter}", n + 1
            if not all(isinstance(x, int | float) and math.isfinite(x) for x in (low, high)):
                raise BrokenRuleError(f"{where}: limits {low} to {high}", "Give minimum and maximum of the value.")
            if low > high:  # type: ignore[operator]
                raise BrokenRuleError(f"{where}: the lowest value {low} is above the highest {high}")
    return f"of {many(n, 'parameter')}" if n else "no quantities"


@rule("DES-4", "Examples", "An example obeys the schema of its own command.")
async def examples(exam: Examination) -> str:
    """Checked by a JSON Schema validator."""
    given = {n: c for n, c in exam.description.commands.items() if c.example is not None}
    if not given:
        raise UntriedRuleError("no command declares an example")
    validator = _validator()
    from jsonschema.exceptions import SchemaError

    for name, command in given.items():
        try:
            validator.check_schema(command.parameters)
        except SchemaError:
            raise UntriedRuleError(f"the schema of {name} is invalid") from None
        for error in validator(command.parameters).iter_errors(plain(command.example or {})):
            raise BrokenRuleError(f"{name}: {'/'.join(map(str, error.path)) or 'example'}: {error.message}"[:300])
    return ", ".join(given)


DESCRIBING = Theme("Description", (schemas, units, limits, examples))

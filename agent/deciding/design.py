"""What an edit would change in a published design: names as people type them, values in the design's own units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import override

from envs.errors import UserError
from instruments.messages import Quantity

Published = Mapping[str, Quantity | str]
"""A design as a proposal shows it: by dotted path, quantities or words."""
_IN_PRINT: Mapping[str, str] = {"Cel": "°C", "um": "µm"}
"""UCUM codes that people write otherwise."""
_CRYSTAL, _FORMULA = "crystal", "formula"
_COMPOUND = ("compound", "formula", "crystal", "material")


@dataclass(frozen=True)
class Change:
    """One value of a design that an edit replaces.

    Args:
        path: in the design.
        before: as it is published.
        value: the new number, in the same unit, or the new word.
    """

    path: str
    before: Quantity | str
    value: float | str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return short(self.path)

    @override
    def __str__(self) -> str:
        unit = self.before.unit if isinstance(self.before, Quantity) else ""
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return f"{self.name}: {shown(self.before)} -> {with_unit(value, unit)}"


def read_changes(given: Sequence[str], design: Published) -> tuple[Change, ...]:
    """What ``factor=value ...`` means for a design.

    Args:
        given: each a path of the design, or its last part where that is enough, and the new value; a number may have
            the design's own unit behind it.
        design: as published.

    Raises:
        UserError: one is not of that form, is not in the design or there more than once, is given twice, has another
            unit, or nothing changes.
    """
    said = [_change(text, design) for text in given]
    for change in said:
        if [other.path for other in said].count(change.path) > 1:
            raise UserError(f"{change.name} is given twice: which is it?")
    changes = tuple(change for change in said if change.value != _plain(change.before))
    if said and not changes:
        already = " and ".join(f"{change.name} is {shown(change.before)} already" for change in said)
        raise UserError(f"{already}: an edit changes something")
    return changes


def _change(text: str, design: Published) -> Change:
    name, separator, value = text.partition("=")
    if not separator or not name or not value:
        raise UserError(f"{text!r} is not FACTOR=VALUE")
    if name == _FORMULA and _CRYSTAL in design:
        raise UserError(f"the formula follows from the crystal: give {_CRYSTAL}={value}, or the crystal's id there")
    paths = [path for path in design if name in {path, short(path)}]
    if len(paths) != 1:
        free = [path for path in design if path != _FORMULA or _CRYSTAL not in design]
        there = ", ".join(paths or [short(path) for path in free])
        raise UserError(f"{name!r} is {'more than one' if paths else 'not'} in the design; there: {there}")
    before = design[paths[0]]
    new = _number(name, value, before.unit) if isinstance(before, Quantity) else value
    return Change(paths[0], before, new)


def _plain(value: Quantity | str) -> float | str:
    return value.value if isinstance(value, Quantity) else value


def _number(name: str, text: str, unit: str) -> float:
    number, _, own = text.strip().partition(" ")
    own = own.strip()
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or own not in {"", unit, _IN_PRINT.get(unit, unit)}:
        raise UserError(f"{name}={text} is no number in {unit}: the design counts {name} in {unit}, write it so")
    return value


def read_values(given: Sequence[str]) -> dict[str, float]:
    """What ``property=value property_std=value ...`` means.

    Raises:
        UserError: one is not of that form, is no finite number, or is given twice.
    """
    values: dict[str, float] = {}
    for text in given:
        name, separator, value = text.partition("=")
        try:
            number = float(value) if separator and name else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UserError(f"{text!r} is not PROPERTY=NUMBER")
        if name in values:
            raise UserError(f"{name} is given twice: which is it?")
        values[name] = number
    return values


def short(path: str) -> str:
    """The last part of a dotted path."""
    return path.rpartition(".")[2]


def shown(value: Quantity | str) -> str:
    """A value with its unit."""
    return value if isinstance(value, str) else with_unit(f"{value.value:g}", value.unit)


def with_unit(text: str, unit: str) -> str:
    """A number with its unit as people write it; nothing is written for the unit one."""
    return text if unit in {"", "1"} else f"{text} {_IN_PRINT.get(unit, unit)}"


def compound_of(design: Published) -> str:
    """What is to be made, without how."""
    for wanted in _COMPOUND:
        for path, value in design.items():
            if short(path) == wanted and isinstance(value, str):
                return value
    return next((value for value in design.values() if isinstance(value, str)), "")


def process_of(design: Published) -> str:
    """How it is to be made, in one line."""
    return ", ".join(f"{short(path)} {shown(value)}" for path, value in _process(design))


def brief_process(design: Published) -> str:
    """The same for a table: a quantity whose unit no other has needs no name."""
    left = _process(design)
    units = [value.unit for _, value in left if isinstance(value, Quantity)]
    alone = {unit for unit in units if unit != "1" and units.count(unit) == 1}
    return ", ".join(
        shown(value) if isinstance(value, Quantity) and value.unit in alone else f"{short(path)} {shown(value)}"
        for path, value in left
    )


def _process(design: Published) -> list[tuple[str, Quantity | str]]:
    return [(path, value) for path, value in design.items() if short(path) not in _COMPOUND]

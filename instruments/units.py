"""Units as UCUM codes, read and converted by pint."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from envs.errors import UserError

if TYPE_CHECKING:
    from pint import Unit

_ANNOTATION = re.compile(r"\{[^{}]*\}")


class UnitError(UserError):
    """A unit is no UCUM code, or two units do not measure the same thing."""


@cache
def _registry() -> Any:
    # Reading the definitions takes most of a second: only who converts pays for it.
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()


@cache
def _unit(code: str) -> Unit:
    bare = _ANNOTATION.sub("", code) or "1"  # UCUM: what stands in braces has no meaning
    try:
        found = _registry().from_ucum(bare)
    except Exception as error:
        raise UnitError(
            f"{code!r} is no UCUM unit; write degrees Celsius as Cel, micrometres as um, none as 1"
        ) from error
    if found.magnitude != 1:
        raise UnitError(f"{code!r} is a number with a unit: use the unit alone")
    return found.units


def check_unit(code: str) -> str:
    """Return a UCUM code that can be read.

    Raises:
        UnitError: when it cannot.
    """
    _unit(code)
    return code


def convert(value: float, unit: str, to: str) -> float:
    """A value in another unit; temperatures with their offsets (273.15 K is 0 Cel).

    Args:
        value: the number in ``unit``.
        unit: UCUM code (case-sensitive).
        to: UCUM code.

    Raises:
        UnitError: when a code cannot be read, or the two do not measure the same thing.
    """
    if unit == to:
        return value
    given, wanted = _unit(unit), _unit(to)
    if given == wanted:
        return value
    if given.dimensionality != wanted.dimensionality:
        raise UnitError(f"{unit} cannot be given as {to}: they do not measure the same thing")
    return float(_registry().Quantity(value, given).to(wanted).magnitude)

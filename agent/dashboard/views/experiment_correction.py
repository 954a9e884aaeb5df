"""What a person corrects of a result: what they wrote anew, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from agent.dashboard.views import words
from agent.requests import is_possible
from instruments.messages import Quantity
from instruments.profile.requests import Argument


@dataclass(frozen=True)
class Written:
    """What stands in the two fields of a property.

    Args:
        value: it.
        std: its standard uncertainty; empty where it stays as it is.
    """

    value: str
    std: str = ""


@dataclass(frozen=True)
class Correction:
    """What is to be signed.

    Args:
        arguments: of the request, only what was written anew.
        rows: each property that changes: name, before and after, for people.
        wrong: why nothing can be signed; empty where it can.
    """

    arguments: Mapping[str, Argument]
    rows: tuple[tuple[str, str, str], ...] = ()
    wrong: str = ""


class _WrongError(Exception):
    """A field does not hold what it should; the message says which, and why."""


def written_of(quantity: Quantity) -> Written:
    """The texts with which the fields begin: whole, so that what is read there is what is on record."""
    return Written(_whole(quantity.value), "" if quantity.std is None else _whole(quantity.std))


def correction_of(values: Mapping[str, Quantity], written: Mapping[str, Written]) -> Correction:
    """What was written anew.

    Args:
        values: what can be corrected, by its name in messages.
        written: what stands in the fields, likewise.
    """
    arguments: dict[str, Argument] = {}
    rows = []
    for name, before in values.items():
        try:
            after = _after(name, before, written[name])
        except _WrongError as error:
            return Correction({}, wrong=str(error))
        if after == before:
            continue
        arguments[name] = after.value
        if after.std is not None and after.std != before.std:
            arguments[f"{name}_std"] = after.std
        rows.append((words.title(name), *_told(before, after)))
    return Correction(arguments, tuple(rows), "" if arguments else "Nothing is changed yet.")


def _after(name: str, before: Quantity, written: Written) -> Quantity:
    shown = written_of(before)
    value = before.value if written.value == shown.value else _number(written.value)
    std = before.std if written.std in {"", shown.std} else _number(written.std)
    if value is None:
        raise _WrongError(f"{words.title(name)}: the value is no number.")
    if written.std and (std is None or (std <= 0.0 and std != before.std)):
        raise _WrongError(f"{words.title(name)}: the uncertainty must be a positive number.")
    if value != before.value and not is_possible(value, before.value):
        raise _WrongError(f"{words.title(name)}: the value must be positive, as the measured one is.")
    return Quantity(value=value, unit=before.unit, std=std)


def _told(before: Quantity, after: Quantity) -> tuple[str, str]:
    short = words.quantity(before), words.quantity(after)
    if short[0] != short[1]:
        return short
    # They differ in digits that people are spared elsewhere: what is signed is seen all the same.
    values = (
        f"{_whole(before.value)} ± {_whole(before.std or 0.0)}",
        f"{_whole(after.value)} ± {_whole(after.std or 0.0)}",
    )
    return words.with_unit(values[0], before.unit), words.with_unit(values[1], after.unit)


def _whole(value: float) -> str:
    return repr(value).removesuffix(".0").replace("-", words.MINUS, 1 if value < 0.0 else 0)


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", ".").replace(words.MINUS, "-"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None

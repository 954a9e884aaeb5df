"""Rules about parameters: what is missing, unknown, in another unit or beyond limits is rejected, never acted upon.

Each order here differs from one that may be carried out in one point only, and by little. All the same a device that
checks nothing acts on it: so these rules try only commands that may be carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from instruments.conformance.describing import parameters_of, quantity_of
from instruments.conformance.evidence import Trial, plain, reason
from instruments.conformance.examination import Examination
from instruments.conformance.rules import BrokenRuleError, Check, Theme, UntriedRuleError, rule
from instruments.messages import Quantity
from instruments.units import UnitError, convert

Wrong = tuple[str, Mapping[str, Any]]
"""What is wrong, in words, and the parameters as they travel."""
_BEYOND = 0.01
"""How far beyond a limit, as a share of the span: clearly, and as little as possible."""
_PREFIXES = ("k", "M", "G", "m", "u", "n")
_FOREIGN = ("m", "kg", "V")


def _number(limit: object) -> float | None:
    return float(limit) if isinstance(limit, int | float) else None


def _quantities(trial: Trial) -> Iterator[tuple[str, Quantity, str, float | None, float | None]]:
    """Name, example, declared unit and limits of each parameter that is a quantity."""
    for name, part in parameters_of(trial.described.parameters).items():
        quantity, given = quantity_of(part), trial.parameters.get(name)
        if quantity is not None and isinstance(given, Quantity):
            low, high = (_number(quantity[1].get(key)) for key in ("minimum", "maximum"))
            yield name, given, quantity[0], low, high


def _with(trial: Trial, name: str, value: Any) -> dict[str, Any]:
    return {**plain(trial.parameters), name: value}


def missing(trial: Trial) -> Iterator[Wrong]:
    """Each required parameter left out."""
    required = trial.described.parameters.get("required", [])
    for name in required if isinstance(required, list) else []:
        yield f"without {name}", {k: v for k, v in plain(trial.parameters).items() if k != name}


def unknown(trial: Trial) -> Iterator[Wrong]:
    """One parameter that is not declared."""
    yield "an unknown parameter", _with(trial, "conformance-unknown", "x")


def wrong_kind(trial: Trial) -> Iterator[Wrong]:
    """Words for quantities, and quantities for words."""
    for name, value in trial.parameters.items():
        word = isinstance(value, str)
        yield f"{name} of the wrong kind", _with(trial, name, {"value": 1.0, "unit": "1"} if word else "much")


def wrong_unit(trial: Trial) -> Iterator[Wrong]:
    """A unit of something else."""
    for name, given, unit, _, _ in _quantities(trial):
        foreign = next(u for u in _FOREIGN if not _converts(u, unit))
        yield f"{name} in {foreign}", _with(trial, name, {"value": given.value, "unit": foreign})


def other_unit(trial: Trial) -> Iterator[Wrong]:
    """The example's number in a unit that makes another, forbidden quantity of it."""
    for name, given, unit, low, high in _quantities(trial):
        for candidate in _related(unit):
            if not _converts(candidate, unit):
                continue
            there = convert(given.value, candidate, unit)
            if (high is not None and there > high) or (low is not None and there < low):
                yield (
                    f"{name} = {given.value:g} {candidate}",
                    _with(trial, name, {"value": given.value, "unit": candidate}),
                )
                break


def _related(unit: str) -> Iterator[str]:
    """Units that may measure the same thing."""
    yield from ("K", "[degF]", "kK", "s", "d", "a")
    yield from (prefix + unit for prefix in _PREFIXES)
    head, slash, tail = unit.partition("/")
    if slash:
        yield from (f"{head}/{other}" for other in ("s", "min", "h", "d", "a"))
        yield f"k{head}/{tail}"
    for prefix in ("k", "M", "m", "u", "n", "c", "h"):
        if unit.startswith(prefix) and len(unit) > 1:
            yield unit[1:]
            yield from (other + unit[1:] for other in _PREFIXES)
    if unit == "1":
        yield from ("10*3", "10*6", "10*9", "%", "[ppth]", "[ppm]")


def _converts(given: str, wanted: str) -> bool:
    try:
        convert(1.0, given, wanted)
    except UnitError:
        return False
    return True


def too_high(trial: Trial) -> Iterator[Wrong]:
    """A little above each upper limit."""
    for name, given, unit, low, high in _quantities(trial):
        if high is not None:
            value = high + _BEYOND * ((high - low if low is not None else abs(high)) or abs(high) or 1.0)
            yield f"{name} = {value:g} {unit}", _with(trial, name, {"value": value, "unit": unit or given.unit})


def too_low(trial: Trial) -> Iterator[Wrong]:
    """A little below each lower limit."""
    for name, given, unit, low, high in _quantities(trial):
        if low is not None:
            value = low - _BEYOND * ((high - low if high is not None else abs(low)) or abs(low) or 1.0)
            yield f"{name} = {value:g} {unit}", _with(trial, name, {"value": value, "unit": unit or given.unit})


def no_choice(trial: Trial) -> Iterator[Wrong]:
    """Words that are not offered, and texts that are too long."""
    for name, part in parameters_of(trial.described.parameters).items():
        if isinstance(part.get("enum"), list):
            yield f"{name} = 'conformance-none'", _with(trial, name, "conformance-none")
        elif isinstance(longest := part.get("maxLength"), int):
            yield f"{name} of {longest + 1} characters", _with(trial, name, "x" * (longest + 1))


def not_finite(trial: Trial) -> Iterator[Wrong]:
    """What is no number, as some writers of JSON put it."""
    for name, given, _, _, _ in _quantities(trial):
        for bad in (float("nan"), float("inf"), float("-inf")):
            yield f"{name} = {bad}", _with(trial, name, {"value": bad, "unit": given.unit})


def _rejects(variants: Callable[[Trial], Iterator[Wrong]], advice: str, *, silence: bool = False) -> Check:
    """A check that each variant of each command is rejected; ``silence``: or not answered at all."""

    async def check(exam: Examination) -> str:
        seen: list[str] = []
        for trial in exam.trials():
            for what, parameters in variants(trial):
                told = f"{trial.command}, {what}"
                job = exam.new_job(told)
                order = exam.order(job, trial.command, parameters)
                try:
                    if silence:
                        seen.append(await exam.refused_or_ignored(job, order, told))
                    else:
                        seen.append(f"{what}: {reason(await exam.rejected(job, order))}")
                except BrokenRuleError as error:
                    raise BrokenRuleError(f"{told}: {error.seen}", advice) from error
        if not seen:
            raise UntriedRuleError("no parameter for which this could be tried")
        return seen[0] if len(seen) == 1 else f"{len(seen)} orders; {seen[0]}"

    return check


_LIMITS = "The device checks its own limits whatever the approval says: compare before accepting."
PARAMETERS = Theme(
    "Parameters",
    (
        rule("PAR-1", "Missing parameter", "An order without a required parameter is rejected.")(
            _rejects(missing, "Do not put anything in its place.")
        ),
        rule("PAR-2", "Unknown parameter", "An order with an undeclared parameter is rejected.")(
            _rejects(unknown, "What is not understood cannot be carried out as it was meant.")
        ),
        rule("PAR-3", "Wrong kind", "A word for a quantity, or a quantity for a word, is rejected.")(
            _rejects(wrong_kind, "Check the type before the value.")
        ),
        rule("PAR-4", "Foreign unit", "A unit that measures something else is rejected.")(
            _rejects(wrong_unit, "Compare the unit with the declared one.")
        ),
        rule("PAR-5", "Other unit", "A compatible unit is converted or rejected, never taken as it stands.")(
            _rejects(other_unit, "Convert before comparing with the limits, or reject every other unit.")
        ),
        rule("PAR-6", "Upper limits", "A quantity above its highest value is rejected.")(_rejects(too_high, _LIMITS)),
        rule("PAR-7", "Lower limits", "A quantity below its lowest value is rejected.")(_rejects(too_low, _LIMITS)),
        rule("PAR-8", "Choices and texts", "A word that is not offered, or a text too long, is rejected.")(
            _rejects(no_choice, _LIMITS)
        ),
        rule("PAR-9", "No number", "NaN and infinities are not carried out, and the device lives on.")(
            _rejects(
                not_finite, "They compare as neither too high nor too low: refuse what is not finite.", silence=True
            )
        ),
    ),
)

"""A design's orders held against the limits, value by value, for people to read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from agent.rules.bounds import Bound
from agent.rules.limits import LABELS, Limits
from agent.rules.recipe import From, Keep, Order, Recipe, Step
from envs.design import Design
from envs.factors import Factor
from instruments.messages import Quantity, Value
from instruments.profile.agent_messages import Check
from instruments.units import UnitError, convert

MAX_CHECKS = 64
MAX_LINE = 200


def checks_of(
    limits: Limits, recipe: Recipe, design: Design, factors: tuple[Factor, ...], sample: str = "sample"
) -> tuple[Check, ...]:
    """Each parameter of the orders that a design becomes, in their order, with the bounds that the limits set it.

    What a step takes from an earlier one's findings is told by the bounds in which it is passed on. Labels are left
    out. Where several instruments of a kind are allowed the order goes to any of them, and the widest bounds are told:
    one of them must allow it. This is what people see; whether an order may be given is said by ``Limits.refusals``.

    Args:
        limits: of the laboratory.
        recipe: of the campaign.
        design: what would be made.
        factors: give the units of the design's process.
        sample: label of a sample that has none yet.
    """
    found: list[Check] = []
    for step in recipe.steps:
        order = recipe.order(step.name, sample=sample, design=design, factors=factors, kept=_foretold(recipe, step))
        found += _of_order(limits, order)
    return tuple(found[:MAX_CHECKS])


def _of_order(limits: Limits, order: Order) -> Iterator[Check]:
    listed = [iid for iid, allowed in limits.instruments.items() if allowed.kind == order.instrument]
    name = listed[0] if len(listed) == 1 else order.instrument
    for parameter, value in order.parameters.items():
        if parameter in LABELS:
            continue
        unit = value.unit if isinstance(value, Quantity) else _unit_of(value)
        spans = [_span(_bounds(limits, iid, order, parameter), unit) for iid in listed] or [(-math.inf, math.inf)]
        low, high = min(low for low, _ in spans), max(high for _, high in spans)
        yield Check(
            instrument=name[:MAX_LINE],
            command=order.command[:MAX_LINE],
            parameter=parameter[:MAX_LINE],
            value=value if isinstance(value, Quantity) else str(value)[:MAX_LINE],
            low=_told(low),
            high=_told(high),
        )


def _bounds(limits: Limits, iid: str, order: Order, parameter: str) -> list[Bound]:
    """Those of the kind and those of the instrument itself; both count."""
    tables = (limits.kinds.get(order.instrument, {}), limits.instruments[iid].commands)
    return [t[order.command][parameter] for t in tables if parameter in t.get(order.command, {})]


def _span(bounds: list[Bound], unit: str) -> tuple[float, float]:
    """What all of some bounds allow, in a unit; those of words, and of what cannot be compared, say nothing here."""
    low, high = -math.inf, math.inf
    for bound in bounds:
        if not bound.unit or not unit:
            continue
        try:
            low, high = max(low, _in(bound.low, bound.unit, unit)), min(high, _in(bound.high, bound.unit, unit))
        except UnitError:
            continue
    return low, high


def _in(number: float, unit: str, wanted: str) -> float:
    return number if unit == wanted or not math.isfinite(number) else convert(number, unit, wanted)


def _told(bound: float) -> float | None:
    return float(f"{bound:.6g}") if math.isfinite(bound) else None


_WORDS = " as found before"


def _foretold(recipe: Recipe, step: Step) -> Mapping[str, Value]:
    """What a step takes from earlier ones, in words: it is not known yet."""
    taken = {v.source.partition(".")[2] for v in step.parameters.values()
             if isinstance(v, From) and v.source.startswith("kept.")}  # fmt: skip
    earlier = recipe.steps[: recipe.steps.index(step)]
    return {name: _range([s.keep[name] for s in earlier if name in s.keep]) for name in taken}


def _range(kept: list[Keep]) -> str:
    known = [k for k in kept if k.unit and math.isfinite(k.low) and math.isfinite(k.high)]
    if not known or len({k.unit for k in known}) > 1:
        return _WORDS.strip()
    return f"{min(k.low for k in known):g} to {max(k.high for k in known):g} {known[0].unit}{_WORDS}"


def _unit_of(words: str) -> str:
    """Of a range in words."""
    return words.removesuffix(_WORDS).rpartition(" ")[2] if words.endswith(_WORDS) else ""

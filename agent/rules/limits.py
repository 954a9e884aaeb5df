"""What may be ordered at all: an allow-list of instruments and their actions, with bounds on every parameter.

Deny by default: an instrument that is not listed, a command that is not allowed, a parameter that is not named where
any is, a value without a unit are all refused, each in a sentence. Limits come from the lab file alone
(``limits_config``): the optimiser cannot edit them, and an approval is bound to their ``version``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from agent.rules.bounds import Bound, Combination
from agent.rules.recipe import From, Order, Recipe, Step
from agent.rules.section import plain
from envs.design import Design
from envs.factors import Factor
from instruments.messages import Quantity, Value

LABELS = frozenset({"sample", "crystal"})
"""Words that every order may bear unless the limits name them too: which sample it is about, and of what."""

Commands = Mapping[str, Mapping[str, Bound]]
"""Bounds by command and parameter."""


@dataclass(frozen=True)
class Allowed:
    """An instrument on the allow-list.

    Args:
        kind: of it.
        commands: that it may be ordered to do, with bounds; empty where those of its kind are all that counts.
    """

    kind: str
    commands: Commands = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """Deny by default; the optimiser cannot edit them. Without arguments everything is allowed: see ``permissive``.

    Args:
        version: changes with every change of the limits.
        instruments: the allow-list, by id.
        kinds: what is allowed of every instrument of a kind, by kind.
        rules: what two parameters may be together.
        everything: whether there are no limits at all.
    """

    version: str = "none"
    instruments: Mapping[str, Allowed] = field(default_factory=dict)
    kinds: Mapping[str, Commands] = field(default_factory=dict)
    rules: tuple[Combination, ...] = ()
    everything: bool = True

    @classmethod
    def permissive(cls) -> Limits:
        """No limits: for a simulation, where an order can hurt nothing."""
        return cls()

    @classmethod
    def of(
        cls, instruments: Mapping[str, Allowed], kinds: Mapping[str, Commands], rules: tuple[Combination, ...]
    ) -> Limits:
        """Limits whose version is made of their canonical content; without any instrument nothing is allowed."""
        limits = cls("", dict(instruments), dict(kinds), tuple(rules), everything=False)
        text = json.dumps(plain(limits), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return replace(limits, version=f"limits-{hashlib.sha256(text.encode()).hexdigest()[:16]}")

    def allows(self, instrument: str) -> bool:
        """Whether anything may be ordered from an instrument."""
        return self.everything or instrument in self.instruments

    def refusals(self, order: Order, instrument: str = "") -> tuple[str, ...]:
        """Why an order is not allowed; empty when it is.

        Args:
            order: to a kind of instrument.
            instrument: the one that it goes to; empty while that is not known: then one of that kind must allow it.
        """
        return self._refusals(order, instrument, frozenset())

    def refusals_of(self, recipe: Recipe, design: Design, factors: tuple[Factor, ...], sample: str) -> tuple[str, ...]:
        """Why a design may not be made, as far as its orders can be known before anything is done.

        A parameter that comes from what an earlier step finds is judged at both of its ``Keep`` bounds where these have
        a unit, and else not before it is known: the order itself is judged again before it is sent.
        """
        found: dict[str, None] = {}
        for step in recipe.steps if not self.everything else ():
            for order, unknown in _orders(recipe, step, design, factors, sample):
                found |= {f"{step.name}: {reason}": None for reason in self._refusals(order, "", unknown)}
        return tuple(found)

    def _refusals(self, order: Order, instrument: str, unknown: frozenset[str]) -> tuple[str, ...]:
        if self.everything:
            return ()
        if instrument:
            return self._refusals_at(instrument, order, unknown)
        listed = [iid for iid, allowed in self.instruments.items() if allowed.kind == order.instrument]
        if not listed:
            return (f"no instrument of kind {order.instrument} is on the allow-list",)
        found = {iid: self._refusals_at(iid, order, unknown) for iid in listed}
        if not all(found.values()):
            return ()
        common = [r for r in found[listed[0]] if all(r in reasons for reasons in found.values())]
        own = [f"{iid}: {r}" for iid, reasons in found.items() for r in reasons if r not in common]
        return tuple(common + own)

    def _refusals_at(self, iid: str, order: Order, unknown: frozenset[str]) -> tuple[str, ...]:
        allowed = self.instruments.get(iid)
        if allowed is None:
            return (f"{iid} is not on the allow-list of instruments",)
        if allowed.kind != order.instrument:
            return (f"{iid} is allowed as a {allowed.kind}, not as a {order.instrument}",)
        tables = [t for t in (self.kinds.get(allowed.kind), allowed.commands) if t]
        known = [c for c in (tables[0] if tables else ()) if all(c in t for t in tables)]
        if order.command not in known:
            return (f"the command {order.command} is not allowed; allowed: {', '.join(known) or 'none'}",)
        bounds = [t[order.command] for t in tables]
        refused = list(_outside(order.parameters, bounds, unknown))
        rules = (rule for rule in self.rules if rule.concerns(allowed.kind, iid, order.command))
        refused += [rule.refusal(order.parameters, unknown) for rule in rules]
        return tuple(dict.fromkeys(r for r in refused if r))


def _outside(
    parameters: Mapping[str, Value], tables: list[Mapping[str, Bound]], unknown: frozenset[str]
) -> Iterator[str]:
    """Each parameter that no bound allows, or that should be given and is not."""
    named = set().union(*tables)
    for name, value in parameters.items():
        if name in unknown:
            continue
        if not isinstance(value, str) and not math.isfinite(value.value):
            yield f"{name} = {value.value} is not a finite number"
        elif not isinstance(value, str) and not value.unit:
            yield f"{name} = {value.value:.10g} has no unit"
        elif named and name not in named and not (name in LABELS and isinstance(value, str)):
            yield f"the parameter {name} is not allowed; the limits name {', '.join(sorted(named))}"
        else:
            yield from (table[name].refusal(name, value) for table in tables if name in table)
    for name in sorted(named - set(parameters) - unknown):
        if not all(table[name].optional for table in tables if name in table):
            yield f"{name} is not given, and what the instrument would choose then is not within the limits' sight"


def _orders(
    recipe: Recipe, step: Step, design: Design, factors: tuple[Factor, ...], sample: str
) -> Iterator[tuple[Order, frozenset[str]]]:
    """A step's order at every corner of what it takes from earlier steps, with the parameters that stay unknown."""
    taken = {k: v.source.partition(".")[2] for k, v in step.parameters.items()
             if isinstance(v, From) and v.source.startswith("kept.")}  # fmt: skip
    kept = {name: _corners(recipe, step, name) for name in dict.fromkeys(taken.values())}
    counted = any(isinstance(v, From) and v.source == "attempt" for v in step.parameters.values())
    attempts = sorted({0, step.max_images - 1}) if counted else [0]
    unknown = frozenset(p for p, name in taken.items() if not kept[name])
    for corner in product(*(kept[name] or ("",) for name in kept)):
        values: dict[str, Value] = dict(zip(kept, corner, strict=True))
        for n in attempts:
            order = recipe.order(step.name, sample=sample, design=design, factors=factors, attempt=n, kept=values)
            yield order, unknown


def _corners(recipe: Recipe, step: Step, name: str) -> tuple[Value, ...]:
    """The outermost values that may be kept under a name before a step; empty where they are not known."""
    corners: dict[tuple[float, str], Value] = {}
    for earlier in recipe.steps[: recipe.steps.index(step)]:
        keep = earlier.keep.get(name)
        if keep is None:
            continue
        if not keep.unit or not (math.isfinite(keep.low) and math.isfinite(keep.high)):
            return ()
        for value in (keep.low, keep.high):
            corners[value, keep.unit] = Quantity(value=value, unit=keep.unit)
    return tuple(corners.values())


def refusals_of(
    limits: Limits, recipe: Recipe, design: Design, factors: tuple[Factor, ...], sample: str = "sample"
) -> tuple[str, ...]:
    """Why a design may not be made: ``Limits.refusals_of``, for a sample that has no label yet."""
    return limits.refusals_of(recipe, design, factors, sample)

"""How mistakes are planted, and schedules in which they show soon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from .plan import Blow, Plan

Plant = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Bug:
    """One mistake.

    Args:
        name: for the command line.
        text: what is wrong, for people.
        plant: puts it in while its context lasts.
        caught_by: the invariant that must see it.
    """

    name: str
    text: str
    plant: Plant
    caught_by: tuple[str, ...]

    def provoked(self, plan: Plan) -> Plan:
        """A schedule in which what it takes happens often."""
        return PROVOKED.get(self.name, _as_it_is)(plan)


def _as_it_is(plan: Plan) -> Plan:
    return plan


def _people(**shares: float) -> Callable[[Plan], Plan]:
    calm = {"silent": 0.0, "reject": 0.0}
    return lambda plan: replace(plan, manners=replace(plan.manners, **{**calm, **shares}))


def _two(**shares: float) -> Callable[[Plan], Plan]:
    def provoked(plan: Plan) -> Plan:
        two = tuple(replace(c, quorum=2, automatic=False, expires_s=3600.0) for c in plan.campaigns)
        return _people(**shares)(replace(plan, campaigns=two))

    return provoked


def _blows(*blows: tuple[str, float], double: float = 0.0) -> Callable[[Plan], Plan]:
    def provoked(plan: Plan) -> Plan:
        more = [Blow(15.0 + 25.0 * n, kind, "furnace-1", size) for n, (kind, size) in enumerate(blows)]
        weather = replace(plan.weather, double=max(double, plan.weather.double), lose=0.0)
        ordered = tuple(sorted((*plan.blows, *more), key=lambda blow: blow.at))
        return _people()(replace(plan, blows=ordered, weather=weather))

    return provoked


PROVOKED: dict[str, Callable[[Plan], Plan]] = {
    "retry-of-the-unknown": _blows(*[("machine is away", 380.0)] * 3),
    "dispatch-while-stopped": _blows(*[("stop", 0.0)] * 3),
    "limits-at-proposal-only": _blows(*[("limits change", 0.0)] * 3),
    "acknowledged-first": _blows(*[("disk is full", 20.0)] * 4),
    "used-again": _blows(*[("pause", 30.0)] * 3, double=0.6),
    "votes-survive-an-edit": _two(edit=0.9),
    "one-votes-twice": _two(twice=1.0),
    "editor-approves": _two(edit=0.9),
    "signature-unchecked": _people(forge=1.0),
    "age-unchecked": _people(late=1.0),
    "expiry-ignored": lambda plan: _people(silent=1.0)(
        replace(plan, campaigns=tuple(replace(c, expires_s=300.0) for c in plan.campaigns))
    ),
}
"""Schedules that provoke a mistake, for where there is no time for many."""
BUGS: dict[str, Bug] = {}


def bug(
    name: str, text: str, *caught_by: str
) -> Callable[[Callable[[], Iterator[None]]], Callable[[], Iterator[None]]]:
    def register(plant: Callable[[], Iterator[None]]) -> Callable[[], Iterator[None]]:
        BUGS[name] = Bug(name, text, contextmanager(plant), caught_by)
        return plant

    return register


@contextmanager
def patched(*pairs: tuple[Any, str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for target, name, value in pairs:
            stack.enter_context(patch.object(target, name, value))
        yield

"""What a design would spend, estimated before anything is done: hours of instruments, money, whatever people count.

A step's formulas are about the design's factors, in the factors' own units, and about costs that the same step has
before them; ``{ furnace_hours = "hold + 1.5", currency = "12 + 3 * furnace_hours" }``. Costs of one name are added up
over the steps, each step once: what tries and images that are taken again cost is not foreseen. A step without a
formula for the hours of its own kind of instrument takes the duration that the instrument describes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product

from agent.rules.budgets import HOURS
from agent.rules.formula import Formula, FormulaError
from agent.rules.recipe import Recipe
from envs.design import Design, FactorValue
from envs.errors import ConfigError, UserError
from envs.factors import Factor
from instruments.messages import Description

MAX_CORNERS = 4096
"""Combinations of extreme levels at which formulas are tried."""
Durations = Mapping[tuple[str, str], float]
"""Hours by kind of instrument and command."""


@dataclass(frozen=True)
class StepCosts:
    """What one step spends.

    Args:
        step: its name.
        kind: of the instrument that it needs.
        command: of that kind.
        formulas: by name of a cost, in the order of the file.
    """

    step: str
    kind: str
    command: str
    formulas: Mapping[str, Formula] = field(default_factory=dict)

    def of(self, process: Mapping[str, FactorValue], durations: Durations) -> Mapping[str, float]:
        """Each cost of the step.

        Raises:
            FormulaError: a formula has no value here, or a negative one.
        """
        found: dict[str, float] = {}
        hours = f"{self.kind}{HOURS}"
        if hours not in self.formulas and (self.kind, self.command) in durations:
            found[hours] = durations[self.kind, self.command]
        for name, formula in self.formulas.items():
            try:
                found[name] = formula.value({**process, **found})
            except FormulaError as error:
                raise FormulaError(f"{name} = {formula.text!r} gives {error}") from error
            if found[name] < 0.0:
                raise FormulaError(f"{name} = {formula.text!r} gives {found[name]:g}, and a cost is never negative")
        return found


@dataclass(frozen=True)
class Costs:
    """What designs would spend: call it with one. Without steps nothing is known of any cost.

    Args:
        steps: of the recipe.
        durations: that instruments describe.
    """

    steps: tuple[StepCosts, ...] = ()
    durations: Durations = field(default_factory=dict)

    def __call__(self, design: Design) -> Mapping[str, float]:
        """The estimate, by name of the cost.

        Raises:
            UserError: a formula has no value for this design.
        """
        total: dict[str, float] = {}
        for step in self.steps:
            try:
                found = step.of(design.process, self.durations)
            except FormulaError as error:
                raise UserError(f"the cost of the step {step.step} cannot be estimated: {error}") from error
            total |= {name: total.get(name, 0.0) + value for name, value in found.items()}
        return total

    def duration(self, design: Design) -> float | None:
        """Hours from the first order to the last answer, the instruments free and nothing tried twice.

        Each step takes the hours of its own kind of instrument. None where nobody has said how long one of them takes.

        Raises:
            UserError: a formula has no value for this design.
        """
        total = 0.0
        for step in self.steps:
            try:
                hours = step.of(design.process, self.durations).get(f"{step.kind}{HOURS}")
            except FormulaError as error:
                raise UserError(f"how long the step {step.step} takes cannot be estimated: {error}") from error
            if hours is None:
                return None
            total += hours
        return total if self.steps else None

    @property
    def names(self) -> tuple[str, ...]:
        """Costs that an estimate may have."""
        formulas = [name for step in self.steps for name in step.formulas]
        return tuple(dict.fromkeys([*formulas, *(f"{step.kind}{HOURS}" for step in self.steps)]))

    def with_durations(self, durations: Durations) -> Costs:
        """The same with what the instruments describe now."""
        return replace(self, durations=dict(durations))

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        formulas: Mapping[str, Mapping[str, str | float]],
        factors: Sequence[Factor],
        *,
        durations: Durations | None = None,
        source: str = "",
        key: str = "recipe.cost",
    ) -> Costs:
        """Costs of a recipe, each formula tried at the extreme levels of its factors.

        Args:
            recipe: whose steps cost something.
            formulas: by step and by name of the cost; a number is a fixed cost.
            factors: whose names the formulas may take.
            durations: hours that instruments describe.
            source: name of the file, for messages.
            key: of the table, likewise.

        Raises:
            ConfigError: a step or a name is unknown, or a formula is none, or has no value at some levels.
        """
        names = [s.name for s in recipe.steps]
        for name in formulas:
            if name not in names:
                raise ConfigError(f"{key}.{name}", name, f"a step of the recipe: {', '.join(names)}", source=source)
        steps = []
        for step in recipe.steps:
            parsed = _parsed(
                formulas.get(step.name, {}), f"{step.capability}{HOURS}", factors, f"{key}.{step.name}", source
            )
            steps.append(StepCosts(step.name, step.capability, step.command, parsed))
            _try(steps[-1], factors, durations or {}, f"{key}.{step.name}", source)
        return cls(tuple(steps), dict(durations or {}))


def durations_of(described: Iterable[Description]) -> Durations:
    """How long commands usually take by what instruments describe, h; of several of a kind the longest."""
    found: dict[tuple[str, str], float] = {}
    for description in described:
        for name, command in description.commands.items():
            if command.duration_s is not None:
                place = (description.kind, name)
                found[place] = max(found.get(place, 0.0), command.duration_s / 3600.0)
    return found


def _parsed(
    given: Mapping[str, str | float], hours: str, factors: Sequence[Factor], key: str, source: str
) -> Mapping[str, Formula]:
    found: dict[str, Formula] = {}
    known = {f.name for f in factors}
    for name, text in given.items():
        at = f"{key}.{name}"
        if name in known or not name.replace("_", "a").isalnum() or len(name) > 64:
            raise ConfigError(
                at, name, "a name of its own, of letters, digits and _ , other than a factor's", source=source
            )
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            raise ConfigError(at, text, "a number, or a formula as text", source=source)
        try:
            formula = Formula(text if isinstance(text, str) else repr(text))
        except FormulaError as error:
            raise ConfigError(at, text, str(error), source=source) from error
        # The described hours stand first where no formula gives them.
        earlier = {*found, *(() if hours in given else (hours,))}
        if unknown := formula.names - known - earlier:
            allowed = f"the names {', '.join([*sorted(known), *sorted(earlier)])}, not {', '.join(sorted(unknown))}"
            raise ConfigError(at, text, allowed, source=source)
        found[name] = formula
    return found


def _try(step: StepCosts, factors: Sequence[Factor], durations: Durations, key: str, source: str) -> None:
    used = frozenset().union(*(f.names for f in step.formulas.values()))
    # A duration that nobody has described yet is tried as an hour.
    assumed = {(step.kind, step.command): 1.0, **durations}
    for process in _corners([f for f in factors if f.name in used]):
        try:
            step.of(process, assumed)
        except FormulaError as error:
            at = ", ".join(f"{k} = {v}" for k, v in process.items())
            texts = {name: f.text for name, f in step.formulas.items()}
            allowed = f"formulas with a value at every level of the factors; at {at}: {error}"
            raise ConfigError(key, texts, allowed, source=source) from error


def _corners(factors: Sequence[Factor]) -> Iterator[Mapping[str, FactorValue]]:
    """Combinations of extreme levels, and every level of each factor with the others at an end."""
    names = [f.name for f in factors]
    ends = [(min(f.levels), max(f.levels)) if f.is_numeric else f.levels for f in factors]
    for corner in islice(product(*ends), MAX_CORNERS):
        yield dict(zip(names, corner, strict=True))
    for i, factor in enumerate(factors):
        for end in (0, -1):
            rest = {name: e[end] for name, e in zip(names, ends, strict=True)}
            yield from ({**rest, names[i]: level} for level in factor.levels)

"""The ``[recipe]`` table: the four numbers of the flagship recipe, or steps of one's own, with what they cost.

Everything that a step refers to is checked when the file is read: a campaign must not find out in its third week that a
parameter comes from nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from agent.config import RecipeSection
from agent.rules.bounds import unit_fault
from agent.rules.costs import Costs, Durations
from agent.rules.recipe import PIXEL_SIZE, From, Keep, Recipe, RecipeSettings, Step, flagship
from agent.rules.section import Section, read
from agent.rules.terms import check_names
from envs.errors import ConfigError, UserError
from envs.factors import Factor
from envs.objective import Objective
from instruments.messages import Quantity, Value

NAME = r"^[A-Za-z0-9_.\-]{1,64}$"
Name = Annotated[str, Field(pattern=NAME)]
PLAIN = ("$sample", "$crystal", "$attempt")
SOURCES = f"{', '.join(PLAIN)}, $process.FACTOR or $kept.NAME"


class Configured(NamedTuple):
    """What a ``[recipe]`` table says."""

    recipe: Recipe
    costs: Costs


class QuantitySection(Section):
    """``{ value = 9.8, unit = "N" }``."""

    value: float
    unit: Annotated[str, Field(min_length=1, max_length=32)]


class KeepSection(Section):
    """``{ result = "pixel_size", low = 0.004, high = 2, unit = "um" }``, or the result's name alone."""

    result: Name
    low: float | None = None
    high: float | None = None
    unit: str = ""


class StepSection(Section):
    """``[[recipe.steps]]``: one order; ``repeatable`` unless it makes the sample, where nothing is said."""

    name: Name
    instrument: Name
    command: Name
    parameters: dict[Name, Any] = Field(default_factory=dict)
    process: bool = False
    keep: dict[Name, Any] = Field(default_factory=dict)
    measures: dict[Name, Name] = Field(default_factory=dict)
    reads: str = ""
    max_tries: Annotated[int, Field(ge=1, le=10)] | None = None
    max_images: Annotated[int, Field(ge=1, le=20)] | None = None
    cost: dict[str, Any] = Field(default_factory=dict)
    repeatable: bool | None = None


class RecipeTable(RecipeSection):
    """``[recipe]``: as for an offline campaign, with steps of one's own, and costs by step and name.

    ``repeat_interrupted`` has what makes the sample done again by itself after an instrument restarted amid it; without
    it a person is asked, who can look at the sample.
    """

    steps: list[StepSection] = Field(default_factory=list)
    cost: dict[str, dict[str, Any]] = Field(default_factory=dict)
    repeat_interrupted: bool = False

    def build(
        self,
        factors: Sequence[Factor],
        objective: Objective,
        *,
        durations: Durations | None = None,
        crystals: bool = True,
        source: str = "",
        key: str = "recipe",
    ) -> Configured:
        """The recipe and its costs.

        Args:
            factors: of the design space.
            objective: what an experiment must measure.
            durations: hours that the instruments describe, where they are known.
            crystals: whether designs have a crystal.
            source: name of the file, for messages.
            key: of the table.

        Raises:
            ConfigError: a reference leads nowhere, nothing measures the objective, or a cost has no value.
        """
        check_names(factors, objective, source=source)
        if not self.steps:
            settings = RecipeSettings(self.indent_load, self.n_indents, self.max_images, self.max_tries)
            recipe = flagship(settings, repeatable=self.repeat_interrupted)
        else:
            for name in ("indent_load", "n_indents"):
                if name in self.model_fields_set:
                    allowed = "left out where the recipe has steps of its own: write it into a step's parameters"
                    raise ConfigError(f"{key}.{name}", getattr(self, name), allowed, source=source)
            recipe = _in_units(self._recipe(factors, crystals, key, source), objective)
        _check_objective(recipe, objective, key, source)
        costs = {name: dict(cost) for name, cost in self.cost.items()}
        for step in self.steps:
            if step.cost and step.name in costs:
                allowed = f"costs of the step {step.name} in one place: here, or in its own cost"
                raise ConfigError(f"{key}.cost.{step.name}", costs[step.name], allowed, source=source)
            costs |= {step.name: step.cost} if step.cost else {}
        own = Costs.of(recipe, costs, factors, durations=durations, source=source, key=f"{key}.cost")
        return Configured(recipe, own)

    def _recipe(self, factors: Sequence[Factor], crystals: bool, key: str, source: str) -> Recipe:
        kept: set[str] = set()
        steps: list[Step] = []
        for n, section in enumerate(self.steps):
            place = _Place(f"{key}.steps[{n}]", source)
            steps.append(_step(section, self, _Known(factors, kept, crystals), place))
            kept |= set(section.keep) | ({PIXEL_SIZE} if section.reads else set())
        try:
            return Recipe(tuple(steps))
        except UserError as error:
            names = [s.name for s in steps]
            allowed = "names of their own for all steps, other than read and done"
            raise ConfigError(f"{key}.steps", names, allowed, source=source) from error


def read_recipe(
    raw: Mapping[str, object],
    factors: Sequence[Factor],
    objective: Objective,
    *,
    durations: Durations | None = None,
    crystals: bool = True,
    source: str = "",
    key: str = "recipe",
) -> Configured:
    """The recipe of a ``[recipe]`` table as the file has it; the arguments are those of ``RecipeTable.build``.

    Raises:
        ConfigError: something in it is wrong; names the key, the value and what is allowed.
    """
    table = read(RecipeTable, raw, key, source=source)
    return table.build(factors, objective, durations=durations, crystals=crystals, source=source, key=key)


class _Known(NamedTuple):
    """What a step's parameters may refer to."""

    factors: Sequence[Factor]
    kept: set[str]
    crystals: bool


class _Place(NamedTuple):
    key: str
    source: str

    def error(self, below: str, value: object, allowed: str) -> ConfigError:
        return ConfigError(f"{self.key}.{below}", value, allowed, source=self.source)


def _step(section: StepSection, table: RecipeTable, known: _Known, place: _Place) -> Step:
    names = [f.name for f in known.factors]
    parameters = {name: _parameter(name, value, known, place) for name, value in section.parameters.items()}
    if section.process and (twice := set(parameters) & set(names)):
        allowed = f"no {', '.join(sorted(twice))}: process = true gives every factor already"
        raise place.error("parameters", section.parameters, allowed)
    if section.process and (wrong := [name for name in names if not re.fullmatch(NAME, name)]):
        raise place.error("process", True, f"factors whose names can be parameters, not {', '.join(wrong)}")
    if section.reads and not re.fullmatch(NAME, section.reads):
        raise place.error("reads", section.reads, "the name of an artefact in the step's result")
    return Step(
        section.name,
        section.instrument,
        section.command,
        parameters,
        section.process,
        {name: _keep(name, value, place) for name, value in section.keep.items()},
        dict(section.measures),
        section.reads,
        section.max_tries or table.max_tries,
        section.max_images or table.max_images,
        table.repeat_interrupted or (not section.process if section.repeatable is None else section.repeatable),
    )


def _parameter(name: str, value: object, known: _Known, place: _Place) -> Value | From:
    below = f"parameters.{name}"
    if isinstance(value, str):
        return _source(value, known, place, below) if value.startswith("$") else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise place.error(below, value, f'a number with its unit: {{ value = {value}, unit = "..." }} (1 for none)')
    if not isinstance(value, Mapping):
        raise place.error(below, value, f'a word, {{ value = ..., unit = "..." }}, or one of {SOURCES}')
    found = read(QuantitySection, value, f"{place.key}.{below}", source=place.source)
    if fault := unit_fault(found.unit):
        raise place.error(f"{below}.unit", found.unit, fault)
    return Quantity(value=found.value, unit=found.unit)


def _source(text: str, known: _Known, place: _Place, below: str) -> From:
    where, _, name = text.removeprefix("$").partition(".")
    names = [f.name for f in known.factors]
    if text in PLAIN:
        if where == "crystal" and not known.crystals:
            raise place.error(below, text, "a design space with crystals, for there is none here")
        return From(where)
    if where == "process" and name:
        if name not in names:
            raise place.error(below, text, f"a factor of the design space: {_listed(names)}")
        return From(f"process.{name}")
    if where == "kept" and name:
        if name not in known.kept:
            raise place.error(below, text, f"something that an earlier step keeps: {_listed(sorted(known.kept))}")
        return From(f"kept.{name}")
    raise place.error(below, text, f"{SOURCES}, or a word that does not begin with $")


def _keep(name: str, value: object, place: _Place) -> Keep:
    key = f"{place.key}.keep.{name}"
    section = read(KeepSection, {"result": value} if isinstance(value, str) else value, key, source=place.source)
    low = float("-inf") if section.low is None else section.low
    high = float("inf") if section.high is None else section.high
    if low > high:
        raise place.error(f"keep.{name}", value, "low <= high")
    if fault := unit_fault(section.unit):
        raise place.error(f"keep.{name}.unit", section.unit, fault)
    return Keep(section.result, low, high, section.unit)


def _in_units(recipe: Recipe, objective: Objective) -> Recipe:
    """The objective is recorded in its own unit, whatever unit an instrument gives it in."""
    return Recipe(
        tuple(
            replace(step, units={objective.name: objective.unit}) if objective.name in step.measures else step
            for step in recipe.steps
        )
    )


def _check_objective(recipe: Recipe, objective: Objective, key: str, source: str) -> None:
    measured = {name for step in recipe.steps for name in step.measures}
    if objective.name not in measured:
        allowed = f'a step with measures = {{ {objective.name} = "NAME OF THE RESULT" }}: it is the objective'
        raise ConfigError(f"{key}.steps", [s.name for s in recipe.steps], allowed, source=source)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "there is none"

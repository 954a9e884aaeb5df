"""The steps that turn a design into instrument commands, and what each answer means for the experiment.

A step orders one command from one kind of instrument. Its parameters are fixed, or come from the design or from what
earlier steps found (``From``). What a step's result gives is kept for later steps (``keep``), or is what the experiment
is for (``measures``); an image that a step takes may be read by the network (``reads``), and is then taken again while
it is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from envs.design import Design
from envs.errors import UserError
from envs.factors import Factor
from envs.objective import FLAGSHIP
from instruments.messages import Quantity, Value

PIXEL_SIZE = "pixel_size"
"""Under this name a recipe keeps the pixel size of the next image, um: the network advises on it."""
PIXEL_LIMITS = (0.004, 2.0)
"""um a pixel: what a microscope's magnifications allow."""


@dataclass(frozen=True)
class RecipeSettings:
    """What a person fixes about the flagship recipe.

    Args:
        indent_load: N.
        n_indents: indents averaged.
        max_images: images taken before the experiment counts as an invalid measurement.
        max_tries: times that one order is sent while it fails for a passing reason; a restart of the instrument amid
            it does not count.
    """

    indent_load: float = 9.8
    n_indents: int = 10
    max_images: int = 4
    max_tries: int = 3


@dataclass(frozen=True)
class Order:
    """One command to one kind of instrument."""

    instrument: str
    command: str
    parameters: Mapping[str, Value]


@dataclass(frozen=True)
class From:
    """A parameter whose value comes from elsewhere.

    Args:
        source: ``sample``, ``crystal``, ``attempt``, ``process.NAME`` or ``kept.NAME``.
    """

    source: str


@dataclass(frozen=True)
class Keep:
    """A result that later steps take.

    Args:
        result: its name in the step's result.
        low: smallest value that is passed on, in the result's unit.
        high: largest one.
        unit: of both, UCUM; empty where it is not known beforehand.
    """

    result: str
    low: float = float("-inf")
    high: float = float("inf")
    unit: str = ""

    def bounded(self, value: float) -> float:
        """The nearest value within the bounds, three significant digits."""
        return float(f"{min(max(value, self.low), self.high):.3g}")


@dataclass(frozen=True)
class Step:
    """One order of a recipe.

    Args:
        name: within the recipe; ``read`` and ``done`` are taken.
        capability: kind of the instrument that it needs.
        command: of that kind.
        parameters: by name.
        process: whether every factor of the design's process is a parameter too.
        keep: what later steps take, by the name that they use.
        measures: what the experiment is for: property to name in the result.
        units: UCUM units in which those are recorded, by property; what has none here is recorded as it comes.
        reads: artefact that the network reads; empty where it reads none.
        max_tries: as in ``RecipeSettings``.
        max_images: likewise.
        repeatable: whether it is done again by itself where a restart of the instrument cut it short: not what makes
            the sample, of which nobody knows then what it is.
    """

    name: str
    capability: str
    command: str
    parameters: Mapping[str, Value | From]
    process: bool = False
    keep: Mapping[str, Keep] = field(default_factory=dict)
    measures: Mapping[str, str] = field(default_factory=dict)
    reads: str = ""
    max_tries: int = 3
    max_images: int = 4
    repeatable: bool = True
    units: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("parameters", "keep", "measures", "units"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


@dataclass(frozen=True)
class Recipe:
    """Steps in their order.

    Args:
        steps: at least one, each with a name of its own.

    Raises:
        UserError: there is none, or two share a name.
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        names = [s.name for s in self.steps]
        if not names or len(set(names)) < len(names) or {"read", "done"} & set(names):
            raise UserError(f"a recipe has steps with names of their own, other than read and done, not {names}")

    @property
    def first(self) -> str:
        """Name of the first step."""
        return self.steps[0].name

    def step(self, name: str) -> Step:
        """A step by its name.

        Raises:
            KeyError: there is none of that name: the experiment was begun with another recipe.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def after(self, name: str) -> str:
        """Name of the next step; ``done`` after the last."""
        names = [s.name for s in self.steps]
        place = names.index(name) + 1
        return names[place] if place < len(names) else "done"

    def order(
        self,
        name: str,
        *,
        sample: str,
        design: Design,
        factors: tuple[Factor, ...],
        attempt: int = 0,
        kept: Mapping[str, Value] = MappingProxyType({}),
    ) -> Order:
        """What a step orders.

        Args:
            name: of the step.
            sample: label of the sample.
            design: what is made.
            factors: give the units of the design's process.
            attempt: image of this sample, from 0.
            kept: what earlier steps found.

        Raises:
            KeyError: a parameter comes from something that is not there.
        """
        step = self.step(name)
        parameters = {k: _resolved(v, sample, design, factors, attempt, kept) for k, v in step.parameters.items()}
        if step.process:
            parameters |= _process(design, factors)
        return Order(step.capability, step.command, parameters)

    def digest(self, design: Design, factors: tuple[Factor, ...]) -> str:
        """SHA-256 of everything that an approval of this design allows, in its canonical form."""
        plain = {
            "design": design.to_dict(),
            "units": {f.name: f.unit for f in factors},
            "steps": [_plain_step(s) for s in self.steps],
        }
        return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _process(design: Design, factors: tuple[Factor, ...]) -> dict[str, Value]:
    units = {f.name: f.unit for f in factors}
    return {
        name: value if isinstance(value, str) else Quantity(value=value, unit=units[name])
        for name, value in design.process.items()
    }


def _resolved(
    value: Value | From, sample: str, design: Design, factors: tuple[Factor, ...], attempt: int,
    kept: Mapping[str, Value],
) -> Value:  # fmt: skip
    if not isinstance(value, From):
        return value
    where, _, name = value.source.partition(".")
    if where == "kept":
        return kept[name]
    if where == "process":
        return _process(design, factors)[name]
    plain: dict[str, Value] = {
        "sample": sample,
        "crystal": design.crystal,
        "attempt": Quantity(value=attempt, unit="1"),
    }
    return plain[where]


def _plain_step(step: Step) -> dict[str, object]:
    return {
        "name": step.name,
        "instrument": step.capability,
        "command": step.command,
        "parameters": {k: plain_value(v) for k, v in step.parameters.items()},
        "process": step.process,
        "keep": {k: [v.result, repr(v.low), repr(v.high), v.unit] for k, v in step.keep.items()},
        "reads": step.reads,
        "images": step.max_images,
        "repeatable": step.repeatable,
        "tries": step.max_tries,
    }


def plain_value(value: Value | From) -> dict[str, object] | str:
    """A parameter in a form for JSON; what comes from elsewhere is ``$`` and its source."""
    if isinstance(value, From):
        return f"${value.source}"
    return value if isinstance(value, str) else value.model_dump(exclude_none=True)


def flagship(settings: RecipeSettings, *, repeatable: bool = True) -> Recipe:
    """Sinter in a furnace, find a magnification and take an image with the SEM, measure the hardness.

    Args:
        settings: what a person fixes about it.
        repeatable: whether a firing that was cut short is done again by itself: in a virtual laboratory, where it gives
            the same sample.
    """
    sample, tries = From("sample"), settings.max_tries
    pixel = Keep(PIXEL_SIZE, *PIXEL_LIMITS, unit="um")
    image: dict[str, Value | From] = {
        "sample": sample, "pixel_size": From(f"kept.{PIXEL_SIZE}"), "field": From("attempt"),
    }  # fmt: skip
    load: dict[str, Value | From] = {
        "sample": sample,
        "load": Quantity(value=settings.indent_load, unit="N"),
        "count": Quantity(value=settings.n_indents, unit="1"),
    }
    return Recipe(
        (
            Step(
                "sinter", "furnace", "sinter", {"sample": sample, "crystal": From("crystal")}, True, max_tries=tries,
                repeatable=repeatable,
            ),
            Step("survey", "sem", "survey", {"sample": sample}, keep={PIXEL_SIZE: pixel}, max_tries=tries),
            Step(
                "image", "sem", "acquire", image, reads="image", max_tries=tries, max_images=settings.max_images,
                keep={},
            ),
            Step(
                "indent", "indenter", "indent", load, measures={"hardness": "hardness"},
                units={FLAGSHIP.name: FLAGSHIP.unit}, max_tries=tries,
            ),
        )
    )  # fmt: skip

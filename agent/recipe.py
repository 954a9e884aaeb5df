"""The steps that turn a design into instrument commands, and what each answer means for the experiment.

sinter (furnace) -> survey and image (SEM, imaged again while the CNN refuses) -> indent (hardness tester).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envs.design import Design
from envs.factors import Factor
from instruments.messages import Quantity, Value

PIXEL_LIMITS = (0.004, 2.0)
"""um a pixel: what a microscope's magnifications allow."""


@dataclass(frozen=True)
class RecipeSettings:
    """What a person fixes about the recipe.

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


def sinter_order(sample: str, design: Design, factors: tuple[Factor, ...]) -> Order:
    """Make the sample."""
    units = {f.name: f.unit for f in factors}
    process: dict[str, Value] = {
        name: value if isinstance(value, str) else Quantity(value=value, unit=units[name])
        for name, value in design.process.items()
    }
    return Order("furnace", "sinter", {"sample": sample, "crystal": design.crystal, **process})


def survey_order(sample: str) -> Order:
    """Find a magnification."""
    return Order("sem", "survey", {"sample": sample})


def image_order(sample: str, pixel_size: float, attempt: int) -> Order:
    """Take an image of a fresh field: ``attempt`` counts the images of this sample that were read, not orders sent."""
    return Order(
        "sem",
        "acquire",
        {
            "sample": sample,
            "pixel_size": Quantity(value=pixel_size, unit="um"),
            "field": Quantity(value=attempt, unit="1"),
        },
    )


def indent_order(sample: str, settings: RecipeSettings) -> Order:
    """Measure the hardness."""
    return Order(
        "indenter",
        "indent",
        {
            "sample": sample,
            "load": Quantity(value=settings.indent_load, unit="N"),
            "count": Quantity(value=settings.n_indents, unit="1"),
        },
    )


def bounded_pixel_size(pixel_size: float) -> float:
    """The nearest pixel size that the microscope can be set to, um, three significant digits."""
    low, high = PIXEL_LIMITS
    return float(f"{min(max(pixel_size, low), high):.3g}")

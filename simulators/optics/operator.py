"""An operator's mistakes, on request: what comes out is a frame as that operator would hand it in."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import numpy as np

from simulators.field_of_view import resolved
from simulators.optics.detector import GREY_OF_SIGNAL
from simulators.optics.settings import SemSettings
from simulators.optics.unresolved import RESOLVED_PX, Unresolved
from simulators.sections.microstructure import SectionSpec
from simulators.sem import Image, empty_stage, render
from simulators.tessellation import draw

SMALLEST_PX, LARGEST_PX = 0.8, 2.2
"""Grains, in pixels, of a field that was taken from too far away: no one can measure them."""

PORES_LEFT = 0.5
"""Share of the frames that are too bright in which the deepest pores still show."""
MOST_ABOVE = 0.35
"""Grey by which the solid lies above white in these, at most: pores are hardly deeper."""


class OperatorFault(StrEnum):
    """What an operator can get wrong."""

    OUT_OF_FOCUS = "out of focus"
    WRONG_MAGNIFICATION = "wrong magnification"
    EMPTY_STAGE = "empty stage"
    SATURATED = "saturated"


def mistaken(
    fault: OperatorFault, spec: SectionSpec, settings: SemSettings, rng: np.random.Generator
) -> tuple[SectionSpec | None, SemSettings, Unresolved | None]:
    """What lies under the beam and how the microscope is set after the mistake.

    Args:
        fault: the mistake.
        spec: what should have been drawn.
        settings: how it should have been taken.
        rng: source of every random choice.

    Returns:
        What to draw, None where there is nothing under the beam; the settings; and what the mistake has made finer than
        the pixels, None where it has not.
    """
    if fault is OperatorFault.OUT_OF_FOCUS:
        grain = spec.grain_size_um / spec.pixel_size_um
        blurred = max(float(rng.uniform(7.0, 12.0)), 0.4 * grain)
        round_enough = float(np.clip(settings.astigmatism, -0.3, 0.3))
        return spec, replace(settings, defocus=blurred, astigmatism=round_enough), None
    if fault is OperatorFault.SATURATED:
        return spec, _saturated(settings, rng), None
    if fault is OperatorFault.WRONG_MAGNIFICATION:
        seen, fine = _other_magnification(spec, rng)
        return seen, settings, fine
    return None, settings, None


def faulty_frame(fault: OperatorFault, spec: SectionSpec, settings: SemSettings, rng: np.random.Generator) -> Image:
    """The frame that comes of a mistake, uint8 (H, W) of the shape that was asked for.

    Args:
        fault: the mistake.
        spec: what should have been drawn.
        settings: how it should have been taken.
        rng: source of every random choice.
    """
    drawn, changed, fine = mistaken(fault, spec, settings, rng)
    if drawn is None:
        return empty_stage(spec.shape, changed, rng)
    return render(draw(drawn, rng), changed, rng, fine)


def _saturated(settings: SemSettings, rng: np.random.Generator) -> SemSettings:
    """Too bright or too dark by so much that nothing is left, or that only the deepest pores still differ."""
    over = rng.random() < 0.6
    gain = settings.contrast * float(rng.uniform(1.2, 2.0))
    if over and rng.random() < PORES_LEFT:
        # The solid's levels and its noise lie above white; pore floors do not.
        noise = GREY_OF_SIGNAL / np.sqrt(settings.quanta)
        above = float(rng.uniform(1.0, 1.5)) * (2.0 * settings.channelling + 1.5 * noise)
        return replace(settings, contrast=gain, brightness=1.0 + gain * min(above, MOST_ABOVE))
    return replace(settings, contrast=gain, brightness=float(rng.uniform(2.4, 3.2) if over else -1.4))


def _other_magnification(spec: SectionSpec, rng: np.random.Generator) -> tuple[SectionSpec, Unresolved | None]:
    """Grains too large for enough of them to fit the field, or too small for the pixels."""
    grain = spec.grain_size_um / spec.pixel_size_um
    if rng.random() < 0.5:
        # Some ten grains fill the field.
        wanted = float(np.sqrt(spec.shape[0] * spec.shape[1] / rng.uniform(4.0, 12.0)))
        return replace(spec, pixel_size_um=spec.pixel_size_um * grain / wanted), None
    pixel = spec.grain_size_um / float(rng.uniform(SMALLEST_PX, LARGEST_PX))
    drawn = max(spec.grain_size_um, RESOLVED_PX * pixel)
    return resolved(replace(spec, pixel_size_um=pixel, grain_size_um=drawn), spec.grain_size_um)

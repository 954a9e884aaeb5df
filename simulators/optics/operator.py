"""An operator's mistakes, on request: what comes out is a frame as that operator would hand it in."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import numpy as np

from simulators.optics.settings import SemSettings
from simulators.sections.microstructure import SectionSpec
from simulators.sem import Image, empty_stage, render
from simulators.tessellation import draw

SMALLEST_PX, LARGEST_PX = 3.0, 4.2
"""Grains, in pixels, of a field that was taken from too far away: they show, but no one can measure them."""


class OperatorFault(StrEnum):
    """What an operator can get wrong."""

    OUT_OF_FOCUS = "out of focus"
    WRONG_MAGNIFICATION = "wrong magnification"
    EMPTY_STAGE = "empty stage"
    SATURATED = "saturated"


def mistaken(
    fault: OperatorFault, spec: SectionSpec, settings: SemSettings, rng: np.random.Generator
) -> tuple[SectionSpec | None, SemSettings]:
    """What lies under the beam and how the microscope is set after the mistake.

    Args:
        fault: the mistake.
        spec: what should have been drawn.
        settings: how it should have been taken.
        rng: source of every random choice.

    Returns:
        What to draw, None where there is nothing under the beam, and the settings.
    """
    if fault is OperatorFault.OUT_OF_FOCUS:
        grain = spec.grain_size_um / spec.pixel_size_um
        blurred = max(float(rng.uniform(7.0, 12.0)), 0.4 * grain)
        return spec, replace(settings, defocus=blurred, astigmatism=float(np.clip(settings.astigmatism, -0.3, 0.3)))
    if fault is OperatorFault.SATURATED:
        over = rng.random() < 0.6
        gain = settings.contrast * float(rng.uniform(1.2, 2.0))
        return spec, replace(settings, contrast=gain, brightness=float(rng.uniform(2.4, 3.2) if over else -1.4))
    if fault is OperatorFault.WRONG_MAGNIFICATION:
        return _other_magnification(spec, settings, rng)
    return None, settings


def faulty_frame(fault: OperatorFault, spec: SectionSpec, settings: SemSettings, rng: np.random.Generator) -> Image:
    """The frame that comes of a mistake, uint8 (H, W) of the shape that was asked for.

    Args:
        fault: the mistake.
        spec: what should have been drawn.
        settings: how it should have been taken.
        rng: source of every random choice.
    """
    drawn, changed = mistaken(fault, spec, settings, rng)
    if drawn is None:
        return empty_stage(spec.shape, changed, rng)
    return render(draw(drawn, rng), changed, rng)


def _other_magnification(
    spec: SectionSpec, settings: SemSettings, rng: np.random.Generator
) -> tuple[SectionSpec, SemSettings]:
    """Grains too large for enough of them to fit the field, or too small for the pixels."""
    grain = spec.grain_size_um / spec.pixel_size_um
    if rng.random() < 0.5:
        # Some ten grains fill the field.
        wanted = float(np.sqrt(spec.shape[0] * spec.shape[1] / rng.uniform(4.0, 12.0)))
        return replace(spec, pixel_size_um=spec.pixel_size_um * grain / wanted), settings
    return replace(spec, pixel_size_um=spec.grain_size_um / float(rng.uniform(SMALLEST_PX, LARGEST_PX))), settings

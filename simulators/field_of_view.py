"""What of a sample lies under the beam: from the truth of a body to a section that can be drawn."""

from __future__ import annotations

import numpy as np

from simulators.body import Body
from simulators.sections.microstructure import SectionSpec, Surface

SMALLEST_GRAIN_PX = 3.0
"""Finer grains merge into a blurred texture, as they do on a real screen."""
POROSITY_SCATTER = 0.06
"""Relative standard deviation of the porosity from field to field, beyond what the counting of pores gives."""
PHASE_SCATTER = 0.15
"""The same of the second phase: a residue gathers where the powder was mixed worse."""
ABNORMAL_SCATTER = 0.3
"""The same of the abnormal grains, which come in colonies."""
MOST_POROSITY, MOST_PHASE, MOST_ABNORMAL = 0.6, 0.5, 0.8


def section_of(
    body: Body, pixel_size: float, shape: tuple[int, int], rng: np.random.Generator, surface: Surface = Surface.POLISHED
) -> tuple[SectionSpec, float]:
    """One place on a body.

    Args:
        body: the truth about it.
        pixel_size: um.
        shape: rows and columns of the frame.
        rng: which place.
        surface: how the sample was prepared for the microscope.

    Returns:
        What to draw, and by how many pixels it is blurred because its grains are finer than the beam.
    """
    finest = SMALLEST_GRAIN_PX * pixel_size
    drawn = max(body.grain_size, finest)
    scatter = np.exp(np.array([POROSITY_SCATTER, PHASE_SCATTER, ABNORMAL_SCATTER]) * rng.standard_normal(3))
    spec = SectionSpec(
        grain_size_um=drawn,
        pixel_size_um=pixel_size,
        shape=shape,
        porosity=min(body.porosity * float(scatter[0]), MOST_POROSITY),
        open_share=body.open_share,
        second_phase=min(body.second_phase * float(scatter[1]), MOST_PHASE),
        abnormal=min(body.abnormal * float(scatter[2]), MOST_ABNORMAL),
        cracks=body.cracks,
        surface=surface,
    )
    return spec, _unresolved(drawn, body.grain_size)


def powder_of(size: float, pixel_size: float, shape: tuple[int, int]) -> tuple[SectionSpec, float]:
    """The loose powder that a body was pressed from.

    Args:
        size: mean particle diameter, um.
        pixel_size: um.
        shape: rows and columns of the frame.

    Returns:
        As ``section_of``.
    """
    drawn = max(size, SMALLEST_GRAIN_PX * pixel_size)
    spec = SectionSpec(grain_size_um=drawn, pixel_size_um=pixel_size, shape=shape, surface=Surface.POWDER)
    return spec, _unresolved(drawn, size)


def _unresolved(drawn: float, size: float) -> float:
    """Blur in pixels of grains that are drawn larger than they are.

    What the beam cannot resolve it averages: over as many of the drawn grains as it would of the real ones.
    """
    return SMALLEST_GRAIN_PX * float(np.sqrt((drawn / size) ** 2 - 1.0))

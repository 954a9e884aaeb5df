"""What of a sample lies under the beam: from the truth of a body to a section that can be drawn."""

from __future__ import annotations

import numpy as np

from simulators.body import Body
from simulators.optics.unresolved import RESOLVED_PX, Unresolved
from simulators.sections.microstructure import SectionSpec, Surface

COARSE_PX = 12.0
"""Pixels of the cells that lend a crack its turns where no grain is seen."""
MOST_CRACKED = 0.006
"""Share of the pixels of such a field that lie on cracks, at most: denser ones are not seen apart."""
POROSITY_SCATTER = 0.06
"""Relative standard deviation of the porosity from field to field, beyond what the counting of pores gives."""
PHASE_SCATTER = 0.15
"""The same of the second phase: a residue gathers where the powder was mixed worse."""
ABNORMAL_SCATTER = 0.3
"""The same of the abnormal grains, which come in colonies."""
MOST_POROSITY, MOST_PHASE, MOST_ABNORMAL = 0.6, 0.5, 0.8


def section_of(
    body: Body, pixel_size: float, shape: tuple[int, int], rng: np.random.Generator, surface: Surface = Surface.POLISHED
) -> tuple[SectionSpec, Unresolved | None]:
    """One place on a body.

    Args:
        body: the truth about it.
        pixel_size: um.
        shape: rows and columns of the frame.
        rng: which place.
        surface: how the sample was prepared for the microscope.

    Returns:
        What to draw, and what of it is finer than the pixels, None where nothing is.
    """
    scatter = np.exp(np.array([POROSITY_SCATTER, PHASE_SCATTER, ABNORMAL_SCATTER]) * rng.standard_normal(3))
    spec = SectionSpec(
        grain_size_um=max(body.grain_size, RESOLVED_PX * pixel_size),
        pixel_size_um=pixel_size,
        shape=shape,
        porosity=min(body.porosity * float(scatter[0]), MOST_POROSITY),
        open_share=body.open_share,
        second_phase=min(body.second_phase * float(scatter[1]), MOST_PHASE),
        abnormal=min(body.abnormal * float(scatter[2]), MOST_ABNORMAL),
        cracks=body.cracks,
        surface=surface,
    )
    return resolved(spec, body.grain_size)


def powder_of(size: float, pixel_size: float, shape: tuple[int, int]) -> tuple[SectionSpec, Unresolved | None]:
    """The loose powder that a body was pressed from.

    Args:
        size: mean particle diameter, um.
        pixel_size: um.
        shape: rows and columns of the frame.

    Returns:
        As ``section_of``.
    """
    drawn = max(size, RESOLVED_PX * pixel_size)
    return resolved(SectionSpec(drawn, pixel_size, shape, surface=Surface.POWDER), size)


def resolved(spec: SectionSpec, size: float) -> tuple[SectionSpec, Unresolved | None]:
    """What to draw of a field whose grains really are of that size, um, and what of it is averaged."""
    grain_px = size / spec.pixel_size_um
    if grain_px >= RESOLVED_PX:
        return spec, None
    fine = Unresolved(grain_px, spec.porosity, spec.second_phase, spec.surface is not Surface.POLISHED)
    if not fine.merged:
        return spec, fine
    seen = min(spec.cracks, MOST_CRACKED / (1e-3 * spec.pixel_size_um)) if spec.surface is Surface.POLISHED else 0.0
    return SectionSpec(COARSE_PX * spec.pixel_size_um, spec.pixel_size_um, spec.shape, cracks=seen), fine

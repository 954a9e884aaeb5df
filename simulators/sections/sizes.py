"""How large the cells must be drawn so that the grains left of them have the wanted size; all by counting."""

from __future__ import annotations

import numpy as np

from simulators.sections.microstructure import SectionSpec

SECTION_RATIO = 0.91


def spacing(size_sigma: float) -> float:
    """Mean spacing of the seeds in units of the mean diameter of the cells in a section."""
    return 1.0 / SECTION_RATIO


def cell_diameter(spec: SectionSpec) -> float:
    """Mean diameter of the cells, in pixels, that leaves grains of the wanted size."""
    share = 1.0 - spec.porosity
    return float(spec.grain_size_um / spec.pixel_size_um / np.sqrt(share))

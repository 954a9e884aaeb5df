"""How large the cells must be drawn so that the grains left of them have the wanted mean size.

The tables hold ratios that were counted over some thirty fields of 512 x 512 pixels each, to about half a percent. What
fills the space between grains takes its share of every cell and swallows the smallest whole; the mean of what is left
rises. Cells that are smaller than a pixel are not seen, which a coarse field cannot do without.
"""

from __future__ import annotations

import numpy as np

from simulators.sections.microstructure import SectionSpec

BY_SPREAD = ((0.0, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0), (0.894, 0.894, 0.884, 0.868, 0.858, 0.856, 0.864))
"""Mean diameter of the cells in a section over the mean spacing of their seeds, by the spread of sizes."""
BY_PIXELS = (
    (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 18.0, 24.0, 32.0),
    (1.16, 1.108, 1.078, 1.057, 1.036, 1.027, 1.023, 1.013, 1.006, 1.0),
)
"""Rise of the mean diameter in fields whose grains are so many pixels wide."""
BY_CLOSED = ((0.0, 0.03, 0.08, 0.15, 0.25, 0.4, 0.6), (1.0, 1.0, 1.006, 1.01, 1.019, 1.026, 1.053))
"""Rise by closed porosity, beyond the share of the area that pores take."""
BY_OPEN = ((0.0, 0.03, 0.08, 0.15, 0.25, 0.4, 0.6), (1.0, 1.01, 1.032, 1.057, 1.101, 1.171, 1.337))
"""Rise by open porosity."""
BY_RESIDUE = ((0.0, 0.03, 0.1, 0.2, 0.35, 0.5), (1.0, 1.016, 1.047, 1.082, 1.146, 1.235))
"""Rise by a second phase between the grains."""
BY_ABNORMAL = ((0.0, 0.1, 0.3, 0.5, 0.7, 0.8), (1.0, 0.993, 0.977, 0.959, 0.933, 0.91))
"""Fall of the mean of the matrix where abnormal grains cut into it."""


def spacing(size_sigma: float) -> float:
    """Mean spacing of the seeds in units of the mean diameter of the cells in a section."""
    return float(1.0 / np.interp(size_sigma, *BY_SPREAD))


def cell_diameter(spec: SectionSpec) -> float:
    """Mean diameter of the cells, in pixels, that leaves grains of the wanted size."""
    residue = spec.second_phase if spec.phase_at_boundaries else 0.0
    wanted = spec.grain_size_um / spec.pixel_size_um
    rise = np.interp(wanted, *BY_PIXELS) * np.interp(residue, *BY_RESIDUE) * np.interp(spec.abnormal, *BY_ABNORMAL)
    pores = (1.0 - spec.open_share) * np.interp(spec.porosity, *BY_CLOSED)
    pores += spec.open_share * np.interp(spec.porosity, *BY_OPEN)
    share = (1.0 - spec.porosity) * (1.0 - residue)
    return float(wanted / np.sqrt(share) / (rise * pores))

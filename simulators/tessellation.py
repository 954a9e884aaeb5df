"""Microstructures with exact ground truth: ``draw`` makes what a ``SectionSpec`` asks for.

``sections.packing`` packs grains in space and cuts them by a plane, ``sections.power`` draws the cut on pixels,
``sections.pores`` and its neighbours put in what else a section shows, ``sections.measure`` counts the truth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simulators.sections.fracture import fracture
from simulators.sections.measure import Maps, measured
from simulators.sections.microstructure import Microstructure, SectionSpec, Surface
from simulators.sections.polished import polished
from simulators.sections.powder import powder

__all__ = ["Microstructure", "SectionSpec", "draw", "polycrystal"]

SURFACES: dict[Surface, Callable[[SectionSpec, np.random.Generator], Maps]] = {
    Surface.POLISHED: polished,
    Surface.POWDER: powder,
    Surface.FRACTURE: fracture,
}


def draw(spec: SectionSpec, rng: np.random.Generator) -> Microstructure:
    """Draw one field.

    Args:
        spec: what to draw.
        rng: source of every random choice.
    """
    return measured(spec, SURFACES[spec.surface](spec, rng))


def polycrystal(
    *,
    grain_size_um: float,
    porosity: float,
    pixel_size_um: float,
    shape: tuple[int, int],
    rng: np.random.Generator,
    abnormal_fraction: float = 0.0,
) -> Microstructure:
    """``draw`` for those who have not moved to it; goes away with them."""
    spec = SectionSpec(
        grain_size_um=grain_size_um,
        pixel_size_um=pixel_size_um,
        shape=shape,
        porosity=porosity,
        open_share=float(porosity > 0.12),
        abnormal=abnormal_fraction,
    )
    return draw(spec, rng)

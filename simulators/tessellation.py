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

__all__ = ["Microstructure", "SectionSpec", "draw"]

SURFACES: dict[Surface, Callable[[SectionSpec, np.random.Generator], Maps]] = {
    Surface.POLISHED: polished,
    Surface.POWDER: powder,
    Surface.FRACTURE: fracture,
}


def draw(spec: SectionSpec, rng: np.random.Generator) -> Microstructure:
    """Draw one field.

    A polished section shows all that the specification asks for. A fracture shows grains, their elongation and pores; a
    powder its particles and their sizes: their other contents are not seen. Whatever the surface, ``mean_diameter_um``
    is on average the wanted size: of a fracture it is that of the same body's section, of a powder that of the
    particles of which at least half is seen.

    Args:
        spec: what to draw.
        rng: source of every random choice.
    """
    return measured(spec, SURFACES[spec.surface](spec, rng))

"""Grains finer than the pixels: what a frame from too far away shows of them.

A pixel averages the grains that lie within it: what their signals vary by falls as the root of their number, as it does
for the mean of independent ones. What is larger than a pixel stays: cracks, scratches, dust, and places where the
powder was packed otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simulators.optics.filters import Grey, blur, smooth_noise
from simulators.optics.settings import SemSettings
from simulators.sections.microstructure import Microstructure

RESOLVED_PX = 3.0
"""Grains of at least so many pixels are drawn one by one."""
MERGED_PX = 1.0
"""Grains of at most so many pixels are not drawn at all."""
GROOVED = 0.3
"""Spread of the grey that grooves give over their depth: they cover about a tenth of the surface."""
CLUSTER, CLUSTERED = 45.0, 0.06
"""Extent, in grains, of the places of other porosity, and how much it differs there, relative to the mean."""
LUMPS, STEEPNESS = (18.0, 55.0), 0.25
"""Extents in pixels of the unevenness of a fracture or a heap, and its height over them: a fracture is rough on every
scale (Mandelbrot, Passoja, Paullay, Nature 308, 721, 1984)."""
FAINTER = 0.4
"""Contrast of these lumps over that of the grains: they are less steep."""


@dataclass(frozen=True)
class Unresolved:
    """What a pixel averages.

    Args:
        grain_px: mean diameter of a grain in pixels, below ``RESOLVED_PX``.
        porosity: of the field.
        second_phase: of the field.
        rough: whether the surface is a powder's or a fracture's.
    """

    grain_px: float
    porosity: float = 0.0
    second_phase: float = 0.0
    rough: bool = False

    @property
    def share(self) -> float:
        """How much of the picture is an average, 0 to 1: from grains that are just seen to such as are not."""
        part = float(np.clip((RESOLVED_PX - self.grain_px) / (RESOLVED_PX - MERGED_PX), 0.0, 1.0))
        return part * part * (3.0 - 2.0 * part)

    @property
    def merged(self) -> bool:
        """Whether no grain is seen."""
        return self.grain_px <= MERGED_PX


def without_grains(
    ms: Microstructure, fine: Unresolved, settings: SemSettings, rng: np.random.Generator
) -> tuple[Microstructure, SemSettings]:
    """The field and the settings with nothing in them that is finer than a pixel."""
    height = ms.height
    if fine.rough:
        height = sum((np.float32(STEEPNESS * lump) * smooth_noise(height.shape, lump, rng) for lump in LUMPS), height)
    plain = replace(
        settings, channelling=0.0, twins=0.0, gradient=0.0, texture=0.0, groove_depth=0.0, terraces=0.0, striations=0.0,
        tilt_contrast=FAINTER * settings.tilt_contrast,
    )  # fmt: skip
    return replace(ms, labels=np.ones_like(ms.labels), height=height), plain


def averaged(grey: Grey, cracks: Grey, fine: Unresolved, settings: SemSettings, rng: np.random.Generator) -> Grey:
    """The picture with its grains averaged as far as they are not seen, shape (H, W).

    Args:
        grey: of what is drawn, about 0.
        cracks: 1 in cracks, which are seen from any distance, 0 elsewhere.
        fine: what is averaged.
        settings: of the microscope.
        rng: source of every random choice.
    """
    variance = settings.tilt_contrast**2
    if not fine.rough:
        variance = settings.channelling**2 + (GROOVED * settings.groove_depth) ** 2
    variance += fine.porosity * (1.0 - fine.porosity) * settings.pore_darkness**2
    variance += fine.second_phase * (1.0 - fine.second_phase) * settings.phase_contrast**2
    mean = np.float32(np.sqrt(variance / (1.0 + fine.grain_px**-2))) * rng.standard_normal(grey.shape, dtype=np.float32)
    if (extent := CLUSTER * fine.grain_px) > 2.0:
        # The operator sets the brightness by the mean; places with more pores are darker than it.
        darker = CLUSTERED * fine.porosity * settings.pore_darkness
        mean -= np.float32(darker) * smooth_noise((grey.shape[0], grey.shape[1]), extent, rng)
    if fine.merged:
        merged: Grey = grey + mean
        return merged
    share = np.float32(fine.share) * (np.float32(1.0) - blur(cracks, 0.7))
    left = np.float32(1.0) - share
    mixed: Grey = left * grey + np.sqrt(np.float32(1.0) - left * left) * mean
    return mixed

"""Images with a known answer, for calibrating and judging the reader."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surrogates.stereology import Labels, Mask


@dataclass(frozen=True)
class LabelledField:
    """One image with its truth; every map has shape (H, W).

    Args:
        image: float32, 0 to 1.
        labels: int32; grains from 1; pores, cracks and a residue between the grains are 0.
        pores: bool.
        phase: bool; the second phase, as grains of its own or between the others.
        cracks: bool.
        diameter: mean equivalent diameter of the material that the field is a part of, in pixels.
        elongation: mean aspect ratio of the grains.
        kind: class of the microstructure.
    """

    image: npt.NDArray[np.float32]
    labels: Labels
    pores: Mask
    phase: Mask
    cracks: Mask
    diameter: float
    elongation: float
    kind: str

"""Images with a known answer, for calibrating and judging the reader."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surrogates.stereology import Labels


@dataclass(frozen=True)
class LabelledField:
    """One image with its truth.

    Args:
        image: float32, shape (H, W), 0 to 1.
        labels: int32, shape (H, W); grains from 1, pores 0.
        diameter: mean equivalent diameter of the material that the field is a part of, in pixels.
    """

    image: npt.NDArray[np.float32]
    labels: Labels
    diameter: float

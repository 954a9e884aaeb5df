"""Pixels that are not square are made so: every measurement after it counts in pixels alike in both directions."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow

from envs.errors import UserError
from surrogates.micrograph_files.grey import Grey

TOLERANCE = 0.01
"""Share by which the edges may differ: as much as a microscope's own calibration may be off."""
MOST = 4.0


def to_square(image: Grey, wide: float, tall: float, name: str) -> tuple[Grey, float]:
    """The image with square pixels, and the edge of one.

    The longer edge is divided up (bicubic), so that nothing of the finer direction is lost.

    Args:
        image: shape (H, W).
        wide: edge of a pixel along a row.
        tall: edge across the rows, in the same unit.
        name: of the file, for messages.

    Raises:
        UserError: when the edges differ so much that an image made of it would be mostly invented.
    """
    ratio = tall / wide
    if abs(ratio - 1.0) <= TOLERANCE:
        return image, wide
    if not 1.0 / MOST <= ratio <= MOST:
        raise UserError(
            f"{name}: pixels of {wide:g} x {tall:g} um are too far from square to be measured; "
            "take the image with square pixels"
        )
    rows, columns = image.shape
    size = (columns, round(rows * ratio)) if ratio > 1.0 else (round(columns / ratio), rows)
    resized = Pillow.fromarray(image).resize(size, Pillow.Resampling.BICUBIC)
    return np.clip(np.asarray(resized, np.float32), 0.0, 1.0), min(wide, tall)

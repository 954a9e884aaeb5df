"""Olympus Soft Imaging Solutions: a binary structure in TIFF tag 33560, or ini text in tag 33471.

No specification is public; tifffile decodes both (``OlympusSIS``, ``OlympusINI``), the pixel size in metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envs.micrograph_texts.metadata import ImageMetadata, with_scale

SIS_TAGS = (33560, 33471)


def read_sis(values: Mapping[str, Any], row: float) -> ImageMetadata:
    """What the decoded tags say of an image with ``row`` pixels in a row."""
    if not values:
        return ImageMetadata()

    def number(key: str) -> float | None:
        value = values.get(key)
        return float(value) if isinstance(value, int | float) and value > 0 else None

    found = ImageMetadata(
        maker="Olympus", magnification=number("magnification"), detector=str(values.get("cameraname") or "")
    )
    wide, tall = number("pixelsizex"), number("pixelsizey")
    return with_scale(found, wide and wide * 1e6, "Olympus metadata", row, tall and tall * 1e6)

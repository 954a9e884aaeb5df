"""OME-TIFF: the pixel size in the XML of the description (OME model 2016-06, element ``Pixels``)."""

from __future__ import annotations

import re

from envs.micrograph_texts.metadata import ImageMetadata, with_scale
from envs.micrograph_texts.words import TO_UM, number

_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*>")


def read_ome(description: str, row: float) -> ImageMetadata:
    """What the XML says of the first image; micrometres where it names no unit, as the model lays down."""
    if "<OME" not in description[:2000] and ":OME" not in description[:2000]:
        return ImageMetadata()
    match = _PIXELS.search(description)
    fields = dict(re.findall(r'(\w+)="([^"]*)"', match[0])) if match else {}
    wide, tall = (_size(fields, axis) for axis in "XY")
    return with_scale(ImageMetadata(), wide, "OME metadata", row, tall)


def _size(fields: dict[str, str], axis: str) -> float | None:
    unit = TO_UM.get(fields.get(f"PhysicalSize{axis}Unit", "µm"))
    value = number(fields.get(f"PhysicalSize{axis}"))
    return unit * value if unit is not None and value is not None else None

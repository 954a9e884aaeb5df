"""The resolution of a TIFF as a scale: ImageJ's with its ``unit=`` line, else only where it can be no print's.

72, 96, 300 or 4800 dots per inch are a screen's, a printer's or a scanner's: without a word of ImageJ a pixel of 5 um
or more is no scale.
"""

from __future__ import annotations

import math
import re

from envs.micrograph_texts.metadata import ImageMetadata, with_scale
from envs.micrograph_texts.words import TO_UM

PRINTER_UM = 5.0
_UNIT_UM = {2: 25_400.0, 3: 1e4}


def read_resolution(
    across: float | None, down: float | None, unit: int, description: str, source: str = "TIFF resolution"
) -> ImageMetadata:
    """The scale that pixels per unit make.

    Args:
        across: pixels per unit along a row.
        down: across the rows, where it is stated.
        unit: TIFF's: 2 inch, 3 centimetre, anything else none.
        description: of the image; ImageJ keeps its own unit there.
        source: which numbers these are.
    """
    if not across or across < 0.0:
        return ImageMetadata()
    square = not down or down < 0.0 or math.isclose(across, down, rel_tol=0.01)
    if description.startswith("ImageJ="):
        said = re.search(r"^unit=(.*)$", description, re.MULTILINE)
        length = _imagej_unit(said[1].strip()) if said else None
        if length is None:
            return ImageMetadata()
        tall = None if square or not down else length / down
        return with_scale(ImageMetadata(), length / across, source, None, tall)
    length = _UNIT_UM.get(unit)
    if length is None or length / across >= PRINTER_UM or not square:
        return ImageMetadata()
    return with_scale(ImageMetadata(), length / across, source, None)


def _imagej_unit(unit: str) -> float | None:
    return TO_UM.get(unit.replace("\\u00B5", "µ").removesuffix("s"))

"""JEOL: a ``.txt`` of the image's name with ``$CM_`` lines (SEM), or XML in the description of a TIFF (SightX, TEM).

In the text a micron bar's length stands in pixels (``$$SM_MICRON_BAR``) and in words (``$$SM_MICRON_MARKER 10um``), and
``$CM_FULL_SIZE`` is the frame without the info bar below it. In the XML ``PixelsPerMeter`` are those of the camera, so
that a pixel of the specimen is 1 / (pixels per metre x ``SelectorValue``), the magnification on that camera. In
diffraction modes the unit is no length and there is no scale.
"""

from __future__ import annotations

import re

from envs.micrograph_texts.metadata import ImageMetadata, with_scale
from envs.micrograph_texts.words import count, micrometres, number, times

_SIGHTX = "<TemReporter"


def read_jeol(text: str, row: float | None) -> ImageMetadata:
    """What the text file beside an image with ``row`` pixels in a row says."""
    pairs = (line.split(None, 1) for line in text.splitlines() if line.startswith("$"))
    fields = {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}
    if not any(key.startswith(("$CM_", "$$SM_", "$SM_")) for key in fields):
        return ImageMetadata()
    size = fields.get("$CM_FULL_SIZE", "").split()
    found = ImageMetadata(
        maker="JEOL",
        voltage_kv=number(fields.get("$CM_ACCEL_VOLT")),
        magnification=number(fields.get("$CM_MAG")),
        detector=fields.get("$CM_SIGNAL", "") or fields.get("$CM_SIGNAL_NAME", ""),
        working_distance_mm=number(fields.get("$$SM_WD") or fields.get("$SM_WD")),
        frame_columns=count(size[0]) if size else None,
        frame_rows=count(size[1]) if len(size) > 1 else None,
    )
    bar, marker = number(fields.get("$$SM_MICRON_BAR")), micrometres(fields.get("$$SM_MICRON_MARKER", ""))
    pixel = marker / bar if bar and marker else None
    return with_scale(found, pixel, "JEOL sidecar", row)


def read_sightx(text: str, row: float | None) -> ImageMetadata:
    """What the XML in the description of a TIFF of JEOL's TEM software says."""
    if _SIGHTX not in text[:1000]:
        return ImageMetadata()

    def field(pattern: str) -> str:
        # The document is large and comes from outside: fields are picked out of it, entities are never expanded.
        match = re.search(pattern, text)
        return match[1].strip() if match else ""

    selected, unit = number(field(r"<SelectorValue>([^<]*)<")), field(r"<SelectorUnitString>([^<]*)<")
    per_metre = number(field(r"<PixelsPerMeter>\s*<Horizontal>([^<]*)<"))
    down = number(field(r"<PixelsPerMeter>\s*<Horizontal>[^<]*</Horizontal>\s*<Vertical>([^<]*)<"))
    magnified = selected if unit == "X" and selected and selected > 0.0 else None
    found = ImageMetadata(
        maker="JEOL",
        voltage_kv=times(1e-3, number(field(r"<AccelerationVoltage>([^<]*)<"))),
        magnification=magnified,
        detector=field(r"<ImageSourceDetector>([^<]*)<"),
    )
    wide, tall = (1e6 / (each * magnified) if each and magnified else None for each in (per_metre, down))
    return with_scale(found, wide, "JEOL metadata", row, tall)

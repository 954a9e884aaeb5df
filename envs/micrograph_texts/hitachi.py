"""Hitachi: a ``.txt`` of the image's name with a section ``[SemImageFile]``.

``PixelSize`` is in nanometres, ``DataSize`` the frame without an info bar (Bio-Formats ``HitachiReader``).
"""

from __future__ import annotations

import re

from envs.micrograph_texts.metadata import ImageMetadata, with_scale
from envs.micrograph_texts.words import count, ini, kilovolts, micrometres, number, times


def read_hitachi(text: str, row: float | None) -> ImageMetadata:
    """What the text file beside an image with ``row`` pixels in a row says."""
    fields = next((s for name, s in ini(text).items() if name.lower() == "semimagefile"), {})
    if not fields:
        return ImageMetadata()
    frame = re.split(r"[xX*]", fields.get("DataSize", ""))
    found = ImageMetadata(
        maker="Hitachi",
        voltage_kv=kilovolts(fields.get("AcceleratingVoltage", "")),
        magnification=number(fields.get("Magnification")),
        detector=fields.get("SignalName", "") or fields.get("Signal", ""),
        working_distance_mm=times(1e-3, micrometres(fields.get("WorkingDistance", ""))),
        frame_columns=count(frame[0]),
        frame_rows=count(frame[1]) if len(frame) > 1 else None,
    )
    size = fields.get("PixelSize", "")
    nanometres = number(size)
    pixel = micrometres(size) or (nanometres / 1e3 if nanometres else None)
    return with_scale(found, pixel, "Hitachi sidecar", row)

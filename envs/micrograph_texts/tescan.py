"""TESCAN: ini text behind some binary fields in TIFF tag 50431, or the same text in an ``.hdr`` file beside the image.

``PixelSizeX`` and ``PixelSizeY`` in metres, ``HV`` in volts, ``WD`` in metres (as Gwyddion and NexusLIMS read them).
"""

from __future__ import annotations

from envs.micrograph_texts.metadata import ImageMetadata, with_scale
from envs.micrograph_texts.words import number, times

TESCAN_TAG = 50431


def read_tescan(text: str, row: float | None = None, source: str = "TESCAN metadata") -> ImageMetadata:
    """What the text of the tag, or of the file beside the image, says.

    Args:
        text: of the tag or the file; anything without ``PixelSizeX`` or ``Device`` is none of TESCAN's.
        row: pixels in a row of the image.
        source: which of the two it is, for the scale.
    """
    pairs = (line.partition("=") for line in text.splitlines())
    fields: dict[str, str] = {}
    for key, equals, value in pairs:
        if equals:
            fields.setdefault(key.strip(), value.strip())
    if not {"PixelSizeX", "Device"} & fields.keys():
        return ImageMetadata()
    found = ImageMetadata(
        maker="TESCAN",
        voltage_kv=times(1e-3, number(fields.get("HV"))),
        magnification=number(fields.get("Magnification")),
        detector=fields.get("Detector", "") or fields.get("Detector0", ""),
        working_distance_mm=times(1e3, number(fields.get("WD"))),
        dwell_us=times(1e6, number(fields.get("DwellTime"))),
    )
    wide, tall = (times(1e6, number(fields.get(key))) for key in ("PixelSizeX", "PixelSizeY"))
    return with_scale(found, wide, source, row, tall)

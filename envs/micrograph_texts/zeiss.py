"""Zeiss SmartSEM: text in TIFF tag 34118 (``CZ_SEM``), unnamed values first, then a code and its label in turns.

The fourth line is the pixel size in metres *for 1024 pixels in a row*, as rosettasciio documents; on 512 and 2048
pixels ``AP_PIXEL_SIZE`` is off by two, ``AP_IMAGE_PIXEL_SIZE`` is the image's own, and ``AP_WIDTH`` is the width of the
field.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import replace

from envs.micrograph_texts.metadata import ImageMetadata, with_scale
from envs.micrograph_texts.words import kilovolts, micrometres, number, times

ZEISS_TAG = 34118
_ROW = 1024
_DWELL_US = {"ns": 1e-3, "us": 1.0, "µs": 1.0, "ms": 1e3, "s": 1e6}


def read_zeiss(text: str, row: float | None) -> ImageMetadata:
    """What the text of the tag says of an image with ``row`` pixels in a row."""
    if not text:
        return ImageMetadata()
    lines = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    fields = {
        code: after.partition("=")[2].strip()
        for code, after in itertools.pairwise(lines)
        if code.startswith(("AP_", "DP_")) and "=" in after
    }
    found = ImageMetadata(
        maker="Zeiss",
        voltage_kv=kilovolts(_first(fields, "AP_ACTUALKV", "AP_EHT", "AP_MANUALKV")),
        magnification=_magnification(fields.get("AP_MAG", "")),
        detector=_first(fields, "DP_DETECTOR_CHANNEL", "DP_DETECTOR_TYPE"),
        working_distance_mm=times(1e-3, micrometres(fields.get("AP_WD", ""))),
        dwell_us=_dwell(fields.get("DP_DWELL_TIME", "")),
    )
    own = micrometres(fields.get("AP_IMAGE_PIXEL_SIZE", ""))
    metres = number(lines[3]) if len(lines) > 3 else None
    from_row = metres * 1e6 * _ROW / row if metres and row and 0.0 < metres < 1e-2 else None
    if own and from_row and not math.isclose(own, from_row, rel_tol=0.02):
        return replace(found, note=f"the Zeiss metadata disagree: {own:g} um and {from_row:g} um a pixel")
    field = micrometres(fields.get("AP_WIDTH", ""))
    from_field = field / row if field and row else None
    return with_scale(found, from_row or own or from_field, "Zeiss metadata", row)


def _first(fields: Mapping[str, str], *codes: str) -> str:
    return next((fields[code] for code in codes if fields.get(code)), "")


def _magnification(text: str) -> float | None:
    match = re.match(r"([0-9.]+)\s*(K?)\s*X", text, re.IGNORECASE)
    value = number(match[1]) if match else None
    return None if match is None or value is None else value * (1e3 if match[2] else 1.0)


def _dwell(text: str) -> float | None:
    words = text.split()
    return times(_DWELL_US[words[1]], number(words[0])) if len(words) == 2 and words[1] in _DWELL_US else None

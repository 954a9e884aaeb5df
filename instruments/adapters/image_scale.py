"""What a micrograph's file says of itself: how large a pixel is, and how the image was taken.

Sources, in the order in which they are believed:

- FEI/Thermo: ini text in TIFF tag 34682 (``FEI_HELIOS``) or 34680 (``FEI_SFEG``), SI units; ``[Scan] PixelWidth``,
  ``[Beam] HV``, ``[Detectors] Name, Mode`` (tag names of tifffile; fields as read by HyperSpy's rosettasciio).
- Zeiss SmartSEM: text in tag 34118 (``CZ_SEM``). The fourth line is the pixel size in metres *for 1024 pixels in a
  row*, as rosettasciio documents; on 512 and 2048 pixels ``AP_PIXEL_SIZE`` is off by two, ``AP_IMAGE_PIXEL_SIZE`` is
  the image's own.
- TESCAN: ini text behind some binary fields in tag 50431, ``PixelSizeX`` in metres, ``HV`` in volts (as Gwyddion and
  NexusLIMS read it).
- JEOL: a ``.txt`` of the image's name with ``$CM_...`` lines; a micron bar's length in pixels (``$$SM_MICRON_BAR``)
  and in words (``$$SM_MICRON_MARKER 10um``).
- Hitachi: a ``.txt`` with ``[SemImageFile]``; ``PixelSize`` in nanometres (Bio-Formats ``HitachiReader``).
- Plain TIFF: resolution with a unit, or ImageJ's ``unit=`` line. 72, 96 or 300 dpi are a screen's or a printer's: a
  pixel of 5 um or more is a scale only where ImageJ says so.

Where the sources speak of another number of pixels in a row than the image has, it was resampled or cut after it was
taken, and no scale is better than a wrong one.
"""

from __future__ import annotations

import codecs
import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from instruments.adapters.tiff_tags import (
    DESCRIPTION,
    RESOLUTION_UNIT,
    TIFF_MAGIC,
    WIDTH,
    X_RESOLUTION,
    Y_RESOLUTION,
    IncompleteImageError,
    Page,
    read_pages,
)

FEI_TAGS, ZEISS_TAG, TESCAN_TAG = (34682, 34680), 34118, 50431
MAX_PIXEL_UM = 1e4
_PRINTER_UM = 5.0
_ZEISS_ROW = 1024
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"
_TO_UM = {
    "fm": 1e-9,
    "pm": 1e-6,
    "nm": 1e-3,
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "micron": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
}
_LENGTH = re.compile(r"\s*([0-9.]+(?:[eE][+-]?\d+)?)\s*([fpnuµμcm]?m)\b")


@dataclass(frozen=True)
class ImageMetadata:
    """What is known of a micrograph; what is not known is None or empty.

    Attributes:
        pixel_size_um: edge of a pixel in micrometres.
        source: where that came from: ``FEI metadata``, ``Zeiss metadata``, ``TESCAN metadata``, ``JEOL sidecar``,
            ``Hitachi sidecar``, ``TIFF resolution`` or ``none``.
        voltage_kv: acceleration voltage in kilovolts.
        magnification: as the microscope stated it, which depends on its display; never compute with it.
        detector: the signal's name.
        note: why a scale that seemed to be there was not taken.
    """

    pixel_size_um: float | None = None
    source: str = "none"
    voltage_kv: float | None = None
    magnification: float | None = None
    detector: str = ""
    note: str = ""


def check_complete(name: str, data: bytes) -> str:
    """Make sure that a file holds a whole image, and say of which kind.

    Args:
        name: the file's name; its ending counts where the content is of no known kind.
        data: the whole file.

    Returns:
        The media type; ``application/octet-stream`` for what is neither TIFF, PNG nor JPEG.

    Raises:
        IncompleteImageError: when it is empty, cut off, or not what its name promises.
    """
    if not data:
        raise IncompleteImageError("it is empty")
    if data[:4] in TIFF_MAGIC:
        read_pages(data)
        return "image/tiff"
    if data.startswith(_PNG):
        if _PNG_END not in data[-64:]:
            raise IncompleteImageError("the PNG file has no end yet")
        return "image/png"
    if data.startswith(b"\xff\xd8"):
        if not data.rstrip(b"\0").endswith(b"\xff\xd9"):
            raise IncompleteImageError("the JPEG file has no end yet")
        return "image/jpeg"
    if name.lower().endswith((".tif", ".tiff", ".png", ".jpg", ".jpeg")):
        raise IncompleteImageError("its content is not, or not yet, the kind of image that its name says")
    return "application/octet-stream"


def read_metadata(data: bytes, sidecar: bytes | None = None) -> ImageMetadata:
    """Everything that an image and the text file beside it say.

    Args:
        data: a whole image file, as ``check_complete`` has found it.
        sidecar: the content of the text file of the same name, if there is one.
    """
    page = read_pages(data)[0] if data[:4] in TIFF_MAGIC else Page({})
    row = page.number(WIDTH) or _png_width(data)
    text = _decode(sidecar) if sidecar else ""
    readers: tuple[Callable[[], ImageMetadata], ...] = (
        lambda: _fei(next((t for tag in FEI_TAGS if (t := page.text(tag))), ""), row),
        lambda: _zeiss(page.text(ZEISS_TAG), row),
        lambda: _tescan(page.text(TESCAN_TAG)),
        lambda: _jeol(text, row),
        lambda: _hitachi(text, row),
        lambda: _resolution(page),
    )
    known = ImageMetadata()
    for read in readers:
        known = _complete(known, read())
        if known.pixel_size_um is None and known.note:
            break  # the image was resampled: what weaker sources say is no better
    return known


def _complete(known: ImageMetadata, more: ImageMetadata) -> ImageMetadata:
    """What a stronger source left open, from a weaker one."""
    scaled = known if known.pixel_size_um is not None else more
    return replace(
        known,
        pixel_size_um=scaled.pixel_size_um,
        source=scaled.source if scaled.pixel_size_um is not None else "none",
        voltage_kv=known.voltage_kv if known.voltage_kv is not None else more.voltage_kv,
        magnification=known.magnification if known.magnification is not None else more.magnification,
        detector=known.detector or more.detector,
        note=known.note or more.note,
    )


def _scaled(
    found: ImageMetadata, pixel_um: float | None, source: str, stated: float | None, row: float | None
) -> ImageMetadata:
    """Add a pixel size, unless it is none or belongs to another number of pixels in a row."""
    if pixel_um is None or not 0.0 < pixel_um < MAX_PIXEL_UM:
        return found
    if stated and row and round(stated) != round(row):
        note = f"the {source} speak of {stated:.0f} pixels in a row, the image has {row:.0f}: it was resampled or cut"
        return replace(found, note=note.replace("sidecar speak", "sidecar speaks"))
    return replace(found, pixel_size_um=pixel_um, source=source)


def _fei(text: str, row: float | None) -> ImageMetadata:
    if not text:
        return ImageMetadata()
    sections = _ini(text)
    beam, detectors = sections.get("Beam", {}), sections.get("Detectors", {})
    beams = (beam, *(sections.get(name, {}) for name in ("EBeam", "IBeam")))
    volts = next((v for each in beams if (v := _number(each.get("HV"))) is not None), None)
    name, mode = detectors.get("Name", ""), detectors.get("Mode", "")
    found = ImageMetadata(
        voltage_kv=volts / 1e3 if volts is not None else None,
        detector=" ".join(word for word in (name, mode) if word and word != "None"),
    )
    scans = (sections.get(name, {}) for name in ("Scan", "EScan", "IScan"))
    metres = next((v for each in scans if (v := _number(each.get("PixelWidth"))) is not None), None)
    stated = _number(sections.get("Image", {}).get("ResolutionX"))
    return _scaled(found, metres * 1e6 if metres is not None else None, "FEI metadata", stated, row)


def _zeiss(text: str, row: float | None) -> ImageMetadata:
    if not text:
        return ImageMetadata()
    lines = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    fields = {
        code: after.partition("=")[2].strip()
        for code, after in itertools.pairwise(lines)
        if code.startswith(("AP_", "DP_")) and "=" in after
    }
    found = ImageMetadata(
        voltage_kv=_kilovolts(fields.get("AP_ACTUALKV", "")),
        magnification=_zeiss_magnification(fields.get("AP_MAG", "")),
        detector=fields.get("DP_DETECTOR_CHANNEL", ""),
    )
    own = _micrometres(fields.get("AP_IMAGE_PIXEL_SIZE", ""))
    metres = _number(lines[3]) if len(lines) > 3 else None
    from_row = metres * 1e6 * _ZEISS_ROW / row if metres and row and 0.0 < metres < 1e-2 else None
    if own and from_row and not math.isclose(own, from_row, rel_tol=0.02):
        return replace(found, note=f"the Zeiss metadata disagree: {own:g} um and {from_row:g} um a pixel")
    field = _micrometres(fields.get("AP_WIDTH", ""))
    from_field = field / row if field and row else None
    return _scaled(found, from_row or own or from_field, "Zeiss metadata", None, row)


def _zeiss_magnification(text: str) -> float | None:
    match = re.match(r"([0-9.]+)\s*(K?)\s*X", text, re.IGNORECASE)
    return None if match is None else float(match[1]) * (1e3 if match[2] else 1.0)


def _tescan(text: str) -> ImageMetadata:
    pairs = (line.partition("=") for line in text.splitlines())
    fields = {key.strip(): value.strip() for key, equals, value in pairs if equals}
    metres, volts = _number(fields.get("PixelSizeX")), _number(fields.get("HV"))
    found = ImageMetadata(
        voltage_kv=volts / 1e3 if volts is not None else None,
        magnification=_number(fields.get("Magnification")),
        detector=fields.get("Detector", ""),
    )
    return _scaled(found, metres * 1e6 if metres is not None else None, "TESCAN metadata", None, None)


def _jeol(text: str, row: float | None) -> ImageMetadata:
    pairs = (line.split(None, 1) for line in text.splitlines() if line.startswith("$"))
    fields = {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}
    if not fields:
        return ImageMetadata()
    found = ImageMetadata(
        voltage_kv=_number(fields.get("$CM_ACCEL_VOLT")),
        magnification=_number(fields.get("$CM_MAG")),
        detector=fields.get("$CM_SIGNAL", ""),
    )
    bar, marker = _number(fields.get("$$SM_MICRON_BAR")), _micrometres(fields.get("$$SM_MICRON_MARKER", ""))
    pixel = marker / bar if bar and marker else None
    return _scaled(found, pixel, "JEOL sidecar", _number(fields.get("$CM_FULL_SIZE", "").partition(" ")[0]), row)


def _hitachi(text: str, row: float | None) -> ImageMetadata:
    fields = next((s for name, s in _ini(text).items() if name.lower() == "semimagefile"), {})
    if not fields:
        return ImageMetadata()
    found = ImageMetadata(
        voltage_kv=_kilovolts(fields.get("AcceleratingVoltage", "")),
        magnification=_number(fields.get("Magnification")),
        detector=fields.get("SignalName", ""),
    )
    size = fields.get("PixelSize", "")
    nanometres = _number(size)
    pixel = _micrometres(size) or (nanometres / 1e3 if nanometres else None)
    stated = _number(re.split(r"[xX*]", fields.get("DataSize", ""))[0])
    return _scaled(found, pixel, "Hitachi sidecar", stated, row)


def _resolution(page: Page) -> ImageMetadata:
    across, down = page.number(X_RESOLUTION), page.number(Y_RESOLUTION)
    if not across or across < 0.0 or (down and not math.isclose(across, down, rel_tol=0.01)):
        return ImageMetadata()
    description = page.text(DESCRIPTION)
    if description.startswith("ImageJ="):
        named = re.search(r"^unit=(.*)$", description, re.MULTILINE)
        unit = named[1].strip().replace("\\u00B5", "µ").removesuffix("s") if named else ""
        pixel = _TO_UM[unit] / across if unit in _TO_UM else None
    else:
        unit_um = {2: 25_400.0, 3: 1e4}.get(int(page.number(RESOLUTION_UNIT) or 2))
        pixel = unit_um / across if unit_um else None
        if pixel is not None and pixel >= _PRINTER_UM:
            return ImageMetadata()
    return _scaled(ImageMetadata(), pixel, "TIFF resolution", None, None)


def _png_width(data: bytes) -> float | None:
    return float(int.from_bytes(data[16:20], "big")) if data.startswith(_PNG) and len(data) >= 24 else None


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    return data.removeprefix(codecs.BOM_UTF8).decode("latin-1")


def _ini(text: str) -> Mapping[str, Mapping[str, str]]:
    """Sections of ini text; the first value of a key counts, and lines of other forms are passed over."""
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1].strip(), {})
        elif "=" in line:
            key, _, value = line.partition("=")
            current.setdefault(key.strip(), value.strip())
    return sections


def _number(text: str | None) -> float | None:
    """The finite number with which a text begins, None where there is none."""
    match = re.match(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", text or "")
    value = float(match[0]) if match else math.nan
    return value if math.isfinite(value) else None


def _micrometres(text: str) -> float | None:
    match = _LENGTH.match(text.replace("Â", ""))  # UTF-8 that was read as Latin-1
    return None if match is None else (_number(match[1]) or 0.0) * _TO_UM[match[2]]


def _kilovolts(text: str) -> float | None:
    value = _number(text)
    return None if value is None else value if "k" in text.lower() else value / 1e3

"""What is known of a micrograph besides its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

MAX_PIXEL_UM = 1e4


@dataclass(frozen=True)
class ImageMetadata:
    """What is known of a micrograph; what is not known is None or empty.

    Attributes:
        pixel_size_um: edge of a pixel in micrometres, along a row.
        source: where that came from: ``FEI metadata``, ``Zeiss metadata``, ``TESCAN metadata``, ``JEOL metadata``,
            ``JEOL sidecar``, ``Hitachi sidecar``, ``Olympus metadata``, ``TIFF resolution`` or ``none``.
        voltage_kv: acceleration voltage in kilovolts.
        magnification: as the microscope stated it, which depends on its display; never compute with it.
        detector: the signal's name.
        note: why a scale that seemed to be there was not taken.
        maker: of the microscope or of its software.
        working_distance_mm: from the lens to the specimen, in millimetres.
        dwell_us: time of the beam on a pixel, in microseconds.
        frame_columns: pixels in a row of the frame as it was taken.
        frame_rows: rows of the frame as it was taken, without an info bar.
        pixel_height_um: edge of a pixel across the rows, where the text states it apart.
    """

    pixel_size_um: float | None = None
    source: str = "none"
    voltage_kv: float | None = None
    magnification: float | None = None
    detector: str = ""
    note: str = ""
    maker: str = ""
    working_distance_mm: float | None = None
    dwell_us: float | None = None
    frame_columns: int | None = None
    frame_rows: int | None = None
    pixel_height_um: float | None = None


def completed(known: ImageMetadata, more: ImageMetadata) -> ImageMetadata:
    """What a stronger source left open, from a weaker one; a size of the frame goes with the scale."""
    scaled = known if known.pixel_size_um is not None else more
    return ImageMetadata(
        pixel_size_um=scaled.pixel_size_um,
        source=scaled.source if scaled.pixel_size_um is not None else "none",
        voltage_kv=known.voltage_kv if known.voltage_kv is not None else more.voltage_kv,
        magnification=known.magnification if known.magnification is not None else more.magnification,
        detector=known.detector or more.detector,
        note=known.note or more.note,
        maker=known.maker or more.maker,
        working_distance_mm=(
            known.working_distance_mm if known.working_distance_mm is not None else more.working_distance_mm
        ),
        dwell_us=known.dwell_us if known.dwell_us is not None else more.dwell_us,
        frame_columns=known.frame_columns or more.frame_columns,
        frame_rows=known.frame_rows or more.frame_rows,
        pixel_height_um=scaled.pixel_height_um,
    )


def with_scale(
    found: ImageMetadata, pixel_um: float | None, source: str, row: float | None, height_um: float | None = None
) -> ImageMetadata:
    """Add a pixel size, unless it makes no sense or belongs to another number of pixels in a row.

    Args:
        found: what the text says else; its ``frame_columns`` are compared with the image.
        pixel_um: edge of a pixel along a row.
        source: where it came from.
        row: pixels in a row of the image at hand.
        height_um: edge of a pixel across the rows, where it is stated.
    """
    if pixel_um is None or not 0.0 < pixel_um < MAX_PIXEL_UM:
        return found
    stated = found.frame_columns
    if stated and row and stated != round(row):
        speak = "speaks" if source.endswith("sidecar") else "speak"
        note = f"the {source} {speak} of {stated} pixels in a row, the image has {row:.0f}: it was resampled or cut"
        return replace(found, note=note)
    tall = height_um if height_um is not None and 0.0 < height_um < MAX_PIXEL_UM else None
    return replace(found, pixel_size_um=pixel_um, source=source, pixel_height_um=tall)

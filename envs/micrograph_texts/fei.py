"""FEI and Thermo Fisher: ini text in TIFF tag 34682 (``FEI_HELIOS``) or 34680 (``FEI_SFEG``), SI units.

``[Scan]``, ``[EScan]`` or ``[IScan]`` ``PixelWidth``; ``[Beam] HV``; ``[Detectors] Name, Mode``; ``[Image] ResolutionX,
ResolutionY`` are the frame without the info bar below it (tag names of tifffile; fields as read by HyperSpy's
rosettasciio). A frame of the navigation camera has no scan and so no scale.
"""

from __future__ import annotations

from envs.micrograph_texts.metadata import ImageMetadata, with_scale
from envs.micrograph_texts.words import count, ini, number, times

FEI_TAGS = (34682, 34680)
_SCANS = ("Scan", "EScan", "IScan")


def read_fei(text: str, row: float | None) -> ImageMetadata:
    """What the text of the tag says of an image with ``row`` pixels in a row."""
    if not text:
        return ImageMetadata()
    sections = ini(text)

    def first(names: tuple[str, ...], *keys: str) -> float | None:
        """The first of the fields that holds a number: fields may be empty, or words."""
        values = (number(sections.get(name, {}).get(key)) for name in names for key in keys)
        return next((value for value in values if value is not None), None)

    distance = first(("EBeam", "IBeam", "Beam", "Stage"), "WD", "WorkingDistance")
    detectors, image = sections.get("Detectors", {}), sections.get("Image", {})
    signal = (detectors.get("Name", ""), detectors.get("Mode", ""))
    found = ImageMetadata(
        maker="FEI",
        voltage_kv=times(1e-3, first(("Beam", "EBeam", "IBeam"), "HV")),
        detector=" ".join(word for word in signal if word and word != "None"),
        working_distance_mm=times(1e3, distance) if distance and distance > 0.0 else None,
        dwell_us=times(1e6, first(_SCANS, "Dwelltime", "Dwell")),
        frame_columns=count(image.get("ResolutionX")),
        frame_rows=count(image.get("ResolutionY")),
    )
    wide, tall = (times(1e6, first(_SCANS, key)) for key in ("PixelWidth", "PixelHeight"))
    return with_scale(found, wide, "FEI metadata", row, tall)

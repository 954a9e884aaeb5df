"""TIFF files as FEI/Thermo microscopes write them: frame, info bar below it, and settings as ini text in tag 34682."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from envs.errors import UserError
from simulators.sem import Image

FEI_TAG = 34682


def write_tiff(
    image: Image,
    pixel_size_um: float,
    target: Path | io.BytesIO,
    *,
    detector: str = "SE",
    voltage_kv: float = 10.0,
    working_distance_mm: float = 5.0,
    taken_at: str = "",
    label: str = "virtual SEM",
) -> None:
    """Write one frame with its info bar and metadata.

    Args:
        image: uint8, shape (H, W).
        pixel_size_um: edge of a pixel in micrometres.
        target: a path, or a buffer.
        detector: ``SE`` or ``BSE``, as in the image settings.
        voltage_kv: acceleration voltage.
        working_distance_mm: distance from the lens to the sample.
        taken_at: time stamp for the metadata, as text; the clock belongs to the caller.
        label: text in the info bar and in ``UserText``.

    Raises:
        UserError: when the image is not 8-bit grey or the pixel size is not positive.
    """
    if image.dtype != np.uint8 or image.ndim != 2:
        raise UserError(f"a frame must be 8-bit grey (H, W), this one is {image.dtype} with shape {image.shape}")
    if not 0.0 < pixel_size_um < np.inf:
        raise UserError(f"pixel size {pixel_size_um} um must be positive and finite")
    size, per_cm = image.shape, 1e4 / pixel_size_um
    bar = _info_bar(size[1], max(20, round(0.065 * size[0])), pixel_size_um, f"{detector}  {voltage_kv:g} kV  {label}")
    text = _metadata(size, pixel_size_um, len(bar), detector, voltage_kv, working_distance_mm, taken_at, label)
    tifffile.imwrite(
        target,
        np.vstack((image, bar)),
        photometric="minisblack",
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
        software=False,
        metadata=None,
        extratags=[(FEI_TAG, 2, 0, text, True)],
    )


def _metadata(
    shape: tuple[int, int],
    pixel_um: float,
    bar: int,
    detector: str,
    kv: float,
    wd_mm: float,
    taken_at: str,
    label: str,
) -> str:
    """Ini text with the sections and keys that a reader of the real files looks for; SI units, as there."""
    height, width = shape
    pixel = pixel_um * 1e-6
    field = {"HorFieldsize": width * pixel, "VerFieldsize": height * pixel}
    scan = {"InternalScan": "true", "Dwelltime": 1e-06, "PixelWidth": pixel, "PixelHeight": pixel, **field}
    sections: dict[str, dict[str, object]] = {
        "User": {"Date": taken_at, "UserText": label},
        "System": {"Type": "SEM", "Source": "FEG", "SystemType": "Labwright virtual SEM"},
        "Beam": {"HV": kv * 1e3, "Spot": 3, "Beam": "EBeam", "Scan": "EScan"},
        "EBeam": {"HV": kv * 1e3, "HFW": width * pixel, "VFW": height * pixel, "WD": wd_mm * 1e-3},
        "Scan": scan,
        "EScan": {"Scan": "PIA 3.0", **scan},
        "Image": {"ResolutionX": width, "ResolutionY": height, "DriftCorrected": "Off"},
        "Detectors": {"Number": 1, "Name": "CBS" if detector == "BSE" else "ETD", "Mode": detector},
        "PrivateFei": {"DatabarHeight": bar},
    }
    lines: list[str] = []
    for name, values in sections.items():
        lines.append(f"[{name}]")
        lines.extend(
            f"{key}={value:.9g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()
        )
        lines.append("")
    return "\r\n".join(lines)


def _info_bar(width: int, height: int, pixel_um: float, text: str) -> npt.NDArray[np.uint8]:
    """Black bar (height, width) with a scale bar of a round length and a line of text."""
    bar = Pillow.new("L", (width, height), 0)
    draw = ImageDraw.Draw(bar)
    font = ImageFont.load_default(size=max(8.0, 0.45 * height))
    wanted = 0.2 * width * pixel_um
    power = 10.0 ** np.floor(np.log10(wanted))
    length = max(step for step in (1.0, 2.0, 5.0) if step * power <= wanted * 1.0001) * power
    right = width - 8
    left = right - round(length / pixel_um)
    middle = height // 2
    draw.line([(left, middle), (right, middle)], fill=255, width=2)
    draw.line([(left, middle - 5), (left, middle + 5)], fill=255)
    draw.line([(right, middle - 5), (right, middle + 5)], fill=255)
    caption = f"{length:g} um" if length >= 1.0 else f"{length * 1000:g} nm"
    draw.text((left - 6, middle), caption, fill=255, font=font, anchor="rm")
    draw.text((6, middle), text, fill=255, font=font, anchor="lm")
    return np.asarray(bar, dtype=np.uint8)

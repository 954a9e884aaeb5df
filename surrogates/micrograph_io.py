"""Reads micrographs: the grey image without its info bar, and the pixel size with where it came from."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image as Pillow

from envs.errors import UserError

Grey = npt.NDArray[np.float32]

FEI_TAG = 34682
MAX_PIXELS = 100_000_000
TIFF_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


@dataclass(frozen=True)
class Micrograph:
    """A micrograph ready to be measured.

    Args:
        image: float32, shape (H, W), 0 to 1, without info bar.
        pixel_size_um: edge of a pixel in micrometres, or None when nothing states it.
        scale_source: where the pixel size came from: ``given``, ``FEI metadata`` or ``none``.
    """

    image: Grey
    pixel_size_um: float | None
    scale_source: str


def read_micrograph(source: Path | bytes, pixel_size_um: float | None = None) -> Micrograph:
    """Read TIFF (with FEI metadata where there are any), PNG or JPEG.

    Args:
        source: a file, or a file's content.
        pixel_size_um: edge of a pixel; what is given here wins over the file's own.

    Raises:
        UserError: when the file cannot be read as an image, or the pixel size is not positive.
    """
    name = "the image" if isinstance(source, bytes) else str(source)
    if pixel_size_um is not None and not 0.0 < pixel_size_um < np.inf:
        raise UserError(f"{name}: pixel size {pixel_size_um} um must be positive and finite")
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror}); check the path and its permissions") from error
    pixels, metadata = _tiff(content, name) if content[:4] in TIFF_MAGIC else (_picture(content, name), {})
    height, width = pixels.shape[:2]
    rows = _whole(_section(metadata, "Image").get("ResolutionY"))
    image = _grey(pixels, name)[: rows if rows is not None and 0 < rows < height else height]
    if min(image.shape) < 16:
        raise UserError(f"{name}: an image of {width} x {height} pixels is too small to measure")
    own = _fei_pixel_size(metadata)
    if pixel_size_um is not None:
        return Micrograph(image, pixel_size_um, "given")
    return Micrograph(image, own, "FEI metadata" if own is not None else "none")


def _tiff(content: bytes, name: str) -> tuple[npt.NDArray[Any], Mapping[str, Any]]:
    """First page and the FEI settings, empty where the file has none."""
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page = file.pages[0]
            _check_size(page.shape, name)
            tag = page.tags.get(FEI_TAG)
            metadata = tag.value if tag is not None and isinstance(tag.value, dict) else {}
            # JPEG and other compressions inside TIFF need a codec that Pillow brings along.
            plain = page.compression in {1, 5, 8, 32773, 32946}
            return page.asarray() if plain else _picture(content, name), metadata
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{name}: not a TIFF file that can be read ({error}); export the image again") from error


def _check_size(shape: tuple[int, ...], name: str) -> None:
    if int(np.prod(shape)) > MAX_PIXELS * 4:
        raise UserError(f"{name}: {shape} pixels are more than {MAX_PIXELS}; cut a field out of it")


def _picture(content: bytes, name: str) -> npt.NDArray[Any]:
    """Pixels of a PNG or JPEG, grey or RGB."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            with Pillow.open(io.BytesIO(content), formats=("PNG", "JPEG", "BMP", "TIFF")) as picture:
                mode = picture.mode if picture.mode in {"L", "I;16", "I", "F"} else "RGB"
                return np.asarray(picture if picture.mode == mode else picture.convert(mode))
    except Exception as error:
        raise UserError(f"{name}: not an image that can be read (TIFF, PNG or JPEG): {error}") from error


def _grey(pixels: npt.NDArray[Any], name: str) -> Grey:
    """Luminance from 0 to 1, shape (H, W)."""
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        weights = np.array([0.299, 0.587, 0.114])
        scale = 255.0 if pixels.dtype == np.uint8 else float(max(pixels.max(), 1))
        return (pixels[:, :, :3] @ weights / scale).astype(np.float32)
    if pixels.ndim == 3 and pixels.shape[2] in {1, 2}:
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2:
        raise UserError(f"{name}: an array of shape {pixels.shape} is not one image; save a single frame")
    if pixels.dtype == np.uint8:
        return pixels.astype(np.float32) / np.float32(255.0)
    values = pixels.astype(np.float64)
    if not np.isfinite(values).all():
        raise UserError(f"{name}: the image has pixels that are not finite numbers")
    # Detectors of more than eight bits rarely fill their range.
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-12)).astype(np.float32)


def _fei_pixel_size(metadata: Mapping[str, Any]) -> float | None:
    """Pixel edge in micrometres from ``PixelWidth`` (metres), or None as for navigation-camera frames."""
    for name in ("Scan", "EScan", "IScan"):
        value = _section(metadata, name).get("PixelWidth")
        if isinstance(value, int | float) and 0.0 < value < 1e-2:
            return float(value) * 1e6
    return None


def _section(metadata: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = metadata.get(name)
    return section if isinstance(section, dict) else {}


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None

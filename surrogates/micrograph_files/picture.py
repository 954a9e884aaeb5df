"""Micrographs in PNG, JPEG and BMP files (and TIFF of compressions that Pillow alone decodes)."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from envs.errors import UserError
from envs.micrograph_texts.metadata import ImageMetadata, with_scale
from envs.micrograph_texts.resolution import read_resolution
from envs.micrograph_texts.words import TO_UM, micrometres, number
from surrogates.micrograph_files.raw import RawImage, check_size

FORMATS = ("PNG", "JPEG", "BMP")
_AS_THEY_ARE = {"L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I", "F"}
_INCH = 2
_PIXEL_KEYS = re.compile(r"pixel(?:size|width)x?(nm|um|mm|m)?")


def read_picture(content: bytes, name: str) -> RawImage:
    """Pixels of a PNG, JPEG or BMP, and a scale where a text chunk or the resolution states one.

    Raises:
        UserError: when it cannot be decoded, or is of no size that can be measured.
    """
    with _opened(content, name, FORMATS, 0) as picture:
        row, kind = picture.width, picture.format or ""
        info = dict(picture.info)
        pixels, full_scale = _decoded(picture, name)
    dots = info.get("dpi")
    across, down = dots if isinstance(dots, tuple) and len(dots) == 2 else (None, None)
    weak = read_resolution(_real(across), _real(down), _INCH, "", f"{kind} resolution")
    return RawImage(pixels, full_scale, (_text_scale(info, row),), weak)


def decode_picture(
    content: bytes, name: str, formats: tuple[str, ...], index: int
) -> tuple[npt.NDArray[Any], float | None]:
    """Pixels of one frame by Pillow, and the value of white where the type tells it.

    Raises:
        UserError: when it cannot be decoded.
    """
    with _opened(content, name, formats, index) as picture:
        return _decoded(picture, name)


def _opened(content: bytes, name: str, formats: tuple[str, ...], index: int) -> Pillow.Image:
    try:
        with warnings.catch_warnings():
            # Sizes have their own limit below, and damage is an error or none.
            warnings.simplefilter("ignore")
            picture = Pillow.open(io.BytesIO(content), formats=formats)
            picture.seek(index)
    except Pillow.DecompressionBombError as error:
        raise UserError(f"{name}: the image has far too many pixels to be read; cut a field out of it") from error
    except Exception as error:
        raise UserError(f"{name}: not an image that can be read (TIFF, PNG, JPEG or BMP): {error}") from error
    check_size(picture.height, picture.width, name)
    return picture


def _decoded(picture: Pillow.Image, name: str) -> tuple[npt.NDArray[Any], float | None]:
    try:
        if picture.mode not in _AS_THEY_ARE:
            grey = picture.mode == "1"
            picture = picture.convert("L" if grey else "RGBA" if "transparency" in picture.info else "RGB")
        pixels = np.asarray(picture)
    except Exception as error:
        raise UserError(f"{name}: not an image that can be read, it is damaged ({error}); export it again") from error
    return pixels, 255.0 if pixels.dtype == np.uint8 else None


def _text_scale(info: Mapping[Any, Any], row: int) -> ImageMetadata:
    """A pixel size among the text chunks: ``PixelSize = 12.3 nm``, or ``pixel_size_um = 0.0123``."""
    for key, value in info.items():
        match = _PIXEL_KEYS.fullmatch(re.sub(r"[^a-z]", "", str(key).lower()))
        if match is None or not isinstance(value, str):
            continue
        plain = number(value)
        size = micrometres(value) or (TO_UM[match[1]] * plain if match[1] and plain else None)
        if size is not None:
            return with_scale(ImageMetadata(), size, "PNG text", row)
    return ImageMetadata()


def _real(value: object) -> float | None:
    try:
        return float(value) if value is not None else None  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None

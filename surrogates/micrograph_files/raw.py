"""What the readers of files hand over: pixels as they are, and what the file says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from envs.errors import UserError
from envs.micrograph_texts.metadata import ImageMetadata

MAX_PIXELS = 100_000_000
MIN_EDGE = 16


@dataclass(frozen=True)
class RawImage:
    """One frame of a file.

    Attributes:
        pixels: shape (H, W) or (H, W, C), any number type; black is the lowest value.
        full_scale: value of white, or None where the detector's range is not known from the type.
        strong: what the maker's own metadata say, the more trusted first.
        weak: what the container says besides (its resolution), believed after a text file beside the image.
    """

    pixels: npt.NDArray[Any]
    full_scale: float | None
    strong: tuple[ImageMetadata, ...] = ()
    weak: ImageMetadata = field(default_factory=ImageMetadata)


def check_size(rows: int, columns: int, name: str) -> None:
    """Refuse what no microscope takes, before a pixel is decoded.

    Raises:
        UserError: when the image has too many pixels, or too few.
    """
    if rows * columns > MAX_PIXELS:
        raise UserError(f"{name}: {columns} x {rows} pixels are more than {MAX_PIXELS:,}; cut a field out of it")
    if min(rows, columns) < MIN_EDGE:
        raise UserError(f"{name}: an image of {columns} x {rows} pixels is too small to measure")

"""The bar below a frame: what the operator wants to read on a print, in columns, with a scale bar of a round length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

SHARE = 0.065
"""Height of the bar over that of the frame."""
LEAST = 20
WHITE, LINE = 255, 150
Cell = tuple[str, str]


def bar_height(rows: int) -> int:
    """Rows of the bar below a frame of ``rows``."""
    return max(LEAST, round(SHARE * rows))


def info_bar(width: int, height: int, pixel_um: float, cells: Sequence[Cell], label: str) -> npt.NDArray[np.uint8]:
    """Black bar, uint8 (height, width).

    Args:
        width: of the frame.
        height: of the bar.
        pixel_um: edge of a pixel, for the scale bar.
        cells: heading and value of each column; those for which there is no room are left out from the right.
        label: what the operator wrote.
    """
    bar = Pillow.new("L", (width, height), 0)
    draw = ImageDraw.Draw(bar)
    draw.line([(0, 0), (width, 0)], fill=LINE)
    font = ImageFont.load_default(size=max(8.0, 0.34 * height))
    scale_from = width - _scale(draw, width, height, pixel_um, font)
    used = _columns(draw, cells, font, scale_from, height)
    room = scale_from - used - 12
    words = label
    while words and draw.textlength(words, font=font) > room:
        words = words[:-1]
    if words:
        draw.text((used + 6, height // 2), words, fill=WHITE, font=font, anchor="lm")
    return np.asarray(bar, dtype=np.uint8)


def _columns(
    draw: ImageDraw.ImageDraw,
    cells: Sequence[Cell],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    end: int,
    height: int,
) -> int:
    """Headings above values, each column as wide as it needs; returns where the last one ends."""
    left = 0
    for heading, value in cells:
        wide = int(max(draw.textlength(heading, font=font), draw.textlength(value, font=font))) + 10
        if left + wide > end - 4:
            break
        middle = left + wide // 2
        draw.text((middle, round(0.28 * height)), heading, fill=WHITE, font=font, anchor="mm")
        draw.text((middle, round(0.72 * height)), value, fill=WHITE, font=font, anchor="mm")
        left += wide
        draw.line([(left, 0), (left, height)], fill=LINE)
    return left


def _scale(
    draw: ImageDraw.ImageDraw,
    width: int,
    height: int,
    pixel_um: float,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> int:
    """The scale bar with its length in the middle, at the right; returns the room that it takes."""
    wanted = 0.2 * width * pixel_um
    power = 10.0 ** np.floor(np.log10(wanted))
    length = float(max(step for step in (1.0, 2.0, 5.0) if step * power <= wanted * 1.0001) * power)
    right, middle = width - 8, height // 2
    left = right - round(length / pixel_um)
    caption = _length(length)
    half = float(draw.textlength(caption, font=font)) / 2.0 + 4.0
    centre = (left + right) / 2.0
    gap = half if half < 0.4 * (right - left) else 0.0
    draw.line([(left, middle), (centre - gap, middle)], fill=WHITE, width=1)
    draw.line([(centre + gap, middle), (right, middle)], fill=WHITE, width=1)
    for end in (left, right):
        draw.line([(end, middle - height // 5), (end, middle + height // 5)], fill=WHITE, width=1)
    if gap > 0.0:
        draw.text((centre, middle), caption, fill=WHITE, font=font, anchor="mm")
        return width - left + 6
    draw.text((left - 6, middle), caption, fill=WHITE, font=font, anchor="rm")
    return width - left + int(2.0 * half) + 6


def _length(um: float) -> str:
    """A length in the unit that a reader expects."""
    if um >= 1000.0:
        return f"{um / 1000.0:g} mm"
    return f"{um:g} um" if um >= 1.0 else f"{um * 1000.0:g} nm"

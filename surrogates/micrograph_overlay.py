"""Micrographs with what was seen in them drawn over: plain for a record, or with a strip of numbers below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_reading import MicrographReading
from surrogates.stereology import Mask

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

BOUNDARY: Colour = (255, 140, 0)
PORE: Colour = (40, 120, 255)
PHASE: Colour = (60, 200, 90)
CRACK: Colour = (255, 40, 60)
LEGEND = (("boundaries", BOUNDARY), ("pores", PORE), ("second phase", PHASE), ("cracks", CRACK))

SMALLEST_SHEET = 480
"""Pixels: smaller pictures are enlarged by a whole factor; words need as much room below a narrow one."""
BLACK, WHITE, GREY, RED = (16, 16, 18), (240, 240, 240), (165, 165, 170), (190, 20, 30)
CROWDED, SPARSE = 0.15, 0.05
"""Shares of the pixels that boundaries take, one pixel thick: grains of about 13 pixels, and of 40."""
SHARE_OF_BAR = 0.28
"""The scale bar is at most this share of the width."""


@dataclass(frozen=True)
class Strip:
    """What is written below the picture.

    Args:
        title: one line.
        lines: the numbers, one statement a line.
        refused: why the picture is no measurement and what to do; empty for an accepted one.
    """

    title: str
    lines: Sequence[str]
    refused: str = ""


def overlay(micrograph: Micrograph, reading: MicrographReading) -> Picture:
    """The micrograph with boundaries in orange, pores in blue, the second phase in green and cracks in red.

    Args:
        micrograph: the picture.
        reading: what was seen in it; masks of shape (H, W).

    Returns:
        uint8 RGB, shape (H, W, 3).
    """
    picture = np.repeat((micrograph.image * 255.0)[:, :, None], 3, axis=2)
    cracks = _widened(reading.crack_mask, 2)
    lines = _widened(reading.boundary_mask, _thickness(reading.boundary_mask)) & ~reading.pore_mask & ~cracks
    for mask, colour, share in (
        (reading.phase_mask & ~reading.pore_mask, PHASE, 0.38),
        (reading.pore_mask, PORE, 0.55),
        (lines, BOUNDARY, 0.8),
        (cracks, CRACK, 0.85),
    ):
        picture[mask] = (1.0 - share) * picture[mask] + share * np.array(colour, dtype=np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


def sheet(micrograph: Micrograph, reading: MicrographReading, strip: Strip) -> Image.Image:
    """The overlay with a strip below it: what was measured, a legend, and a scale bar where there is a scale.

    Letters grow with the picture, so that they can be read when it fills a screen. A refused picture says so in red.
    """
    drawn = Image.fromarray(overlay(micrograph, reading))
    factor = max(-(-SMALLEST_SHEET // max(drawn.size)), 1)
    drawn = drawn.resize((drawn.width * factor, drawn.height * factor), Image.Resampling.NEAREST)
    width = max(drawn.width, SMALLEST_SHEET)
    size = round(min(max(width / 42.0, 13.0), 90.0))
    pieces = (drawn, _words(width, size, strip), _foot(width, size, micrograph, reading, factor))
    whole = Image.new("RGB", (width, sum(piece.height for piece in pieces)), BLACK)
    top = 0
    for piece in pieces:
        whole.paste(piece, (0, top))
        top += piece.height
    return whole


def bar_length(widest_um: float) -> float:
    """The longest of 1, 2, 5, 10, ... that fits, in micrometres; ``widest_um`` is positive."""
    power = 10.0 ** np.floor(np.log10(widest_um))
    return float(max(step * power for step in (1.0, 2.0, 5.0) if step * power <= widest_um * (1.0 + 1e-9)))


def length_in_words(um: float) -> str:
    """A scale bar's length in nm, µm or mm."""
    for limit, factor, unit in ((1.0, 1e3, "nm"), (1e3, 1.0, "µm"), (np.inf, 1e-3, "mm")):
        if um < limit:
            return f"{um * factor:.3g} {unit}"
    return ""


def _thickness(boundaries: Mask) -> int:
    """Pixels that lines may be thick: two can be seen in any picture, small grains would vanish below them."""
    share = float(boundaries.mean())
    if share > CROWDED:
        return 1
    return 3 if share < SPARSE and max(boundaries.shape) > 1024 else 2


def _widened(mask: Mask, thickness: int) -> Mask:
    if thickness == 1 or not mask.any():
        return mask
    wide: Mask = ndimage.binary_dilation(mask, np.ones((thickness, thickness)))
    return wide


def _words(width: int, size: int, strip: Strip) -> Image.Image:
    """The title and the lines, wrapped to the width; the reason of a refusal stands first, on red."""
    font, bold = _font(size), _font(round(1.15 * size))
    margin, step = size // 2, round(1.4 * size)
    refusal = _wrapped(f"REFUSED: {strip.refused}", bold, width - 2 * margin) if strip.refused else []
    title = _wrapped(strip.title, bold, width - 2 * margin)
    lines = [part for line in strip.lines for part in _wrapped(line, font, width - 2 * margin)]
    bold_step = round(1.2 * step)
    red = len(refusal) * bold_step + (margin if refusal else 0)
    piece = Image.new("RGB", (width, red + len(title) * bold_step + len(lines) * step + margin), BLACK)
    pen = ImageDraw.Draw(piece)
    if refusal:
        pen.rectangle((0, 0, width, red - 1), fill=RED)
    top = margin // 2
    for text in refusal:
        pen.text((margin, top), text, fill=WHITE, font=bold)
        top += bold_step
    top = red + margin // 2
    for text in title:
        pen.text((margin, top), text, fill=WHITE, font=bold)
        top += bold_step
    for text in lines:
        pen.text((margin, top), text, fill=GREY if strip.refused else WHITE, font=font)
        top += step
    return piece


def _foot(width: int, size: int, micrograph: Micrograph, reading: MicrographReading, factor: int) -> Image.Image:
    """The legend of the colours that occur, and the scale bar above it on the right."""
    font = _font(size)
    margin, step = size // 2, round(1.4 * size)
    piece = Image.new("RGB", (width, 2 * step + margin), BLACK)
    pen = ImageDraw.Draw(piece)
    left = margin
    masks = (reading.boundary_mask, reading.pore_mask, reading.phase_mask, reading.crack_mask)
    for (name, colour), mask in zip(LEGEND, masks, strict=True):
        if not mask.any():
            continue
        pen.rectangle((left, step + size // 4, left + size, step + size), fill=colour)
        pen.text((left + size + margin, step), name, fill=WHITE, font=font)
        left += size + 3 * margin + round(font.getlength(name))
    _scale_bar(pen, width, size, None if micrograph.pixel_size_um is None else micrograph.pixel_size_um / factor)
    return piece


def _scale_bar(pen: ImageDraw.ImageDraw, width: int, size: int, pixel_um: float | None) -> None:
    font, margin = _font(size), size // 2
    if pixel_um is None:
        text = "no scale"
        pen.text((width - margin - font.getlength(text), margin // 2), text, fill=GREY, font=font)
        return
    um = bar_length(SHARE_OF_BAR * width * pixel_um)
    text, right = length_in_words(um), width - margin
    left, thick = right - round(um / pixel_um), max(size // 4, 3)
    pen.rectangle((left, size - thick, right - 1, size), fill=WHITE)
    pen.text((left - margin - font.getlength(text), margin // 2), text, fill=WHITE, font=font)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The letters that matplotlib brings along: Pillow's own have no Greek."""
    import matplotlib as mpl

    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The text in lines that fit; a word longer than a line is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if font.getlength(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while font.getlength(line) > width:
            fits = max((n for n in range(1, len(line)) if font.getlength(line[:n]) <= width), default=1)
            lines.append(line[:fits])
            line = line[fits:]
    return [*lines, line] if line else lines

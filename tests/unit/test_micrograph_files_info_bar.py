"""A drawn info bar is cut off whoever drew it, and nothing else ever is."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from simulators.optics.info_bar import info_bar
from simulators.reader_data import fields
from surrogates.micrograph_io import read_micrograph

Levels = npt.NDArray[np.uint8]
CELLS = [("HV", "15.00 kV"), ("mag", "5 000 x"), ("WD", "6.5 mm"), ("det", "CBS"), ("HFW", "25.6 um")]


def lettered(width: int, height: int, paper: int, ink: int, border: int | None) -> Levels:
    """A bar in the manner of other makers: two lines of text, a scale bar, perhaps a frame around all."""
    bar = Image.new("L", (width, height), paper)
    draw = ImageDraw.Draw(bar)
    font = ImageFont.load_default(size=height * 0.3)
    draw.text((8, 3), "200 µm     EHT = 25.00 kV", fill=ink, font=font)
    draw.text((8, height // 2), "Mag = 105 X   WD = 14.8 mm   SE2", fill=ink, font=font)
    draw.line([(width - 90, height // 2), (width - 20, height // 2)], fill=ink, width=3)
    if border is not None:
        draw.rectangle([0, 0, width - 1, height - 1], outline=border)
    return np.asarray(bar, np.uint8)


BARS: dict[str, Callable[[int], Levels]] = {
    "black with columns": lambda width: info_bar(width, 33, 0.05, CELLS, "sample 7"),
    "white in a black frame": lambda width: lettered(width, 40, 255, 0, 0),
    "black": lambda width: lettered(width, 44, 0, 255, None),
    "grey in a white frame": lambda width: lettered(width, 60, 70, 255, 255),
}


def jpeg(levels: Levels, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def png(levels: Levels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def frames() -> list[Levels]:
    shots = [*fields(5, 2, (208, 416)), *fields(6, 1, (208, 416), unusual=True)]
    return [np.asarray(shot.image * 255 if shot.image.dtype != np.uint8 else shot.image, np.uint8) for shot in shots]


@pytest.mark.parametrize("style", BARS)
def test_bars_are_found_to_the_row_and_in_a_jpeg_to_one(frames: list[Levels], style: str) -> None:
    for frame in frames:
        bar = BARS[style](frame.shape[1])
        whole = np.vstack([frame, bar])
        assert read_micrograph(png(whole)).info_bar_rows == len(bar)
        assert read_micrograph(png(whole)).image.shape == frame.shape
        for quality in (95, 80):
            assert read_micrograph(jpeg(whole, quality)).info_bar_rows == pytest.approx(len(bar), abs=1)


def test_a_bar_that_was_drawn_into_the_image_may_leave_a_row_below(frames: list[Levels]) -> None:
    whole = frames[0].copy()
    whole[-41:-1] = BARS["white in a black frame"](416)
    assert read_micrograph(png(whole)).info_bar_rows == 41


def test_good_frames_keep_every_row(frames: list[Levels]) -> None:
    for frame in frames:
        for content in (png(frame), jpeg(frame, 95), jpeg(frame, 60)):
            assert read_micrograph(content).info_bar_rows == 0


def test_what_looks_like_a_bar_but_is_specimen_stays() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(120, 15, (256, 512)).clip(0, 255).astype(np.uint8)
    dark, debris, edge, flat, checks = (noise.copy() for _ in range(5))
    dark[210:] = 0  # a mounting so dark that the detector shows none of it
    debris[210:] = 0
    for row, column in zip(rng.integers(212, 250, 60), rng.integers(0, 505, 60), strict=True):
        debris[row : row + 4, column : column + 5] = 220
    # The border of the specimen before a dark mounting wanders by some rows.
    for column, start in enumerate(210 + (4 * np.sin(np.arange(512) / 17)).round().astype(int)):
        edge[start:, column] = debris[start:, column]
    flat[:] = 90
    checks[:] = np.where((np.indices((256, 512)).sum(0) // 16) % 2, 255, 0)
    mask = np.where(noise > 120, 255, 0).astype(np.uint8)
    for picture in (dark, edge, flat, checks, mask):
        assert read_micrograph(png(picture)).info_bar_rows == 0

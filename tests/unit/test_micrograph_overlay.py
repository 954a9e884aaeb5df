"""What is drawn over a micrograph: its colours, its size, and a strip that grows with what there is to say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sem_readings import reading

from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_overlay import (
    BOUNDARY,
    CRACK,
    PHASE,
    PORE,
    RED,
    Strip,
    bar_length,
    length_in_words,
    overlay,
    sheet,
)
from surrogates.micrograph_reading import MicrographReading
from surrogates.stereology import Mask


def spot(row: int, shape: tuple[int, int]) -> Mask:
    mask = np.zeros(shape, dtype=np.bool_)
    mask[row : row + 4, 4:12] = True
    return mask


def seen(shape: tuple[int, int] = (40, 40)) -> tuple[Micrograph, MicrographReading]:
    masks: dict[str, Any] = {
        f"{name}_mask": spot(4 + 9 * k, shape) for k, name in enumerate(("boundary", "pore", "phase", "crack"))
    }
    return Micrograph(np.full(shape, 0.5, dtype=np.float32), 0.05, "given"), reading(**masks)


def test_each_kind_is_tinted_with_its_colour_and_the_rest_stays_grey() -> None:
    micrograph, found = seen()
    picture = overlay(micrograph, found)
    assert picture.shape == (40, 40, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[0, 39]) == (127, 127, 127)
    for row, colour in ((6, BOUNDARY), (15, PORE), (24, PHASE), (33, CRACK)):
        tint = picture[row, 8].astype(float) - 127.0
        assert np.corrcoef(tint, np.array(colour, dtype=float) - 127.0)[0, 1] > 0.95


@pytest.mark.parametrize("shape", [(512, 512), (64, 64), (300, 40), (40, 300), (900, 1300)])
def test_a_sheet_shows_the_whole_picture_with_room_for_words(shape: tuple[int, int]) -> None:
    micrograph, found = seen(shape)
    words = Strip("two-phase · 243 grains · a very long name of a file_" + "x" * 80 + ".png", ["porosity 3.1 ± 0.4 %"])
    drawn = sheet(micrograph, found, words)
    assert drawn.width >= max(480, shape[1])
    assert drawn.height > shape[0] * (drawn.width // shape[1] if shape[0] == shape[1] else 1)
    strip = np.asarray(drawn)[-60:]
    assert strip.max() > 200
    assert strip.mean() < 120


def test_a_refused_picture_says_so_on_red() -> None:
    micrograph, found = seen((512, 512))
    plain = np.asarray(sheet(micrograph, found, Strip("a.png", [])))
    refused = np.asarray(sheet(micrograph, found, Strip("a.png", [], "out of focus. Refocus.")))
    red = np.array(RED)
    assert not (plain == red).all(axis=2).any()
    assert (refused[512:] == red).all(axis=2).sum() > 5000
    assert refused.shape[0] > plain.shape[0]


def test_the_scale_bar_is_a_round_length_and_as_long_as_it_says() -> None:
    assert [bar_length(um) for um in (0.99, 1.0, 1.99, 4.7, 73.0, 0.0301)] == pytest.approx([0.5, 1, 1, 2, 50, 0.02])
    assert [length_in_words(um) for um in (0.02, 5.0, 2000.0)] == ["20 nm", "5 µm", "2 mm"]
    micrograph, found = seen((512, 512))
    drawn = np.asarray(sheet(micrograph, found, Strip("a.png", []))).astype(int)
    white = (drawn[512:] > 230).all(axis=2)
    # 0.28 of 512 pixels of 0.05 um are 7.2 um: a bar of 5 um, 100 pixels.
    runs = ["".join("1" if each else "0" for each in row).split("0") for row in np.atleast_2d(white)]
    assert max(len(run) for row in runs for run in row) == 100

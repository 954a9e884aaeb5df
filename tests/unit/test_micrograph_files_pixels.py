"""Every kind of pixel becomes grey from 0 to 1; what is no single readable image is one clear error."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from envs.errors import UserError
from surrogates.micrograph_files import raw
from surrogates.micrograph_io import Micrograph, read_micrograph

RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))


def tiff(image: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, image, **({"metadata": None} | how))
    return buffer.getvalue()


def saved(picture: Image.Image, kind: str, **how: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **how)
    return buffer.getvalue()


@pytest.mark.parametrize("how", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "tiff_lzma", "zstd"])
def test_compressed_tiff_is_read_by_whichever_library_can(how: str) -> None:
    found = read_micrograph(saved(Image.fromarray(RAMP), "TIFF", compression=how))
    assert found.image == pytest.approx(RAMP / 255.0, abs=0.02)


def test_a_compressed_page_behind_a_preview_is_the_one_that_is_read() -> None:
    """Pillow decodes it, and must take the page that was chosen."""
    preview = Image.fromarray(RAMP[::2, ::2])
    content = saved(preview, "TIFF", save_all=True, append_images=[Image.fromarray(RAMP)], compression="tiff_lzw")
    assert read_micrograph(content).image == pytest.approx(RAMP / 255.0)


def test_palettes_are_looked_up_and_white_may_be_zero() -> None:
    backwards = np.tile(np.arange(255, -1, -1, dtype=np.uint16) * 257, (3, 1))
    assert read_micrograph(tiff(RAMP, photometric="palette", colormap=backwards)).image == pytest.approx(
        1.0 - RAMP / 255.0, abs=1e-5
    )
    assert read_micrograph(tiff(255 - RAMP, photometric="miniswhite")).image == pytest.approx(RAMP / 255.0, abs=1e-6)
    deep = tiff(65535 - RAMP.astype(np.uint16) * 100, photometric="miniswhite")
    assert read_micrograph(deep).image == pytest.approx(RAMP / RAMP.max(), abs=1e-4)
    assert read_micrograph(saved(Image.fromarray(RAMP).convert("P"), "PNG")).image == pytest.approx(
        RAMP / 255.0, abs=0.01
    )


def test_two_levels_colours_alpha_and_floating_point() -> None:
    def same(found: Micrograph, expected: Any) -> bool:
        return bool(np.abs(found.image - expected).max() < 0.01)

    two = RAMP > 100
    assert same(read_micrograph(tiff(two, photometric="minisblack")), two)
    assert same(read_micrograph(saved(Image.fromarray(two), "TIFF", compression="group4")), two)
    assert same(read_micrograph(saved(Image.fromarray(two), "PNG")), two)
    ramp = RAMP / 255.0
    for mode in ("LA", "RGBA"):
        assert same(read_micrograph(saved(Image.fromarray(RAMP).convert(mode), "PNG")), ramp)
    colours = np.stack([RAMP] * 3, axis=-1)
    assert same(read_micrograph(tiff(colours, photometric="rgb")), ramp)
    assert same(read_micrograph(tiff(np.moveaxis(colours, -1, 0), photometric="rgb", planarconfig="separate")), ramp)
    for kind in (np.uint16, np.int32, np.float32, np.float64):
        assert same(read_micrograph(tiff(RAMP.astype(kind) * 3 + 7)), RAMP / RAMP.max())
    assert same(read_micrograph(saved(Image.fromarray(RAMP.astype(np.uint16) * 9), "PNG")), RAMP / RAMP.max())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: tiff(np.stack([RAMP] * 3), photometric="minisblack"), "stack of 3 images"),
        (lambda: tiff(np.stack([RAMP] * 3), imagej=True), "stack of 3 images"),
        (lambda: tiff(np.zeros((8, 64), np.uint8)), "too small"),
        (lambda: saved(Image.new("L", (3, 2)), "PNG"), "too small"),
        (lambda: tiff(np.full((48, 64), np.nan, np.float32)), "not finite"),
        (lambda: tiff(RAMP.astype(np.complex64)), "no grey levels"),
        (lambda: tiff(np.stack([RAMP] * 5, axis=-1), photometric="minisblack", planarconfig="contig"), "single frame"),
        (lambda: saved(Image.new("RGBA", (64, 48), (9, 9, 9, 0)), "PNG"), "transparent"),
        (lambda: tiff(RAMP)[:600], "read"),
        (lambda: saved(Image.effect_noise((64, 48), 50), "PNG")[:900], "read"),
        (lambda: saved(Image.fromarray(RAMP), "GIF"), "read"),
    ],
)
def test_what_is_no_single_readable_image_is_one_clear_error(content: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        read_micrograph(content())
    assert "\n" not in str(error.value)


def test_giant_images_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "MAX_PIXELS", 1000)
    for content in (tiff(RAMP), saved(Image.fromarray(RAMP), "PNG"), tiff(RAMP)[:-2000]):
        with pytest.raises(UserError, match="cut a field"):
            read_micrograph(content)


def test_more_values_than_an_image_has_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    many = tiff(np.zeros((32, 32, 200), np.uint8), photometric="minisblack", planarconfig="contig", compression="zlib")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UserError, match="200 values a pixel"):
        read_micrograph(many)


def test_no_damage_fails_in_another_way() -> None:
    noise = np.random.default_rng(0)
    contents = [tiff(RAMP, compression="zlib"), saved(Image.fromarray(RAMP), "PNG"), tiff(RAMP)]
    for content in contents:
        for _ in range(60):
            hurt = bytearray(content)
            for place in noise.integers(0, min(len(hurt), 400), 4):
                hurt[place] = noise.integers(0, 256)
            with contextlib.suppress(UserError):
                read_micrograph(bytes(hurt))

"""Pictures of the record as they go into a message: small enough, and still what the file shows."""

from __future__ import annotations

import hashlib
import io
import random
from typing import Any

import pytest
from PIL import Image

from agent.daemon.question_picture import MAX_PIXELS, shown
from envs.errors import UserError
from instruments.profile.agent_messages import THUMBNAIL_LIMIT
from instruments.profile.questions import Picture


def coded(image: Image.Image, form: str, **options: Any) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    buffer.seek(0)
    return buffer


def picture(file: io.BytesIO, edge: int = 1024) -> tuple[Picture, Image.Image]:
    found = shown(file, hashlib.sha256(file.getvalue()).hexdigest(), edge)
    seen = Image.open(io.BytesIO(found.thumbnail.picture))
    seen.load()
    return found, seen


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    return Image.frombytes("L", size, random.Random(seed).randbytes(size[0] * size[1]))


def test_a_large_noisy_micrograph_fits_a_message() -> None:
    found, seen = picture(coded(noise((1536, 1024)), "TIFF"), 1600)
    assert (found.width, found.height) == (1536, 1024)
    assert len(found.thumbnail.picture) <= THUMBNAIL_LIMIT
    assert seen.width / seen.height == pytest.approx(1.5, abs=0.01)


def test_it_is_as_large_as_was_asked_for_and_never_larger_than_it_was() -> None:
    plain = coded(Image.new("RGB", (900, 300), (10, 200, 30)), "PNG")
    assert picture(plain, 300)[1].size == (300, 100)
    plain.seek(0)
    assert picture(plain, 1600)[1].size == (900, 300)


def test_an_overlay_stays_sharp() -> None:
    drawn = Image.new("RGB", (512, 512), (128, 128, 128))
    for x in range(0, 512, 16):
        drawn.paste((255, 0, 0), (x, 0, x + 1, 512))
    found, seen = picture(coded(drawn, "PNG"), 512)
    assert found.thumbnail.media_type == "image/png"
    assert seen.convert("RGB").getpixel((16, 40)) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_deep_grey_is_stretched_whatever_its_range_and_a_hot_pixel_does_not_make_it_black(mode: str) -> None:
    deep = Image.new("I", (256, 256), 1000)
    deep.paste(1400, (128, 0, 256, 256))
    for x in range(20):
        deep.putpixel((x, 5), 65_000)
    _, seen = picture(coded(deep.convert(mode) if mode != "I" else deep, "TIFF"), 256)
    assert seen.mode in {"L", "RGB"}
    grey = seen.convert("L")
    dark, bright = grey.getpixel((40, 100)), grey.getpixel((200, 100))
    assert isinstance(dark, int)
    assert isinstance(bright, int)
    assert dark < 40
    assert bright > 215


@pytest.mark.parametrize("mode", ["I;16", "F"])
def test_a_large_deep_picture_is_made_smaller_strip_by_strip(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = Image.new("I", (1001, 1503), 1000)
    deep.paste(9000, (0, 700, 1001, 1503))
    whole = picture(coded(deep.convert(mode), "TIFF"), 100)[1].convert("L")
    assert whole.size == (67, 100)
    monkeypatch.setattr("agent.daemon.question_picture._STRIP", 20_000)
    largest: list[int] = []
    real = Image.Image.convert

    def convert(self: Image.Image, *args: Any, **more: Any) -> Image.Image:
        largest.append(self.width * self.height)
        return real(self, *args, **more)

    monkeypatch.setattr(Image.Image, "convert", convert)
    seen = picture(coded(deep.convert(mode), "TIFF"), 100)[1]
    del largest[0]  # by the test itself
    assert max(largest) <= 20_000
    assert real(seen, "L").tobytes() == whole.tobytes()
    assert [whole.getpixel((30, y)) for y in (10, 40, 52, 90)] == [0, 0, 255, 255]


def test_a_picture_that_would_take_much_memory_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.daemon.question_picture.MAX_DECODED", 80_000)
    with pytest.raises(UserError, match="200 x 101 pixels of 32 bits: too many"):
        picture(coded(Image.new("F", (200, 101)), "TIFF"))
    for mode, size in (("F", (200, 100)), ("I;16", (200, 200)), ("L", (400, 200))):
        assert picture(coded(Image.new(mode, size), "TIFF"))[0].width == size[0]
    assert picture(coded(Image.new("RGB", (800, 800)), "JPEG"), 100)[0].width == 800, "it is decoded smaller at once"


def test_a_flat_deep_picture_is_grey() -> None:
    _, seen = picture(coded(Image.new("I;16", (64, 64), 30_000), "TIFF"))
    assert seen.convert("L").getextrema() == (127, 127)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_pictures_of_every_kind_are_shown(mode: str) -> None:
    _, seen = picture(coded(noise((64, 48)).convert(mode), "PNG"), 32)
    assert seen.size == (32, 24)


def test_a_photograph_of_a_phone_is_made_small() -> None:
    file = coded(noise((6000, 4000)).convert("RGB"), "JPEG", quality=40)
    found, seen = picture(file, 800)
    assert (found.width, found.height) == (6000, 4000)
    assert max(seen.size) <= 800


def test_what_is_no_picture_is_refused_in_words() -> None:
    for content in (
        b"",
        b"not a picture",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        b"<svg xmlns='...'/>",
        b"GIF89a" + b"\0" * 90,
    ):
        with pytest.raises(UserError, match="no picture that can be shown"):
            picture(io.BytesIO(content))


def test_a_picture_that_claims_too_many_pixels_is_not_opened() -> None:
    # One byte deep and quickly written: the file itself is small.
    vast = coded(Image.new("1", (9000, 9000)), "PNG")
    assert len(vast.getvalue()) < MAX_PIXELS // 1000
    with pytest.raises(UserError, match="too many to be shown"):
        picture(vast)
    monstrous = bytearray(coded(Image.new("1", (8, 8)), "PNG").getvalue())
    monstrous[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(UserError, match=r"picture that can be shown|too many"):
        picture(io.BytesIO(bytes(monstrous)))

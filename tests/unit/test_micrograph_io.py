"""Images of common formats are read with their scale; what cannot be read is one clear error."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from envs.errors import UserError
from surrogates.micrograph_io import read_micrograph

RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))


def _encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_plain_pictures_are_grey_from_0_to_1_without_a_scale(kind: str, mode: str) -> None:
    micrograph = read_micrograph(_encoded(Image.fromarray(RAMP).convert(mode), kind))
    assert micrograph.image.shape == (48, 64)
    assert micrograph.image == pytest.approx(RAMP / 255.0, abs=0.02)
    assert micrograph.pixel_size_um is None
    assert micrograph.scale_source == "none"


def test_a_given_pixel_size_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_encoded(Image.fromarray(RAMP), "PNG"))
    micrograph = read_micrograph(path, pixel_size_um=0.25)
    assert (micrograph.pixel_size_um, micrograph.scale_source) == (0.25, "given")


def test_sixteen_bits_are_stretched_to_the_full_range() -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, RAMP.astype(np.uint16) * 10 + 500)
    image = read_micrograph(buffer.getvalue()).image
    assert (image.min(), image.max()) == (0.0, 1.0)


@pytest.mark.parametrize("content", [b"", b"not an image", b"II*\x00broken", b"\x89PNG\r\n\x1a\nbroken"])
def test_unreadable_content_is_a_user_error(content: bytes) -> None:
    with pytest.raises(UserError, match="read"):
        read_micrograph(content)


def test_missing_files_and_senseless_scales_are_user_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-such"):
        read_micrograph(tmp_path / "no-such.tif")
    with pytest.raises(UserError, match="pixel size"):
        read_micrograph(_encoded(Image.fromarray(RAMP), "PNG"), pixel_size_um=-1.0)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "image.tif"
    os.mkfifo(pipe)
    for endless in (pipe, Path("/dev/zero")):
        with pytest.raises(UserError, match="a device or a pipe"):
            read_micrograph(endless)

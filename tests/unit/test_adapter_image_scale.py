"""Pixel sizes from the files that microscopes write; Pillow and tifffile, which do not know the reader, write them."""

import io
import struct
import time
import warnings
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from envs.micrograph_texts.metadata import ImageMetadata
from instruments.adapters.image_scale import check_complete, read_metadata
from instruments.adapters.tiff_tags import IncompleteImageError, read_pages
from simulators.sem_tiff import write_tiff

JEOL = b"""$CM_FORMAT JEOL/SEM
$CM_SIGNAL SEI
$CM_MAG 5000
$CM_ACCEL_VOLT 15.00
$CM_FULL_SIZE 64 48
$$SM_MICRON_BAR 180
$$SM_MICRON_MARKER 5um
"""
HITACHI = (
    "[SemImageFile]\r\nInstructName=SU8230\r\nDataSize=64x48\r\nPixelSize=9.921875\r\nSignalName=SE(U)\r\n"
    "AcceleratingVoltage=15000 Volt\r\nMagnification=10000\r\n"
)


def zeiss(metres: str, *fields: str) -> str:
    """Text of tag 34118: unnamed values first, then a code and its label in turns."""
    return "\r\n".join(["0", "0", "0", metres, *["1"] * 8, *fields, ""])


def tiff(text: str = "", tag: int = 34118, *, size: tuple[int, int] = (64, 48), **saving: Any) -> bytes:
    """A grey image with a private tag of text."""
    tags = ImageFileDirectory_v2()
    if text:
        tags[tag] = text.encode("latin-1")
        tags.tagtype[tag] = 7
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).save(buffer, "TIFF", tiffinfo=tags, **saving)
    return buffer.getvalue()


def test_fei_metadata_say_scale_voltage_and_detector() -> None:
    buffer = io.BytesIO()
    write_tiff(np.zeros((96, 128), np.uint8), 0.0123, buffer, detector="BSE", voltage_kv=15.0)
    found = read_metadata(buffer.getvalue())
    assert found.pixel_size_um == pytest.approx(0.0123)
    assert found.source == "FEI metadata"
    assert (found.voltage_kv, found.detector) == (15.0, "CBS BSE")


def test_a_navigation_camera_frame_has_no_scale_and_bad_numbers_no_voltage() -> None:
    found = read_metadata(tiff("[Beam]\r\nHV=notafloat\r\n[Detectors]\r\nName=Nav-Cam\r\nMode=None\r\n", 34682))
    assert found == ImageMetadata(detector="Nav-Cam", maker="FEI")


@pytest.mark.parametrize(("width", "factor"), [(512, 2.0), (1024, 1.0), (2048, 0.5)])
def test_zeiss_states_the_pixel_of_1024_in_a_row(width: int, factor: float) -> None:
    """Field widths of real files agree with this reading; the label ``Pixel Size`` alone would be off by the factor."""
    text = zeiss("5.824988e-009", "AP_PIXEL_SIZE", "Pixel Size = 5.825 nm", "AP_MAG", "Mag =  50.00 K X")
    found = read_metadata(tiff(text, size=(width, 24)))
    assert found.pixel_size_um == pytest.approx(5.824988e-3 * factor)
    assert found.source == "Zeiss metadata"
    assert found.magnification == 50_000


def test_zeiss_image_pixel_size_and_the_micro_sign() -> None:
    fields = ("AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 2.615 µm", "AP_ACTUALKV", "EHT = 25.00 kV")
    signal = ("DP_DETECTOR_CHANNEL", "Signal A = HE-SE2")
    found = read_metadata(tiff(zeiss("no number", *fields, *signal)))
    assert (found.pixel_size_um, found.voltage_kv, found.detector) == (2.615, 25.0, "HE-SE2")


def test_zeiss_metadata_that_disagree_give_no_scale() -> None:
    text = zeiss("5.8e-009", "AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 7.1 nm")
    found = read_metadata(tiff(text, size=(1024, 24)))
    assert (found.pixel_size_um, found.source) == (None, "none")
    assert "disagree" in found.note


def test_tescan_text_stands_behind_binary_fields() -> None:
    text = "\x01\x20\x00\xff\xfe[MAIN]\r\nDevice=MIRA3\r\nPixelSizeX=4.1e-008\r\n[SEM]\r\nHV=15000.0\r\nDetector=SE\r\n"
    found = read_metadata(tiff(text, 50431))
    assert found.pixel_size_um == pytest.approx(0.041)
    assert (found.voltage_kv, found.detector) == (15.0, "SE")
    assert found.source == "TESCAN metadata"


@pytest.mark.parametrize("bom", ["utf-16", "utf-8-sig", "latin-1"])
def test_hitachi_sidecar_in_any_encoding(bom: str) -> None:
    found = read_metadata(tiff(), HITACHI.encode(bom))
    assert found.pixel_size_um == pytest.approx(9.921875e-3)
    assert found.source == "Hitachi sidecar"
    assert (found.voltage_kv, found.magnification, found.detector) == (15.0, 10_000, "SE(U)")


def test_jeol_sidecar_gives_the_micron_bar() -> None:
    found = read_metadata(tiff(), JEOL)
    assert found == ImageMetadata(
        5 / 180, "JEOL sidecar", 15.0, 5000.0, "SEI", maker="JEOL", frame_columns=64, frame_rows=48
    )


def test_an_image_resampled_after_it_was_taken_has_no_scale() -> None:
    found = read_metadata(tiff(size=(32, 24)), JEOL)
    assert found.pixel_size_um is None
    assert "64 pixels in a row, the image has 32" in found.note


@pytest.mark.parametrize("dpi", [72, 96, 300, 4800])
def test_dots_per_inch_are_no_scale(dpi: int) -> None:
    assert read_metadata(tiff(dpi=(dpi, dpi))).source == "none"


def test_a_resolution_that_no_printer_has_is_a_scale() -> None:
    found = read_metadata(tiff(resolution_unit=3, resolution=5e4))
    assert found.pixel_size_um == pytest.approx(0.2)
    assert found.source == "TIFF resolution"
    assert read_metadata(tiff(resolution_unit=1, resolution=5e4)).source == "none"


@pytest.mark.parametrize(
    ("unit", "um"), [("um", 0.05), ("nm", 5e-5), ("micron", 0.05), ("mm", 50.0), ("\\u00B5m", 0.05)]
)
def test_imagej_says_its_unit(unit: str, um: float) -> None:
    buffer = io.BytesIO()
    image = np.zeros((48, 64), np.uint8)
    tifffile.imwrite(buffer, image, imagej=True, resolution=(20.0, 20.0), metadata={"unit": unit})
    assert read_metadata(buffer.getvalue()).pixel_size_um == pytest.approx(um, rel=1e-4)


@pytest.mark.parametrize("unit", ["pixel", "inch", ""])
def test_imagej_without_a_length_is_no_scale(unit: str) -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, np.zeros((48, 64), np.uint8), imagej=True, resolution=(20.0, 20.0), metadata={"unit": unit}
    )
    assert read_metadata(buffer.getvalue()).source == "none"


@pytest.mark.parametrize("how", [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"big_tiff": True}])
def test_a_tiff_is_whole_only_with_its_last_pixel(how: dict[str, Any]) -> None:
    data = tiff(size=(200, 160), **how)
    assert check_complete("a.tif", data) == "image/tiff"
    for size in (0, 3, 9, len(data) // 3, len(data) // 2):
        with pytest.raises(IncompleteImageError):
            check_complete("a.tif", data[:size])


@pytest.mark.parametrize(("kind", "media"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_png_and_jpeg_are_whole_only_with_their_end(kind: str, media: str) -> None:
    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, kind)
    data = buffer.getvalue()
    assert check_complete("a", data) == media
    for size in (10, len(data) // 2, len(data) - 2):
        with pytest.raises(IncompleteImageError):
            check_complete(f"a.{kind.lower()}", data[:size])


def test_space_reserved_for_an_image_is_no_image() -> None:
    with pytest.raises(IncompleteImageError, match="not yet"):
        check_complete("a.tif", bytes(5000))


@pytest.mark.parametrize("how", [{}, {"big_tiff": True}])
def test_tags_agree_with_pillow(how: dict[str, Any]) -> None:
    data = tiff("text", 34118, **how)
    with Image.open(io.BytesIO(data)) as image:
        assert isinstance(image, TiffImageFile)
        tags = image.tag_v2
        page = read_pages(data)[0]
        assert page.number(256) == tags[256] == 64
        assert page.text(34118) == "text"


def test_big_endian_and_many_pages() -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((3, 40, 50), np.uint16), byteorder=">", photometric="minisblack")
    assert [page.number(256) for page in read_pages(buffer.getvalue())] == [50.0] * 3


def test_a_file_made_to_keep_its_reader_busy_is_given_up() -> None:
    # 4,000 directories, each in the entries of the one before, and each entry points to the whole file.
    entries = 2_000
    body = b"".join(struct.pack("<HHII", 270, 2, 20_000, 8) for _ in range(entries + 4_000))
    directories = b"".join(
        struct.pack("<H", 12) + body[: 12 * 12] + struct.pack("<I", 8 + 150 * n) for n in range(1, 4_000)
    )
    for data in (
        b"II*\x00" + struct.pack("<IH", 8, entries) + body,
        b"II*\x00" + struct.pack("<I", 8) + directories,
        b"II*\x00" + struct.pack("<I", 8) + b"\xff" * 100_000,
    ):
        began = time.perf_counter()
        with pytest.raises(IncompleteImageError):
            read_pages(data)
        assert time.perf_counter() - began < 5.0


def test_no_damage_makes_the_reader_fail_in_another_way() -> None:
    data = bytearray(tiff(zeiss("5.8e-009", "AP_WIDTH", "Width = 5.9 µm"), compression="tiff_lzw"))
    noise = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2000):
            hurt = bytearray(data)
            for place in noise.integers(0, len(hurt), 4):
                hurt[place] = noise.integers(0, 256)
            try:
                check_complete("a.tif", bytes(hurt))
                read_metadata(bytes(hurt), bytes(hurt[:300]))
            except IncompleteImageError:
                pass

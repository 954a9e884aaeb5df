"""Each maker's files, written here in the real formats, are read with scale, voltage, detector and working distance."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from envs.errors import UserError
from simulators.sem_tiff import write_tiff
from surrogates.micrograph_io import Micrograph, read_micrograph

FRAME = np.random.default_rng(3).integers(40, 200, (48, 64), dtype=np.uint8)
JEOL = (
    "$CM_FORMAT JEOL/SEM\r\n$CM_SIGNAL LED\r\n$CM_MAG 5000\r\n$CM_ACCEL_VOLT 15.00\r\n$CM_FULL_SIZE 64 48\r\n"
    "$$SM_MICRON_BAR 180\r\n$$SM_MICRON_MARKER 5um\r\n$$SM_WD 10.2\r\n"
)
HITACHI = (
    "[SemImageFile]\r\nInstructName=SU8230\r\nDataNumber=SU1\r\nDataSize=64x48\r\nPixelSize=9.921875\r\n"
    "SignalName=SE(U)\r\nAcceleratingVoltage=15000 Volt\r\nWorkingDistance=8200 um\r\nMagnification=10000\r\n"
)
TESCAN = "[MAIN]\nDevice=MIRA3\nPixelSizeX=4.1e-008\nPixelSizeY=4.1e-008\n[SEM]\nHV=15000.0\nDetector=SE\nWD=0.0061\n"
SIGHTX = """<?xml version="1.0"?>
<TemReporter><Manufacturer>JEOL Ltd.</Manufacturer>
<ElectronGun><AccelerationVoltage>200000</AccelerationVoltage></ElectronGun>
<SelectorValue>50000</SelectorValue><SelectorUnitString>{unit}</SelectorUnitString>
<ImageSourceDetector>screenCamera</ImageSourceDetector>
<PixelsPerMeter><Horizontal>4000</Horizontal><Vertical>4000</Vertical></PixelsPerMeter></TemReporter>"""


def zeiss(metres: str, *fields: str) -> str:
    """Text of tag 34118: unnamed values first, then a code and its label in turns."""
    return "\r\n".join(["0", "0", "0", metres, *["1"] * 8, *fields, ""])


def tiff(image: Any = FRAME, tag: int = 0, text: str = "", **how: Any) -> bytes:
    buffer = io.BytesIO()
    extra = [(tag, 2, 0, text.encode("latin-1"), True)] if tag else []
    tifffile.imwrite(buffer, image, extratags=extra, **({"metadata": None} | how))
    return buffer.getvalue()


def beside(folder: Path, name: str, text: str, image: Any = FRAME) -> Micrograph:
    """An image with a text file beside it."""
    (folder / name).write_text(text, encoding="latin-1", newline="")
    path = folder / "grains 1.tif"
    tifffile.imwrite(path, image, metadata=None)
    return read_micrograph(path)


def test_fei_frames_come_without_their_bar_and_with_their_settings() -> None:
    buffer = io.BytesIO()
    write_tiff(FRAME, 0.0123, buffer, detector="BSE", voltage_kv=15.0, working_distance_mm=6.5)
    found = read_micrograph(buffer.getvalue())
    assert (np.rint(found.image * 255) == FRAME).all()
    assert found.pixel_size_um == pytest.approx(0.0123)
    assert (found.maker, found.scale_source, found.voltage_kv) == ("FEI", "FEI metadata", 15.0)
    assert found.working_distance_mm == pytest.approx(6.5)
    assert (found.detector, found.info_bar_rows) == ("CBS BSE", 20)


@pytest.mark.parametrize("volts", ["notafloat", "", "nan"])
def test_a_navigation_camera_frame_has_no_scale_and_bad_numbers_do_no_harm(volts: str) -> None:
    text = (
        f"[Beam]\r\nHV={volts}\r\n[Detectors]\r\nName=Nav-Cam\r\nMode=None\r\n[Stage]\r\nWorkingDistance=-0.012\r\n"
        "[Image]\r\nResolutionX=64\r\nResolutionY=40\r\n"
    )
    found = read_micrograph(tiff(FRAME, 34682, text, resolution=(96, 96), resolutionunit="INCH"))
    assert (found.pixel_size_um, found.scale_source, found.voltage_kv) == (None, "none", None)
    assert (found.detector, found.working_distance_mm) == ("Nav-Cam", None)
    assert found.image.shape == (40, 64)


@pytest.mark.parametrize("rows", ["1", "48", "4800", "-3", "nan", ""])
def test_a_senseless_height_of_the_frame_crops_nothing(rows: str) -> None:
    text = f"[Scan]\r\nPixelWidth=1e-8\r\n[Image]\r\nResolutionX=64\r\nResolutionY={rows}\r\n"
    assert read_micrograph(tiff(FRAME, 34682, text)).image.shape == (48, 64)


def test_pixels_that_are_not_square_are_made_so() -> None:
    """A sine of 8 pixels across the rows, each twice as tall as wide, is one of 16."""
    wave = (127 + 100 * np.sin(np.arange(48) * 2 * np.pi / 8))[:, None].repeat(64, axis=1).astype(np.uint8)
    content = tiff(wave, 34682, "[Scan]\r\nPixelWidth=1e-8\r\nPixelHeight=2e-8\r\n")
    found = read_micrograph(content)
    assert found.image.shape == (96, 64)
    assert found.pixel_size_um == pytest.approx(0.01)
    assert np.abs(np.fft.rfft(found.image[:, 5] - found.image.mean())).argmax() == 96 // 16
    given = read_micrograph(content, pixel_size_um=0.03)
    assert (given.image.shape, given.pixel_size_um, given.scale_source) == ((96, 64), 0.03, "given")
    slight = tiff(wave, 34682, "[Scan]\r\nPixelWidth=1e-8\r\nPixelHeight=1.009e-8\r\n")
    assert read_micrograph(slight).image.shape == (48, 64)
    with pytest.raises(UserError, match="far from square"):
        read_micrograph(tiff(wave, 34682, "[Scan]\r\nPixelWidth=1e-8\r\nPixelHeight=9e-8\r\n"))


def test_zeiss_means_the_image_pixel_size_and_the_first_page() -> None:
    frame = np.zeros((24, 2048), np.uint8)
    fields = (
        "AP_PIXEL_SIZE",
        "Pixel Size = 24.65 nm",
        "AP_IMAGE_PIXEL_SIZE",
        "Image Pixel Size = 12.33 nm",
        "AP_ACTUALKV",
        "EHT =  1.80 kV",
        "AP_WD",
        "WD =  4.5 mm",
        "DP_DETECTOR_TYPE",
        "Detector = InLens",
    )
    pages = np.stack([frame + 10, frame + 200])
    found = read_micrograph(tiff(pages, 34118, zeiss("2.465245e-008", *fields), photometric="minisblack"))
    assert found.pixel_size_um == pytest.approx(0.01233, rel=1e-3)
    assert (found.maker, found.voltage_kv, found.detector, found.working_distance_mm) == ("Zeiss", 1.8, "InLens", 4.5)
    assert found.image.max() == pytest.approx(10 / 255)


def test_jeol_says_the_frame_and_the_bar_in_a_text_beside_the_image(tmp_path: Path) -> None:
    found = beside(tmp_path, "grains 1.txt", JEOL, np.vstack([FRAME, np.zeros((12, 64), np.uint8)]))
    assert found.pixel_size_um == pytest.approx(5 / 180)
    assert (found.maker, found.scale_source, found.voltage_kv) == ("JEOL", "JEOL sidecar", 15.0)
    assert (found.detector, found.working_distance_mm, found.info_bar_rows) == ("LED", 10.2, 12)
    assert (np.rint(found.image * 255) == FRAME).all()


def test_an_image_resampled_after_it_was_taken_has_no_scale_and_says_why(tmp_path: Path) -> None:
    found = beside(tmp_path, "grains 1.TXT", JEOL, FRAME[:, :50])
    assert (found.pixel_size_um, found.scale_source) == (None, "none")
    assert "64 pixels in a row, the image has 50" in found.note


def test_hitachi_and_tescan_write_beside_the_image_too(tmp_path: Path) -> None:
    found = beside(tmp_path, "grains 1.txt", HITACHI)
    assert found.pixel_size_um == pytest.approx(9.921875e-3)
    assert found.scale_source == "Hitachi sidecar"
    assert found.working_distance_mm == pytest.approx(8.2)
    assert (found.voltage_kv, found.detector) == (15.0, "SE(U)")
    (tmp_path / "grains 1.txt").write_text("a note of mine: lens = fine")
    for name in ("grains 1.hdr", "grains 1-tif.hdr"):
        found = beside(tmp_path, name, TESCAN)
        assert found.pixel_size_um == pytest.approx(0.041)
        assert found.maker == "TESCAN"
        assert found.scale_source == "TESCAN sidecar"
        (tmp_path / name).unlink()
    assert beside(tmp_path, "other.txt", JEOL).scale_source == "none"


def test_tescan_text_stands_behind_binary_fields_of_a_tag() -> None:
    found = read_micrograph(tiff(FRAME, 50431, "\x01\x20\x00\xff\xfe" + TESCAN))
    assert found.pixel_size_um == pytest.approx(0.041)
    assert (found.maker, found.voltage_kv) == ("TESCAN", 15.0)
    assert found.working_distance_mm == pytest.approx(6.1)
    assert found.detector == "SE"


def test_jeol_xml_gives_the_camera_and_the_magnification() -> None:
    found = read_micrograph(tiff(description=SIGHTX.format(unit="X")))
    assert found.pixel_size_um == pytest.approx(1e6 / 4000 / 50000)
    assert (found.maker, found.scale_source, found.voltage_kv) == ("JEOL", "JEOL metadata", 200.0)
    assert read_micrograph(tiff(description=SIGHTX.format(unit="cm"))).pixel_size_um is None


def test_olympus_keeps_the_image_behind_a_preview() -> None:
    mark = 0xABCDEF01
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(np.full((48, 64, 3), 99, np.uint8), photometric="rgb", metadata=None)
        file.write(FRAME.astype(np.uint16) * 16, extratags=[(33560, 4, 1, mark, True)], metadata=None)
    content = buffer.getvalue()
    place = len(content)
    sis = struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 42, 19, 15, 10, 118, b"", 1) + struct.pack("<hhI", 1, 1, place + 68)
    general = struct.pack("<10xhdd8xd2x34s32s", -9, 0.0239, 0.0239, 6e5, b"Quemesa", b"")
    found = read_micrograph(content.replace(struct.pack("<I", mark), struct.pack("<I", place)) + sis + general)
    assert found.pixel_size_um == pytest.approx(2.39e-5)
    assert (found.maker, found.scale_source, found.detector) == ("Olympus", "Olympus metadata", "Quemesa")
    assert found.image.std() > 0.1


def test_plain_tiff_has_a_scale_only_where_it_can_be_no_print() -> None:
    assert read_micrograph(tiff(resolution=(300, 300), resolutionunit="INCH")).pixel_size_um is None
    found = read_micrograph(tiff(resolution=(5e4, 5e4), resolutionunit="CENTIMETER"))
    assert found.pixel_size_um == pytest.approx(0.2)
    assert found.scale_source == "TIFF resolution"
    imagej = tiff(imagej=True, resolution=(20.0, 20.0), metadata={"unit": "um"})
    assert read_micrograph(imagej).pixel_size_um == pytest.approx(0.05)
    tall = tiff(imagej=True, resolution=(20.0, 10.0), metadata={"unit": "um"})
    assert read_micrograph(tall).image.shape == (96, 64)
    ome = tiff(ome=True, metadata={"axes": "YX", "PhysicalSizeX": 12.5, "PhysicalSizeXUnit": "nm"})
    assert read_micrograph(ome).pixel_size_um == pytest.approx(0.0125)
    assert read_micrograph(ome).scale_source == "OME metadata"


def test_png_states_a_scale_in_its_text_or_its_resolution() -> None:
    def png(**how: Any) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(FRAME).save(buffer, "PNG", **how)
        return buffer.getvalue()

    words = PngImagePlugin.PngInfo()
    words.add_text("Pixel Size", "12.5 nm")
    found = read_micrograph(png(pnginfo=words))
    assert found.pixel_size_um == pytest.approx(0.0125)
    assert found.scale_source == "PNG text"
    found = read_micrograph(png(dpi=(254_000, 254_000)))
    assert found.pixel_size_um == pytest.approx(0.1, rel=1e-3)
    assert found.scale_source == "PNG resolution"
    assert read_micrograph(png(dpi=(600, 600))).scale_source == "none"

"""The virtual microscope's files read back as real ones do, and an operator's mistakes are recognised."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
import torch

from envs.errors import UserError
from instruments.adapters.image_scale import read_metadata
from simulators.optics.info_bar import bar_height
from simulators.optics.operator import OperatorFault, faulty_frame, mistaken
from simulators.sections.microstructure import SectionSpec
from simulators.sem import SemSettings, operator_settings, render
from simulators.sem_tiff import magnification, write_tiff
from simulators.tessellation import draw
from surrogates.micrograph_io import Micrograph, read_micrograph
from surrogates.micrograph_reader import MicrographReader

SPEC = SectionSpec(grain_size_um=2.0, pixel_size_um=0.1, shape=(256, 256), porosity=0.03)
SETTINGS = SemSettings(
    detector="BSE", voltage_kv=15.0, working_distance_mm=6.5, current_pa=400.0, dwell_us=30.0, spot=4.0
)
WHEN = "2026-11-22T17:06:40"


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    rng = np.random.default_rng(5)
    return render(draw(SPEC, rng), SETTINGS, rng)


@pytest.fixture(scope="module")
def content(frame: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    write_tiff(frame, 0.1, buffer, settings=SETTINGS, taken_at=WHEN, label="sample 7")
    return buffer.getvalue()


def test_the_reader_takes_the_frame_without_its_bar_and_the_scale(frame: np.ndarray, content: bytes) -> None:
    micrograph = read_micrograph(content)
    assert micrograph.pixel_size_um == pytest.approx(0.1, rel=1e-9)
    assert micrograph.scale_source == "FEI metadata"
    assert (np.rint(micrograph.image * 255) == frame).all()


def test_an_outside_parser_finds_every_setting_in_its_place(content: bytes) -> None:
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        found, rows = file.fei_metadata, file.pages[0].shape[0]
    assert found["Image"]["ResolutionY"] == 256
    assert rows == 256 + found["PrivateFei"]["DatabarHeight"] == 256 + bar_height(256)
    assert found["Scan"]["PixelWidth"] == pytest.approx(1e-7)
    assert found["EBeam"]["HFW"] == pytest.approx(25.6e-6)
    assert found["EBeam"]["BeamCurrent"] == pytest.approx(4e-10)
    assert found["Beam"] == {**found["Beam"], "HV": 15000, "Spot": 4}
    assert found["Stage"]["WorkingDistance"] == pytest.approx(6.5e-3)
    assert found["Scan"]["Dwelltime"] == found["EScan"]["Dwell"] == pytest.approx(3e-5)
    assert (found["Detectors"]["Name"], found["Detectors"]["Mode"]) == ("CBS", "BSE")
    assert found["CBS"]["Brightness"] == pytest.approx(55.0)
    assert (found["User"]["Date"], found["User"]["Time"]) == ("11/22/2026", "05:06:40 PM")
    assert bytes.fromhex(found["User"]["UserTextUnicode"]).decode("utf-16-le") == "sample 7"


def test_the_adapter_of_real_files_reads_it_too(content: bytes) -> None:
    found = read_metadata(content)
    assert (found.source, found.voltage_kv, found.detector) == ("FEI metadata", 15.0, "CBS BSE")


def test_the_bar_holds_words_and_a_scale_bar_of_a_round_length(content: bytes) -> None:
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        bar = file.pages[0].asarray()[256:]
    # 5 um of 0.1 um a pixel: a bar of 50 pixels between two uprights at the right.
    middle = np.flatnonzero(bar[bar.shape[0] // 2] > 200)
    assert middle[-1] - middle[middle > 190][0] in range(49, 53)
    assert bar[:, :150].max() > 200
    assert magnification(1024, 0.3 / 1024 * 1e3) == pytest.approx(1000.0)


def test_frames_and_scales_that_make_no_sense_are_refused(frame: np.ndarray) -> None:
    with pytest.raises(UserError, match="8-bit grey"):
        write_tiff(np.zeros((8, 8, 3), np.uint8), 0.1, io.BytesIO())
    with pytest.raises(UserError, match="pixel size"):
        write_tiff(frame, 0.0, io.BytesIO())


@pytest.fixture(scope="module")
def reader() -> MicrographReader:
    torch.set_num_threads(1)
    return MicrographReader.load()


@pytest.mark.parametrize("fault", list(OperatorFault))
def test_each_mistake_of_an_operator_is_refused_with_advice(reader: MicrographReader, fault: OperatorFault) -> None:
    for seed in range(3):
        rng = np.random.default_rng([seed, 1])
        image = faulty_frame(fault, SPEC, operator_settings(rng), rng)
        assert image.shape == SPEC.shape
        reading = reader.read(Micrograph(image.astype(np.float32) / 255.0, 0.1, "given"))
        assert not reading.accepted, (fault, seed)
        assert reading.reason
        assert reading.advice


def test_an_empty_stage_has_nothing_to_draw_and_a_wrong_magnification_another_pixel() -> None:
    rng = np.random.default_rng(0)
    assert mistaken(OperatorFault.EMPTY_STAGE, SPEC, SETTINGS, rng)[0] is None
    pixels = [
        spec.pixel_size_um
        for _ in range(12)
        if (spec := mistaken(OperatorFault.WRONG_MAGNIFICATION, SPEC, SETTINGS, rng)[0])
    ]
    assert min(pixels) < 0.05
    assert max(pixels) > 0.3

"""``labwright analyse`` with the shipped network, on files as a microscope writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

from agent.cli import app, main
from envs.laws import astm_grain_size_number
from simulators.sections.microstructure import Microstructure, SectionSpec
from simulators.sem import SemSettings, render
from simulators.sem_tiff import write_tiff
from simulators.tessellation import draw

SHAPE = (320, 384)
PIXEL_UM = 0.08


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Microstructure]:
    """A folder with a sharp frame, the same blurred, the sharp one without a scale, and a text called a picture."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(12)
    ms = draw(SectionSpec(grain_size_um=1.6, pixel_size_um=PIXEL_UM, shape=SHAPE, porosity=0.04), rng)
    frame = render(ms, SemSettings(), rng)
    write_tiff(frame, PIXEL_UM, folder / "a-sharp.tif")
    blurred = ndimage.gaussian_filter(frame.astype(np.float32), 7.0)
    write_tiff(np.clip(blurred, 0, 255).astype(np.uint8), PIXEL_UM, folder / "b-blurred.tif")
    Image.fromarray(frame).save(folder / "c-bare.png")
    (folder / "d-text.png").write_text("Fig. 3: the sample after sintering\n")
    return folder, ms


def test_a_folder_from_the_microscope(
    images: tuple[Path, Microstructure],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, ms = images
    torch.set_num_threads(1)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["labwright", "analyse", ".", "--json", "--overlay", str(tmp_path / "seen")])
    with pytest.raises(SystemExit) as leave:
        main()
    printed = capsys.readouterr()
    sharp, blurred, bare, text = json.loads(printed.out)
    assert leave.value.code == 1
    assert printed.err.startswith("Error: ./d-text.png: ")

    assert [each["file"] for each in (sharp, bare)] == ["./a-sharp.tif", "./c-bare.png"]
    assert (sharp["accepted"], sharp["scale_source"]) == (True, "FEI metadata")
    assert sharp["pixel_size"] == pytest.approx(PIXEL_UM, rel=1e-3)
    assert sharp["grain_size"]["value"] == pytest.approx(ms.mean_diameter_um, rel=0.25)
    assert sharp["porosity"]["value"] == pytest.approx(ms.porosity, abs=0.03)
    assert sharp["astm_g"]["value"] == pytest.approx(float(astm_grain_size_number(sharp["intercept"]["value"])))
    for name in ("grain_size", "intercept", "astm_g", "porosity", "phase_fraction"):
        assert sharp[name]["low"] <= sharp[name]["value"] <= sharp[name]["high"]

    assert (blurred["accepted"], bool(blurred["advice"])) == (False, True)
    assert (bare["accepted"], bare["scale_source"], bare["astm_g"]) == (True, "none", None)
    # The same frame, in pixels.
    assert bare["grain_size"]["unit"] == "px"
    assert bare["grain_size"]["value"] * PIXEL_UM == pytest.approx(sharp["grain_size"]["value"], rel=0.05)
    assert (text["accepted"], text["grain_size"]) == (False, None)

    drawn = sorted((tmp_path / "seen").iterdir())
    assert [path.name for path in drawn] == ["a-sharp_overlay.png", "b-blurred_overlay.png", "c-bare_overlay.png"]
    with Image.open(drawn[1]) as refused:
        # The info bar is cut off, the strip comes below, on red where the picture was refused.
        assert refused.height > refused.width * SHAPE[0] // SHAPE[1]
        red = (np.asarray(refused.convert("RGB")) == (190, 20, 30)).all(axis=2)
    assert red.sum() > 2000


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (["evaluate", "sem"], "--json --data --fields --model"),
        (["train", "sem"], "--out --steps --seed --workers --config --data --from --labels --inliers"),
    ],
)
def test_what_judges_and_what_trains_have_their_options(command: list[str], options: str) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"}).output
    assert [option for option in options.split() if option not in shown] == []

"""Images that a person brings: which are meant, what is said of them, and what a broken one costs the others."""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sem_readings import EMPTY, length, reading

from agent.analyse_fields import FieldsMean, grain_size_number, together
from agent.analyse_images import wanted
from agent.analyse_results import QUANTITIES, Result, as_object, result_of
from agent.analyse_words import measured, remarks, short_names
from agent.cli import main
from envs.laws import astm_grain_size_number
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_reader import MicrographReader
from surrogates.micrograph_reading import Estimate, MicrographReading

KEYS = {"file", "accepted", "reason", "advice", "class", "class_probabilities", "scale_source", "pixel_size",
        "n_grains", "withheld", *QUANTITIES}  # fmt: skip
Run = Callable[..., tuple[int, str, str]]


class Stub:
    """A reader that says of every picture what its mean grey is worth, in the picture's own unit."""

    def read(self, micrograph: Micrograph) -> MicrographReading:
        level = float(micrograph.image.mean())
        if level == 1.0:
            raise ValueError("zero-size array")
        seen = reading(1.0 + level)
        if level < 0.1:
            seen = reading(accepted=False, reason="out of focus: sharpness 0", advice="refocus and image again")
        if micrograph.pixel_size_um is None:
            seen = _in_pixels(seen)
        return seen


def _in_pixels(seen: MicrographReading) -> MicrographReading:
    return replace(seen, grain_size=Estimate(20.0, 1.0, "px"), intercept=Estimate(16.0, 0.8, "px"), astm_g=None)


def picture(path: Path, level: int, edge: int = 32) -> Path:
    Image.fromarray(np.full((edge, edge), level, dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in a folder of its own, with a stub for the network: exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MicrographReader, "load", staticmethod(lambda _path: Stub()))

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["labwright", "analyse", *arguments])
        code = 0
        try:
            main()
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else 1
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def strict(text: str) -> Any:
    """JSON as a strict parser takes it: no NaN, no infinity."""

    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def test_files_folders_and_patterns_in_order_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("set").mkdir()
    Path("set/deeper.png").mkdir()
    for name in ("b.tif", "a.PNG", ".hidden.png", "a_overlay.png", "notes.txt"):
        Path("set", name).write_bytes(b"x")
    Path("[1] c.png").write_bytes(b"x")
    assert [w.name for w in wanted(["./set/b.tif", "set", "set/*.PNG", "[1] c.png"])] == [
        "./set/b.tif", "set/a.PNG", "[1] c.png",
    ]  # fmt: skip
    assert [w.name for w in wanted(["set/"])] == ["set/a.PNG", "set/b.tif"]
    assert [w.name for w in wanted(["**/*.tif"])] == ["set/b.tif"]
    Path("set/round").symlink_to(".", target_is_directory=True)
    Path("set/again").symlink_to(".", target_is_directory=True)
    assert [w.name for w in wanted(["**/**/*.tif", "[s]et/**"])] == [
        "set/b.tif", "set/a.PNG", "set/a_overlay.png", "set/notes.txt",
    ]  # fmt: skip
    (lost,) = wanted(["set/q*.tif"])
    assert (lost.name, lost.path) == ("set/q*.tif", None)
    Path("bare").mkdir()
    assert "holds no image" in wanted(["bare"])[0].trouble


def test_json_is_one_array_of_whole_objects_and_nothing_else(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "grey.png", 128)
    picture(tmp_path / "dark.png", 2)
    code, out, err = run("./grey.png", "dark.png", "--pixel-size", "0.05", "--json")
    grey, dark = strict(out)
    assert (code, err) == (0, "")
    assert set(grey) == set(dark) == KEYS
    assert [grey["file"], dark["file"]] == ["./grey.png", "dark.png"]
    assert (grey["scale_source"], grey["pixel_size"], grey["class"]) == ("given", 0.05, "equiaxed dense")
    size = grey["grain_size"]
    assert size["unit"] == "um"
    # 90% of a Gaussian lie within 1.645 standard deviations.
    assert size["high"] - size["low"] == pytest.approx(2.0 * 1.645 * 0.05 * size["value"])
    assert (dark["accepted"], dark["reason"]) == (False, "out of focus: sharpness 0")
    assert dark["advice"] == "refocus and image again"


def test_without_a_scale_sizes_are_pixels_and_g_is_withheld(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "grey.png", 128)
    code, out, _ = run("grey.png", "--json")
    (found,) = strict(out)
    assert (code, found["pixel_size"], found["scale_source"], found["astm_g"]) == (0, None, "none", None)
    assert found["grain_size"]["unit"] == "px"
    assert "--pixel-size" in found["withheld"]["astm_g"]


def test_one_broken_file_does_not_lose_the_others(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "good.png", 128)
    (tmp_path / "text.png").write_text("no image at all\n")
    code, out, err = run("good.png", "text.png", "gone.png", "--json", "--pixel-size", "1")
    good, text, gone = strict(out)
    assert code == 1
    assert (good["accepted"], text["accepted"], gone["accepted"]) == (True, False, False)
    assert "not an image" in text["reason"]
    assert not text["reason"].startswith("text.png")
    assert set(text) == KEYS
    assert err.startswith("Error: 2 files cannot be read: text.png: ")
    assert "Traceback" not in err
    code, out, err = run("good.png", "text.png")
    assert code == 1
    assert "unreadable" in out


def test_an_image_that_nobody_thought_of_is_told_and_the_others_are_measured(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "good.png", 128)
    picture(tmp_path / "odd.png", 255)
    code, out, err = run("odd.png", "good.png", "--json")
    odd, good = strict(out)
    assert (code, odd["accepted"], good["accepted"]) == (1, False, True)
    assert "zero-size array" in odd["reason"]
    assert "report" in err


@pytest.mark.parametrize("name", ["gone.png", "text.png", "q*.png", "bare"])
def test_nothing_that_can_be_read_is_one_message_and_code_2(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "text.png").write_text("no image at all\n")
    (tmp_path / "bare").mkdir()
    code, out, err = run(name)
    assert (code, out) == (2, "")
    assert err.startswith(f"Error: {name}: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("size", ["0", "-1", "nan", "inf", "wide"])
def test_a_pixel_size_is_positive_and_finite(run: Run, tmp_path: Path, size: str) -> None:
    picture(tmp_path / "grey.png", 128)
    code, out, err = run("grey.png", "--pixel-size", size)
    assert (code, out) == (2, "")
    assert "micrometres" in err


def test_outputs_that_cannot_be_written_are_told_before_anything_is_read(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "grey.png", 128)
    for option, value in (("--csv", "no/such/table.csv"), ("--csv", "."), ("--overlay", "grey.png")):
        code, out, err = run("grey.png", option, value)
        assert (code, out) == (2, "")
        assert err.startswith(f"Error: {value}")


def test_the_csv_has_a_row_an_image_with_intervals(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "grey, 1.png", 128)
    picture(tmp_path / "dark.png", 2)
    code, _, _ = run("grey, 1.png", "dark.png", "--pixel-size", "0.05", "--csv", "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        grey, dark = csv.DictReader(file)
    assert code == 0
    assert (grey["file"], grey["accepted"], dark["accepted"]) == ("grey, 1.png", "yes", "no")
    assert float(grey["porosity"]) == pytest.approx(0.03)
    assert float(grey["grain_size_low"]) < float(grey["grain_size"]) < float(grey["grain_size_high"])
    assert grey["grain_size_unit"] == "um"
    assert dark["reason"] == "out of focus: sharpness 0"


def test_a_person_sees_the_refusal_the_numbers_and_the_mean_of_the_fields(run: Run, tmp_path: Path) -> None:
    for name, level in (("f1.png", 100), ("f2.png", 140), ("[red]dark.png", 2)):
        picture(tmp_path / name, level)
    code, out, err = run("f1.png", "f2.png", "[red]dark.png", "--pixel-size", "0.05")
    assert (code, err) == (0, "")
    assert "[red]dark.png: refused: out of focus: sharpness 0. Refocus and image again." in out
    assert "taken together" in out
    assert "equiaxed" in out
    code, out, _ = run("f1.png")
    assert "px" in out
    assert "ASTM grain size number" in out


def test_overlays_have_a_file_each_even_where_names_meet(run: Run, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        picture(tmp_path / folder / "field.png", 128)
    code, _, _ = run("a/field.png", "b/field.png", "--overlay", "out/seen", "--pixel-size", "0.05")
    assert code == 0
    assert sorted(path.name for path in Path("out/seen").iterdir()) == ["field-2_overlay.png", "field_overlay.png"]
    with Image.open("out/seen/field_overlay.png") as drawn:
        assert drawn.width == 480


def test_numbers_that_are_none_or_not_finite_are_withheld_with_a_word() -> None:
    seen = reading(
        grain_size=None, d10=Estimate(0.0, 0.0, "um"), pore_size=Estimate(math.nan, 1.0, "um"),
        elongation=Estimate(1.3, math.inf, "1"), withheld={"grain_size": "no boundary is seen", "porosity": "never"},
    )  # fmt: skip
    micrograph = Micrograph(np.zeros(EMPTY.shape, dtype=np.float32), 0.1, "given")
    found = as_object(result_of("a.png", micrograph, seen))
    json.dumps(found, allow_nan=False)
    missing = {name for name in QUANTITIES if found[name] is None}
    assert missing == {"grain_size", "d10", "pore_size", "elongation"}
    assert isinstance(found["withheld"], dict)
    assert set(found["withheld"]) == missing
    assert found["withheld"]["grain_size"] == "no boundary is seen"


def fields(values: list[float], std: float) -> list[Result]:
    micrograph = Micrograph(np.zeros(EMPTY.shape, dtype=np.float32), 0.1, "given")
    one = [Estimate(value, std, "um") for value in values]
    return [
        result_of(f"{k}.png", micrograph, reading(intercept=each, grain_size=length(2.0))) for k, each in enumerate(one)
    ]


def of(quantity: str, means: list[FieldsMean]) -> FieldsMean:
    return next(each for each in means if each.quantity == quantity)


def test_fields_of_one_sample_get_the_interval_of_the_standard() -> None:
    # Student's t of a printed table: 95%, four degrees of freedom, 2.776; 90%, 2.132.
    values = [4.9, 5.3, 5.0, 5.6, 5.2]
    mean = of("intercept", together(fields(values, 0.01)))
    s = float(np.std(values, ddof=1))
    assert mean.n_fields == 5
    assert [mean.mean, mean.scatter] == pytest.approx([5.2, s])
    assert mean.half_95 == pytest.approx(2.776 * s / math.sqrt(5.0), rel=1e-3)
    assert mean.half_90 == pytest.approx(2.132 * s / math.sqrt(5.0), rel=1e-3)
    assert mean.relative_accuracy == pytest.approx(mean.half_95 / 5.2)
    number, half = grain_size_number(mean)
    assert number == pytest.approx(float(astm_grain_size_number(5.2)))
    # 10% in length is 0.29 G (6.6439 log10 1.1 = 0.275, and linear in the small 0.289).
    assert half == pytest.approx(2.8854 * mean.relative_accuracy, rel=1e-3)


def test_fields_that_agree_by_chance_are_known_no_better_than_each() -> None:
    mean = of("intercept", together(fields([5.0, 5.0, 5.0, 5.0], 0.4)))
    assert mean.scatter == 0.0
    assert mean.half_95 == pytest.approx(1.96 * 0.4 / 2.0)


def test_one_field_or_two_units_have_no_mean() -> None:
    assert together(fields([5.0], 0.1)) == []
    micrograph = Micrograph(np.zeros(EMPTY.shape, dtype=np.float32), None, "none")
    mixed = [*fields([5.0], 0.1), result_of("p.png", micrograph, _in_pixels(reading()))]
    assert [each.quantity for each in together(mixed)] == ["porosity", "phase_fraction"]


def test_words_for_people() -> None:
    assert measured("porosity", Estimate(0.0312, 0.004, "1")).replace("\N{NO-BREAK SPACE}", " ") == "3.1 ± 0.4 %"
    assert measured("boundary_length", Estimate(0.71, 0.03, "1/um")).endswith("µm⁻¹")
    assert measured("grain_size", None) == "–"
    assert short_names(["in/a.png", "in/b\x1b[31m.png"]) == ["a.png", "b\\x1b[31m.png"]
    assert short_names(["in/a.png", "b.png"]) == ["in/a.png", "b.png"]
    short_names([os.fsdecode(b"caf\xe9.png")])[0].encode()
    lines = remarks([Result(f"{k}.png", True, "", "", withheld={"astm_g": "no scale"}) for k in range(5)])
    assert lines == ["0.png, 1.png, 2.png and 2 more: no ASTM G: no scale"]

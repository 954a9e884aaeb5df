"""The command ``labwright train sem``: on labelled images of one's own, and the order of its stages on virtual ones."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import agent.training_labelled
import agent.training_sem
from agent.training import train_sem
from agent.training_config import configured, write_config
from envs.errors import ConfigError, UserError
from surrogates.micrograph_calibration import Calibration
from surrogates.micrograph_cnn import CHANNELS, MicrographNet, NetworkShape, load_heads, load_network, save_network
from surrogates.micrograph_io import Micrograph, read_micrograph
from surrogates.micrograph_own_classes import OwnClasses
from surrogates.micrograph_reader import MicrographReader
from surrogates.micrograph_training import TrainingConfig

TINY = NetworkShape(fine=4, middle=4, coarse=4)
CONFIG = "[train.sem]\nbatch = 2\nfresh = 2\nbfloat16 = false\n"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of a tiny network, and a virtual microscope that costs nothing."""
    monkeypatch.setattr(
        agent.training_labelled, "micrograph_stream", lambda size: lambda rng: rng.random((5, size, size), np.float32)
    )
    monkeypatch.setattr(agent.training_labelled, "N_REHEARSED", 2)
    torch.manual_seed(0)
    path = tmp_path / "base.safetensors"
    save_network(MicrographNet(TINY), path, {"calibration": Calibration().to_dict(), "seeds": {"training": 5}})
    (tmp_path / "fast.toml").write_text(CONFIG)
    return path


def _pairs(folder: Path, number: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(number):
        mask = np.zeros((48, 48), dtype=np.uint8)
        mask[:, 10 + k : 30] = 1
        image = np.where(mask, 80, 180) + rng.integers(0, 20, mask.shape)
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{k}.png")
        Image.fromarray(mask).save(folder / f"{k}_mask.png")


def _train(tmp_path: Path, base: Path, **changes: Any) -> Path:
    out = Path(changes.pop("out", tmp_path / "out"))
    options = {"steps": 2, "seed": 1, "config": tmp_path / "fast.toml", "labels": "1=stripe", **changes}
    train_sem(out, data=tmp_path / "data", base=str(base), **options)
    return out


def test_mask_pairs_make_a_file_with_card_split_settings_and_figures(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _pairs(tmp_path / "data", 5)
    out = _train(tmp_path, base)
    network, metadata = load_network(out / "micrograph.safetensors")
    assert network.shape.channels == (*CHANNELS, "stripe")
    assert str(metadata["calibration_note"]).startswith("fitted: the rest on virtual fields")
    assert metadata["seeds"] == {"training": 5, "fine_tuning": 1}
    split = json.loads((out / "split.json").read_text())
    assert (len(split["trained"]), len(split["held_out"])) == (4, 1)
    figures = json.loads((out / "evaluation.json").read_text())
    assert figures["before"]["stripe"]["iou"] == 0.0
    card = (out / "micrograph.md").read_text()
    assert f"Judged with 1: {split['held_out'][0]}" in card
    assert configured(TrainingConfig(), out / "training.toml", steps=None, seed=None).batch == 2
    assert "1 of them held out" in capsys.readouterr().out


def test_a_second_call_goes_on_and_other_images_are_refused(tmp_path: Path, base: Path) -> None:
    _pairs(tmp_path / "data", 1)
    out = _train(tmp_path, base)
    first = (out / "checkpoint.pt").read_bytes()
    _train(tmp_path, base)
    assert (out / "checkpoint.pt").read_bytes() == first
    with pytest.raises(UserError, match="another steps"):
        _train(tmp_path, base, steps=3)
    with pytest.raises(UserError, match="a training with other images, labels"):
        _train(tmp_path, base, labels="1=phase")
    shutil.rmtree(tmp_path / "data")
    _pairs(tmp_path / "data", 2)
    with pytest.raises(UserError, match="a training with other images, labels"):
        _train(tmp_path, base)


def test_class_folders_make_a_head_and_leave_the_network(tmp_path: Path, base: Path) -> None:
    rng = np.random.default_rng(0)
    for name, spread in (("Rough", 60), ("Smooth", 2)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(6):
            image = np.clip(rng.normal(128, spread, (40, 40)), 0, 255).astype(np.uint8)
            image[: 5 + k] = 200
            Image.fromarray(image).save(tmp_path / "data" / name / f"{k}.png")
    out = _train(tmp_path, base, steps=None, config=None, labels="")
    network, metadata = load_network(out / "micrograph.safetensors")
    head = OwnClasses.from_file(load_heads(out / "micrograph.safetensors"), metadata)
    assert head is not None
    assert head.names == ("Rough", "Smooth")
    picture = Micrograph(rng.uniform(0.2, 0.8, (64, 64)).astype(np.float32), None, "none")
    reading = MicrographReader.load(out / "micrograph.safetensors").read(picture)
    assert set(reading.class_probabilities) == {"Rough", "Smooth"}
    assert reading.microstructure == max(
        reading.class_probabilities, key=lambda name: reading.class_probabilities[name]
    )
    for mine, given in zip(network.state_dict().values(), load_network(base)[0].state_dict().values(), strict=True):
        assert torch.equal(mine, given)
    figures = json.loads((out / "evaluation.json").read_text())
    assert figures["On images held out"] == {"images": 2, "accuracy": 1.0, "mean accuracy of the classes": 1.0}
    with pytest.raises(UserError, match="--steps and --config do not apply"):
        _train(tmp_path, base, config=None)


def test_what_does_not_go_together_is_said(tmp_path: Path, base: Path) -> None:
    with pytest.raises(UserError, match="name them with --data"):
        train_sem(tmp_path / "out", base="builtin")
    _pairs(tmp_path / "data", 1)
    with pytest.raises(UserError, match=r"gone\.safetensors: no such weights file"):
        _train(tmp_path, tmp_path / "gone.safetensors")
    with pytest.raises(UserError, match="no such folder of images"):
        _train(tmp_path, base, inliers=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train.sem]\nsteps = 0\n", "a whole number of at least 1"),
        ("[train.sem]\nsteps = 2.5\n", "a whole number"),
        ("[train.sem]\nbfloat16 = 1\n", "true or false"),
        ("[train.sem]\nspeed = 1\n", "one of batch"),
        ("[train.sem]\nfine = 0\n", "1 to 1024"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        configured(TrainingConfig(), path, steps=None, seed=None)
    assert caught.value.source == str(path)


def test_settings_read_back_as_written_and_options_win(tmp_path: Path) -> None:
    settings = TrainingConfig(steps=7, learning_rate=1e-4, frozen_statistics=True, network=NetworkShape(fine=5))
    write_config(tmp_path / "a.toml", settings)
    assert configured(TrainingConfig(), tmp_path / "a.toml", steps=None, seed=None) == settings
    assert configured(TrainingConfig(), tmp_path / "a.toml", steps=9, seed=3).steps == 9
    (tmp_path / "b.toml").write_text("steps = 3\n")
    with pytest.raises(UserError, match="no table"):
        configured(TrainingConfig(), tmp_path / "b.toml", steps=None, seed=None)


def test_training_from_nothing_repeats_only_its_later_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def stream(size: int) -> Any:
        def draw(rng: np.random.Generator) -> Any:
            drawn.append(1)
            return np.concatenate((rng.random((1, 32, 32)), rng.integers(0, 2, (4, 32, 32)))).astype(np.float32)

        return draw

    head = SimpleNamespace(to_tensors=lambda: {"class.limit": torch.tensor(1.0)})
    fit = SimpleNamespace(head=head, to_dict=lambda: {"accuracy": 0.9})
    monkeypatch.setattr(agent.training_sem, "micrograph_stream", stream)
    monkeypatch.setattr(agent.training_sem, "class_stream", lambda: lambda rng: (rng.random((5, 32, 32)), -1))
    monkeypatch.setattr(agent.training_sem, "calibrated", lambda *_: (Calibration({}, 0.25, 0.5), 7001))
    monkeypatch.setattr(agent.training_sem, "classified", lambda *_: (fit, 7201))
    (tmp_path / "a.toml").write_text(CONFIG + "fine = 4\nmiddle = 4\ncoarse = 4\n")
    for _ in range(2):
        train_sem(tmp_path / "out", steps=2, seed=1, config=tmp_path / "a.toml")
    assert len(drawn) == 4 + 3  # two steps of the first part, one of the second
    network, metadata = load_network(tmp_path / "out" / "micrograph.safetensors")
    assert network.shape == replace(TINY, kinds=10)
    assert metadata["seeds"] == {"training": 1, "calibration": 7001, "classes": 7201}
    assert list(load_heads(tmp_path / "out" / "micrograph.safetensors")) == ["class.limit"]
    assert "accuracy: 0.9" in (tmp_path / "out" / "micrograph.md").read_text()


def test_what_was_taught_is_in_the_reading(tmp_path: Path, base: Path) -> None:
    _pairs(tmp_path / "data", 1)
    out = _train(tmp_path, base)
    reading = MicrographReader.load(out / "micrograph.safetensors").read(
        read_micrograph(tmp_path / "data" / "0.png", 0.1)
    )
    assert set(reading.further) == {"stripe"}
    assert 0.0 <= reading.further["stripe"].value <= 1.0

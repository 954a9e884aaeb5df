"""Training learns, stops and resumes to the same weights, and its model survives a file."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from envs.errors import ConfigError, UserError
from simulators.reader_data import training_sample
from surrogates.micrograph_calibration import Calibration, Correction
from surrogates.micrograph_cnn import MicrographNet, NetworkShape, load_network, save_network, segment
from surrogates.micrograph_training import TrainingConfig, checkpointed, train

TINY = NetworkShape(fine=4, middle=6, coarse=8)
STREAM = partial(training_sample, size=32)


def _config(**changes: Any) -> TrainingConfig:
    plain = TrainingConfig(steps=12, batch=4, fresh=4, seed=3, checkpoint_every=6, network=TINY, bfloat16=False)
    return replace(plain, **changes)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_stopped_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole = train(STREAM, _config(), tmp_path / "whole")
    steps: list[int] = []
    first = train(
        STREAM, _config(), tmp_path / "cut", lambda done, *_: steps.append(done), should_stop=lambda: steps[-1] >= 5
    )
    assert (first.steps, first.finished) == (5, False)
    second = train(STREAM, _config(), tmp_path / "cut")
    assert (second.steps, second.finished) == (12, True)
    for mine, other in zip(whole.network.state_dict().values(), second.network.state_dict().values(), strict=True):
        assert torch.allclose(mine.float(), other.float(), atol=1e-5)


def test_loss_falls_on_one_sample(tmp_path: Path) -> None:
    sample = training_sample(np.random.default_rng(0), 32)
    losses: list[float] = []
    train(
        lambda _rng: sample,
        replace(_config(steps=50), learning_rate=0.03),
        tmp_path,
        lambda _done, _total, loss: losses.append(loss),
    )
    assert losses[-1] < 0.8 * losses[0]


def test_another_configuration_or_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    train(STREAM, _config(steps=2), tmp_path)
    with pytest.raises(UserError, match="another seed"):
        train(STREAM, _config(steps=2, seed=4), tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"broken")
    with pytest.raises(UserError, match="cannot be read"):
        train(STREAM, _config(steps=2), tmp_path)
    with pytest.raises(UserError, match="train first"):
        checkpointed(tmp_path / "elsewhere")


@pytest.mark.parametrize("change", [{"steps": 0}, {"batch": 2, "fresh": 3}])
def test_senseless_settings_name_their_key(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"train\.sem\."):
        _config(**change)


def test_a_saved_network_reads_back_the_same(tmp_path: Path) -> None:
    net = MicrographNet(TINY).eval()
    path = tmp_path / "net.safetensors"
    save_network(net, path, {"seed": 5})
    again, metadata = load_network(path)
    image = np.random.default_rng(0).random((50, 61), dtype=np.float32)
    maps = segment(net, image)
    assert maps.shape == (4, 50, 61)
    assert np.allclose(maps, segment(again, image), atol=1e-5)
    assert metadata == {"seed": 5}


def test_calibration_constants_survive_their_plain_form() -> None:
    correction = Correction((0.1, 0.2), (-5.0, 0.3), (1.0, 0.0), (1.0, 2.0), 0.4)
    constants = Calibration({"diameter": correction}, 0.1, 0.6)
    assert Calibration.from_dict(constants.to_dict()) == constants

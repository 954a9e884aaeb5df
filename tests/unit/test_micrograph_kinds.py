"""The branch that tells classes of pictures: it learns, leaves the network as it is, and goes on after a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from envs.errors import UserError
from surrogates.micrograph_classes import CLASSES
from surrogates.micrograph_cnn import MicrographNet, NetworkShape, load_network, save_network, see
from surrogates.micrograph_kinds import KindTraining, Picture, train_kinds

CONFIG = KindTraining(steps=80, batch=8, learning_rate=1e-2, seed=3, checkpoint_every=40)


def lines_or_noise(rng: np.random.Generator) -> Picture:
    """Stripes are a fracture, noise is none of the classes."""
    sample = np.full((5, 64, 64), np.nan, dtype=np.float32)
    sample[0] = rng.random((64, 64))
    if rng.random() < 0.5:
        return sample, CLASSES.index("not a micrograph")
    sample[0] = 0.5 + 0.4 * np.sin(np.arange(64) * rng.uniform(0.3, 0.5))[None] + 0.1 * sample[0]
    sample[1:] = sample[0] > 0.6
    return sample, CLASSES.index("fracture")


@pytest.fixture(scope="module")
def net() -> MicrographNet:
    torch.manual_seed(0)
    fresh = MicrographNet(NetworkShape(4, 8, 8))
    for _ in range(60):  # its normalisations learn what is usual
        fresh(torch.randn(4, 1, 64, 64))
    return fresh.eval()


def test_it_learns_and_leaves_the_rest_as_it_is(net: MicrographNet, tmp_path: Path) -> None:
    grown = train_kinds(net, lines_or_noise, CONFIG, tmp_path)
    rng = np.random.default_rng(9)
    pictures = [lines_or_noise(rng) for _ in range(40)]
    right = [int(see(grown, sample[0]).kinds.argmax()) == kind for sample, kind in pictures]
    assert np.mean(right) > 0.9
    assert np.array_equal(see(grown, pictures[0][0][0]).maps, see(net, pictures[0][0][0]).maps)
    save_network(grown, tmp_path / "net.safetensors", {})
    again, _ = load_network(tmp_path / "net.safetensors")
    assert again.shape == replace(net.shape, kinds=len(CLASSES))
    assert see(again, pictures[0][0][0]).kinds == pytest.approx(see(grown, pictures[0][0][0]).kinds, abs=1e-6)


def test_it_goes_on_from_its_checkpoint(net: MicrographNet, tmp_path: Path) -> None:
    told: list[int] = []

    def stopped(done: int, _total: int, _loss: float) -> None:
        told.append(done)
        if done == 45 and len(told) == 45:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_kinds(net, lines_or_noise, CONFIG, tmp_path, stopped)
    train_kinds(net, lines_or_noise, CONFIG, tmp_path, stopped)
    assert told[45:] == list(range(41, 81))
    with pytest.raises(UserError, match="other settings"):
        train_kinds(net, lines_or_noise, replace(CONFIG, steps=90), tmp_path)


def test_the_whole_network_learns_where_it_is_not_frozen(net: MicrographNet, tmp_path: Path) -> None:
    begun = train_kinds(net, lines_or_noise, CONFIG, tmp_path / "alone")
    together = replace(CONFIG, steps=60, frozen=False, learning_rate=3e-3)
    grown = train_kinds(begun, lines_or_noise, together, tmp_path / "together")
    sample = next(each for each, kind in (lines_or_noise(np.random.default_rng(n)) for n in range(9)) if kind == 8)
    error = [float(np.abs(see(each, sample[0]).maps - sample[1:]).mean()) for each in (begun, grown)]
    assert error[1] < 0.8 * error[0]

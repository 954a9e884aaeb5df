"""What tells the classes apart: its fit, its file, and what it does with what it never met."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from envs.errors import UserError
from surrogates import micrograph_class_fit
from surrogates.micrograph_class_features import class_features
from surrogates.micrograph_class_fit import SECTION, ClassFit, fit_class_head, fit_head, with_class_head
from surrogates.micrograph_classes import CLASSES, ClassHead
from surrogates.micrograph_cnn import MicrographNet, NetworkShape, Seen, load_heads, save_network
from surrogates.micrograph_measure import measure

Floats = npt.NDArray[np.float64]


def clouds(n: int, seed: int = 0) -> tuple[Floats, list[str]]:
    """Features of ten classes, each about a corner of its own; each twelfth is a section of which nobody says more."""
    rng = np.random.default_rng(seed)
    names = [CLASSES[index % len(CLASSES)] for index in range(n)]
    features = rng.normal(size=(n, 24))
    for row, name in enumerate(names):
        features[row, CLASSES.index(name)] += 5.0
    return features, [SECTION if name in CLASSES[:7] and row % 12 == 0 else name for row, name in enumerate(names)]


@pytest.fixture(scope="module")
def fitted() -> ClassFit:
    return fit_head(*clouds(400))


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit too short to be good, where only its form counts."""
    monkeypatch.setattr(micrograph_class_fit, "EPOCHS", 10)


def seen_of(maps: npt.NDArray[np.float32]) -> Seen:
    return Seen(maps, np.zeros(8, dtype=np.float32), np.zeros(4, dtype=np.float32))


def test_classes_that_lie_apart_are_told_apart(fitted: ClassFit) -> None:
    fit = fitted
    assert fit.accuracy > 0.95
    assert fit.refused > 0.95
    assert fit.false_alarms < 0.05
    features, names = clouds(100, seed=1)
    verdicts = [fit.head.judge(row) for row in features]
    named = [(verdict.likeliest, name) for verdict, name in zip(verdicts, names, strict=True) if name]
    assert np.mean([found == name for found, name in named]) > 0.95
    assert all(sum(verdict.probabilities.values()) == pytest.approx(1.0) for verdict in verdicts)


def test_probabilities_are_as_often_right_as_they_say() -> None:
    # Classes half of which are mixed up cannot be told with certainty.
    features, names = clouds(400)
    rng = np.random.default_rng(2)
    mixed = ["bimodal" if name == "equiaxed dense" and rng.random() < 0.5 else name for name in names]
    head = fit_head(features, mixed).head
    fresh, truth = clouds(200, seed=5)
    shares = [head.judge(row).probabilities for row, name in zip(fresh, truth, strict=True) if name == "equiaxed dense"]
    assert 0.2 < np.mean([share["equiaxed dense"] for share in shares]) < 0.8


@pytest.mark.usefixtures("brief")
def test_the_same_pictures_give_the_same_head() -> None:
    first, again = (fit_head(*clouds(250)).head for _ in range(2))
    for mine, other in zip(first.to_tensors().values(), again.to_tensors().values(), strict=True):
        assert torch.equal(mine, other)


def test_what_is_like_nothing_that_was_learned_is_strange(fitted: ClassFit) -> None:
    head = fitted.head
    features, _ = clouds(50, seed=3)
    far = np.full((1, features.shape[1]), 40.0) * np.where(np.arange(features.shape[1]) % 2, 1.0, -1.0)
    assert np.median(head.strangeness(features)) < float(head.limit) < head.strangeness(far)[0]


def test_a_missing_class_and_features_of_another_network_are_told(fitted: ClassFit) -> None:
    features, names = clouds(300)
    with pytest.raises(UserError, match="powder"):
        fit_head(features, ["bimodal" if name == "powder" else name for name in names])
    with pytest.raises(UserError, match="fit it again"):
        fitted.head.judge(np.zeros(7))


def test_a_head_travels_in_the_networks_file_with_other_heads(tmp_path: Path, fitted: ClassFit) -> None:
    head = fitted.head
    path = tmp_path / "net.safetensors"
    save_network(MicrographNet(NetworkShape(4, 8, 8)), path, {}, {"other": torch.ones(2), **head.to_tensors()})
    back = ClassHead.from_tensors(load_heads(path))
    assert back is not None
    features, _ = clouds(5, seed=8)
    assert back.logits(features) == pytest.approx(head.logits(features))
    assert ClassHead.from_tensors({"other": torch.ones(2)}) is None
    with pytest.raises(UserError, match="lacks"):
        ClassHead.from_tensors({"class.mean": torch.ones(3)})


def test_fields_of_different_sizes_and_without_anything_have_as_many_features() -> None:
    rng = np.random.default_rng(1)
    counts = set()
    for shape in ((96, 128), (64, 64)):
        for scale in (0.0, 1.0):
            maps = (scale * rng.random((4, *shape))).astype(np.float32)
            features = class_features(seen_of(maps), measure(maps))
            assert np.isfinite(features).all()
            counts.add(len(features))
    assert len(counts) == 1


@pytest.mark.usefixtures("brief")
def test_a_head_is_fitted_on_pictures_and_on_ones_own_good_micrographs(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    own = tmp_path / "good"
    own.mkdir()
    Image.fromarray(rng.integers(0, 255, (260, 300), dtype=np.uint8)).save(own / "a.png")
    path = tmp_path / "net.safetensors"
    save_network(
        MicrographNet(NetworkShape(4, 8, 8)).eval(), path, {"training": {"steps": 1}}, {"other": torch.ones(1)}
    )
    pictures = [(rng.random((64, 64)).astype(np.float32), CLASSES[index % 10]) for index in range(200)]
    told: list[int] = []
    fit = with_class_head(path, pictures, inliers=[own], progress=told.append)
    assert fit.n_pictures == told[-1] == 212
    heads = load_heads(path)
    assert "other" in heads
    assert ClassHead.from_tensors(heads) is not None
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="no micrographs"):
        fit_class_head(MicrographNet(NetworkShape(4, 8, 8)).eval(), pictures, inliers=[tmp_path / "none"])

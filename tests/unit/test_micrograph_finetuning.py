"""Fine-tuning goes on from what was learned: nothing lost at the start, new names learned, old truth left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typing_extensions import override

from envs.errors import UserError
from surrogates.micrograph_cnn import CHANNELS, MicrographNet, NetworkShape, Seen, see, segment
from surrogates.micrograph_finetuning import FINE_TUNING, LabelledCrops, extended
from surrogates.micrograph_label_scores import scores
from surrogates.micrograph_labels.vocabulary import LabelledImage
from surrogates.micrograph_own_classes import OwnClasses, confusion, fit_own_classes
from surrogates.micrograph_training import train

TINY = NetworkShape(fine=4, middle=4, coarse=4)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def _spots(seed: int, side: int = 64) -> LabelledImage:
    """Dark discs on a bright ground; the discs are labelled, the top rows are unknown."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    discs = np.zeros((side, side), dtype=np.bool_)
    for _ in range(6):
        y, x, r = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(5, 9)
        discs |= (rows - y) ** 2 + (columns - x) ** 2 < r * r
    image = np.where(discs, 0.3, 0.7) + rng.normal(0.0, 0.03, (side, side))
    truth = discs.astype(np.int8)[None].copy()
    truth[0, :4] = -1
    return LabelledImage(f"{seed}.png", image.astype(np.float32), truth)


def test_a_new_channel_changes_nothing_that_was_told_before() -> None:
    base = MicrographNet(TINY).eval()
    image = np.random.default_rng(1).random((48, 64), dtype=np.float32)
    net = extended(base, ["spots", "phase"])
    assert net.shape.channels == (*CHANNELS, "spots")
    assert np.allclose(segment(net, image)[:4], segment(base, image), atol=1e-6)
    assert (segment(net, image)[4] < 0.5).all()
    assert extended(base, ["phase"]) is base


def test_the_branch_for_classes_of_pictures_stays() -> None:
    base = MicrographNet(replace(TINY, kinds=3)).eval()
    image = np.random.default_rng(1).random((64, 64), dtype=np.float32)
    assert see(extended(base, ["spots"]), image).kinds == pytest.approx(see(base, image).kinds, abs=1e-6)


def test_channels_of_an_older_network_come_to_their_places() -> None:
    old = MicrographNet(replace(TINY, channels=("boundary", "mine"))).eval()
    net = extended(old, ["phase"])
    image = np.random.default_rng(1).random((32, 32), dtype=np.float32)
    assert net.shape.channels == (*CHANNELS, "mine")
    assert np.allclose(segment(net, image)[[0, 4]], segment(old, image), atol=1e-6)


def test_crops_tell_what_was_labelled_and_nothing_else() -> None:
    virtual = np.full((5, 32, 32), 0.25, dtype=np.float32)
    crops = LabelledCrops([_spots(0)], ("spots",), (*CHANNELS, "spots"), [virtual], size=32, rehearsed=0.5)
    drawn = [crops(np.random.default_rng(k)) for k in range(40)]
    assert all(sample.shape == (6, 32, 32) and np.isfinite(sample[0]).all() for sample in drawn)
    own = [sample for sample in drawn if np.isnan(sample[1]).all()]
    others = [sample for sample in drawn if not np.isnan(sample[1]).any()]
    assert len(own) + len(others) == len(drawn)
    assert 8 < len(own) < 32
    assert all(np.isnan(sample[5]).all() and (sample[1:5] == 0.25).all() for sample in others)
    assert all(np.isnan(sample[1:5]).all() for sample in own)
    assert {0.0, 1.0} <= set(np.unique(np.stack([sample[5] for sample in own])[:, 8:]).tolist())
    assert np.isnan(np.stack([sample[5] for sample in own])).any(), "unknown rows stay unknown"
    assert np.array_equal(crops(np.random.default_rng(3)), drawn[3], equal_nan=True)


def test_what_is_labelled_phase_is_known_to_be_no_pore_and_no_crack() -> None:
    sample = LabelledCrops([_spots(0)], ("phase",), CHANNELS, size=32)(np.random.default_rng(0))
    boundary, pore, phase, crack = sample[1:]
    assert np.isnan(boundary).all()
    assert (phase == 1.0).any()
    for other in (pore, crack):
        assert (other[phase == 1.0] == 0.0).all()
        assert np.isnan(other[phase != 1.0]).all()


def test_a_crop_is_never_larger_than_its_image() -> None:
    crops = LabelledCrops([_spots(0, side=40)], ("spots",), ("spots",), size=64)
    assert crops(np.random.default_rng(0)).shape == (2, 64, 64)
    with pytest.raises(UserError, match="too few to learn from"):
        LabelledCrops([_spots(0, side=20)], ("spots",), ("spots",))


def test_one_labelled_image_is_learned_and_told_of_in_another(tmp_path: Path) -> None:
    base = MicrographNet(TINY).eval()
    net = extended(base, ["spots"])
    settings = replace(FINE_TUNING, network=net.shape, steps=40, seed=1)
    config = replace(settings, batch=4, fresh=4, learning_rate=0.02, bfloat16=False)
    crops = LabelledCrops([_spots(0)], ("spots",), net.shape.channels, size=32)
    tuned = train(crops, config, tmp_path, start=net).network
    judged = [_spots(5), _spots(6)]
    before, after = (scores(each, judged, ["spots"])["spots"]["iou"] for each in (base, tuned))
    assert before == 0.0
    assert after > 0.7


def test_frozen_statistics_stay_and_a_checkpoint_wins_over_the_start(tmp_path: Path) -> None:
    net = extended(MicrographNet(TINY).eval(), ["spots"])
    settings = replace(FINE_TUNING, network=net.shape, steps=4, seed=1, frozen_statistics=True)
    config = replace(settings, batch=2, fresh=2, checkpoint_every=2, bfloat16=False)
    crops = LabelledCrops([_spots(0)], ("spots",), net.shape.channels, size=32)
    whole = train(crops, config, tmp_path / "a", start=net).network
    key = "enter.0.1.running_mean"
    assert torch.equal(whole.state_dict()[key], net.state_dict()[key])
    train(crops, config, tmp_path / "b", should_stop=lambda: True, start=net)
    resumed = train(crops, config, tmp_path / "b", start=None).network
    for mine, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.allclose(mine.float(), other.float(), atol=1e-5)


def test_scores_are_those_of_a_hand_count() -> None:
    class _Half(MicrographNet):
        @override
        def features(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            logits = torch.full((1, 4, *image.shape[2:]), -9.0)
            logits[:, 2, :, : image.shape[3] // 2] = 9.0
            return logits, torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)

    truth = np.zeros((1, 32, 32), dtype=np.int8)
    truth[0, :16] = 1
    truth[0, :, 24:] = -1
    found = scores(_Half(TINY), [LabelledImage("a", np.zeros((32, 32), np.float32), truth)], ["phase"])["phase"]
    assert found["iou"] == pytest.approx(16 * 16 / (32 * 16 + 16 * 24 - 16 * 16), abs=1e-4)
    assert found["precision"] == 0.5
    assert found["recall"] == pytest.approx(2 / 3, abs=1e-4)
    assert scores(_Half(TINY), [], ["phase"]) == {}


def _seen(kind: int, rng: np.random.Generator) -> Seen:
    values = (rng.normal(0.0, 1.0, 8) + 3.0 * np.eye(8)[kind]).astype(np.float32)
    return Seen(np.zeros((4, 8, 8), np.float32), values, values)


@pytest.mark.parametrize("number", [2, 3])
def test_own_classes_are_learned_and_survive_a_file(number: int) -> None:
    rng = np.random.default_rng(0)
    members = [k % number for k in range(60)]
    names = ["a", "b", "c"][:number]
    looks = [_seen(k, rng) for k in members]
    features = np.stack([np.concatenate((each.coarse, each.fine)).astype(np.float64) for each in looks])
    head = fit_own_classes(features[:40], members[:40], names)
    found = head.likeliest(features[40:])
    assert np.mean(np.array(found) == members[40:]) > 0.85
    table = confusion(members[40:], found, names)
    assert sum(sum(row.values()) for row in table.values()) == 20
    again = OwnClasses.from_file(head.to_tensors(), {"own_classes": names})
    assert again is not None
    shares = again.judge(looks[0])
    assert shares == pytest.approx(head.judge(looks[0]))
    assert sum(shares.values()) == pytest.approx(1.0)
    with pytest.raises(UserError, match="not whole"):
        OwnClasses.from_file(head.to_tensors(), {})
    assert OwnClasses.from_file({}, {}) is None

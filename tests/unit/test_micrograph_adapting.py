"""A fine-tuned reader accepts what it was taught on, and is calibrated anew where enough images were held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from typing_extensions import override

from surrogates.micrograph_adapting import admitting, features_of, recalibrated
from surrogates.micrograph_calibration import Calibration, Correction
from surrogates.micrograph_classes import CLASSES, ClassHead
from surrogates.micrograph_cnn import CHANNELS, MicrographNet, NetworkShape
from surrogates.micrograph_labels.vocabulary import LabelledImage
from surrogates.micrograph_scales import look
from surrogates.micrograph_taught import further, taught

TINY = NetworkShape(fine=4, middle=4, coarse=4)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def _head(size: int) -> ClassHead:
    rng = np.random.default_rng(0)
    return ClassHead(
        mean=np.zeros(size),
        scale=np.ones(size),
        hidden=rng.normal(0.0, 0.3, (size, 6)),
        hidden_bias=np.zeros(6),
        out=rng.normal(0.0, 1.0, (6, len(CLASSES))),
        out_bias=np.zeros(len(CLASSES)),
        temperature=np.array(1.0),
        axes=np.eye(size)[:, :4],
        centre=np.zeros(size),
        limit=np.array(1.5),
        wrong_from=np.array(0.5),
    )


def test_limits_are_widened_for_good_images_and_never_narrowed() -> None:
    head = _head(12)
    strange = np.random.default_rng(1).normal(0.0, 3.0, (5, 12))
    wide = admitting(head, strange)
    for row in strange:
        verdict = wide.judge(row)
        wrong = sum(verdict.probabilities[name] for name in CLASSES[7:])
        assert verdict.strangeness < verdict.limit
        assert wrong <= verdict.wrong_from or wrong > 0.99
    assert float(wide.limit) > 1.5
    assert float(admitting(head, np.zeros((1, 12))).limit) == 1.5


def _images(number: int) -> list[LabelledImage]:
    rng = np.random.default_rng(2)
    images = []
    for k in range(number):
        image = rng.random((64, 64)).astype(np.float32)
        truth = np.zeros((1, 64, 64), dtype=np.int8)
        truth[0, : 10 + k] = 1
        images.append(LabelledImage(f"{k}.png", image, truth))
    return images


def test_features_are_one_row_for_each_image() -> None:
    net = MicrographNet(TINY).eval()
    features = features_of(net, _images(2))
    assert features.shape[0] == 2
    assert np.isfinite(features).all()


def test_few_held_out_images_leave_the_constants_and_many_fit_what_they_tell() -> None:
    net = MicrographNet(TINY).eval()
    before = Calibration({"diameter": Correction(sampling=0.3)}, 0.1, 0.6)
    assert recalibrated(before, net, _images(5), ("phase",)) == (before, ())
    assert recalibrated(before, net, _images(32), ("mine",)) == (before, ())
    after, new = recalibrated(before, net, _images(32), ("phase",))
    assert new == ("phase_fraction",)
    assert set(after.corrections) == {"diameter", "phase_fraction"}
    assert (after.sharpness_limit, after.doubt_limit) == (0.1, 0.6)


def test_a_channel_that_was_taught_counts_as_it_looks_in_its_own_pixels() -> None:
    class _Scaled(MicrographNet):
        """Says phase everywhere in pictures of more than 200 pixels, nowhere in smaller ones; never a boundary."""

        @override
        def features(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            logits = torch.full((1, 5, *image.shape[2:]), -9.0)
            if image.shape[3] > 200:
                logits[:, 2] = 9.0
            logits[:, 4, :, ::4] = 9.0
            return logits, torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)

    net = _Scaled(replace(TINY, channels=(*CHANNELS, "mine")))
    image = np.random.default_rng(0).random((256, 256)).astype(np.float32)
    assert look(net, image).found.phase.mean() == 0.0
    taken = look(net, image, ("phase",))
    assert taken.found.phase.mean() > 0.95
    assert taken.found.factor < 1.0
    assert look(net, image, ("crack",)).found.factor == 1.0
    share = further(taken.seen, net.shape.channels)["mine"]
    assert share.value == pytest.approx(0.25, abs=0.01)
    assert taught({"taught": ["phase"]}) == ("phase",)
    assert taught({}) == ()

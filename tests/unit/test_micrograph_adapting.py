"""A fine-tuned reader accepts what it was taught on, and is calibrated anew where enough images were held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from typing_extensions import override

from simulators.reader_data import fields
from surrogates.micrograph_adapting import adapted, admitting, looks_at, recalibrated
from surrogates.micrograph_calibration import Calibration, Correction
from surrogates.micrograph_classes import CLASSES, ClassHead, class_features
from surrogates.micrograph_cnn import CHANNELS, MicrographNet, NetworkShape
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_labels.vocabulary import LabelledImage
from surrogates.micrograph_reader import MicrographReader
from surrogates.micrograph_scales import look
from surrogates.micrograph_taught import further, taught
from surrogates.quality import kind_problem, sharpness

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
    net = MicrographNet(TINY).eval()
    looks = looks_at(net, _images(2), ())
    features = [class_features(each.seen, each.found) for each in looks]
    head = _head(len(features[0]))
    narrow = replace(head, limit=np.array(1e-3), wrong_from=np.array(1e-3))
    assert all(kind_problem(narrow.judge(row)) is not None for row in features)
    wide = admitting(narrow, looks)
    for row in features:
        verdict = wide.judge(row)
        assert verdict.strangeness < verdict.limit
        assert kind_problem(verdict) is None
    far = replace(head, limit=np.array(1e9))
    assert float(admitting(far, looks).limit) == 1e9


def test_corrections_of_what_was_taught_are_dropped_and_its_images_stay_good() -> None:
    net = MicrographNet(TINY).eval()
    images = _images(2)
    looks = looks_at(net, images, ("boundary",))
    names = ("diameter", "porosity", "phase_fraction")
    before = Calibration({name: Correction(sampling=0.3) for name in names}, 3.9, 0.01)
    lines = adapted(before, looks, images, ("boundary",))
    assert set(lines.corrections) == {"porosity", "phase_fraction"}
    assert lines.doubt_limit >= max(each.found.doubt for each in looks)
    assert lines.sharpness_limit < min(sharpness(each.image) for each in images)
    areas = adapted(before, looks, images, ("phase", "mine"))
    assert set(areas.corrections) == {"diameter", "porosity"}
    assert areas.doubt_limit == 0.01


def _images(number: int) -> list[LabelledImage]:
    rng = np.random.default_rng(2)
    images = []
    for k in range(number):
        image = rng.random((64, 64)).astype(np.float32)
        truth = np.zeros((1, 64, 64), dtype=np.int8)
        truth[0, : 10 + k] = 1
        images.append(LabelledImage(f"{k}.png", image, truth))
    return images


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


@pytest.mark.parametrize("told", [(), ("phase",), ("boundary",), ("mine",)])
def test_few_grains_make_a_picture_invalid_only_for_who_wants_to_count_them(told: tuple[str, ...]) -> None:
    class _Tiles(MicrographNet):
        """Sees some thirty square grains."""

        @override
        def features(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            logits = torch.full((1, 5, *image.shape[2:]), -9.0)
            logits[:, 0, ::40] = logits[:, 0, :, ::40] = 9.0
            logits[:, 4, 10:30, 10:30] = 9.0
            logits[:, 2, 130:150, 130:150] = 9.0
            return logits, torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)

    net = _Tiles(replace(TINY, channels=(*CHANNELS, "mine")))
    image = next(fields(4242, 1, (240, 240))).image
    reading = MicrographReader(net, Calibration(), {"taught": list(told)}).read(Micrograph(image, None, "none"))
    assert reading.accepted == (told not in {(), ("boundary",)})
    assert (reading.grain_size is None) == reading.accepted
    words = reading.withheld["grain_size"] if reading.accepted else reading.reason
    assert "grains in the field (at least 50)" in words
    assert reading.further["mine"].value > 0.0

"""Fine-tuning as every part of the agent does it: the user's labelled images, and virtual ones beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from agent.wiring_reader import micrograph_stream
from surrogates.micrograph_cnn import MicrographNet
from surrogates.micrograph_finetuning import CROP, LabelledCrops, extended
from surrogates.micrograph_labels.vocabulary import LabelledImage
from surrogates.micrograph_training import Array, Progress, TrainingConfig, TrainingReport, train

N_REHEARSED = 48
"""Virtual images that are learned from beside the user's, so that what was learned from such is kept."""


def rehearsal(seed: int, tell: Callable[[int], None] = lambda _: None) -> list[Array]:
    """Virtual samples (1 + C, ``CROP``, ``CROP``) beside the user's; ``tell`` hears how many are drawn."""
    draw = micrograph_stream(CROP)
    samples = []
    for k in range(N_REHEARSED):
        samples.append(draw(np.random.default_rng([seed, 2, k])))
        tell(k + 1)
    return samples


def fine_tune(
    base: MicrographNet,
    images: Sequence[LabelledImage],
    told: tuple[str, ...],
    settings: TrainingConfig,
    folder: Path,
    *,
    virtual: Sequence[Array],
    progress: Progress = lambda *_: None,
) -> TrainingReport:
    """Go on from ``base`` with labelled images, or from the checkpoint in the folder.

    Args:
        base: to start from; it is not changed.
        images: to learn from, truth in the order of ``told``.
        told: channels of the labels; those that ``base`` lacks are added.
        settings: their network's shape is replaced by the one that results.
        folder: of the checkpoint.
        virtual: samples as ``rehearsal`` draws them; may be empty.
        progress: called after each step.

    Raises:
        UserError: when an image is too small, or the folder holds the checkpoint of another training.
    """
    net = extended(base, told)
    crops = LabelledCrops(images, told, net.shape.channels, virtual)
    return train(crops, replace(settings, network=net.shape), folder, progress, start=net)

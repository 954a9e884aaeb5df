"""Fits the reader's judgement to a fine-tuned network: what it must not refuse, and how wide its intervals are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from surrogates.micrograph_calibration import Calibration
from surrogates.micrograph_classes import SECTIONS, ClassHead, class_features
from surrogates.micrograph_cnn import MicrographNet
from surrogates.micrograph_fit import FEWEST_FIELDS, CalibrationPoint, fit
from surrogates.micrograph_labels.vocabulary import LabelledImage
from surrogates.micrograph_scales import Look, look
from surrogates.quality import sharpness

ROOM = 0.5
"""How much stranger than the strangest of n images of the user's another may be, times the root of n."""
MEASURED_WITH = {
    "boundary": ("diameter", "intercept", "d10", "d50", "d90", "boundary_length", "elongation"),
    "pore": ("porosity", "pore_size"),
    "phase": ("phase_fraction",),
    "crack": ("crack_length",),
}
"""Quantities that are counted on each channel."""


def looks_at(net: MicrographNet, images: Sequence[LabelledImage], told: Sequence[str]) -> list[Look]:
    """What a network sees in each image; ``told`` are the channels that it was taught."""
    return [look(net, each.image, told) for each in images]


def admitting(head: ClassHead, looks: Sequence[Look]) -> ClassHead:
    """The same head with limits wide enough for images that the user labelled, and so calls good.

    Where the network takes these for something else than sections, no picture is refused for its kind any more.

    Args:
        head: of the network that was started from.
        looks: of the fine-tuned network at the user's images; at least one.
    """
    verdicts = [head.judge(class_features(each.seen, each.found)) for each in looks]
    strange = max(verdict.strangeness for verdict in verdicts)
    wrong = max(1.0 - sum(verdict.probabilities[name] for name in SECTIONS) for verdict in verdicts)
    room = _room(len(looks))
    return replace(
        head,
        limit=np.array(max(float(head.limit), room * strange)),
        wrong_from=np.array(max(float(head.wrong_from), min(room * wrong, 1.0))),
    )


def adapted(
    calibration: Calibration, looks: Sequence[Look], images: Sequence[LabelledImage], told: Sequence[str]
) -> Calibration:
    """The base's calibration as far as it holds for a network that was taught these images.

    What is counted on a channel that was taught loses its correction, which was another network's: it is taken as it
    is, with the wide uncertainty of what was never fitted. The images themselves are sharp enough, and where
    boundaries were taught, their boundaries certain enough.

    Args:
        calibration: of the network that was started from.
        looks: of the fine-tuned network at the images; at least one.
        images: as sharp as good ones are.
        told: channels that were taught.
    """
    lost = {name for channel in told for name in MEASURED_WITH.get(channel, ())}
    room = _room(len(looks))
    doubt = max(each.found.doubt for each in looks) if "boundary" in told else 0.0
    return Calibration(
        corrections={name: each for name, each in calibration.corrections.items() if name not in lost},
        sharpness_limit=min(calibration.sharpness_limit, min(sharpness(each.image) for each in images) / room),
        doubt_limit=max(calibration.doubt_limit, min(room * doubt, 1.0)),
    )


def recalibrated(
    calibration: Calibration, net: MicrographNet, images: Sequence[LabelledImage], told: Sequence[str]
) -> tuple[Calibration, tuple[str, ...]]:
    """Bias and spread of porosity and phase fraction on labelled images that were not trained on.

    Args:
        calibration: what holds where the images tell nothing.
        net: fine-tuned.
        images: held out.
        told: channels of their truth.

    Returns:
        The constants, and which of them are new: none with fewer than ``FEWEST_FIELDS`` images.
    """
    if len(images) < FEWEST_FIELDS or not {"pore", "phase"} & set(told):
        return calibration, ()
    points = [_point(net, each, told) for each in images]
    fitted = fit(points, [sharpness(each.image) for each in images]).corrections
    return replace(calibration, corrections={**calibration.corrections, **fitted}), tuple(fitted)


def _room(number: int) -> float:
    return 1.0 + ROOM / float(np.sqrt(number))


def _point(net: MicrographNet, each: LabelledImage, told: Sequence[str]) -> CalibrationPoint:
    found = look(net, each.image, told).found
    truth: Mapping[str, float] = {}
    pores = (each.truth[told.index("pore")] == 1) if "pore" in told else found.pores
    if "pore" in told:
        truth = {"porosity": float(pores.mean())}
    if "phase" in told:
        solid = max(int(np.count_nonzero(~pores)), 1)
        truth = {**truth, "phase_fraction": float((each.truth[told.index("phase")] == 1).sum() / solid)}
    return CalibrationPoint(found, truth, found.n_grains, found.diameter)

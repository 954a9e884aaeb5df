"""Fits the reader's judgement to a fine-tuned network: what it must not refuse, and how wide its intervals are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from surrogates.micrograph_calibration import Calibration
from surrogates.micrograph_classes import SECTIONS, ClassHead, class_features
from surrogates.micrograph_cnn import MicrographNet
from surrogates.micrograph_fit import FEWEST_FIELDS, CalibrationPoint, fit
from surrogates.micrograph_labels.vocabulary import LabelledImage
from surrogates.micrograph_scales import look
from surrogates.quality import sharpness

Floats = npt.NDArray[np.float64]
ROOM = 1.1
"""How much stranger than the strangest of the user's own images another may be."""
MOST_WRONG = 0.99
"""Probability of being no section from which any picture is refused."""


def features_of(net: MicrographNet, images: Sequence[LabelledImage], told: Sequence[str] = ()) -> Floats:
    """What the class head judges by, of each image, (N, F); ``told`` are the channels that were taught."""
    looks = [look(net, each.image, told) for each in images]
    return np.array([class_features(each.seen, each.found) for each in looks])


def admitting(head: ClassHead, features: Floats) -> ClassHead:
    """The same head with limits wide enough for images that the user labelled, and so calls good.

    Args:
        head: of the network that was started from.
        features: of the user's images, seen by the fine-tuned network, (N, F).
    """
    verdicts = [head.judge(row) for row in features]
    strange = max(verdict.strangeness for verdict in verdicts)
    wrong = max(1.0 - sum(verdict.probabilities[name] for name in SECTIONS) for verdict in verdicts)
    return replace(
        head,
        limit=np.array(max(float(head.limit), ROOM * strange)),
        wrong_from=np.array(max(float(head.wrong_from), min(ROOM * wrong, MOST_WRONG))),
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

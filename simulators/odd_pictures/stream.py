"""Pictures of every class for fitting and judging what tells them apart; the seeds never meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulators.odd_pictures.foreign_sections import FOREIGN
from simulators.odd_pictures.kinds import odd_picture
from simulators.odd_pictures.photographs import FITTED, JUDGED
from simulators.reader_data import labelled_field, masked_sample
from simulators.reader_sections import exported, unusual_settings
from simulators.sections.microstructure import Kind
from surrogates.micrograph_classes import CLASSES

Grey = npt.NDArray[np.float32]

FIT_SEED, JUDGE_SEED = 7201, 9201
SIDES = ((256, 256), (256, 384), (320, 320), (384, 512), (384, 288), (448, 448), (512, 512), (512, 640), (576, 768))
"""Frames, the smaller ones more often than the larger, which take longer."""
SIDE_SHARES = (0.28, 0.2, 0.16, 0.08, 0.12, 0.05, 0.05, 0.04, 0.02)
SECTION = ""
"""Class of a polished section of which nobody says more: good to look at, and so not 'not a micrograph'."""
SAMPLED_ODD, SAMPLED_FOREIGN = 0.24, 0.12
SAMPLED = {
    Kind.EQUIAXED_DENSE: 0.1, Kind.BIMODAL: 0.1, Kind.POROUS_OPEN: 0.12, Kind.POROUS_CLOSED: 0.12, Kind.TWO_PHASE: 0.2,
    Kind.ELONGATED: 0.08, Kind.CRACKED: 0.14, Kind.POWDER: 0.06, Kind.FRACTURE: 0.08,
}  # fmt: skip
"""Shares of what the class branch learns from, and among the rest those of the classes."""
ODD_SHARE, FOREIGN_SHARE, EXPORTED_SHARE = 0.28, 0.16, 0.5


class ClassPicture(NamedTuple):
    """A picture with its class.

    Args:
        image: float32 (H, W), 0 to 1.
        name: one of ``CLASSES``, or ``SECTION``.
    """

    image: Grey
    name: str


def class_pictures(seed: int, number: int) -> Iterator[ClassPicture]:
    """Pictures to fit on: the nine kinds in turn, odd pictures and foreign sections between them.

    Each has a generator of its own: the first ``n`` are the same for any number.

    Args:
        seed: of all of them.
        number: how many.
    """
    kinds = list(Kind)
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        shape = SIDES[int(rng.choice(len(SIDES), p=SIDE_SHARES))]
        yield _picture(rng, shape, kinds[index % len(kinds)])


def class_sample(rng: np.random.Generator, side: int = 256) -> tuple[Grey, int]:
    """A picture of any class with its masks, for the stream that the class branch learns from.

    Args:
        rng: source of every random choice.
        side: edge of the square frame.

    Returns:
        float32 (5, side, side), image and masks as ``simulators.reader_data.training_sample``, the masks of odd
        pictures and foreign sections NaN; and the number of the class in ``CLASSES``, -1 for a foreign section.
    """
    drawn, shape = rng.random(), (side, side)
    unknown = np.full((4, *shape), np.nan, dtype=np.float32)
    if drawn < SAMPLED_ODD:
        return np.concatenate((exported(odd_picture(rng, shape), rng)[None], unknown)), len(CLASSES) - 1
    if drawn < SAMPLED_ODD + SAMPLED_FOREIGN:
        foreign = list(FOREIGN)[int(rng.integers(len(FOREIGN)))]
        return np.concatenate((FOREIGN[foreign](rng, shape)[None], unknown)), -1
    kinds = list(SAMPLED)
    kind = kinds[int(rng.choice(len(kinds), p=list(SAMPLED.values())))]
    return masked_sample(kind, rng, shape), CLASSES.index(str(kind))


def _picture(rng: np.random.Generator, shape: tuple[int, int], kind: Kind) -> ClassPicture:
    """A picture of that class, or in its stead an odd one or a foreign section, as often as the shares say."""
    drawn = rng.random()
    if drawn < ODD_SHARE:
        return ClassPicture(exported(odd_picture(rng, shape), rng), CLASSES[-1])
    if drawn < ODD_SHARE + FOREIGN_SHARE:
        foreign = list(FOREIGN)[int(rng.integers(len(FOREIGN)))]
        return ClassPicture(FOREIGN[foreign](rng, shape), SECTION)
    image = labelled_field(rng, shape, kind=kind).image
    return ClassPicture(exported(image, rng) if rng.random() < EXPORTED_SHARE else image, str(kind))


def judged_pictures(seed: int, number: int, *, unusual: bool = True) -> Iterator[ClassPicture]:
    """Pictures to judge by, the ten classes in turn: photographs that were never fitted on, and unseen appearances.

    Args:
        seed: of all of them; another one than for fitting.
        number: how many.
        unusual: whether the virtual frames are taken with settings beyond any that are learned from.
    """
    kinds = list(Kind)
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        shape = SIDES[int(rng.choice(len(SIDES), p=SIDE_SHARES))]
        if index % len(CLASSES) == len(kinds):
            yield ClassPicture(odd_picture(rng, shape, photographs=JUDGED), CLASSES[-1])
        else:
            kind = kinds[index % len(CLASSES)]
            yield ClassPicture(
                labelled_field(rng, shape, unusual_settings(rng) if unusual else None, kind).image, str(kind)
            )


__all__ = [
    "FITTED", "FIT_SEED", "JUDGED", "JUDGE_SEED", "ClassPicture", "class_pictures", "class_sample", "judged_pictures",
]  # fmt: skip

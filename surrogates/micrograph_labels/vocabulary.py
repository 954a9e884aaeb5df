"""What users' labelled images are to the reader: images, and for each pixel what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.float32]
Truth = npt.NDArray[np.int8]
UNKNOWN = -1
"""In a truth map: nobody said."""
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
"""Endings, in small letters, of the files that are taken for images."""


@dataclass(frozen=True)
class LabelledImage:
    """One image with its labels.

    Args:
        name: of the file, for messages and for the split.
        image: float32 (H, W), 0 to 1.
        truth: int8 (C, H, W) in the order of its set's channels: 1, 0, or ``UNKNOWN``.
    """

    name: str
    image: Grey
    truth: Truth


@dataclass(frozen=True)
class LabelledSet:
    """Images whose pixels are labelled.

    Args:
        channels: what the labels tell of a pixel, by name.
        images: at least one.
        form: ``mask pairs`` or ``COCO``.
    """

    channels: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    form: str


@dataclass(frozen=True)
class ClassifiedSet:
    """Images of which each belongs to a class as a whole.

    Args:
        classes: names, two at least, in the order of the alphabet.
        files: the images.
        members: of each file, the number of its class.
    """

    classes: tuple[str, ...]
    files: tuple[Path, ...]
    members: tuple[int, ...]


def images_in(folder: Path) -> list[Path]:
    """The image files directly in a folder, by name; hidden files are none."""
    return sorted(
        each
        for each in folder.iterdir()
        if each.is_file() and each.suffix.lower() in SUFFIXES and not each.name.startswith(".")
    )


def split(number: int, hold_out: float, rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Numbers of the images to train on and of those to judge with, each in order.

    Fewer than five images are all trained on: what is held out of so few says nothing.

    Args:
        number: of images.
        hold_out: share to judge with.
        rng: chooses.
    """
    held = round(number * hold_out) if number >= 5 and hold_out > 0.0 else 0
    held = min(max(held, 1), number - 1) if number >= 5 and hold_out > 0.0 else held
    order = rng.permutation(number)
    return tuple(sorted(int(k) for k in order[held:])), tuple(sorted(int(k) for k in order[:held]))


def stratified_split(
    members: Sequence[int], hold_out: float, rng: np.random.Generator
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The same for classes: of each with five images or more, the share is held out."""
    kept: list[int] = []
    held: list[int] = []
    for group in sorted(set(members)):
        own = [k for k, member in enumerate(members) if member == group]
        train, judge = split(len(own), hold_out, rng)
        kept += [own[k] for k in train]
        held += [own[k] for k in judge]
    return tuple(sorted(kept)), tuple(sorted(held))

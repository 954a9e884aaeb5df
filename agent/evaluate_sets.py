"""Sets of labelled real images to judge a reader on, and the file that describes several of them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from envs.errors import UserError
from surrogates.micrograph_classical import Tone
from surrogates.micrograph_labels.declaration import declared
from surrogates.micrograph_labels.folder import read_labelled
from surrogates.micrograph_labels.mask_pairs import read_pairs
from surrogates.micrograph_labels.vocabulary import ClassifiedSet, LabelledImage, LabelledSet

FILE = "evaluate.toml"
LEARNT = (1,)
"""Images that a reader is fine-tuned on where nobody says how many, if there are more than that."""


@dataclass(frozen=True)
class RealSet:
    """Labelled images of one material.

    Args:
        name: for the tables.
        channels: what the labels tell of.
        images: at least one.
        pixel_size: um, or None.
        tone: of the second phase, which the classical way is told.
        learn: numbers of images to fine-tune on, one after the other.
        seed: of the choice of these and of the fine-tuning.
    """

    name: str
    channels: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    pixel_size: float | None
    tone: Tone | None
    learn: tuple[int, ...]
    seed: int


class Described(BaseModel):
    """A set as the file describes it; paths are relative to the folder that is judged on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    folder: str = ""
    images: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    labels: str = ""
    pixel_size: float | None = Field(default=None, gt=0.0)
    tone: Tone | None = None
    learn: tuple[int, ...] = ()
    seed: int = Field(default=0, ge=0)


class Description(BaseModel):
    """The file: a list of sets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    set: tuple[Described, ...] = Field(min_length=1)


def real_sets(root: Path, description: Path | None = None) -> list[RealSet]:
    """Read the sets of a folder.

    Args:
        root: a folder of labelled images, as ``labwright train sem --data`` takes it, or of several such.
        description: a TOML file that says which sets there are; None takes ``evaluate.toml`` in the folder. Without
            one the folder is a single set.

    Raises:
        UserError: the folder or the description cannot be read.
    """
    file = root / FILE if description is None else description
    if description is None and not file.is_file():
        found = read_labelled(root)
        if isinstance(found, ClassifiedSet):
            raise UserError(f"{root}: class folders say nothing about pixels; give images with masks")
        return [_set(Described(name=root.name or str(root), learn=_possible(LEARNT, found)), found)]
    return [_set(each, _read(root, each, file)) for each in _described(file).set]


def _described(file: Path) -> Description:
    try:
        data: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        return Description.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{file}: {place}: {first['msg']}; see docs/sem-analysis.md for the form") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read ({error}); it must be TOML with a [[set]] for each set") from error


def _read(root: Path, each: Described, file: Path) -> LabelledSet:
    if len(each.images) != len(each.masks) or bool(each.folder) == bool(each.images):
        raise UserError(f"{file}: {each.name}: give either a folder, or as many images as masks")
    if each.folder:
        found = read_labelled(root / each.folder, each.labels)
        if isinstance(found, ClassifiedSet):
            raise UserError(f"{root / each.folder}: class folders say nothing about pixels; give images with masks")
    else:
        pairs = [(root / image, root / mask) for image, mask in zip(each.images, each.masks, strict=True)]
        found = read_pairs(pairs, declared(root, each.labels))
    if any(number < 1 or number >= len(found.images) for number in each.learn):
        raise UserError(
            f"{file}: {each.name}: of {len(found.images)} images, 1 to {len(found.images) - 1} can be learnt"
        )
    return found


def _possible(learn: tuple[int, ...], found: LabelledSet) -> tuple[int, ...]:
    return tuple(number for number in learn if number < len(found.images))


def _set(each: Described, found: LabelledSet) -> RealSet:
    return RealSet(each.name, found.channels, found.images, each.pixel_size, each.tone, each.learn, each.seed)

"""What a reader of micrographs is examined with: pictures that are good, bad in known ways, or of another kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.odd_pictures.kinds import ODD, odd_picture
from simulators.odd_pictures.photographs import JUDGED
from simulators.optics.operator import OperatorFault, faulty_frame
from simulators.reader_data import EVALUATION_SEED, UNUSUAL_SEED, fields, labelled_field
from simulators.reader_sections import kind_drawn, section, settings_drawn
from simulators.sections.microstructure import Kind
from simulators.sem import random_settings
from surrogates.micrograph_classes import CLASSES
from surrogates.micrograph_fields import LabelledField

Grey = npt.NDArray[np.float32]
Named = Iterator[tuple[str, Grey]]

CLASS_SEED, FAULT_SEED, ODD_SEED = 9201, 9401, 9301
DEFOCUS = (4.0, 5.0, 7.0, 10.0)
"""Blurs in pixels."""
BAR_SHARE = 0.06
"""Share of the frame's height that an info bar takes."""


def fault_pictures(number: int, shape: tuple[int, int] = (512, 512)) -> Named:
    """Pictures of polished sections that nobody should measure, each with the name of what is wrong.

    Args:
        number: of each fault.
        shape: rows and columns.
    """
    for index in range(number):
        rng = np.random.default_rng([FAULT_SEED, index])
        for blur in DEFOCUS:
            mistake = {"defocus": blur, "astigmatism": 0.0}
            field = labelled_field(rng, shape, random_settings(rng), mistake=mistake)
            yield f"out of focus by {blur:g} px", field.image
        for fault in (OperatorFault.EMPTY_STAGE, OperatorFault.SATURATED, OperatorFault.WRONG_MAGNIFICATION):
            kind = _polished(rng)
            diameter = float(np.exp(rng.uniform(np.log(10.0), np.log(45.0))))
            frame = faulty_frame(fault, section(kind, diameter, shape, rng), settings_drawn(rng), rng)
            yield str(fault), _grey(frame)
        yield "flat", np.full(shape, rng.random(), dtype=np.float32)
        yield "info bar only", _info_bar(shape, rng)


def class_pictures(number: int, shape: tuple[int, int] = (512, 512)) -> Named:
    """Good pictures of each of the ten classes, ``number`` of each, with its name; photographs are unseen ones."""
    for index in range(number):
        for place, kind in enumerate(Kind):
            rng = np.random.default_rng([CLASS_SEED, place, index])
            yield str(kind), labelled_field(rng, shape, kind=kind).image
        rng = np.random.default_rng([CLASS_SEED, len(Kind), index])
        yield CLASSES[-1], odd_picture(rng, shape, photographs=JUDGED)


def odd_pictures(number: int, shape: tuple[int, int] = (512, 512)) -> Named:
    """Pictures that are no section to be measured, ``number`` of each kind, with its name."""
    for index in range(number):
        for place, kind in enumerate(ODD):
            rng = np.random.default_rng([ODD_SEED, place, index])
            yield kind, odd_picture(rng, shape, kind, JUDGED)
        for place, kind in enumerate((Kind.POWDER, Kind.FRACTURE)):
            rng = np.random.default_rng([ODD_SEED, len(ODD) + place, index])
            yield str(kind), labelled_field(rng, shape, kind=kind).image


def _polished(rng: np.random.Generator) -> Kind:
    while (kind := kind_drawn(rng)) in {Kind.POWDER, Kind.FRACTURE}:
        pass
    return kind


def _info_bar(shape: tuple[int, int], rng: np.random.Generator) -> Grey:
    """A frame whose scan was stopped before its first line: black, and the bar with its words at the bottom."""
    from PIL import Image, ImageDraw

    height, width = shape
    picture = Image.new("L", (width, height), 0)
    bar = max(round(BAR_SHARE * height), 12)
    draw = ImageDraw.Draw(picture)
    top = height - bar
    draw.rectangle((0, top, width, height), fill=int(rng.integers(0, 40)))
    kv, field = rng.integers(1, 31), rng.integers(5, 500)
    words = (
        f"HV {kv}.00 kV   WD {rng.uniform(3.0, 12.0):.1f} mm   HFW {field} um   det {rng.choice(('ETD', 'BSE', 'TLD'))}"
    )
    draw.text((8, top + bar // 2 - 6), words, fill=255)
    length = int(rng.integers(width // 8, width // 4))
    draw.rectangle((width - 20 - length, top + bar // 2 - 2, width - 20, top + bar // 2 + 2), fill=255)
    return _grey(np.asarray(picture))


def _grey(picture: npt.NDArray[np.uint8]) -> Grey:
    return np.asarray(picture, dtype=np.float32) / np.float32(255.0)


@dataclass(frozen=True)
class Examination:
    """Everything that a reader is examined with, and the seeds that it comes of."""

    seeds: Mapping[str, int]

    def fields(self, number: int, *, unusual: bool) -> Iterator[LabelledField]:
        """Labelled fields of unseen seeds, or of unseen seeds and appearance."""
        return fields(self.seeds["unseen appearance" if unusual else "unseen seeds"], number, unusual=unusual)

    def classes(self, number: int) -> Named:
        """See ``class_pictures``."""
        return class_pictures(number)

    def faults(self, number: int) -> Named:
        """See ``fault_pictures``."""
        return fault_pictures(number)

    def odd(self, number: int) -> Named:
        """See ``odd_pictures``."""
        return odd_pictures(number)


def examination() -> Examination:
    """The examination with the seeds that are kept for it."""
    return Examination({
        "unseen seeds": EVALUATION_SEED, "unseen appearance": UNUSUAL_SEED, "classes": CLASS_SEED,
        "faults": FAULT_SEED, "odd pictures": ODD_SEED,
    })  # fmt: skip

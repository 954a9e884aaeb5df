"""Streams of virtual micrographs for a reader's training, calibration and judgement; their seeds never meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from simulators.sem import SemSettings, empty_stage, labelled_field, random_settings
from surrogates.micrograph_fields import LabelledField

CALIBRATION_SEED, EVALUATION_SEED = 7001, 9001


def fields(seed: int, number: int, shape: tuple[int, int] = (512, 512)) -> Iterator[LabelledField]:
    """Labelled fields; each has a generator of its own, so that the first ``n`` are the same for any number."""
    for index in range(number):
        yield labelled_field(np.random.default_rng([seed, index]), shape)


def faulty_images(
    seed: int, number: int, shape: tuple[int, int] = (512, 512)
) -> dict[str, list[npt.NDArray[np.float32]]]:
    """Images that no reader should accept, float32 (H, W), by the operator's mistake."""
    faults: dict[str, list[npt.NDArray[np.float32]]] = {
        "defocus_4px": [],
        "defocus_7px": [],
        "saturated": [],
        "empty_stage": [],
        "flat": [],
    }
    for index in range(number):
        rng = np.random.default_rng([seed, 77, index])
        settings = random_settings(rng)
        for name, changed in (
            ("defocus_4px", replace(settings, defocus=4.0, astigmatism=0.0)),
            ("defocus_7px", replace(settings, defocus=7.0, astigmatism=0.0)),
            ("saturated", replace(settings, brightness=2.5 if index % 2 else -1.5)),
        ):
            faults[name].append(labelled_field(rng, shape, changed).image)
        faults["empty_stage"].append(empty_stage(shape, SemSettings(), rng).astype(np.float32) / 255.0)
        faults["flat"].append(np.full(shape, rng.random(), dtype=np.float32))
    return faults

"""Streams of virtual micrographs for a reader's training, calibration and judgement; their seeds never meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from simulators.sections.microstructure import Microstructure, SectionSpec
from simulators.sem import SemSettings, empty_stage, operator_settings, random_settings, render
from simulators.tessellation import draw
from surrogates.micrograph_fields import LabelledField

CALIBRATION_SEED, EVALUATION_SEED = 7001, 9001


ROUTINE_SHARE = 0.3
"""Share of the images that a careful operator took; the others are as broad as operators, samples and days differ."""
PHASE_SHARE, MOST_PHASE = 0.35, 0.08
"""Share of the fields that hold the residue of an additive, and the most of it."""
CRACKED_SHARE = 0.08


def training_sample(
    rng: np.random.Generator, size: int = 128
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A rendered field with its truth, for training a reader.

    Returns:
        Three float32 arrays (size, size): image in 0 to 1, boundary (both pixels beside it) and pore masks of 0 and 1.
    """
    diameter = float(np.exp(rng.uniform(np.log(8.0), np.log(52.0))))
    porosity = 0.0 if rng.random() < 0.2 else float(0.45 * rng.random() ** 1.7)
    spec = replace(
        _section(rng, diameter, porosity, (size, size)),
        abnormal=0.3 if rng.random() < 0.08 else 0.0,
        cracks=1000.0 * float(rng.uniform(0.5, 2.0)) / size if rng.random() < CRACKED_SHARE else 0.0,
    )
    ms = draw(spec, rng)
    image = render(ms, _settings(rng), rng)
    boundary = ms.boundaries.copy()
    boundary[1:] |= (ms.labels[1:] != ms.labels[:-1]) & (ms.labels[1:] > 0) & (ms.labels[:-1] > 0)
    boundary[:, 1:] |= (ms.labels[:, 1:] != ms.labels[:, :-1]) & (ms.labels[:, 1:] > 0) & (ms.labels[:, :-1] > 0)
    return image.astype(np.float32) / 255.0, boundary.astype(np.float32), ms.pores.astype(np.float32)


def labelled_field(
    rng: np.random.Generator, shape: tuple[int, int] = (512, 512), settings: SemSettings | None = None
) -> LabelledField:
    """A field as a campaign takes it, for calibration and evaluation.

    Grains of 10 to 45 pixels, porosity 0 to 0.4, in a third of the fields the residue of an additive, which counts to
    the grains that it wets: it is solid, and no pore.
    """
    diameter = float(np.exp(rng.uniform(np.log(10.0), np.log(45.0))))
    porosity = 0.0 if rng.random() < 0.2 else float(0.4 * rng.random() ** 1.5)
    ms = draw(_section(rng, diameter, porosity, shape), rng)
    image = render(ms, _settings(rng) if settings is None else settings, rng).astype(np.float32) / 255.0
    return LabelledField(image=image, labels=_solid_labels(ms), diameter=diameter)


def _solid_labels(ms: Microstructure) -> npt.NDArray[np.int32]:
    """Labels in which the residue between grains belongs to the nearest of them; only pores and cracks are 0."""
    between = ms.phase & (ms.labels == 0)
    if not between.any():
        return ms.labels
    nearest = ndimage.distance_transform_edt(ms.labels == 0, return_distances=False, return_indices=True)
    filled: npt.NDArray[np.int32] = np.where(between, ms.labels[tuple(nearest)], ms.labels)
    return filled


def _section(rng: np.random.Generator, diameter: float, porosity: float, shape: tuple[int, int]) -> SectionSpec:
    """Lengths are in pixels. Pores are closed in dense bodies and open in porous ones, as sintering leaves them."""
    open_share = float(np.clip((porosity - 0.04) / 0.1 + 0.2 * rng.standard_normal(), 0.0, 1.0))
    phase = float(MOST_PHASE * rng.random()) if rng.random() < PHASE_SHARE else 0.0
    return SectionSpec(diameter, 1.0, shape, porosity, open_share, second_phase=phase)


def _settings(rng: np.random.Generator) -> SemSettings:
    return operator_settings(rng) if rng.random() < ROUTINE_SHARE else random_settings(rng)


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

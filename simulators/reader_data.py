"""Streams of virtual micrographs for a reader's training, calibration and judgement; their seeds never meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from simulators.reader_sections import (
    UNETCHED_SHARE,
    exported,
    kind_drawn,
    section,
    settings_drawn,
    shown,
    unetched,
    unusual_settings,
)
from simulators.sections.microstructure import Kind, Microstructure, Surface
from simulators.sem import SemSettings, empty_stage, random_settings, render
from simulators.tessellation import draw
from surrogates.micrograph_fields import LabelledField

CALIBRATION_SEED, EVALUATION_SEED, UNUSUAL_SEED = 7001, 9001, 9101
SMALLEST, LARGEST = 8.0, 52.0
"""Grains in pixels that are learned from; larger ones are reduced before they are read, and smaller ones refused."""
CLOSE_ENOUGH = {Kind.CRACKED: 30.0, Kind.TWO_PHASE: 24.0}
"""Pixels: grains from which cracks and the films of a residue are about three pixels wide, which the beam resolves."""
CLEAR_CRACKS = 0.7
"""Share of the cracked sections in which cracks are darker than any boundary."""
TOLD_UNETCHED = (Kind.POROUS_OPEN, Kind.POROUS_CLOSED, Kind.TWO_PHASE, Kind.CRACKED)
"""Classes that show without etching."""
_NEIGHBOURS = (
    ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
)


def training_sample(rng: np.random.Generator, size: int = 128) -> npt.NDArray[np.float32]:
    """A rendered field with its truth, for training a reader.

    Returns:
        float32, shape (5, size, size): the image in 0 to 1, and masks of 0 and 1 in the order of
        ``surrogates.micrograph_cnn.CHANNELS``: boundary (both pixels beside it), pore, second phase, crack.
    """
    kind = kind_drawn(rng)
    diameter = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
    ms = draw(section(kind, diameter, (size, size), rng), rng)
    settings = shown(settings_drawn(rng), ms.spec, rng)
    bare = ms.spec.surface is Surface.POLISHED and rng.random() < UNETCHED_SHARE
    image = render(ms, unetched(settings, rng) if bare else settings, rng).astype(np.float32) / np.float32(255.0)
    seen = (boundaries_shown(ms, only_phases=bare), ms.pores, ms.phase, ms.cracks)
    return np.stack([exported(image, rng), *(mask.astype(np.float32) for mask in seen)])


def masked_sample(kind: Kind, rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """As ``training_sample``, of a class that is given: some of those that etching does not tell are left unetched."""
    diameter = float(np.exp(rng.uniform(np.log(SMALLEST + 1.0), np.log(LARGEST - 4.0))))
    ms = draw(section(kind, diameter, shape, rng), rng)
    settings = shown(settings_drawn(rng), ms.spec, rng)
    if kind is Kind.CRACKED and rng.random() < CLEAR_CRACKS:
        settings = with_dark_cracks(settings)
    bare = kind in TOLD_UNETCHED and rng.random() < 2.0 * UNETCHED_SHARE
    image = render(ms, unetched(settings, rng) if bare else settings, rng).astype(np.float32) / np.float32(255.0)
    seen = (boundaries_shown(ms, only_phases=bare), ms.pores, ms.phase, ms.cracks)
    return np.stack([exported(image, rng), *(mask.astype(np.float32) for mask in seen)])


def with_dark_cracks(settings: SemSettings) -> SemSettings:
    """The same where cracks are told from boundaries: both show, and cracks are the deeper ones."""
    darkest = max(settings.pore_darkness, abs(settings.groove_depth) + 0.25)
    return replace(settings, pore_darkness=darkest, defocus=min(settings.defocus, 0.9))


def boundaries_shown(ms: Microstructure, *, only_phases: bool = False) -> npt.NDArray[np.bool_]:
    """Both pixels beside each boundary, shape (H, W); of an unetched section only those between two phases show."""
    boundary = np.zeros(ms.labels.shape, dtype=np.bool_)
    for near, far in _NEIGHBOURS:
        a, b = ms.labels[near], ms.labels[far]
        line = (a != b) & (a > 0) & (b > 0)
        if only_phases:
            line &= ms.phase[near] != ms.phase[far]
        boundary[near] |= line
        boundary[far] |= line
    return boundary


def labelled_field(
    rng: np.random.Generator,
    shape: tuple[int, int] = (512, 512),
    settings: SemSettings | None = None,
    kind: Kind | None = None,
    mistake: Mapping[str, Any] | None = None,
) -> LabelledField:
    """A field as a campaign takes it, for calibration and evaluation: grains of 10 to 45 pixels.

    Args:
        rng: source of every random choice.
        shape: rows and columns.
        settings: of the microscope; None draws them.
        kind: the class; None draws one of the polished ones.
        mistake: settings that an operator got wrong, by name; they win over all else.
    """
    diameter = float(np.exp(rng.uniform(np.log(10.0), np.log(45.0))))
    while kind is None:
        drawn = kind_drawn(rng)
        kind = None if drawn in {Kind.POWDER, Kind.FRACTURE} else drawn
    ms = draw(section(kind, max(diameter, CLOSE_ENOUGH.get(kind, 0.0)), shape, rng), rng)
    taken = shown(settings_drawn(rng) if settings is None else settings, ms.spec, rng)
    if kind is Kind.CRACKED:
        taken = with_dark_cracks(taken)
    image = render(ms, replace(taken, **(mistake or {})), rng).astype(np.float32) / np.float32(255.0)
    return LabelledField(
        image=image,
        labels=ms.labels,
        pores=ms.pores,
        phase=ms.phase,
        cracks=ms.cracks,
        diameter=ms.spec.grain_size_um,
        elongation=ms.elongation,
        kind=str(ms.kind),
    )


def fields(
    seed: int, number: int, shape: tuple[int, int] = (512, 512), *, unusual: bool = False
) -> Iterator[LabelledField]:
    """Labelled fields of polished sections.

    Each has a generator of its own, so that the first ``n`` are the same for any number.

    Args:
        seed: of all of them.
        number: how many.
        shape: rows and columns of each.
        unusual: taken with settings beyond any that are learned from.
    """
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        yield labelled_field(rng, shape, unusual_settings(rng) if unusual else None)


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
        for name, mistake in (
            ("defocus_4px", {"defocus": 4.0, "astigmatism": 0.0}),
            ("defocus_7px", {"defocus": 7.0, "astigmatism": 0.0}),
            ("saturated", {"brightness": 2.5 if index % 2 else -1.5}),
        ):
            faults[name].append(labelled_field(rng, shape, settings, mistake=mistake).image)
        faults["empty_stage"].append(empty_stage(shape, SemSettings(), rng).astype(np.float32) / np.float32(255.0))
        faults["flat"].append(np.full(shape, rng.random(), dtype=np.float32))
    return faults

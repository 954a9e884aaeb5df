"""The exact truth of a drawn field, counted on its maps, and the class it falls into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.laws import astm_grain_size_number
from simulators.sections.microstructure import Kind, Microstructure, SectionSpec, Surface
from surrogates.stereology import aspect_ratio, boundary_mask, equivalent_diameters, mean_diameter, mean_intercept

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

CRACKED_FROM = 0.5
"""Length of cracks per area from which a body is called cracked, 1/mm."""
TWO_PHASE_FROM = 0.05
"""Share of the solid that a second phase must have."""
BIMODAL_FROM = 0.08
"""Area fraction of abnormal grains."""
ELONGATED_FROM = 1.6
"""Mean aspect ratio."""
POROUS_FROM = 0.03
"""Porosity; below it a ceramic is called dense."""
OPEN_FROM = 0.5
"""Share of the porosity that must be open for the body to be called open."""


@dataclass(frozen=True)
class Maps:
    """What was drawn, before it is measured; every map has shape (H, W).

    Args:
        labels: int32, 0 where there is no grain, any positive numbers elsewhere.
        pores: open and closed.
        closed: the closed ones.
        phase: second phase.
        cracks: cracks.
        height: relief in pixels.
        crack_px: length of all cracks in pixels.
        abnormal: numbers in ``labels`` of abnormally grown grains.
        diameters_px: sizes where no map tells them, as of particles that hide each other.
        sized: the grains to measure where the labels are not they, as facets are not.
        shown: how large these show against their section.
    """

    labels: Labels
    pores: Mask
    closed: Mask
    phase: Mask
    cracks: Mask
    height: Floats
    crack_px: float = 0.0
    abnormal: tuple[int, ...] = ()
    diameters_px: npt.NDArray[np.float64] | None = None
    sized: Labels | None = None
    shown: float = 1.0


def measured(spec: SectionSpec, maps: Maps) -> Microstructure:
    """Count the truth on the maps; labels are renumbered from 1 without gaps."""
    labels, numbers = renumbered(maps.labels)
    grains = labels if maps.sized is None else renumbered(maps.sized)[0]
    diameters, weights = equivalent_diameters(grains)
    if maps.diameters_px is not None:
        diameters, weights = maps.diameters_px, np.ones(len(maps.diameters_px))
    mean = float(np.average(diameters, weights=weights)) if len(diameters) else mean_diameter(grains)
    unit = spec.pixel_size_um / maps.shown
    intercept_um = mean_intercept(grains) * unit
    crack_length = maps.crack_px / maps.labels.size / (spec.pixel_size_um * 1e-3)
    solid = int(np.count_nonzero(~(maps.pores | maps.cracks)))
    porosity = float(maps.pores.mean())
    abnormal = tuple(int(n) for n in np.flatnonzero(np.isin(numbers, maps.abnormal)) + 1)
    return Microstructure(
        spec=spec,
        kind=kind_of(spec),
        labels=labels,
        boundaries=boundary_mask(labels),
        pores=maps.pores,
        closed=maps.closed,
        phase=maps.phase,
        cracks=maps.cracks,
        height=maps.height,
        diameters_um=diameters * unit,
        mean_diameter_um=mean * unit,
        mean_intercept_um=intercept_um,
        astm_g=float(astm_grain_size_number(intercept_um)),
        porosity=porosity,
        phase_fraction=float(np.count_nonzero(maps.phase) / max(solid, 1)),
        elongation=aspect_ratio(grains),
        crack_length_mm=crack_length,
        n_grains=len(numbers),
        abnormal=abnormal,
    )


def kind_of(spec: SectionSpec) -> Kind:
    """The class of what was asked for; where several thresholds are passed, the one that a metallographer names first.

    A crack comes before all else, then a second phase, abnormal grains, pores and the grains' shape.
    """
    open_pores = spec.open_share >= OPEN_FROM
    rules = (
        (spec.surface is Surface.POWDER, Kind.POWDER),
        (spec.surface is Surface.FRACTURE, Kind.FRACTURE),
        (spec.cracks >= CRACKED_FROM, Kind.CRACKED),
        (spec.second_phase >= TWO_PHASE_FROM, Kind.TWO_PHASE),
        (spec.abnormal >= BIMODAL_FROM, Kind.BIMODAL),
        (spec.porosity >= POROUS_FROM, Kind.POROUS_OPEN if open_pores else Kind.POROUS_CLOSED),
        (spec.elongation >= ELONGATED_FROM, Kind.ELONGATED),
        (True, Kind.EQUIAXED_DENSE),
    )
    return next(kind for holds, kind in rules if holds)


def renumbered(labels: Labels) -> tuple[Labels, npt.NDArray[np.intp]]:
    """Labels counted from 1 without gaps (0 stays), and the numbers that they had before, in order."""
    present = np.flatnonzero(np.bincount(labels.ravel()))
    present = present[present > 0]
    table = np.zeros(int(labels.max()) + 1, dtype=np.int32)
    table[present] = np.arange(1, len(present) + 1)
    return table[labels], present

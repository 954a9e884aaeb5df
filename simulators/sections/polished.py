"""A polished section: cells of a cut polycrystal, and what lies between and inside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from simulators.sections.abnormal import grown
from simulators.sections.cracks import crack_mask
from simulators.sections.measure import Maps
from simulators.sections.microstructure import SectionSpec
from simulators.sections.noise import smooth_noise
from simulators.sections.packing import slab
from simulators.sections.phase import phase_grains, residue
from simulators.sections.pores import closed_pores, open_pores
from simulators.sections.power import gap, owners
from simulators.sections.sizes import cell_diameter, spacing
from surrogates.stereology import boundary_mask

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

WARP = 0.045
"""Amplitude, in cell diameters, of the warp that curves boundaries as real ones are."""
CLEARANCE = 0.15
"""Solid between a closed pore and an open one, in cells; at least 2 pixels."""


@dataclass(frozen=True)
class Cells:
    """The cells of a cut polycrystal; maps have shape (H, W).

    Args:
        owner: which cell each pixel belongs to, from 0.
        between: how far it lies beyond the cell's sphere, in squared spacings; None where nobody needs it.
        diameter: mean diameter of a cell in pixels.
    """

    owner: Labels
    between: Floats | None
    diameter: float


def polished(spec: SectionSpec, rng: np.random.Generator) -> Maps:
    """Draw the maps of a polished section."""
    cells = cut(spec, rng)
    owner, abnormal = grown(cells.owner, spec.abnormal, cells.diameter, rng)
    pores, closed = _pores(spec, cells, owner, rng)
    phase = _phase(spec, cells, owner, pores, abnormal, rng)
    cracks, crack_px = crack_mask(owner, _crack_length(spec), cells.diameter, rng)
    cracks &= ~pores
    phase &= ~cracks
    empty = pores | cracks | phase if spec.phase_at_boundaries else pores | cracks
    return Maps(
        labels=np.where(empty, 0, owner + 1).astype(np.int32),
        pores=pores,
        closed=closed,
        phase=phase,
        cracks=cracks,
        crack_px=crack_px,
        height=np.zeros(spec.shape, dtype=np.float32),
        abnormal=tuple(n + 1 for n in abnormal),
    )


def cut(spec: SectionSpec, rng: np.random.Generator) -> Cells:
    """Cut a polycrystal, elongated as asked for, by a plane, with gently curved boundaries."""
    height, width = spec.shape
    cell_px = cell_diameter(spec)
    step = 4 if cell_px >= 40.0 else 2 if cell_px >= 12.0 else 1
    unit = np.float32(spacing(spec.size_sigma) * cell_px)
    x, y = (v / unit for v in _stretched(spec, (_fine(height, step), _fine(width, step)), rng, cell_px))
    margin = max(1.5, 4.0 * spec.size_sigma)
    half = np.array([np.abs(x).max() + margin, np.abs(y).max() + margin, margin])
    points, radii = slab(half, spec.size_sigma, rng)
    sites, offsets = points[:, :2], points[:, 2] ** 2 - radii**2
    owner = _despeckled(owners(sites, offsets, x, y, step)[:height, :width])
    needed = spec.porosity * spec.open_share > 0.0 or (spec.second_phase > 0.0 and spec.phase_at_boundaries)
    between = gap(owner, sites, offsets, x[:height, :width], y[:height, :width]) if needed else None
    return Cells(owner, between, cell_px)


def _despeckled(owner: Labels) -> Labels:
    """Owners with lone pixels, the broken tips of thin slivers, given to a neighbour."""
    alone = np.ones(owner.shape, dtype=np.bool_)
    across, down = owner[:, 1:] == owner[:, :-1], owner[1:] == owner[:-1]
    alone[:, 1:] &= ~across
    alone[:, :-1] &= ~across
    alone[1:] &= ~down
    alone[:-1] &= ~down
    rows, columns = np.nonzero(alone)
    found = owner.copy()
    found[rows, columns] = owner[rows, np.where(columns > 0, columns - 1, columns + 1)]
    return found


def _crack_length(spec: SectionSpec) -> float:
    """Length of all cracks in a field, in pixels."""
    return spec.cracks * 1e-3 * spec.pixel_size_um * spec.shape[0] * spec.shape[1]


def _fine(pixels: int, step: int) -> int:
    return -(-pixels // step) * step + 1


def _stretched(
    spec: SectionSpec, shape: tuple[int, int], rng: np.random.Generator, cell_px: float
) -> tuple[Floats, Floats]:
    """Where each pixel lies in the undeformed body, in pixels about its centre, two float32 (H, W)."""
    x: Floats = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(shape[1] / 2)
    y: Floats = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(shape[0] / 2)
    root = np.float32(np.sqrt(spec.elongation))
    if spec.elongation != 1.0:
        cos, sin = np.float32(np.cos(spec.direction)), np.float32(np.sin(spec.direction))
        x, y = np.divide(x * cos + y * sin, root), np.multiply(y * cos - x * sin, root)
    # What is drawn out is drawn thin as well: the same warp would tear it.
    amplitude = np.float32(WARP * cell_px) / root
    warp_x, warp_y = (smooth_noise(shape, cell_px / 2.5, rng) * amplitude for _ in range(2))
    return x + warp_x, y + warp_y


def _pores(spec: SectionSpec, cells: Cells, owner: Labels, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """All pores, and the closed ones of them."""
    wanted = round(spec.porosity * owner.size)
    n_open = round(wanted * spec.open_share)
    nothing = np.zeros(owner.shape, dtype=np.bool_)
    if cells.between is None or n_open == 0:
        closed = closed_pores(owner, ~nothing, wanted, cells.diameter, rng)
        return closed, closed
    channels = open_pores(cells.between, n_open, cells.diameter, rng)
    if n_open == wanted:
        return channels, nothing
    clearance = max(2, round(CLEARANCE * cells.diameter))
    free = ~ndimage.binary_dilation(channels, iterations=clearance)
    closed = closed_pores(owner, free, wanted - n_open, cells.diameter, rng)
    return channels | closed, closed


def _phase(
    spec: SectionSpec, cells: Cells, owner: Labels, pores: Mask, abnormal: tuple[int, ...], rng: np.random.Generator
) -> Mask:
    """The second phase; an abnormal grain holds none inside."""
    if spec.second_phase == 0.0:
        return np.zeros(owner.shape, dtype=np.bool_)
    count = round(spec.second_phase * np.count_nonzero(~pores))
    free = ~pores
    if abnormal:
        free &= owner < abnormal[0]
    if spec.phase_at_boundaries and cells.between is not None:
        return residue(cells.between, boundary_mask(owner + 1), free, count, cells.diameter, rng)
    return phase_grains(owner, free, count, rng)

"""A polished section: cells of a cut polycrystal, and what lies between and inside them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulators.sections.measure import Maps
from simulators.sections.microstructure import SectionSpec
from simulators.sections.noise import smooth_noise
from simulators.sections.packing import slab
from simulators.sections.pores import pore_mask
from simulators.sections.power import owners

Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

SECTION_RATIO = 0.91
"""Mean equivalent diameter in the section over the seeds' mean spacing, by counting."""
SWALLOWED = 0.025
"""Rise of the mean diameter where pores swallow the smallest cells, by counting; it saturates above 10% porosity."""
WARP = 0.045
"""Amplitude, in cell diameters, of the warp that curves boundaries as real ones are."""


def polished(spec: SectionSpec, rng: np.random.Generator) -> Maps:
    """Draw the maps of a polished section."""
    # Pores take their share of the area, so the cells are drawn larger and the solid left in each has the wanted size.
    cell_px = spec.grain_size_um / spec.pixel_size_um / np.sqrt(1.0 - spec.porosity)
    cell_px /= 1.0 + SWALLOWED * (1.0 - np.exp(-spec.porosity / 0.07))
    cells = _cells(spec, cell_px, rng)
    pores = pore_mask(cells, spec.porosity, cell_px, rng)
    nothing = np.zeros(spec.shape, dtype=np.bool_)
    return Maps(
        labels=np.where(pores, 0, cells + 1).astype(np.int32),
        pores=pores,
        closed=nothing,
        phase=nothing,
        cracks=nothing,
        height=np.zeros(spec.shape, dtype=np.float32),
    )


def _cells(spec: SectionSpec, cell_px: float, rng: np.random.Generator) -> Labels:
    """Owner of every pixel, int32 (H, W), of an elongated polycrystal with gently curved boundaries."""
    height, width = spec.shape
    spacing = cell_px / SECTION_RATIO
    step = 4 if cell_px >= 10.0 else 2 if cell_px >= 5.0 else 1
    fine = (-(-height // step) * step + 1, -(-width // step) * step + 1)
    x, y = _stretched(spec, fine, rng, cell_px)
    x /= np.float32(spacing)
    y /= np.float32(spacing)
    margin = 1.5
    half = np.array([np.abs(x).max() + margin, np.abs(y).max() + margin, margin])
    points, radii = slab(half, spec.size_sigma, rng)
    cells = owners(points[:, :2], points[:, 2] ** 2 - radii**2, x, y, step)
    return cells[:height, :width]


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

"""Polycrystal sections with exact ground truth: a plane cut through a 3-D Laguerre tessellation of log-normal grains.

A section of a power diagram is itself a power diagram: with seeds ``(x, y, z)`` of radius ``r``, a point ``p`` of the
plane ``z = 0`` belongs to the seed with the smallest ``|p - (x, y)|**2 + z**2 - r**2`` (Aurenhammer, SIAM J. Comput.
16, 78, 1987). Lifting each seed to ``(x, y, sqrt(z**2 - r**2 + c))`` turns that into an ordinary search for
the nearest neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from envs.errors import UserError
from simulators.sections.pores import pore_mask
from surrogates.stereology import boundary_mask, mean_diameter, mean_intercept

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

SIZE_SIGMA = 0.35
"""Standard deviation of the logarithm of the 3-D grain radius; dense sintered ceramics show 0.3 to 0.45."""
SECTION_RATIO = 0.91
"""Mean equivalent diameter in the section over the seeds' mean spacing ``N_V ** (-1/3)``, by counting."""
SWALLOWED = 0.025
"""Rise of the mean diameter where pores swallow the smallest cells, by counting; it saturates above 10% porosity."""
STEP = 4
"""Pixels between the corners that are looked up first; a block with four equal corners is filled without a search."""


@dataclass(frozen=True)
class Microstructure:
    """A field of a polished section, with its exact truth.

    Args:
        labels: int32, shape (H, W); grains count from 1, a pore is 0.
        pores: bool, shape (H, W).
        boundaries: bool, shape (H, W); a solid pixel whose right or lower neighbour belongs to another grain.
        pixel_size_um: edge of a pixel in micrometres.
        mean_intercept_um: solid length of all rows and columns over the number of grain chords on them (ASTM E112).
        mean_diameter_um: number mean of the equivalent circular diameters of the grains' solid area, each grain not cut
            by the frame weighted against the chance of being cut (Miles-Lantuejoul).
        porosity: area fraction of the pores.
        n_grains: number of grains that show in the field.
    """

    labels: Labels
    pores: Mask
    boundaries: Mask
    pixel_size_um: float
    mean_intercept_um: float
    mean_diameter_um: float
    porosity: float
    n_grains: int


def polycrystal(
    *,
    grain_size_um: float,
    porosity: float,
    pixel_size_um: float,
    shape: tuple[int, int],
    rng: np.random.Generator,
    abnormal_fraction: float = 0.0,
) -> Microstructure:
    """Draw one section.

    Args:
        grain_size_um: expected mean equivalent circular diameter of the grains' solid area; a field scatters about it.
        porosity: wanted area fraction of pores, 0 to 0.6; the mask meets it to a pixel's share.
        pixel_size_um: edge of a pixel in micrometres.
        shape: rows and columns.
        rng: source of every random choice.
        abnormal_fraction: expected area fraction of abnormally large grains (some four times the mean), 0 to 0.8.

    Raises:
        UserError: when a number is outside its limits or grains would be smaller than 3 pixels.
    """
    _check(grain_size_um, porosity, pixel_size_um, shape, abnormal_fraction)
    # Pores take their share of the area, so the cells are drawn larger and the solid left in each has the wanted size.
    cell_px = grain_size_um / pixel_size_um / np.sqrt(1.0 - porosity)
    cell_px /= 1.0 + SWALLOWED * (1.0 - np.exp(-porosity / 0.07))
    seeds, radii = _seeds(cell_px / SECTION_RATIO, shape, rng, abnormal_fraction)
    cells = _section(seeds, radii, shape, cell_px, rng)
    pores = pore_mask(cells, porosity, cell_px, rng)
    labels, n_grains = _renumber(np.where(pores, 0, cells + 1))
    return Microstructure(
        labels=labels,
        pores=pores,
        boundaries=boundary_mask(labels),
        pixel_size_um=pixel_size_um,
        mean_intercept_um=mean_intercept(labels) * pixel_size_um,
        mean_diameter_um=mean_diameter(labels) * pixel_size_um,
        porosity=float(pores.mean()),
        n_grains=n_grains,
    )


def _check(size: float, porosity: float, pixel: float, shape: tuple[int, int], abnormal: float) -> None:
    if not (0.0 < size < np.inf and 0.0 < pixel < np.inf):
        raise UserError(f"grain size {size} um and pixel size {pixel} um must be positive and finite")
    if not 0.0 <= porosity <= 0.6:
        raise UserError(f"porosity {porosity} is outside 0 to 0.6")
    if not 0.0 <= abnormal <= 0.8:
        raise UserError(f"abnormal fraction {abnormal} is outside 0 to 0.8")
    if min(shape) < 16:
        raise UserError(f"a field of {shape[0]} x {shape[1]} pixels is too small: take at least 16 x 16")
    if size / pixel < 3.0:
        raise UserError(
            f"grains of {size / pixel:.1f} pixels cannot be drawn: take a pixel of at most {size / 3.0:.3g} um"
        )


def _seeds(spacing: float, shape: tuple[int, int], rng: np.random.Generator, abnormal: float) -> tuple[Floats, Floats]:
    """Seeds (N, 3) and radii (N,) in pixels of a slab around the plane, pushed apart like packed spheres."""
    margin = (1.5 if abnormal == 0.0 else 3.0) * spacing
    extent = np.array([shape[1] + 2 * margin, shape[0] + 2 * margin, 2 * margin])
    number = max(8, int(np.prod(extent) / spacing**3))
    points = rng.random((number, 3)) * extent - np.array([margin, margin, margin])
    # Mean volume of the spheres is 0.6 of a cell: near random close packing, where Laguerre cells follow their spheres.
    mean = spacing * (0.6 * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0) * np.exp(-1.5 * SIZE_SIGMA**2)
    radii = mean * np.exp(SIZE_SIGMA * rng.standard_normal(number))
    if abnormal > 0.0:
        radii[rng.random(number) < abnormal / 64.0] = 2.4 * spacing
    neighbours = min(9, number)
    for _ in range(4):
        distance, index = cKDTree(points).query(points, k=neighbours)
        overlap = np.maximum(radii[:, None] + radii[index] - distance, 0.0)
        overlap[:, 0] = 0.0
        direction = (points[:, None, :] - points[index]) / np.maximum(distance, 1e-6)[:, :, None]
        points += np.clip(0.4 * (overlap[:, :, None] * direction).sum(axis=1), -0.3 * spacing, 0.3 * spacing)
    return points, radii


def _section(seeds: Floats, radii: Floats, shape: tuple[int, int], cell_px: float, rng: np.random.Generator) -> Labels:
    """Owner of every pixel, shape (H, W); gently warped coordinates curve the boundaries as real ones are."""
    height, width = shape
    cost = seeds[:, 2] ** 2 - radii**2
    tree = cKDTree(np.column_stack((seeds[:, :2], np.sqrt(cost - cost.min()))))
    yy, xx = np.mgrid[0 : height + STEP : STEP, 0 : width + STEP : STEP]
    fine = (yy.shape[0] - 1) * STEP + 1, (yy.shape[1] - 1) * STEP + 1
    warp_x, warp_y = (_smooth_noise(fine, cell_px / 2.5, rng) * 0.045 * cell_px for _ in range(2))

    def owner(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        where = np.stack((columns + warp_x[rows, columns], rows + warp_y[rows, columns], np.zeros(rows.shape)), axis=-1)
        index: npt.NDArray[np.intp] = tree.query(where)[1]
        return index

    corners = owner(yy, xx)
    labels = np.repeat(np.repeat(corners[:-1, :-1], STEP, axis=0), STEP, axis=1)
    same = (corners[:-1, :-1] == corners[:-1, 1:]) & (corners[:-1, :-1] == corners[1:, :-1])
    same &= corners[:-1, :-1] == corners[1:, 1:]
    rows, columns = np.nonzero(np.repeat(np.repeat(~same, STEP, axis=0), STEP, axis=1))
    labels[rows, columns] = owner(rows, columns)
    return labels[:height, :width].astype(np.int32)


def _smooth_noise(shape: tuple[int, int], length: float, rng: np.random.Generator) -> Floats:
    """Unit-variance noise of correlation length ``length`` pixels, shape ``shape``: coarse noise, interpolated."""
    step = max(length, 1.0)
    coarse = rng.standard_normal((int(shape[0] / step) + 4, int(shape[1] / step) + 4))
    rows = np.arange(shape[0]) / step + rng.random()
    columns = np.arange(shape[1]) / step + rng.random()
    return _interpolate(_interpolate(coarse, rows).T, columns).T * 1.5


def _interpolate(values: Floats, at: Floats) -> Floats:
    """Rows of ``values`` at fractional indices, with a smooth step between them."""
    low = at.astype(np.intp)
    part = at - low
    part = part * part * (3.0 - 2.0 * part)
    result: Floats = values[low] * (1.0 - part)[:, None] + values[low + 1] * part[:, None]
    return result


def _renumber(labels: npt.NDArray[np.signedinteger]) -> tuple[Labels, int]:
    """Labels counted from 1 without gaps (0 stays), and how many there are."""
    present = np.flatnonzero(np.bincount(labels.ravel()))
    present = present[present > 0]
    table = np.zeros(int(labels.max()) + 1, dtype=np.int32)
    table[present] = np.arange(1, len(present) + 1)
    return table[labels], len(present)

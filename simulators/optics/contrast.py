"""Grey of the solid by composition and orientation: channelling, twins, bent lattices, the second phase.

Backscattering depends on the angle between the beam and the lattice planes: yield rises where the beam lies within
the Bragg angle of a plane (Joy, Newbury and Davidson, J. Appl. Phys. 53, R81, 1982; Goldstein et al., Scanning Electron
Microscopy and X-Ray Microanalysis, 4th ed., 2018, ch. 29). Most orientations miss all strong bands, so that most grains
are of a middling grey and a few are bright.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from simulators.optics.filters import Grey, fractal_noise, smooth_noise
from simulators.optics.settings import SemSettings
from simulators.sections.microstructure import Labels, Mask

Levels = npt.NDArray[np.float32]

BANDS = ((1, 1, 1, 1.0), (2, 0, 0, 0.8), (2, 2, 0, 0.6), (3, 1, 1, 0.35))
"""Plane families of a face-centred lattice and the relative strength of their bands."""
WAVELENGTH_BY_LATTICE = 0.0305
"""Wavelength at 10 kV (12.2 pm) over a lattice constant of 0.4 nm."""
POLISH = 0.25
"""Share of the variance between grains that comes from how well each one took the polish, not from its lattice."""
BROADENING = 3.0
"""Bands as wide as the beam's convergence and the surface's damage leave them, in Bragg angles."""


def channelling_levels(n: int, voltage_kv: float, rng: np.random.Generator) -> Levels:
    """Grey of ``n`` random orientations, zero mean and unit variance over all orientations, shape (n,)."""
    mean, spread = _moments(round(float(voltage_kv), 1))
    levels = (_yield(_directions(n, rng), voltage_kv) - mean) / spread
    polish = rng.standard_normal(n)
    mixed: Levels = (np.sqrt(1.0 - POLISH) * levels + np.sqrt(POLISH) * polish).astype(np.float32)
    return mixed


def solid_grey(labels: Labels, phase: Mask, settings: SemSettings, rng: np.random.Generator) -> Grey:
    """Grey of the solid about 0, shape (H, W): a level for each grain, what varies within it, and the second phase."""
    n = int(labels.max()) + 1
    levels = np.float32(settings.channelling) * channelling_levels(n, settings.voltage_kv, rng)
    grey = np.take(levels, labels)
    if settings.twins > 0.0:
        _add_twins(grey, labels, levels, settings, rng)
    if settings.gradient > 0.0:
        bend = smooth_noise(labels.shape, max(0.7 * _size(labels, n), 4.0), rng)
        own = rng.gamma(1.0, 1.0, n).astype(np.float32)
        grey += np.float32(settings.gradient) * bend * np.take(own, labels)
    if settings.texture > 0.0:
        amount = np.exp(0.4 * rng.standard_normal(n)).astype(np.float32)
        relief = fractal_noise(labels.shape, 2.0, 10.0, rng)
        grey += np.float32(settings.texture) * relief * np.take(amount, labels)
    if phase.any():
        grey += np.float32(settings.phase_contrast) * phase
    return grey


def _directions(n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Unit vectors, uniform on the sphere, shape (n, 3): the beam in each grain's lattice."""
    vectors = rng.standard_normal((n, 3))
    unit: npt.NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _yield(beam: npt.NDArray[np.float64], voltage_kv: float) -> npt.NDArray[np.float64]:
    """Sum of the bands in which each beam direction lies, shape (n,)."""
    normals, half_widths, strengths = _planes()
    widths = half_widths * WAVELENGTH_BY_LATTICE / 2.0 * np.sqrt(10.0 / voltage_kv) * BROADENING
    off = np.abs(beam @ normals.T) / widths
    # Bands that cross do not simply add: absorption limits what the brightest orientations send back.
    bands: npt.NDArray[np.float64] = np.log((strengths / (1.0 + off**2)).sum(axis=1))
    return bands


@functools.cache
def _planes() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Normals (N, 3), lengths of the reciprocal vectors (N,) and strengths (N,) of all planes of the families."""
    found: dict[tuple[int, ...], tuple[float, float]] = {}
    for *indices, strength in BANDS:
        for signs in np.ndindex(2, 2, 2):
            for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
                plane = tuple(int(indices[k]) * (1 - 2 * signs[k]) for k in order)
                if tuple(-i for i in plane) not in found:
                    found[plane] = (float(np.sqrt(sum(i * i for i in plane))), float(strength))
    normals = np.array(list(found), dtype=np.float64)
    lengths, strengths = np.array(list(found.values())).T
    return normals / lengths[:, None], lengths, strengths


@functools.cache
def _moments(voltage_kv: float) -> tuple[float, float]:
    """Mean and standard deviation of the yield over all orientations."""
    values = _yield(_directions(20_000, np.random.default_rng(0)), voltage_kv)
    return float(values.mean()), float(values.std())


def _size(labels: Labels, n: int) -> float:
    """Edge of a mean grain in pixels."""
    return float(np.sqrt(labels.size / max(n - 1, 1)))


def _add_twins(grey: Grey, labels: Labels, levels: Levels, settings: SemSettings, rng: np.random.Generator) -> None:
    """Give some grains a lamella, or two parallel ones, of another orientation."""
    n = len(levels)
    chosen = rng.random(n) < settings.twins
    chosen[0] = False
    angle = rng.uniform(0.0, np.pi, n)
    other = np.float32(settings.channelling) * channelling_levels(n, settings.voltage_kv, rng)
    width, gap, place = rng.uniform(0.08, 0.3, n), rng.uniform(0.5, 1.5, n), rng.uniform(-0.2, 0.2, n)
    rows, columns = np.nonzero(np.take(chosen, labels))
    if len(rows) == 0:
        return
    own = labels[rows, columns]
    count = np.maximum(np.bincount(own, minlength=n), 1)
    centre_y, centre_x = np.bincount(own, rows, n) / count, np.bincount(own, columns, n) / count
    radius = np.sqrt(count / np.pi)
    across = (columns - centre_x[own]) * np.cos(angle)[own] + (rows - centre_y[own]) * np.sin(angle)[own]
    at = across / radius[own] - place[own]
    inside = (np.abs(at) < width[own]) | (np.abs(at - gap[own]) < 0.5 * width[own])
    grey[rows[inside], columns[inside]] += other[own[inside]] - levels[own[inside]]

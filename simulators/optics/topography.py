"""Grey of a surface that is not flat: slopes, sides towards the detector, hollows and edges.

The yield of secondary electrons rises as 1/cos(tilt), edges and tips give more, hollows less, and a side that faces
the Everhart-Thornley detector is brighter (Goldstein et al., Scanning Electron Microscopy and X-Ray Microanalysis,
4th ed., 2018, ch. 3 and 7; Reimer, Scanning Electron Microscopy, 2nd ed., 1998). A backscatter detector above the
specimen shows a tilted surface darker, and no shadows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulators.optics.filters import Grey, blur, fractal_noise, slope, smooth_noise
from simulators.optics.settings import SemSettings
from simulators.sections.microstructure import Labels

HOLLOWS = ((2.0, 0.35), (6.0, 0.4), (18.0, 0.45))
"""Ranges in pixels over which a point is compared with its surroundings, and their weights."""
ROUGHNESS = 0.22
"""Relief of the faces of particles and grains, pixels."""
STEEPEST = 5.0
"""1/cos(tilt) beyond which the escape depth leaves no more signal."""


def polished_relief(labels: Labels, settings: SemSettings, rng: np.random.Generator) -> Grey:
    """Heights of a polished and etched section, pixels, shape (H, W): terraces and facet lines of the grains."""
    n = int(labels.max()) + 1
    height = np.take((np.float32(settings.terraces) * rng.standard_normal(n, dtype=np.float32)), labels)
    if settings.striations > 0.0:
        height += np.float32(settings.striations) * _facets(labels, n, rng)
    return height


def lit_sides(height: Grey, settings: SemSettings) -> Grey:
    """Grey by which slopes of a nearly flat surface stand out, shape (H, W)."""
    if settings.detector == "BSE":
        faint: Grey = np.float32(0.25 * settings.side_light) * np.tanh(-slope(height, settings.detector_angle + 0.5))
        return faint
    lit: Grey = np.float32(settings.side_light) * np.tanh(np.float32(-1.6) * slope(height, settings.detector_angle))
    return lit


def rough_grey(height: Grey, settings: SemSettings, rng: np.random.Generator) -> Grey:
    """Grey about 0 of a powder or fracture surface, shape (H, W), as bright as the operator sets it."""
    # No face is as smooth as its outline: growth steps, fines and wear.
    surface = blur(height, 0.7) + np.float32(ROUGHNESS) * fractal_noise(
        (height.shape[0], height.shape[1]), 2.5, 9.0, rng
    )
    across, up = slope(surface, 0.0), slope(surface, 0.5 * np.pi)
    secant = np.sqrt(np.float32(1.0) + across * across + up * up)
    facing = -(np.float32(np.cos(settings.detector_angle)) * across + np.float32(np.sin(settings.detector_angle)) * up)
    facing /= secant
    hollow = np.zeros_like(surface)
    for reach, weight in HOLLOWS:
        hollow += np.float32(weight) * np.tanh((surface - blur(surface, reach)) / np.float32(0.8 * reach))
    if settings.detector == "BSE":
        grey = 0.9 / secant + 0.25 * facing + 0.9 * hollow
    else:
        emitted = secant / (np.float32(1.0) + secant / np.float32(STEEPEST))
        grey = 0.55 * emitted + 0.4 * facing + 0.8 * hollow
    sample = grey[::3, ::3]
    gain = settings.tilt_contrast / max(float(sample.std()), 1e-6)
    shown: Grey = ((grey - np.median(sample)) * np.float32(gain)).astype(np.float32)
    return shown


def scratches(shape: tuple[int, int], per_megapixel: float, rng: np.random.Generator) -> Grey:
    """Depth of polishing scratches, shape (H, W): along one or two directions, broken, some deep, most faint."""
    depth = np.zeros(shape, dtype=np.float32)
    area = shape[0] * shape[1] / 2.0**20
    number = int(rng.poisson(per_megapixel * max(area, 0.1)))
    if number == 0:
        return depth
    main = rng.uniform(0.0, np.pi, 2)
    for _ in range(number):
        rows, columns, strength = _scratch(shape, float(main[int(rng.random() < 0.3)]), rng)
        np.add.at(depth, (rows, columns), strength)
    worn: Grey = np.minimum(blur(depth, 0.5) * 2.0, 2.0).astype(np.float32)
    return worn


def _scratch(
    shape: tuple[int, int], main: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Grey]:
    """Pixels of one scratch and how deep it is there."""
    diagonal = float(np.hypot(*shape))
    angle = rng.uniform(0.0, np.pi) if rng.random() < 0.2 else main + 0.06 * rng.standard_normal()
    length = diagonal * min(float(rng.lognormal(-0.9, 0.8)), 1.5)
    along = np.arange(-0.5 * length, 0.5 * length, 0.7)
    bow = rng.normal(0.0, 2e-5) * along**2
    at_y, at_x = rng.random(2) * shape
    rows = np.rint(at_y + along * np.sin(angle) + bow * np.cos(angle)).astype(np.intp)
    columns = np.rint(at_x + along * np.cos(angle) - bow * np.sin(angle)).astype(np.intp)
    fade = np.minimum(1.0, 0.06 * (0.5 * length - np.abs(along)) + 0.05)
    steps = max(int(len(along) / 25), 2)
    broken = np.interp(np.arange(len(along)), np.linspace(0, len(along), steps), rng.uniform(0.1, 1.2, steps))
    strength = float(rng.lognormal(-1.1, 0.6)) * fade * broken
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return rows[inside], columns[inside], strength[inside].astype(np.float32)


def _facets(labels: Labels, n: int, rng: np.random.Generator) -> Grey:
    """Wavy parallel lines within some grains, each in its own direction; 0 in the others."""
    amount = np.where(rng.random(n) < 0.45, rng.uniform(0.3, 1.2, n), 0.0).astype(np.float32)
    angle = rng.uniform(0.0, np.pi, n)
    pitch = rng.uniform(3.5, 8.0, n)
    turn_x = (2.0 * np.pi * np.cos(angle) / pitch).astype(np.float32)
    turn_y = (2.0 * np.pi * np.sin(angle) / pitch).astype(np.float32)
    rows, columns = (np.arange(m, dtype=np.float32) for m in labels.shape)
    phase = np.take(turn_x, labels) * columns[None, :] + np.take(turn_y, labels) * rows[:, None]
    phase += np.float32(2.2) * smooth_noise(labels.shape, 14.0, rng)
    strength = np.take(amount, labels) * np.clip(0.5 + smooth_noise(labels.shape, 20.0, rng), 0.0, 1.5)
    lines: Grey = strength * np.sin(phase)
    return lines

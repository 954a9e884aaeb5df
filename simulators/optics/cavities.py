"""Grey of pores, cracks and pits: dark floors that show what lies below, lit walls, and rims that send out more.

Electrons that leave a hollow are caught by its walls; at its rim they escape through two surfaces: the edge
effect (Goldstein et al., Scanning Electron Microscopy and X-Ray Microanalysis, 4th ed., 2018, ch. 7).
"""

from __future__ import annotations

import numpy as np

from simulators.optics.filters import Grey, blur, slope, smooth_noise
from simulators.optics.settings import SemSettings
from simulators.sections.microstructure import Mask

CLOSED_LIFT = 0.35
"""Closed pores are shallow bowls: this much less dark than a network of channels."""


def with_cavities(
    grey: Grey, pores: Mask, closed: Mask, cracks: Mask, settings: SemSettings, rng: np.random.Generator
) -> Grey:
    """The solid's grey with its pores and cracks, shape (H, W)."""
    hollow = pores | cracks
    if not hollow.any():
        return grey
    holes = hollow.astype(np.float32)
    reach = _half_width(hollow)
    near = blur(holes, reach)
    secondary = settings.detector == "SE"
    # The wall that faces the detector lies on the far side of the pore.
    wall = np.float32(reach) * slope(near, settings.detector_angle)
    darkness = np.float32(settings.pore_darkness)
    floor = -darkness * (0.5 + 0.55 * near)
    floor += darkness * np.float32(0.9 if secondary else 0.15) * np.maximum(-wall, -0.25)
    floor += darkness * _below(holes.shape, closed, reach, settings, rng)
    if closed.any():
        floor += darkness * np.float32(CLOSED_LIFT) * blur(closed.astype(np.float32), 1.0) * (1.0 - near)
    if cracks.any():
        floor -= np.float32(0.25) * darkness * cracks
    rim = blur(holes, 1.3) * (1.0 - holes)
    lit = np.float32(1.0) + np.float32(1.2 if secondary else 0.2) * np.tanh(np.float32(1.5) * wall)
    soft = blur(holes, 0.45)
    mixed: Grey = (grey + np.float32(1.9 * settings.edge_brightness) * rim * lit) * (1.0 - soft) + floor * soft
    return mixed


def _half_width(hollow: Mask) -> float:
    """Half the mean chord of the hollows along both axes, 1 to 7 pixels."""
    edges = int(np.count_nonzero(hollow[1:] != hollow[:-1]) + np.count_nonzero(hollow[:, 1:] != hollow[:, :-1]))
    return float(np.clip(2.0 * int(np.count_nonzero(hollow)) / max(edges, 1), 1.0, 7.0))


def _below(shape: tuple[int, int], closed: Mask, reach: float, settings: SemSettings, rng: np.random.Generator) -> Grey:
    """What is to be seen at the floors: lumps of deeper grains with lit edges, hardly any in closed pores."""
    lumps = np.tanh(np.float32(1.5) * smooth_noise(shape, 1.6 * reach + 2.5, rng))
    share = 0.3 if settings.detector == "SE" else 0.1
    seen: Grey = np.float32(share) * (
        lumps + np.float32(0.8) * slope(lumps, settings.detector_angle) * np.float32(reach)
    )
    seen *= np.where(closed, np.float32(0.3), np.float32(1.0))
    return seen


def specks(shape: tuple[int, int], per_megapixel: float, largest: float, rng: np.random.Generator) -> Grey:
    """Coverage from 0 to 1 by small irregular bodies (pits or dust), float32 (H, W)."""
    cover = np.zeros(shape, dtype=np.float32)
    for _ in range(int(rng.poisson(per_megapixel * shape[0] * shape[1] / 2.0**20))):
        size = min(float(rng.lognormal(0.4, 0.5)), largest)
        centre = rng.random(2) * shape
        for _ in range(int(rng.integers(1, 4))):
            _stamp(cover, centre + 0.7 * size * rng.standard_normal(2), size * rng.uniform(0.5, 1.0))
    return cover


def _stamp(cover: Grey, centre: np.ndarray[tuple[int], np.dtype[np.float64]], size: float) -> None:
    """Lay one soft disc on the cover."""
    reach = int(size + 3.0)
    top, left = (max(int(c) - reach, 0) for c in centre)
    window = cover[top : max(int(centre[0]) + reach + 1, 0), left : max(int(centre[1]) + reach + 1, 0)]
    rows, columns = np.arange(top, top + window.shape[0]), np.arange(left, left + window.shape[1])
    far = np.hypot(rows[:, None] - centre[0], columns[None, :] - centre[1])
    np.maximum(window, np.clip(size + 0.5 - far, 0.0, 1.0), out=window)

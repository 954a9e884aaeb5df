"""Grooves of etched grain boundaries: dark lines of uneven strength whose far side is bright, with faint shoulders.

Thermal etching opens a groove with a ridge on either side (Mullins, J. Appl. Phys. 28, 333, 1957); how deep depends on
the energy of that boundary, so that some hardly show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.optics.filters import Grey, blur, smooth_noise
from simulators.optics.settings import SemSettings
from simulators.sections.microstructure import Labels

SHOULDER = 0.38
"""Weight of the ridges beside a groove."""


@dataclass(frozen=True)
class Grooves:
    """What grooves do to the picture.

    Args:
        depth: float32, shape (H, W); 1 in the middle of a strong groove, below 0 on its ridges.
        strength: float32, shape (H, W); the same without ridges.
    """

    depth: Grey
    strength: Grey


def grooves(labels: Labels, settings: SemSettings, rng: np.random.Generator) -> Grooves:
    """Grooves along all boundaries between two grains; pores have none."""
    n = int(labels.max()) + 1
    key = rng.random(n).astype(np.float32)
    along = _unevenness(labels.shape, settings.groove_spread, rng)
    rows = np.zeros(labels.shape, dtype=np.float32)
    columns = np.zeros(labels.shape, dtype=np.float32)
    down, right = (_edges(labels, key, settings.groove_spread, axis) for axis in (0, 1))
    # A boundary lies between two pixels; each gets half of it, so that the line is centred on the boundary.
    rows[:-1] += 0.5 * down
    rows[1:] += 0.5 * down
    columns[:, :-1] += 0.5 * right
    columns[:, 1:] += 0.5 * right
    width = max(0.6 * settings.groove_width, 0.55)
    # Steps of a slanting boundary are shared between both directions; their length is that of the line.
    line = np.hypot(blur(rows, width), blur(columns, width)) * np.float32(np.sqrt(2.0 * np.pi) * np.hypot(width, 0.5))
    line *= along
    if settings.groove_bite > 0.0:
        # The etch deepens a strong boundary no further but widens it; a weak one stays a hair line.
        bite = np.float32(settings.groove_bite)
        line = np.tanh(np.float32(1.4) * bite * line ** (np.float32(1.0) + np.float32(0.5) * bite)) / np.tanh(
            1.4 * bite
        )
    shoulder = blur(line, 2.0 * width + 0.5)
    return Grooves(depth=line - np.float32(SHOULDER) * shoulder, strength=line)


def _edges(labels: Labels, key: Grey, spread: float, axis: int) -> Grey:
    """Strength of the boundary between each pixel and the next along an axis; 0 where there is none."""
    first, second = (labels[:-1], labels[1:]) if axis == 0 else (labels[:, :-1], labels[:, 1:])
    differ = (first != second) & (first > 0) & (second > 0)
    result = np.zeros(first.shape, dtype=np.float32)
    pair = np.abs(np.take(key, first[differ]) - np.take(key, second[differ]))
    # The difference of two uniform numbers leans to small values: most boundaries are strong, a few hardly show.
    result[differ] = 1.0 - np.float32(spread) * np.minimum(1.25 * pair, 1.0) ** 1.3
    return result


def _unevenness(shape: tuple[int, int], spread: float, rng: np.random.Generator) -> Grey:
    """How the etch bit along the boundaries, about 1: never equally from place to place."""
    fine, slow = smooth_noise(shape, 5.0, rng), smooth_noise(shape, 0.3 * max(shape), rng)
    attack: Grey = np.exp(np.float32(0.45 * spread) * fine + np.float32(0.3 * spread) * slow)
    return np.clip(attack, 0.15, 2.2)

"""From signal to grey levels: charging, counting noise by the dose, the amplifier, and the operator's display settings.

Quanta follow Poisson's law, so the noise falls as the square root of the dose (Goldstein et al., Scanning Electron
Microscopy and X-Ray Microanalysis, 4th ed., 2018, ch. 8); charging is told of in ch. 9.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import signal

from simulators.optics.filters import Grey, blur, smooth_noise
from simulators.optics.settings import SemSettings

Image = npt.NDArray[np.uint8]

GREY_OF_SIGNAL = 0.5
"""Grey levels, at contrast 1, of a signal as large as the mean solid's: a black pore gives almost none."""
DARKEST = 0.04
"""Least signal, in shares of the mean solid's: electrons that strike the chamber."""

MANY = 12.0
"""Counts from which a normal law of the same variance takes the place of Poisson's."""


def uneven(shape: tuple[int, int], rng: np.random.Generator) -> Grey:
    """A slow ground over the field of about unit size, shape (H, W): tilted, vignetted, with faint patches."""
    y, x = (np.linspace(-1.0, 1.0, n, dtype=np.float32) for n in shape)
    c = rng.standard_normal(4).astype(np.float32)
    ground = c[0] * x[None] + c[1] * y[:, None] + np.float32(0.6) * c[2] * x[None] * y[:, None]
    ground -= np.float32(0.5 * abs(c[3])) * (x[None] ** 2 + y[:, None] ** 2)
    ground += np.float32(0.35) * smooth_noise(shape, 0.35 * max(shape), rng)
    result: Grey = ground - np.float32(ground.mean())
    return result


def charged(grey: Grey, hollow: Grey, strength: float, rng: np.random.Generator) -> Grey:
    """Bright halos at pores that trail along the scan, bands of lines, and a ground that wanders down the frame."""
    if strength <= 0.0:
        return grey
    rows, columns = grey.shape
    halo = blur(hollow, 2.2)
    fade = np.exp(-1.0 / max(0.03 * columns, 4.0))
    trail = signal.lfilter([1.0 - fade], [1.0, -fade], hollow * (1.0 - fade) + np.maximum(grey, 0.0) * 0.2, axis=1)
    walk = np.cumsum(rng.standard_normal(rows)) / np.sqrt(rows)
    bands = np.where(rng.random(rows) < 0.015, rng.standard_normal(rows), 0.0)
    bands = signal.lfilter([1.0], [1.0, -0.55], bands)
    lines = (0.25 * bands + 0.25 * (walk - walk.mean())).astype(np.float32)[:, None]
    patches = smooth_noise((rows, columns), 0.2 * max(rows, columns), rng)
    charge = 0.9 * halo * (1.0 - hollow) + 0.3 * halo * hollow - 0.8 * trail.astype(np.float32) + lines + 0.15 * patches
    result: Grey = grey + np.float32(strength) * charge.astype(np.float32)
    return result


def detected(grey: Grey, settings: SemSettings, rng: np.random.Generator) -> Image:
    """One frame of eight bits, shape (H, W)."""
    lines = settings.line_noise * _line_offsets(grey.shape[0], rng)
    expected = np.maximum(np.float32(1.0) + grey / np.float32(GREY_OF_SIGNAL), np.float32(DARKEST))
    found = (_counted(expected, settings.quanta, rng) - np.float32(1.0)) * np.float32(GREY_OF_SIGNAL)
    if settings.bandwidth > 0.0:
        carried = np.float32(settings.bandwidth)
        found[:, 1:] = (1.0 - carried) * found[:, 1:] + carried * found[:, :-1]
    level = np.float32(settings.brightness) + np.float32(settings.contrast) * found + lines.astype(np.float32)[:, None]
    if settings.read_noise > 0.0:
        level += np.float32(settings.read_noise) * rng.standard_normal(level.shape, dtype=np.float32)
    np.clip(level, 0.0, 1.0, out=level)
    if settings.gamma != 1.0:
        np.power(level, np.float32(settings.gamma), out=level)
    image: Image = np.rint(np.float32(255.0) * level).astype(np.uint8)
    return image


def _counted(expected: Grey, quanta: float, rng: np.random.Generator) -> Grey:
    """Counts in shares of ``quanta``, shape (H, W): Poisson's law, or its normal limit where all counts are many."""
    if quanta * DARKEST < MANY:
        few: Grey = rng.poisson(np.float32(quanta) * expected).astype(np.float32) / np.float32(quanta)
        return few
    spread: Grey = np.sqrt(expected * np.float32(1.0 / quanta))
    spread *= rng.standard_normal(expected.shape, dtype=np.float32)
    spread += expected
    return spread


def _line_offsets(rows: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Offset of each line, unit variance: partly from line to line, partly slower, as the beam current wanders."""
    raw = rng.standard_normal(rows)
    slow = signal.lfilter([np.sqrt(1.0 - 0.9**2)], [1.0, -0.9], rng.standard_normal(rows))
    offsets: npt.NDArray[np.float64] = 0.8 * raw + 0.6 * slow
    return offsets

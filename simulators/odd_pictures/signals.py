"""Pictures that show no object: noise of several colours, gradients, interference, diffraction spots and rings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Grey = npt.NDArray[np.float32]
Shape = tuple[int, int]


def noise(rng: np.random.Generator, shape: Shape) -> Grey:
    """Noise whose power falls with the frequency as its 0th to 3rd power: white, pink, clouds."""
    power = float(rng.choice((0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0))) + float(rng.uniform(-0.1, 0.1))
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.normal(size=shape)) * frequency ** (-0.5 * max(power, 0.0))
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=shape)
    return _set(field / max(float(field.std()), 1e-9), rng)


def band_noise(rng: np.random.Generator, shape: Shape) -> Grey:
    """Noise of one length, as of a detector's interference or an unfocused laser."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), float(np.exp(rng.uniform(np.log(0.7), np.log(8.0)))))
    if rng.random() < 0.4:
        field = np.abs(field)
    return _set((field - field.mean()) / max(float(field.std()), 1e-9), rng)


def gradient(rng: np.random.Generator, shape: Shape) -> Grey:
    """A slow run of grey: along a line, about a point, or as a vignette, with a little noise."""
    y, x = np.mgrid[: shape[0], : shape[1]] / float(max(shape))
    angle = rng.uniform(0.0, 2.0 * np.pi)
    ramp = x * np.cos(angle) + y * np.sin(angle)
    if rng.random() < 0.5:
        ramp = np.hypot(x - rng.random(), y - rng.random()) ** rng.uniform(0.5, 2.0)
    field = (ramp - ramp.min()) / max(float(np.ptp(ramp)), 1e-9)
    return _clipped(rng.uniform(0.0, 0.4) + rng.uniform(0.3, 0.7) * field + rng.normal(0.0, 0.01, shape))


def fringes(rng: np.random.Generator, shape: Shape) -> Grey:
    """Interference fringes, straight or curved."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    waves = np.zeros(shape)
    for _ in range(int(rng.integers(1, 4))):
        k, angle = 2.0 * np.pi / rng.uniform(8.0, 80.0), rng.uniform(0.0, 2.0 * np.pi)
        bend = rng.uniform(0.0, 8.0) * ndimage.gaussian_filter(rng.normal(size=shape), 24.0, mode="wrap") * 24.0
        waves += np.cos(k * (x * np.cos(angle) + y * np.sin(angle)) + bend)
    return _clipped(0.5 + rng.uniform(0.1, 0.4) * waves / 2.0 + rng.normal(0.0, rng.uniform(0.005, 0.08), shape))


def diffraction(rng: np.random.Generator, shape: Shape) -> Grey:
    """Rings of a fine-grained film or spots of a crystal about a bright centre, with the shadow of the beam stop."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    cy, cx = (n * rng.uniform(0.4, 0.6) for n in shape)
    radius = np.hypot(y - cy, x - cx)
    field = np.exp(-radius / rng.uniform(8.0, 60.0))
    size = float(min(shape))
    if rng.random() < 0.5:
        for ring in np.sqrt(np.arange(1, int(rng.integers(4, 14)))) * rng.uniform(0.07, 0.14) * size:
            field += rng.uniform(0.1, 0.6) * np.exp(-(((radius - ring) / rng.uniform(1.0, 4.0)) ** 2))
    else:
        spots = np.zeros(shape)
        a, b = rng.normal(size=2), rng.normal(size=2)
        a, b = (v / np.hypot(*v) * rng.uniform(0.05, 0.12) * size for v in (a, b))
        for i in range(-12, 13):
            for j in range(-12, 13):
                row, column = round(cy + i * a[0] + j * b[0]), round(cx + i * a[1] + j * b[1])
                if 0 <= row < shape[0] and 0 <= column < shape[1]:
                    spots[row, column] = rng.uniform(0.2, 1.0)
        blurred = ndimage.gaussian_filter(spots, width := float(rng.uniform(1.2, 4.0)))
        field += blurred * 2.0 * np.pi * width**2 * np.exp(-radius / (0.5 * size))
    if rng.random() < 0.5:
        field[(np.abs(y - cy) < 6.0) & (x < cx)] = 0.0
    counts = rng.poisson(np.clip(field, 0.0, None) * rng.uniform(20.0, 300.0) + 2.0)
    shown = np.log1p(counts) if rng.random() < 0.5 else counts
    return _clipped(shown / np.quantile(shown, 0.999))


def _set(field: npt.NDArray[np.float64], rng: np.random.Generator) -> Grey:
    return _clipped(rng.uniform(0.25, 0.75) + rng.uniform(0.04, 0.25) * field)


def _clipped(field: npt.NDArray[np.float64]) -> Grey:
    return np.clip(field, 0.0, 1.0).astype(np.float32)

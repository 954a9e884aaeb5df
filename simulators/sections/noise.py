"""Smooth random fields over an image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def smooth_noise(shape: tuple[int, int], length: float, rng: np.random.Generator) -> Floats:
    """Noise of about unit variance and correlation length ``length`` pixels, float32 (H, W): coarse, interpolated."""
    step = max(length, 1.0)
    coarse = rng.standard_normal((int(shape[0] / step) + 4, int(shape[1] / step) + 4), dtype=np.float32)
    rows = np.arange(shape[0]) / step + rng.random()
    columns = np.arange(shape[1]) / step + rng.random()
    return _interpolate(np.ascontiguousarray(_interpolate(coarse, columns, axis=1)), rows, axis=0) * np.float32(1.5)


def _interpolate(values: Floats, at: npt.NDArray[np.float64], *, axis: int) -> Floats:
    """``values`` at fractional indices along ``axis``, with a smooth step between them."""
    low = at.astype(np.intp)
    part = (at - low).astype(np.float32)
    part = part * part * (3.0 - 2.0 * part)
    part = part[:, None] if axis == 0 else part[None, :]
    left, right = np.take(values, low, axis=axis), np.take(values, low + 1, axis=axis)
    found: Floats = left + (right - left) * part
    return found

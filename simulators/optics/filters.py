"""Fast filters on float32 images: a Gaussian, a wide Gaussian, smooth noise, and rows shifted by parts of a pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Grey = npt.NDArray[np.float32]

WIDE = 6.0
"""Standard deviation in pixels from which a blur is done on a coarser grid."""
REACH = 3.0
"""Half length of a kernel in standard deviations."""


def blur(image: Grey, rows: float, columns: float | None = None) -> Grey:
    """Gaussian blur, shape (H, W).

    Args:
        image: float32, shape (H, W).
        rows: standard deviation down the rows, in pixels; below 0.2 nothing happens along that axis.
        columns: the same along a row; by default as ``rows``.
    """
    columns = rows if columns is None else columns
    if min(rows, columns) >= WIDE:
        return _wide(image, rows, columns)
    result = _down(image, rows) if rows >= 0.2 else image
    if columns >= 0.2:
        result = ndimage.gaussian_filter1d(result, columns, axis=1, truncate=REACH, mode="nearest")
    return result


def _down(image: Grey, sigma: float) -> Grey:
    """Blur down the rows by whole-row sums, which numpy does faster than a strided filter."""
    if sigma > 4.0:
        result: Grey = ndimage.gaussian_filter1d(image, sigma, axis=0, truncate=REACH, mode="nearest")
        return result
    reach = int(REACH * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2).astype(np.float32)
    weights /= weights[0] + 2.0 * weights[1:].sum()
    padded = np.pad(image, ((reach, reach), (0, 0)), mode="edge")
    n = image.shape[0]
    total: Grey = padded[reach : reach + n] * weights[0]
    for step in range(1, reach + 1):
        pair = padded[reach - step : reach - step + n] + padded[reach + step : reach + step + n]
        pair *= weights[step]
        total += pair
    return total


def _wide(image: Grey, rows: float, columns: float) -> Grey:
    """Blur on a grid coarser by a third of the standard deviation; the coarse picture is smooth, so little is lost."""
    step = max(2, int(min(rows, columns) / 3.0))
    height, width = image.shape
    padded = np.pad(image, ((0, -height % step), (0, -width % step)), mode="edge")
    small: Grey = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step).mean(axis=(1, 3))
    small = ndimage.gaussian_filter(small, (rows / step, columns / step), truncate=REACH, mode="nearest")
    # Cell centres lie half a step inside; the coarse picture is sampled where the pixels' centres are.
    return stretch(small, (np.arange(height) + 0.5) / step - 0.5, (np.arange(width) + 0.5) / step - 0.5)


def stretch(small: Grey, rows: npt.NDArray[np.float64], columns: npt.NDArray[np.float64]) -> Grey:
    """Bilinear samples of ``small`` at fractional rows (H,) and columns (W,), shape (H, W)."""
    tall = _between(small, rows)
    stretched: Grey = np.ascontiguousarray(_between(np.ascontiguousarray(tall.T), columns).T)
    return stretched


def _between(values: Grey, at: npt.NDArray[np.float64]) -> Grey:
    at = np.clip(at, 0.0, len(values) - 1.0)
    low = np.minimum(at.astype(np.intp), max(len(values) - 2, 0))
    part = (at - low).astype(np.float32)[:, None]
    high = np.minimum(low + 1, len(values) - 1)
    result: Grey = values[low] * (1.0 - part) + values[high] * part
    return result


def smooth_noise(shape: tuple[int, int], length: float, rng: np.random.Generator) -> Grey:
    """Gaussian noise of about unit variance whose features are ``length`` pixels wide, float32 (H, W)."""
    if length < 3.0:
        sigma = max(0.5 * length, 0.2)
        raw = blur(rng.standard_normal(shape, dtype=np.float32), sigma)
        return raw * np.float32(max(2.0 * np.sqrt(np.pi) * sigma, 1.0))
    step = length / 2.0
    coarse_shape = (int(shape[0] / step) + 4, int(shape[1] / step) + 4)
    coarse = blur(rng.standard_normal(coarse_shape, dtype=np.float32), 0.8) * np.float32(3.0)
    return stretch(coarse, np.arange(shape[0]) / step + rng.random(), np.arange(shape[1]) / step + rng.random())


def fractal_noise(shape: tuple[int, int], shortest: float, longest: float, rng: np.random.Generator) -> Grey:
    """Noise of about unit variance with features from ``shortest`` to ``longest`` pixels, long ones stronger."""
    total = np.zeros(shape, dtype=np.float32)
    length, amount, power = shortest, 1.0, 0.0
    while length <= max(longest, shortest):
        total += np.float32(amount) * smooth_noise(shape, length, rng)
        power += amount * amount
        length, amount = 2.2 * length, 1.25 * amount
    return total / np.float32(np.sqrt(power))


def shift_rows(image: Grey, offset: npt.NDArray[np.float64]) -> Grey:
    """Each row moved to the left by its own fraction of pixels; offset has shape (H,)."""
    columns = image.shape[1]
    whole = np.floor(offset).astype(np.intp)
    part = (offset - whole).astype(np.float32)[:, None]
    at = np.arange(columns)[None, :] + whole[:, None]
    left = np.take_along_axis(image, np.clip(at, 0, columns - 1), axis=1)
    right = np.take_along_axis(image, np.clip(at + 1, 0, columns - 1), axis=1)
    shifted: Grey = left * (1.0 - part) + right * part
    return shifted


def slope(image: Grey, angle: float) -> Grey:
    """Rise per pixel towards ``angle`` (0 to the right, pi/2 to the top), shape (H, W)."""
    right, up = np.float32(0.5 * np.cos(angle)), np.float32(0.5 * np.sin(angle))
    padded = np.pad(image, 1, mode="edge")
    rise: Grey = right * (padded[1:-1, 2:] - padded[1:-1, :-2]) + up * (padded[:-2, 1:-1] - padded[2:, 1:-1])
    return rise

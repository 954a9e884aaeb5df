"""Any pixels as grey from 0 to 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import UserError

Grey = npt.NDArray[np.float32]
_LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue: ITU-R Recommendation BT.601."""
_TRANSPARENT = 0.01


def to_grey(pixels: npt.NDArray[Any], full_scale: float | None, name: str) -> Grey:
    """Luminance, float32, shape (H, W).

    Eight bits and fewer keep their scale; more bits and floating point rarely fill their range and are stretched to it.

    Args:
        pixels: shape (H, W), or (H, W, C): grey and alpha, RGB, or RGB and alpha.
        full_scale: value of white, None to stretch.
        name: of the file, for messages.

    Raises:
        UserError: for other shapes, values that are no finite real numbers, and images that are in part transparent.
    """
    if pixels.dtype.kind not in "uif":
        raise UserError(f"{name}: pixels of type {pixels.dtype} are no grey levels; save the image as 8 or 16 bits")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 3 and pixels.shape[2] in {2, 4}:
        _check_opaque(pixels[:, :, -1], name)
        pixels = pixels[:, :, 0] if pixels.shape[2] == 2 else pixels[:, :, :3]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] == 3):
        raise UserError(f"{name}: an array of shape {pixels.shape} is not one image; save a single frame")
    # Single precision holds sixteen bits exactly, and is half as large for what may be a hundred million pixels.
    values: npt.NDArray[Any] = pixels.astype(np.float64 if pixels.dtype.itemsize > 2 else np.float32)
    if not np.isfinite(values).all():
        raise UserError(f"{name}: the image has pixels that are not finite numbers; save it as 8 or 16 bits")
    grey = (luminance(values) if values.ndim == 3 else values).astype(values.dtype, copy=False)
    low, high = (0.0, full_scale) if full_scale is not None else (float(grey.min()), float(grey.max()))
    return np.clip((grey - np.asarray(low, grey.dtype)) / max(high - low, 1e-12), 0.0, 1.0).astype(np.float32)


def luminance(colours: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Brightness of colours, shape (..., 3) to (...), floating point."""
    return np.asarray(colours @ np.array(_LUMINANCE, colours.dtype))


def _check_opaque(alpha: npt.NDArray[Any], name: str) -> None:
    """What lies under a transparent pixel is whatever a program left there, and no measurement."""
    if float(np.mean(alpha < 0.5 * max(float(alpha.max()), 1.0))) > _TRANSPARENT:
        raise UserError(f"{name}: parts of the image are transparent; save it without transparency")

"""Where a drawn info bar begins: the strip at the bottom of an image that was never seen by a detector.

A bar is known by what no detector makes: one exact grey level over most of a strip as wide as the image, letters of
strong contrast on it, nothing in between but the letters' soft edges, and a straight first row that differs from the
row above it. A micrograph has noise everywhere, and where it is black or white all over it has no letters. Whatever is
in doubt is left in: a bar that stays is seen by whoever looks, rows of the specimen that were cut off are not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Levels = npt.NDArray[np.uint8]

NEAR = 4
"""Grey levels around the background's that count as it: JPEG moves a flat area by that much."""
INK = 64
"""Grey levels by which letters differ at least from their background."""
_DEEPEST, _SHALLOWEST, _LEAST_ROWS = 0.3, 0.02, 10
_SLACK = 0.01
_BACKGROUND_ROW, _BACKGROUND, _PADDING = 0.4, 0.55, 0.85
_RULE, _RULE_ROWS = 0.85, 4
_INK_LEAST, _INK_MOST, _STROKES = 0.003, 0.45, 24
_OTHER = 0.015
_ABOVE, _ABOVE_ROWS = 0.45, 6


def bar_rows(pixels: npt.NDArray[Any], full_scale: float | None = 255.0) -> int:
    """Rows of the info bar at the bottom of an image, 0 where there is none.

    Args:
        pixels: shape (H, W) or (H, W, C), as the file holds them.
        full_scale: value of white, None where the range is the image's own.
    """
    levels = _levels(pixels, full_scale)
    height = pixels.shape[0]
    if levels is None or height < 8 * _LEAST_ROWS:
        return 0
    background = _background(levels, max(4, round(0.025 * height)))
    if background is None:
        return 0
    away = np.abs(levels.astype(np.int16) - background)
    share = (away <= NEAR).mean(axis=1)
    top, end = _strip(share, _ruled(levels), max(4, round(_SLACK * height)))
    rows = len(share) - top
    if not max(_LEAST_ROWS, _SHALLOWEST * height) <= rows <= _DEEPEST * height:
        return 0
    return rows if _edged(share, top) and _lettered(away[top:end]) else 0


def _levels(pixels: npt.NDArray[Any], full_scale: float | None) -> Levels | None:
    """The lower part of the image in 256 grey levels; a few rows more than the highest bar."""
    part = pixels[int((1.0 - _DEEPEST) * pixels.shape[0]) - _ABOVE_ROWS - _RULE_ROWS :]
    if pixels.dtype.kind not in "uif" or part.ndim not in {2, 3} or not np.isfinite(part).all():
        return None
    if part.ndim == 3:
        part = part[:, :, :3].mean(axis=2) if part.shape[2] >= 3 else part[:, :, 0]
    low, high = (0.0, full_scale) if full_scale is not None else (float(pixels.min()), float(pixels.max()))
    if not high > low:
        return None
    return np.clip((part.astype(np.float32) - low) * (255.0 / (high - low)), 0, 255).round().astype(np.uint8)


def _background(levels: Levels, rows: int) -> int | None:
    """The level of a bar that reaches the last rows, None where no level stands out there."""
    counts = np.bincount(levels[-rows:].ravel(), minlength=256)
    level = int(counts.argmax())
    return level if counts[max(level - NEAR, 0) : level + NEAR + 1].sum() >= _BACKGROUND_ROW * counts.sum() else None


def _ruled(levels: Levels) -> npt.NDArray[np.bool_]:
    """Rows of one level all along, as frames and rules have."""
    middle = np.median(levels, axis=1, keepdims=True).astype(np.int16)
    return np.asarray((np.abs(levels.astype(np.int16) - middle) <= NEAR).mean(axis=1) >= _RULE)


def _strip(share: npt.NDArray[np.float64], ruled: npt.NDArray[np.bool_], slack: int) -> tuple[int, int]:
    """First row of the strip of background rows, and the row after its last; rules on top of it are its own.

    Some programs draw the bar into the image and leave a row or two of it below: ``slack`` rows at most.
    """
    plain = share >= _BACKGROUND_ROW
    ends = np.flatnonzero(plain[-slack:])
    if not len(ends):
        return len(share), len(share)
    top = last = len(share) - slack + int(ends[-1])
    row = last
    while row >= 0 and top - row <= _RULE_ROWS and (plain[row] or ruled[row]):
        if plain[row]:
            top = row
        row -= 1
    rules = 0
    while rules <= _RULE_ROWS and rules < top and ruled[top - 1 - rules]:
        rules += 1
    # More rows than a rule has are no rule: what lies above is flat itself.
    return top - rules if rules <= _RULE_ROWS else top, last + 1


def _edged(share: npt.NDArray[np.float64], top: int) -> bool:
    """Whether the strip begins with a margin, and the rows above it are of another kind."""
    above = share[max(top - _ABOVE_ROWS, 0) : top]
    within = share[top : top + max(_RULE_ROWS + 2, round(0.3 * (len(share) - top)))]
    return bool(len(above) and above.mean() < _ABOVE and within.max() >= _PADDING)


def _lettered(away: npt.NDArray[np.int16]) -> bool:
    """Whether a strip holds letters, and nothing else on its background."""
    near, ink = away <= NEAR, away >= INK
    ink[ink.mean(axis=1) > _RULE] = False
    strokes = int((ink[:, 1:] & ~ink[:, :-1]).sum())
    soft = ndimage.binary_dilation(ink, np.ones((5, 5), bool))
    edge = ndimage.binary_dilation(
        ~near & ~ink & (near.mean(axis=1, keepdims=True) < 1.0 - _RULE), np.ones((3, 1), bool)
    )
    other = float((~near & ~soft & ~edge).mean())
    return (
        float(near.mean()) >= _BACKGROUND
        and _INK_LEAST <= float(ink.mean()) <= _INK_MOST
        and strokes >= _STROKES
        and other <= _OTHER
    )

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

LOOKS = ((4, 4, 0.015), (4, 10, 0.045), (10, 10, 0.045), (16, 16, 0.025))
"""Grey levels around the background's that count as it in a row and between letters, and the share of the bar that may
be of neither kind: in a file without losses, then in JPEGs of less and less quality. The narrower ones come first: a
wide one also takes a dull image for background."""
INK = 64
"""Grey levels by which letters differ at least from their background."""
_LOOKED_AT, _DEEPEST, _SHALLOWEST, _LEAST_ROWS = 0.4, 0.3, 0.02, 10
_SLACK = 0.01
_BACKGROUND_ROW, _BACKGROUND, _PADDING = 0.4, 0.55, 0.85
_RULE, _RULE_ROWS = 0.85, 4
_INK_LEAST, _INK_MOST, _STROKES = 0.003, 0.45, 24
_BLOCK, _CALM, _CALM_LEVELS, _CALM_LEAST = 17, 0.9, 2, 0.02
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
    for near, beside, other in LOOKS:
        background = _background(levels, max(4, round(0.025 * height)), near)
        if background is not None and (rows := _rows_of(levels, background, (near, beside, other))):
            return rows
    return 0


def _rows_of(levels: Levels, background: int, look: tuple[int, int, float]) -> int:
    """Rows of a bar of that background, 0 where there is none."""
    near, beside, other = look
    height = round(len(levels) / _LOOKED_AT)
    away = np.abs(levels.astype(np.int16) - background)
    share = (away <= near).mean(axis=1)
    top, end = _strip(share, _ruled(levels, near), max(4, round(_SLACK * height)))
    rows = len(share) - top
    if not max(_LEAST_ROWS, _SHALLOWEST * height) <= rows <= _DEEPEST * height:
        return 0
    bar = away[top:end]
    found = _edged(share, top) and _lettered(bar, beside, other) and (look == LOOKS[0] or _calm(bar))
    return rows if found else 0


def _levels(pixels: npt.NDArray[Any], full_scale: float | None) -> Levels | None:
    """The lower part of the image in 256 grey levels; a few rows more than the highest bar."""
    part = pixels[-round(_LOOKED_AT * pixels.shape[0]) :]
    if pixels.dtype.kind not in "uif" or part.ndim not in {2, 3} or not np.isfinite(part).all():
        return None
    if part.ndim == 3:
        part = part[:, :, :3].mean(axis=2) if part.shape[2] >= 3 else part[:, :, 0]
    low, high = (0.0, full_scale) if full_scale is not None else (float(pixels.min()), float(pixels.max()))
    if not high > low:
        return None
    return np.clip((part.astype(np.float32) - low) * (255.0 / (high - low)), 0, 255).round().astype(np.uint8)


def _background(levels: Levels, rows: int, near: int) -> int | None:
    """The level of a bar that reaches the last rows, None where no level stands out there."""
    counts = np.bincount(levels[-rows:].ravel(), minlength=256)
    level = int(counts.argmax())
    return level if counts[max(level - near, 0) : level + near + 1].sum() >= _BACKGROUND_ROW * counts.sum() else None


def _ruled(levels: Levels, near: int) -> npt.NDArray[np.bool_]:
    """Rows of one level all along, as frames and rules have."""
    middle = np.median(levels, axis=1, keepdims=True).astype(np.int16)
    return np.asarray((np.abs(levels.astype(np.int16) - middle) <= near).mean(axis=1) >= _RULE)


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
    """Whether the strip begins with a margin along a straight line, and the rows above it are of another kind.

    The edge of a specimen before a black background wanders by more than a row or two.
    """
    above = share[max(top - _ABOVE_ROWS, 0) : top]
    first = top + int(np.argmax(share[top:] >= _BACKGROUND_ROW))
    return bool(len(above) and above.mean() < _ABOVE and share[first : first + 2].max() >= _PADDING)


def _lettered(away: npt.NDArray[np.int16], within: int, most: float) -> bool:
    """Whether a strip holds letters, and nothing else on its background."""
    near, ink = away <= within, away >= INK
    ink[ink.mean(axis=1) > _RULE] = False
    strokes = int((ink[:, 1:] & ~ink[:, :-1]).sum())
    soft = ndimage.binary_dilation(ink, np.ones((5, 5), bool))
    ruled = ndimage.binary_dilation(near.mean(axis=1) < 1.0 - _RULE, np.ones(3, bool))
    other = float((~near & ~soft & ~ruled[:, None]).mean())
    return (
        float(near.mean()) >= _BACKGROUND
        and _INK_LEAST <= float(ink.mean()) <= _INK_MOST
        and strokes >= _STROKES
        and other <= most
    )


def _calm(away: npt.NDArray[np.int16]) -> bool:
    """Whether a strip is of one level where the blocks of a JPEG hold no part of a letter: no detector is so still."""
    still = ~ndimage.binary_dilation(away >= INK // 2, np.ones((_BLOCK, _BLOCK), bool))
    return float(still.mean()) >= _CALM_LEAST and float((away[still] <= _CALM_LEVELS).mean()) >= _CALM

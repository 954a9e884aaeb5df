"""Particles that have sintered to a network, seen from above: spheres that overlap in necks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulators.sections.microstructure import SectionSpec

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

DEEPEST = 2.2
"""How far below the mean plane the network is seen into, in spacings."""
LEAST = 0.05
"""Squared radius, in squared spacings, of the smallest particles that are drawn."""


def particles(points: Doubles, square: Doubles, unit: float, spec: SectionSpec, x: Floats, y: Floats) -> Floats:
    """Height of the uppermost particle in each column, in spacings, float32 as ``x``; ``-DEEPEST`` where there is none.

    Args:
        points: centres, shape (N, 3), in spacings.
        square: squared radii, shape (N,), in squared spacings.
        unit: pixels in a spacing.
        spec: of the field, for its elongation and direction.
        x: where each column stands, shape (H, W), in spacings.
        y: along the second direction.
    """
    tops = np.full(x.shape, -DEEPEST, dtype=np.float32)
    seen = (square > LEAST) & (points[:, 2] + np.sqrt(np.maximum(square, 0.0)) > -DEEPEST)
    points, square = points[seen], square[seen]
    # From a place in the body to its pixel: the inverse of the map of pixels to columns.
    root, cos, sin = np.sqrt(spec.elongation), np.cos(spec.direction), np.sin(spec.direction)
    along, across = points[:, 0] * root, points[:, 1] / root
    columns = (along * cos - across * sin) * unit + x.shape[1] / 2
    rows = (along * sin + across * cos) * unit + x.shape[0] / 2
    reach = (np.sqrt(square) * max(root, 1.0) * unit + 1.0).astype(np.intp)
    for (a, b, c), own, row, column, r in zip(
        points.astype(np.float32), square.astype(np.float32), rows, columns, reach, strict=True
    ):
        top, left = max(int(row) - r, 0), max(int(column) - r, 0)
        window = np.s_[top : max(int(row) + r + 1, 0), left : max(int(column) + r + 1, 0)]
        if not (held := tops[window]).size:
            continue
        rise = own - (x[window] - a) ** 2 - (y[window] - b) ** 2
        np.sqrt(np.maximum(rise, 0.0), out=rise, where=rise > 0.0)
        np.maximum(held, rise + c, out=held, where=rise > 0.0)
    return tops

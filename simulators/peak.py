"""The strongest reflection of a scan, as the software of a diffractometer reports it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulators.diffraction import DOUBLET_RATIO, K_ALPHA_1, K_ALPHA_2

Array = npt.NDArray[np.float64]

SIGNIFICANT = 6.0
"""A maximum less than so many standard deviations above the median is no reflection."""
_SIDE = 0.5
"""Degrees to either side of the maximum that are fitted."""
_FEWEST = 9
_SMOOTH = 0.06
"""Degrees over which counts are averaged to find the maximum."""


def strongest(two_theta: Array, counts: npt.NDArray[np.int64]) -> tuple[float, float] | None:
    """Place of the strongest reflection's first line, by a weighted fit of a doublet on a sloping background.

    Args:
        two_theta: ``(n,)`` evenly spaced angles, degrees.
        counts: ``(n,)`` counts.

    Returns:
        Degrees of 2 theta and their standard error by counting; None where nothing stands out.
    """
    step = float(two_theta[1] - two_theta[0])
    width = min(len(counts), max(1, round(_SMOOTH / step)))
    smooth = np.convolve(counts, np.ones(width) / width, mode="same")
    top = int(smooth.argmax())
    floor = float(np.median(smooth))
    if smooth[top] - floor < SIGNIFICANT * np.sqrt(max(floor, 1.0) / width):
        return None
    reach = max(_FEWEST // 2, round(_SIDE / step))
    part = slice(max(0, top - reach), top + reach + 1)
    fitted = _fit(two_theta[part], counts[part].astype(np.float64), float(two_theta[top]), float(smooth[top]), floor)
    return fitted or (float(two_theta[top]), step)


def _fit(x: Array, y: Array, place: float, height: float, floor: float) -> tuple[float, float] | None:
    """Place of the first line and its error; None where the fit runs away."""
    from scipy.optimize import least_squares

    sigma = np.sqrt(np.maximum(y, 1.0))
    step = float(x[1] - x[0])

    def misfit(p: Array) -> Array:
        return np.asarray((_doublet(x, p) - y) / sigma)

    low = [place - 3.0 * step - 0.1, 0.0, 0.3 * step, 0.0, 0.0, -np.inf]
    high = [place + 3.0 * step + 0.1, np.inf, 1.0 + 3.0 * step, 1.0, np.inf, np.inf]
    begin = [place, max(height - floor, 1.0), max(0.1, step), 0.5, max(floor, 0.1), 0.0]
    if len(x) <= len(begin):
        return None
    found = least_squares(misfit, begin, bounds=(low, high), x_scale=[0.01, height, 0.05, 0.5, height, height])
    curvature = found.jac.T @ found.jac
    try:
        variance = float(np.linalg.inv(curvature)[0, 0])
    except np.linalg.LinAlgError:
        return None
    chi = max(1.0, 2.0 * found.cost / (len(x) - len(begin)))
    if not 0.0 < variance < np.inf:
        return None
    return float(found.x[0]), float(np.sqrt(variance * chi))


def _doublet(x: Array, p: Array) -> Array:
    """Two pseudo-Voigt lines of one shape on a straight background."""
    place, height, width, mixing, floor, slope = p
    second = np.degrees(2.0 * np.arcsin(min(1.0, K_ALPHA_2 / K_ALPHA_1 * np.sin(np.radians(place) / 2.0))))
    total = floor + slope * (x - place)
    for at, share in ((place, 1.0), (second, DOUBLET_RATIO)):
        square = ((x - at) / width) ** 2
        total = total + share * height * (
            mixing / (1.0 + 4.0 * square) + (1.0 - mixing) * np.exp(-4.0 * np.log(2.0) * square)
        )
    return np.asarray(total)

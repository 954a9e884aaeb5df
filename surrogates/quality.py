"""What a picture must have before it is measured: exposure, focus, a fit magnification; else what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Grey = npt.NDArray[np.float32]

FLAT_SPREAD = 0.012
"""Standard deviation of grey, after smoothing the noise away, below which nothing is to be seen."""
CLIPPED_SHARE = 0.6
"""Share of pixels at an end of the range above which the picture is saturated (etched metals are nearly white)."""
FEWEST_GRAINS = 30
SMALLEST_GRAIN_PX = 6.0
DETAIL_OF_NOISE = ((9.0, 1.8), (16.0, 2.6))
"""Measured grain diameter in pixels, and the detail of 2 to 4 pixels over that of 4 to 8 from which smaller grains are
taken for noise: white noise has about 3.5, grains of 12 pixels at most 1.7 and such of 25 at most 1 in clear frames
(virtual fields). Of noisy frames with grains of 8 to 10 pixels it refuses a part, too."""
WANTED_GRAINS, WANTED_GRAIN_PX = 200.0, 25.0
LARGEST_POROSITY = 0.5


@dataclass(frozen=True)
class Problem:
    """Why a picture is refused, and what the operator should do.

    Args:
        reason: what is wrong.
        advice: what to change.
        pixel_factor: what to multiply the pixel size by; 1 where the magnification is not the trouble.
    """

    reason: str
    advice: str
    pixel_factor: float = 1.0


def exposure_problem(image: Grey) -> Problem | None:
    """Refuse what is empty or saturated; ``image`` is float32 (H, W), 0 to 1."""
    white, black = float((image >= 0.996).mean()), float((image <= 0.004).mean())
    smooth = ndimage.gaussian_filter(image, 2.0)
    # A white field with grain boundaries still shows them; a saturated one shows nothing else than its clipping.
    if max(white, black) > CLIPPED_SHARE and (max(white, black) > 0.9 or float(np.median(np.abs(smooth - 0.5))) > 0.49):
        end = "white" if white > black else "black"
        return Problem(
            f"saturated: {max(white, black):.0%} of the pixels are {end}", "lower the contrast or move the brightness"
        )
    if float(smooth.std()) < FLAT_SPREAD:
        return Problem(
            "empty: no contrast above the noise", "check that a sample is under the beam; raise the contrast"
        )
    return None


def sharpness(image: Grey) -> float:
    """Fine detail over coarse, about 0 when out of focus.

    The variance that a band of 1 to 2 pixels holds beyond the noise, over that of a band of 4 to 8; the noise is in
    the finest differences, which no beam of a pixel's width can fill (after Immerkaer, CVIU 64, 300, 1996).
    """
    noise = float(np.median(np.abs(ndimage.convolve(image, _LAPLACE))) / 0.6745 / 6.0)
    fine = float(_band(image, 1.0).var()) - noise**2 * _NOISE_SHARE
    coarse = float(_band(image, 4.0).var())
    return max(fine, 0.0) / max(coarse, 1e-9)


def _band(image: Grey, sigma: float) -> Grey:
    """Detail along the scan lines between ``sigma`` and twice that; offsets of whole lines cancel."""
    rows = ndimage.gaussian_filter1d(image, sigma, axis=0)
    band: Grey = ndimage.gaussian_filter1d(rows, sigma, axis=1) - ndimage.gaussian_filter1d(rows, 2.0 * sigma, axis=1)
    return band


def focus_problem(image: Grey, limit: float) -> Problem | None:
    """Refuse a picture whose ``sharpness`` is below the limit that calibration found."""
    found = sharpness(image)
    if found >= limit:
        return None
    return Problem(f"out of focus: sharpness {found:.3f}, at least {limit:.3f} is needed", "refocus and image again")


def unresolved_problem(image: Grey, diameter_px: float) -> Problem | None:
    """Refuse what measures as small grains where the picture has no more structure than noise has."""
    if diameter_px >= DETAIL_OF_NOISE[-1][0]:
        return None
    # By medians, so that scratches, cracks and dust do not count.
    fine, coarse = (float(np.median(np.abs(_band(image, sigma)))) ** 2 for sigma in (2.0, 4.0))
    if not any(diameter_px < size and fine > detail * coarse for size, detail in DETAIL_OF_NOISE):
        return None
    return Problem(
        "grains are finer than the picture resolves: its detail is that of noise",
        "take a closer field: raise the magnification about 4 times",
        0.25,
    )


def magnification_problem(n_grains: int, diameter_px: float) -> Problem | None:
    """Refuse a field with too few grains to average, or with grains too small to resolve."""
    if diameter_px < SMALLEST_GRAIN_PX:
        closer = max(WANTED_GRAIN_PX / max(diameter_px, 1.0), 1.5)
        return Problem(
            f"grains of {diameter_px:.1f} pixels are too small to resolve (at least {SMALLEST_GRAIN_PX:g})",
            f"take a closer field: raise the magnification about {closer:.1f} times",
            1.0 / closer,
        )
    if n_grains < FEWEST_GRAINS:
        wider = max((WANTED_GRAINS / max(n_grains, 5)) ** 0.5, 1.5)
        return Problem(
            f"only {n_grains} grains in the field (at least {FEWEST_GRAINS})",
            f"take a wider field: lower the magnification about {wider:.1f} times",
            wider,
        )
    return None


_LAPLACE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
_impulse = np.zeros((33, 33), dtype=np.float32)
_impulse[16, 16] = 1.0
_NOISE_SHARE = float((_band(_impulse, 1.0) ** 2).sum())
"""Share of white noise's variance that passes the band of 1 to 2 pixels."""

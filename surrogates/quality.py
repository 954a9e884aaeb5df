"""What a picture must have before it is measured: exposure, focus, a fit magnification; else what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from surrogates.micrograph_classes import SECTIONS, Verdict
from surrogates.picture_blur import blur_px

if TYPE_CHECKING:
    from surrogates.micrograph_measure import Segmentation

Grey = npt.NDArray[np.float32]

FLAT_SPREAD = 0.012
"""Standard deviation of grey, after smoothing the noise away, below which nothing is to be seen."""
CLIPPED_SHARE = 0.6
"""Share of pixels at an end of the range above which the picture is saturated (etched metals are nearly white)."""
FEWEST_GRAINS = 50
SMALLEST_GRAIN_PX = 6.0
DETAIL_OF_NOISE = ((9.0, 1.8), (16.0, 2.6))
"""Measured grain diameter in pixels, and the detail of 2 to 4 pixels over that of 4 to 8 from which smaller grains are
taken for noise: white noise has about 3.5, grains of 12 pixels at most 1.7 and such of 25 at most 1 in clear frames
(virtual fields). Of noisy frames with grains of 8 to 10 pixels it refuses a part, too."""
EVEN_DETAIL = (1.3, 1.8)
"""Detail of 2 to 4 pixels over that of 4 to 8, and of this over that of 8 to 16, from which both are noise. Frames
taken from too far have 1.4 and 1.85 or more; such from too near up to 2.1 and 1.3, and real sections 0.9 and 1.6."""
WANTED_GRAINS, WANTED_GRAIN_PX = 200.0, 25.0
LARGEST_POROSITY = 0.5
LARGEST_BLUR, WIDEST_BLUR = 2.6, 3.0
"""Pixels, standard deviation. Fields in focus have 0 to 1.8, soft real ones up to 2.5, and those that are out of focus
by 4 nearly all 2.7 and more; a calibration on soft pictures may allow up to the second."""
BLUR_OF_GRAIN, CERTAIN = 0.04, 0.3
"""Blur over the grains' diameter, and doubt about boundaries, up to which many grains are seen well enough."""
EVEN_SHARE, LEAST_INK, MOST_INK, INK = 0.5, 0.0005, 0.45, 64
MOST_BETWEEN, MOST_SOFT = 0.02, 0.6
"""Of drawn pictures: share of one grey, of ink, grey levels of ink; what may lie between, and, on a clipped ground,
soft edges over ink."""
BAR_SHARE = 0.3
"""Of a picture's height that a bar has at most."""
WRONG_KINDS = {
    "powder": ("a powder: loose particles, no section", "sinter or embed it, polish and etch a section"),
    "fracture": ("a fracture surface, no section", "polish and etch a section; a fracture does not show grain sizes"),
    "": ("not a micrograph of a polished section", "hand in a micrograph of a polished and etched section"),
}
"""Reason and advice for each class that is not measured."""


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
    """Refuse what is empty, saturated or nothing but an info bar; ``image`` is float32 (H, W), 0 to 1."""
    drawn = info_bar_problem(image)
    if drawn is not None:
        return drawn
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
    """One over the blur in pixels, at most 4; see ``surrogates.picture_blur``."""
    return 1.0 / max(blur_px(image), 0.25)


def focus_problem(image: Grey, limit: float = 0.0, found: Segmentation | None = None) -> Problem | None:
    """Refuse a picture that is out of focus, or blurred by astigmatism or by motion.

    Args:
        image: float32 (H, W), 0 to 1.
        limit: lowest sharpness among the good pictures of a calibration; it may widen the limit a little.
        found: the segmentation, where there is one: where many large grains are seen beyond doubt, a soft picture
            serves as well.
    """
    allowed = float(np.clip(1.0 / limit if limit > 0.0 else 0.0, LARGEST_BLUR, WIDEST_BLUR))
    if found is not None and found.n_grains >= FEWEST_GRAINS and found.doubt < CERTAIN:
        allowed = max(allowed, BLUR_OF_GRAIN * found.diameter)
    blur = blur_px(image)
    if blur <= allowed:
        return None
    return Problem(
        f"out of focus: blurred over {blur:.1f} pixels, at most {allowed:.1f} can be measured",
        "refocus, correct the astigmatism, let the stage come to rest, and image again",
    )


def kind_problem(verdict: Verdict) -> Problem | None:
    """Refuse what is no polished section: another surface, another picture, or nothing that was ever learned from."""
    wrong = {name: share for name, share in verdict.probabilities.items() if name not in SECTIONS}
    if sum(wrong.values()) > verdict.wrong_from:
        kind = max(wrong, key=lambda name: wrong[name])
        return Problem(*WRONG_KINDS.get(kind, WRONG_KINDS[""]))
    if verdict.strangeness > verdict.limit:
        return Problem(
            f"unlike any section learned from (distance {verdict.strangeness:.1f}, at most {verdict.limit:.1f})",
            "check that this is a polished section; if it is, train on some of your own with 'labwright train sem'",
        )
    return None


def info_bar_problem(image: Grey) -> Problem | None:
    """Refuse what a program drew: letters and lines on one even grey, as the bar below an SEM frame alone.

    No detector is so still: a micrograph has noise everywhere.
    """
    levels = np.round(image * 255.0).astype(np.int16)
    ground = int(np.bincount(levels.ravel(), minlength=256).argmax())
    away = np.abs(levels - ground)
    ink = away >= INK
    even = float((away <= 1).mean())
    if even < EVEN_SHARE or not LEAST_INK <= float(ink.mean()) <= MOST_INK:
        return None
    soft = ndimage.binary_dilation(ink, np.ones((5, 5), dtype=np.bool_))
    if float(((away > 1) & ~soft).mean()) > MOST_BETWEEN:
        return None
    # Clipped metals are even, too, but their lines are wide and soft: letters are mostly two greys.
    between = (away > 1) & ~ink
    if ground in (0, 255) and float(between.sum()) > MOST_SOFT * float(ink.sum()):
        return None
    rows = np.flatnonzero(ink.any(axis=1))
    height, width = image.shape
    strip = (rows[-1] - rows[0] + 1) < BAR_SHARE * height or width > 5 * height
    if strip:
        return Problem("info bar only: no picture of a sample above or below it", "export the frame with its bar")
    return Problem(
        "drawn, not taken: letters, lines or areas on one even grey, as pages, plots and screens have",
        "hand in the micrograph itself",
    )


def unresolved_problem(image: Grey, diameter_px: float) -> Problem | None:
    """Refuse what measures as small grains where the picture has no more structure than noise has."""
    if diameter_px >= DETAIL_OF_NOISE[-1][0]:
        return None
    # By medians, so that scratches, cracks and dust do not count.
    fine, coarse = (float(np.median(np.abs(_band(image, sigma)))) ** 2 for sigma in (2.0, 4.0))
    if not any(diameter_px < size and fine > detail * coarse for size, detail in DETAIL_OF_NOISE):
        return None
    return _too_far()


def noise_problem(image: Grey) -> Problem | None:
    """Refuse what has the same detail at every size, as noise has, and grains that no pixel resolves.

    For a picture in which no boundary is sure: a clear one may well be noisy between its boundaries.
    """
    finest, fine, coarse = (float(np.median(np.abs(_band(image, sigma)))) ** 2 for sigma in (2.0, 4.0, 8.0))
    if finest > EVEN_DETAIL[0] * fine and fine > EVEN_DETAIL[1] * coarse:
        return _too_far()
    return None


def _too_far() -> Problem:
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


def _band(image: Grey, sigma: float) -> Grey:
    """Detail along the scan lines between ``sigma`` and twice that; offsets of whole lines cancel."""
    rows = ndimage.gaussian_filter1d(image, sigma, axis=0)
    band: Grey = ndimage.gaussian_filter1d(rows, sigma, axis=1) - ndimage.gaussian_filter1d(rows, 2.0 * sigma, axis=1)
    return band

"""What a picture shows enough of to be measured: grains, or else pores, second phase and cracks; or what to do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from surrogates.micrograph_calibration import Calibration
from surrogates.micrograph_measure import Segmentation
from surrogates.quality import (
    FEWEST_GRAINS,
    LARGEST_POROSITY,
    Problem,
    magnification_problem,
    noise_problem,
    unresolved_problem,
)
from surrogates.stereology import Mask

Grey = npt.NDArray[np.float32]

GRAIN_QUANTITIES = ("grain_size", "intercept", "astm_g", "d10", "d50", "d90", "boundary_length", "elongation")
FEWEST_ACROSS = 1.5
"""Boundaries crossed on a way across the frame below which none are said to show."""
ALL_AT_PHASES = 0.85
"""Share of the boundary at rims of the second phase from which no other is said to show."""
LEAST_SHOWN = 0.003
"""Area fraction of pores, second phase and cracks below which a picture without boundaries shows nothing."""
SMALLEST_PART, FEWEST_PARTS = 28, 25
"""Pixels of a pore, a spot of second phase or a crack that is one beyond doubt; and how many of these a picture without
boundaries needs. Of frames taken from too near, some ten grains across, the fullest had 19 and no line; bodies whose
boundaries do not show have more than a hundred (virtual fields, coatings)."""
CLEAR = 0.5
"""Median probability of a boundary along the lines that were found from which they are no chance."""


def hidden_grains(found: Segmentation, calibration: Calibration) -> dict[str, str]:
    """Why the grain quantities cannot be told, by their names; empty where boundaries show.

    A picture of something else than grains is a good one: only what it does not show is withheld.
    """
    across = found.descriptors.boundary_length * float(np.sqrt(found.labels.size)) if found.descriptors else 0.0
    if across * 2.0 / np.pi < FEWEST_ACROSS:
        reason = "no grain boundary shows in this picture"
    elif found.at_phases > ALL_AT_PHASES:
        reason = (
            f"{found.at_phases:.0%} of the boundaries that show are those of the second phase: no grains of the matrix"
        )
    elif found.doubt > calibration.doubt_limit:
        reason = (
            f"boundaries cannot be told apart (doubt {found.doubt:.3f}, at most {calibration.doubt_limit:.3f}): "
            "refocus, raise the contrast, scan more slowly, or etch again"
        )
    elif found.n_grains < FEWEST_GRAINS <= parts_shown(found):
        reason = (
            f"only {found.n_grains} grains show (at least {FEWEST_GRAINS}): etch the section, or take a wider field"
        )
    else:
        return {}
    return dict.fromkeys(GRAIN_QUANTITIES, reason)


def grain_problem(image: Grey, found: Segmentation) -> Problem | None:
    """What speaks against the sizes of grains whose boundaries show."""
    if found.n_grains < FEWEST_GRAINS and found.clarity < CLEAR:
        noise = noise_problem(image)
        if noise is not None:
            return noise
    return unresolved_problem(image, found.diameter) or magnification_problem(found.n_grains, found.diameter)


def solid_problem(found: Segmentation) -> Problem | None:
    """A body must be solid for the most part."""
    if found.porosity <= LARGEST_POROSITY:
        return None
    return Problem(
        f"porosity of {found.porosity:.0%}: too little solid for a grain size",
        "measure the density in another way; this body is barely sintered",
    )


def empty_problem(image: Grey, found: Segmentation, own: Mapping[str, float], reason: str) -> Problem | None:
    """A picture whose grains are hidden must show something else, and enough of it.

    Args:
        image: float32 (H, W), 0 to 1.
        found: its segmentation.
        own: area fractions of what a user taught beside the package's kinds.
        reason: why the grains are hidden.
    """
    if max(own.values(), default=0.0) >= LEAST_SHOWN:
        return None
    parts, noise = parts_shown(found), noise_problem(image)
    if noise is not None and parts < FEWEST_PARTS:
        return noise
    if float((found.pores | found.phase | found.cracks).mean()) < LEAST_SHOWN:
        return Problem(
            f"{reason}; nor does a pore, a second phase or a crack", "etch the section, or raise the contrast"
        )
    across = found.descriptors.boundary_length * float(np.sqrt(found.labels.size)) if found.descriptors else 0.0
    if across * 2.0 / np.pi < FEWEST_ACROSS and parts < FEWEST_PARTS:
        return Problem(
            f"{reason}, and of all else only {parts} pieces (at least {FEWEST_PARTS})",
            "take a wider field: lower the magnification about 2 times; or etch the section",
            2.0,
        )
    return None


def parts_shown(found: Segmentation) -> int:
    """Number of pores, spots of the second phase and cracks that are large enough to be beyond doubt."""
    return sum(_parts(mask) for mask in (found.pores, found.phase, found.cracks))


def _parts(mask: Mask) -> int:
    if not mask.any():
        return 0
    spots, _ = ndimage.label(mask)
    return int(np.count_nonzero(np.bincount(spots.ravel())[1:] >= SMALLEST_PART))

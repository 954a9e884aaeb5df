"""Reads a micrograph: grain size and porosity with honest uncertainties in physical units, or a refusal with advice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from envs.laws import astm_grain_size_number
from surrogates.micrograph_calibration import (
    Calibration,
    corrected,
    corrected_porosity,
    porosity_features,
    relative_spread,
    spread,
)
from surrogates.micrograph_cnn import MicrographNet, load_network, segment
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_measure import Segmentation, measure
from surrogates.micrograph_reading import Estimate, MicrographReading
from surrogates.quality import (
    LARGEST_POROSITY,
    Problem,
    exposure_problem,
    focus_problem,
    magnification_problem,
    unresolved_problem,
)
from surrogates.stereology import Mask

SHIPPED = Path(__file__).parent / "models" / "micrograph.safetensors"
LARGEST_DIAMETER, WANTED_DIAMETER = 52.0, 28.0
"""Pixels: larger grains than the network was trained on are looked at once more in a reduced image."""


class MicrographReader:
    """The network with its calibration."""

    def __init__(self, network: MicrographNet, calibration: Calibration, metadata: dict[str, object]) -> None:
        self.network = network
        self.calibration = calibration
        self.metadata = metadata

    @staticmethod
    def load(path: Path = SHIPPED) -> MicrographReader:
        """The shipped reader, or one of the user's own training.

        Raises:
            UserError: when the file is missing or is not a network with its calibration.
        """
        network, metadata = load_network(path)
        calibration = Calibration.from_dict(cast("dict[str, Any]", metadata["calibration"]))
        return MicrographReader(network, calibration, metadata)

    def read(self, micrograph: Micrograph) -> MicrographReading:
        """Measure one micrograph, or refuse it with a reason and advice."""
        image = micrograph.image
        problem = exposure_problem(image)
        if problem is not None:
            return self._reading(micrograph, _nothing(image.shape), problem)
        problem = focus_problem(image, self.calibration.sharpness_limit)
        seen = seen_in(self.network, image)
        return self._reading(micrograph, seen, problem or self._doubts(image, seen))

    def _doubts(self, image: npt.NDArray[np.float32], seen: Segmentation) -> Problem | None:
        """What the segmentation itself says against its numbers."""
        if seen.porosity > LARGEST_POROSITY:
            return Problem(
                f"porosity of {seen.porosity:.0%}: too little solid for a grain size",
                "measure the density in another way; this body is barely sintered",
            )
        problem = unresolved_problem(image, seen.diameter) or magnification_problem(seen.n_grains, seen.diameter)
        if problem is None and seen.doubt > self.calibration.doubt_limit:
            return Problem(
                f"boundaries cannot be told apart (doubt {seen.doubt:.3f}, at most {self.calibration.doubt_limit:.3f})",
                "refocus, raise the contrast, scan more slowly, or etch again",
            )
        return problem

    def _reading(self, micrograph: Micrograph, seen: Segmentation, problem: Problem | None) -> MicrographReading:
        constants = self.calibration
        scale, unit = (1.0, "px") if micrograph.pixel_size_um is None else (micrograph.pixel_size_um, "um")
        sizes = []
        for size, bias, weights, sampling in (
            (seen.diameter, constants.diameter_bias, constants.diameter_spread, constants.diameter_sampling),
            (seen.intercept, constants.intercept_bias, constants.intercept_spread, constants.intercept_sampling),
        ):
            value = corrected(seen, size, bias) * scale
            sizes.append(Estimate(value, value * relative_spread(seen, weights, sampling), unit))
        grain_size, intercept = sizes
        astm = None
        if unit == "um" and intercept.value > 0.0:
            number = float(astm_grain_size_number(intercept.value))
            astm = Estimate(number, 6.6439 / np.log(10.0) * intercept.std / intercept.value, "1")
        return MicrographReading(
            accepted=problem is None,
            reason="" if problem is None else problem.reason,
            advice="" if problem is None else problem.advice,
            pixel_factor=1.0 if problem is None else problem.pixel_factor,
            microstructure="",
            class_probabilities={},
            grain_size=grain_size,
            intercept=intercept,
            astm_g=astm,
            d10=None,
            d50=None,
            d90=None,
            boundary_length=None,
            elongation=None,
            porosity=Estimate(
                corrected_porosity(seen, constants.porosity_line),
                spread(porosity_features(seen), constants.porosity_spread),
                "1",
                0.0,
                1.0,
            ),
            pore_size=None,
            phase_fraction=Estimate(float(seen.phase.mean()), 0.02, "1", 0.0, 1.0),
            crack_length=Estimate(0.0, 0.0, f"1/{unit}", 0.0),
            n_grains=seen.n_grains,
            boundary_mask=seen.boundaries,
            pore_mask=seen.pores,
            phase_mask=seen.phase,
            crack_mask=seen.cracks,
            diameters=seen.diameters * (grain_size.value / seen.diameter) if seen.diameter > 0.0 else seen.diameters,
        )


def seen_in(network: MicrographNet, image: npt.NDArray[np.float32]) -> Segmentation:
    """Segment one image; one with very large grains is looked at again, reduced, and reported in its own pixels."""
    seen = measure(segment(network, image))
    if seen.diameter <= LARGEST_DIAMETER or min(image.shape) < 256:
        return seen
    factor = max(WANTED_DIAMETER / seen.diameter, 128.0 / min(image.shape))
    smooth = ndimage.gaussian_filter(image, 0.5 * (1.0 / factor - 1.0))
    again = measure(segment(network, ndimage.zoom(smooth, factor, order=1)))
    pores, boundaries, phase, cracks = (
        _enlarged(mask, image.shape) for mask in (again.pores, again.boundaries, again.phase, again.cracks)
    )
    return replace(
        again,
        diameter=again.diameter / factor,
        diameters=again.diameters / factor,
        intercept=again.intercept / factor,
        pores=pores,
        boundaries=boundaries,
        phase=phase,
        cracks=cracks,
    )


def _enlarged(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Nearest-neighbour copy of a mask on a larger grid."""
    rows, columns = (np.arange(n) * m // n for n, m in zip(shape, mask.shape, strict=True))
    return mask[np.ix_(rows, columns)]


def _nothing(shape: tuple[int, ...]) -> Segmentation:
    """The segmentation of a picture that shows nothing."""
    empty = np.zeros(shape, dtype=np.bool_)
    labels = np.zeros(shape, dtype=np.int32)
    return Segmentation(labels, empty, empty, empty, empty, 0.0, 0.0, 0.0, 0, 1.0, 1.0)

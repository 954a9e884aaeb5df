"""What a micrograph says: the words that the reader, the campaign, the commands and the figures share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from surrogates.stereology import Mask

Z90 = 1.645
"""Standard deviations to either side that hold 90% of a Gaussian."""


@dataclass(frozen=True)
class Estimate:
    """A measured value with its standard uncertainty.

    Args:
        value: best estimate.
        std: standard deviation.
        unit: ``um``, ``1/um``, ``1/mm``; ``px``, ``1/px`` where the image states no scale; ``1`` for a plain number.
        least: the lowest value that there can be.
        most: the highest.
    """

    value: float
    std: float
    unit: str
    least: float = -np.inf
    most: float = np.inf

    def interval(self) -> tuple[float, float]:
        """The central 90%: value minus and plus 1.645 standard deviations, within what there can be."""
        return max(self.value - Z90 * self.std, self.least), min(self.value + Z90 * self.std, self.most)


@dataclass(frozen=True)
class MicrographReading:
    """What one micrograph says.

    A quantity is None where the picture does not show it: no grain size where no boundary is seen, no pore size
    without pores; ``withheld`` tells why.

    Args:
        accepted: whether the numbers may be used; when not, they are what was seen nevertheless.
        reason: why it was refused, empty when accepted.
        advice: what the operator should do, empty when accepted.
        pixel_factor: what to multiply the pixel size by in the next image, 1 unless the magnification was the trouble.
        microstructure: the likeliest of ``surrogates.micrograph_classes.CLASSES``.
        class_probabilities: of every class.
        grain_size: mean equivalent circular diameter of the material.
        intercept: mean lineal intercept (ASTM E112).
        astm_g: ASTM E112 grain size number, or None without a scale.
        d10: tenth percentile, by number, of the equivalent circular diameters in the section.
        d50: their median.
        d90: their ninetieth percentile.
        boundary_length: length of grain boundaries per area of the solid.
        elongation: mean aspect ratio of the grains.
        porosity: area fraction of pores.
        pore_size: mean equivalent circular diameter of the pores.
        phase_fraction: area fraction of the second phase in the solid.
        crack_length: length of cracks per area.
        n_grains: grains counted.
        boundary_mask: bool, shape (H, W).
        pore_mask: bool, shape (H, W).
        phase_mask: bool, shape (H, W).
        crack_mask: bool, shape (H, W).
        diameters: of each grain that the frame does not cut, in the unit of ``grain_size`` and with its correction.
        withheld: names of the quantities that are None though the picture was measured, and why.
        further: area fractions of what else a network of one's own tells, by its name.
    """

    accepted: bool
    reason: str
    advice: str
    pixel_factor: float
    microstructure: str
    class_probabilities: Mapping[str, float]
    grain_size: Estimate | None
    intercept: Estimate | None
    astm_g: Estimate | None
    d10: Estimate | None
    d50: Estimate | None
    d90: Estimate | None
    boundary_length: Estimate | None
    elongation: Estimate | None
    porosity: Estimate
    pore_size: Estimate | None
    phase_fraction: Estimate
    crack_length: Estimate
    n_grains: int
    boundary_mask: Mask
    pore_mask: Mask
    phase_mask: Mask
    crack_mask: Mask
    diameters: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    withheld: Mapping[str, str] = field(default_factory=dict)
    further: Mapping[str, Estimate] = field(default_factory=dict)

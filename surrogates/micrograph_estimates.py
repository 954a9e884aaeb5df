"""From a segmentation in pixels to estimates in physical units, each with its calibrated uncertainty."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from envs.laws import astm_grain_size_number
from surrogates.micrograph_calibration import Calibration, estimated
from surrogates.micrograph_measure import Segmentation
from surrogates.micrograph_reading import Estimate

LENGTHS = {
    "grain_size": "diameter", "intercept": "intercept", "d10": "d10", "d50": "d50", "d90": "d90",
    "pore_size": "pore_size",
}  # fmt: skip
"""Lengths of a reading by the name of what is counted."""
G_PER_LOG_LENGTH = 6.6439 / float(np.log(10.0))
"""ASTM E112: change of the grain size number for one of the logarithm of the intercept."""


@dataclass(frozen=True)
class Estimates:
    """Estimates of one picture.

    Args:
        found: those that a picture may lack, by name.
        missing: why those lack that do.
        porosity: area fraction of pores.
        phase_fraction: area fraction of the second phase in the solid.
        crack_length: length of cracks per area.
    """

    found: Mapping[str, Estimate | None]
    missing: Mapping[str, str]
    porosity: Estimate
    phase_fraction: Estimate
    crack_length: Estimate

    def without(self, names: Collection[str]) -> dict[str, Estimate | None]:
        """The estimates with None for those named."""
        return {name: None if name in names else estimate for name, estimate in self.found.items()}


def estimates_of(found: Segmentation, calibration: Calibration, pixel_size_um: float | None) -> Estimates:
    """Everything that can be told of one segmentation.

    Args:
        found: counted in pixels.
        calibration: of the network that saw it.
        pixel_size_um: edge of a pixel in um; None gives lengths in pixels and no ASTM number.
    """
    scale, unit = (1.0, "px") if pixel_size_um is None else (pixel_size_um, "um")
    given = {name: _estimate(counted, found, calibration, scale, unit, least=0.0) for name, counted in LENGTHS.items()}
    given["boundary_length"] = _estimate("boundary_length", found, calibration, 1.0 / scale, f"1/{unit}", least=0.0)
    given["elongation"] = _estimate("elongation", found, calibration, 1.0, "1", least=1.0)
    given["astm_g"] = None if pixel_size_um is None else astm_number(given["intercept"])
    return Estimates(
        given,
        _missing(given, pixel_size_um),
        _share("porosity", found, calibration),
        _share("phase_fraction", found, calibration),
        _estimate("crack_length", found, calibration, 1.0 / scale, f"1/{unit}", least=0.0)
        or Estimate(0.0, 0.0, f"1/{unit}", 0.0),
    )


def astm_number(intercept: Estimate | None) -> Estimate | None:
    """ASTM E112 grain size number of a mean lineal intercept in um."""
    if intercept is None or intercept.value <= 0.0:
        return None
    number = float(astm_grain_size_number(intercept.value))
    return Estimate(number, G_PER_LOG_LENGTH * intercept.std / intercept.value, "1")


def _estimate(
    name: str, found: Segmentation, calibration: Calibration, scale: float, unit: str, *, least: float
) -> Estimate | None:
    pair = estimated(name, found, calibration)
    if pair is None:
        return None
    return Estimate(max(pair[0] * scale, least), pair[1] * scale, unit, least)


def _share(name: str, found: Segmentation, calibration: Calibration) -> Estimate:
    value, std = estimated(name, found, calibration) or (0.0, 0.0)
    return Estimate(min(value, 1.0), std, "1", 0.0, 1.0)


def _missing(given: Mapping[str, Estimate | None], pixel_size_um: float | None) -> dict[str, str]:
    reasons = {
        "astm_g": "the picture states no scale" if pixel_size_um is None else "no grains were counted",
        "pore_size": "no pores",
    }
    return {
        name: reasons.get(name, "every grain is cut by the frame") for name, value in given.items() if value is None
    }

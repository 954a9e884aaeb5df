"""Readings of micrographs for tests: one place that knows every field of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from agent import events as ev
from surrogates.micrograph_classes import CLASSES
from surrogates.micrograph_reading import Estimate, MicrographReading

EMPTY = np.zeros((32, 32), dtype=np.bool_)


def reading(size: float = 0.48, **changes: Any) -> MicrographReading:
    """An accepted reading of a dense body of equiaxed grains; what differs is named as in ``MicrographReading``.

    Args:
        size: mean grain diameter, um; the other lengths go with it.
        changes: fields that differ.
    """
    plain = MicrographReading(
        accepted=True, reason="", advice="", pixel_factor=1.0, microstructure="equiaxed dense",
        class_probabilities={name: 0.91 if name == "equiaxed dense" else 0.01 for name in CLASSES},
        grain_size=length(size), intercept=length(0.8 * size), astm_g=Estimate(13.4, 0.15, "1"),
        d10=length(0.5 * size), d50=length(0.95 * size), d90=length(1.6 * size),
        boundary_length=Estimate(2.5 / size, 0.15 / size, "1/um", 0.0), elongation=Estimate(1.4, 0.06, "1", 1.0),
        porosity=Estimate(0.03, 0.01, "1", 0.0, 1.0), pore_size=length(0.3 * size),
        phase_fraction=Estimate(0.02, 0.004, "1", 0.0, 1.0), crack_length=Estimate(0.001, 0.0005, "1/um", 0.0),
        n_grains=120, boundary_mask=EMPTY, pore_mask=EMPTY, phase_mask=EMPTY, crack_mask=EMPTY,
    )  # fmt: skip
    return replace(plain, **changes)


def length(value: float) -> Estimate:
    """A length in um that is known to a twentieth."""
    return Estimate(value, 0.05 * value, "um", 0.0)


def microstructure() -> dict[str, Any]:
    """The fields of ``ImageRead`` that tell of more than grain size and porosity."""

    def number(value: float, std: float, unit: str = "1") -> ev.DescriptorRecord:
        return ev.DescriptorRecord(value=value, std=std, unit=unit)

    return {
        "microstructure": "two-phase",
        "class_probabilities": {"two-phase": 0.914, "equiaxed dense": 0.05},
        "descriptors": {
            "intercept": number(2.81, 0.11, "um"),
            "astm_g": number(13.62, 0.11),
            "d10": number(1.42, 0.09, "um"),
            "d50": number(3.31, 0.12, "um"),
            "d90": number(5.65, 0.31, "um"),
            "elongation": number(1.43, 0.06),
            "boundary_length": number(0.71, 0.03, "1/um"),
            "phase_fraction": number(0.123, 0.011),
            "crack_length": number(0.0, 0.0, "1/um"),
        },
        "withheld": {"pore_size": "no pore is seen"},
    }

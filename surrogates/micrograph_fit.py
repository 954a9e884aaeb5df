"""Fits a trained network's calibration on labelled fields that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from surrogates.micrograph_calibration import Calibration, CalibrationPoint, fit
from surrogates.micrograph_cnn import MicrographNet
from surrogates.micrograph_fields import LabelledField
from surrogates.micrograph_reader import seen_in
from surrogates.quality import LARGEST_POROSITY, exposure_problem, magnification_problem, sharpness
from surrogates.stereology import mean_diameter, mean_intercept

BLURRED_SHARE, DOUBTED_SHARE = 0.015, 0.03
"""Shares of good fields that the limits of sharpness and of doubt may refuse: the false alarms one pays for."""


def calibrate(network: MicrographNet, fields: Iterable[LabelledField]) -> Calibration:
    """Fit limits, bias and spreads; the fields must not be those trained on.

    Raises:
        ValueError: with fewer than 30 usable fields.
    """
    points: list[CalibrationPoint] = []
    sharp: list[float] = []
    for field in fields:
        seen = seen_in(network, field.image)
        usable = exposure_problem(field.image) is None and seen.porosity <= LARGEST_POROSITY
        if not usable or magnification_problem(seen.n_grains, seen.diameter) is not None:
            continue
        sharp.append(sharpness(field.image))
        points.append(
            CalibrationPoint(
                read=seen,
                diameter=mean_diameter(field.labels),
                intercept=mean_intercept(field.labels),
                porosity=float(field.pores.mean()),
                n_grains=int(field.labels.max()),
                material_diameter=field.diameter,
            )
        )
    if len(points) < 30:
        raise ValueError(f"{len(points)} usable fields are too few to calibrate on; take at least 30")
    sharpness_limit = float(np.quantile(sharp, BLURRED_SHARE))
    doubt_limit = float(np.quantile([point.read.doubt for point in points], 1.0 - DOUBTED_SHARE))
    kept = [
        point
        for point, value in zip(points, sharp, strict=True)
        if value >= sharpness_limit and point.read.doubt <= doubt_limit
    ]
    return fit(kept, sharpness_limit, doubt_limit)

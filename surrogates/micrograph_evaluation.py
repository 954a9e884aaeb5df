"""Judges a calibrated reader on labelled fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from surrogates.micrograph_fields import LabelledField
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_reader import MicrographReader
from surrogates.micrograph_reading import Estimate, MicrographReading
from surrogates.stereology import Mask, boundary_mask, mean_diameter, mean_intercept


def evaluate(
    reader: MicrographReader, fields: Iterable[LabelledField], clock: Callable[[], float]
) -> dict[str, object]:
    """Figures on labelled fields, JSON-ready; ``clock`` gives seconds for the time of a reading."""
    rows: list[dict[str, float]] = []
    for field in fields:
        start = clock()
        reading = reader.read(Micrograph(field.image, None, "none"))
        rows.append({**_errors(reading, field), "seconds": clock() - start})
    accepted = [row for row in rows if row["accepted"]]
    return {
        "fields": len(rows),
        "refused_share": round(1.0 - len(accepted) / max(len(rows), 1), 4),
        "all": _summary(rows),
        "accepted": _summary(accepted),
    }


def refused_share(reader: MicrographReader, images: Sequence[npt.NDArray[np.float32]]) -> float:
    """Share of the images, each (H, W), that the reader refuses."""
    verdicts = [reader.read(Micrograph(image, None, "none")).accepted for image in images]
    return 1.0 - sum(verdicts) / max(len(verdicts), 1)


def boundary_f1(found: Mask, true: Mask, tolerance: float = 2.0) -> float:
    """Harmonic mean of precision and recall of boundary pixels within ``tolerance`` pixels of each other."""
    if not found.any() or not true.any():
        return 1.0 if found.any() == true.any() else 0.0
    precision = float((ndimage.distance_transform_edt(~true)[found] <= tolerance).mean())
    recall = float((ndimage.distance_transform_edt(~found)[true] <= tolerance).mean())
    return 2.0 * precision * recall / max(precision + recall, 1e-9)


def _errors(reading: MicrographReading, field: LabelledField) -> dict[str, float]:
    porosity = float(field.pores.mean())
    diameter, intercept = mean_diameter(field.labels), mean_intercept(field.labels)
    return {
        "accepted": float(reading.accepted),
        "boundary_f1": boundary_f1(reading.boundary_mask, boundary_mask(field.labels)),
        "diameter": abs(reading.grain_size.value / diameter - 1.0),
        "material_diameter": abs(reading.grain_size.value / field.diameter - 1.0),
        "intercept": abs(reading.intercept.value / intercept - 1.0),
        "porosity": abs(reading.porosity.value - porosity),
        "diameter_covered": float(_covers(reading.grain_size, field.diameter)),
        "porosity_covered": float(_covers(reading.porosity, porosity)),
        "diameter_std": reading.grain_size.std / max(reading.grain_size.value, 1e-9),
    }


def _covers(estimate: Estimate, truth: float) -> bool:
    low, high = estimate.interval()
    return low <= truth <= high


def _summary(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Medians and means of the rows' figures under names that say which."""
    if not rows:
        return {}

    def column(name: str) -> npt.NDArray[np.float64]:
        return np.array([row[name] for row in rows])

    return {
        "boundary_f1_mean": round(float(column("boundary_f1").mean()), 4),
        "boundary_f1_median": round(float(np.median(column("boundary_f1"))), 4),
        "field_diameter_median_error": round(float(np.median(column("diameter"))), 4),
        "material_diameter_median_error": round(float(np.median(column("material_diameter"))), 4),
        "material_diameter_p90_error": round(float(np.quantile(column("material_diameter"), 0.9)), 4),
        "intercept_median_error": round(float(np.median(column("intercept"))), 4),
        "porosity_mae": round(float(column("porosity").mean()), 5),
        "porosity_median_error": round(float(np.median(column("porosity"))), 5),
        "diameter_90_coverage": round(float(column("diameter_covered").mean()), 4),
        "porosity_90_coverage": round(float(column("porosity_covered").mean()), 4),
        "diameter_relative_std_median": round(float(np.median(column("diameter_std"))), 4),
        "seconds_median": round(float(np.median(column("seconds"))), 4),
    }

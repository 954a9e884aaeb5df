"""Judges what was measured on micrographs whose truth is known: one row of figures for each picture, and summaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from envs.laws import astm_grain_size_number
from surrogates.micrograph_classical import ClassicalReading
from surrogates.micrograph_descriptors import Descriptors, described
from surrogates.micrograph_fields import LabelledField
from surrogates.micrograph_reading import Estimate, MicrographReading
from surrogates.micrograph_scores import LineMatch, boundary_f1, line_match, overlap, pooled
from surrogates.stereology import boundary_mask

__all__ = ["Row", "boundary_f1", "classical_row", "network_row", "reliability", "summary"]

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Nominal coverages of intervals that are compared with what they hold."""
INTERVALS = ("grain_size", "intercept", "astm_g", "porosity", "phase_fraction")
"""Quantities whose intervals are judged: the grain size against the material's, the others against the field's own."""
LEAST_PHASE = 0.05
"""Area fraction from which a field counts as one with a second phase."""
POROUS = 0.03
"""Porosity from which a field counts as porous."""


@dataclass(frozen=True)
class Row:
    """What was found in one picture, beside the truth; lengths in pixels, NaN where one of them does not exist.

    Args:
        kind: class of the picture.
        accepted: by the reader; the classical way has no verdict, and takes that of the reader.
        boundaries: agreement of the boundaries.
        cracks: agreement of the cracks.
        phase: pixels of the second phase that both, or either, hold.
        true: quantities by name.
        found: the same as measured.
        std: standard uncertainties, where they are told.
        held: whether the 90% interval holds the truth, where one is told.
    """

    kind: str
    accepted: bool
    boundaries: LineMatch
    cracks: LineMatch
    phase: tuple[int, int]
    true: Mapping[str, float]
    found: Mapping[str, float]
    std: Mapping[str, float]
    held: Mapping[str, bool]

    def error(self, name: str) -> float:
        """Found minus true; relative to the true value for lengths."""
        difference = self.found[name] - self.true[name]
        return difference if name in {"porosity", "phase_fraction", "elongation"} else difference / self.true[name]


def network_row(reading: MicrographReading, field: LabelledField) -> Row:
    """A row of what the reader says of a field; the reading must be in pixels or with pixels of 1 um."""
    truth = truth_of(field)
    estimates = {name: getattr(reading, name) for name in (*INTERVALS, "d50", "elongation")}
    known = {name: each for name, each in estimates.items() if each is not None}
    return Row(
        kind=field.kind,
        accepted=reading.accepted,
        true=truth,
        found={name: known[name].value if name in known else np.nan for name in estimates},
        std={name: known[name].std for name in INTERVALS if name in known},
        held={name: _holds(known[name], truth[name]) for name in INTERVALS if name in known},
        boundaries=line_match(reading.boundary_mask, boundary_mask(field.labels)),
        cracks=line_match(reading.crack_mask, field.cracks),
        phase=overlap(reading.phase_mask, field.phase),
    )


def classical_row(reading: ClassicalReading, field: LabelledField, *, accepted: bool) -> Row:
    """A row of what the classical way finds in the same field."""
    counted = described(reading.labels, reading.pores, reading.phase, reading.cracks)
    return Row(
        kind=field.kind,
        accepted=accepted,
        true=truth_of(field),
        found=_quantities(counted, counted.diameter),
        std={},
        held={},
        boundaries=line_match(reading.boundaries, boundary_mask(field.labels)),
        cracks=line_match(reading.cracks, field.cracks),
        phase=overlap(reading.phase, field.phase),
    )


def truth_of(field: LabelledField) -> dict[str, float]:
    """The true quantities of a field, counted by the same stereology; the grain size is the material's."""
    return _quantities(described(field.labels, field.pores, field.phase, field.cracks), field.diameter)


def summary(rows: Sequence[Row]) -> dict[str, float | None]:
    """Figures of several pictures, JSON-ready; None where no picture shows the thing."""
    porous = [row for row in rows if row.true["porosity"] >= POROUS]
    with_phase = [row for row in rows if row.true["phase_fraction"] >= LEAST_PHASE]
    cracked = [row for row in rows if row.cracks.true]
    figures: dict[str, float] = {
        "fields": len(rows),
        "boundary_f1": _mean([row.boundaries.f1 for row in rows]),
        "boundary_f1_pooled": pooled(row.boundaries for row in rows).f1,
        "sizes_told_share": _mean([float(np.isfinite(row.found["intercept"])) for row in rows]),
    }
    for name in ("intercept", "grain_size", "d50"):
        figures |= _errors(name, [row.error(name) for row in rows])
    figures |= {
        "elongation_median_error": _middle([abs(row.error("elongation")) for row in rows]),
        "porosity_mae": _mean([abs(row.error("porosity")) for row in rows]),
        "porosity_median_error": _middle([abs(row.error("porosity")) for row in rows]),
        "porosity_mae_porous": _mean([abs(row.error("porosity")) for row in porous]),
        "phase_fraction_mae": _mean([abs(row.error("phase_fraction")) for row in rows]),
        "crack_fields": len(cracked),
        "crack_f1_pooled": pooled(row.cracks for row in rows).f1 if cracked else np.nan,
        "crack_f1": _mean([row.cracks.f1 for row in cracked]),
        "phase_fields": len(with_phase),
        "phase_iou_pooled": _iou(with_phase),
        "phase_iou": _mean([row.phase[0] / max(row.phase[1], 1) for row in with_phase]),
    }
    figures |= {f"{name}_90_coverage": _mean([float(row.held[name]) for row in rows if name in row.held])
                for name in INTERVALS}  # fmt: skip
    return rounded(figures)


def reliability(rows: Sequence[Row]) -> dict[str, list[float | None]]:
    """Of each quantity, the share of pictures whose interval of each nominal coverage holds the truth."""
    factors = [NormalDist().inv_cdf(0.5 + level / 2.0) for level in LEVELS]
    result: dict[str, list[float | None]] = {}
    for name in INTERVALS:
        told = [row for row in rows if name in row.std and np.isfinite(row.true[name])]
        off = np.array([abs(row.true[name] - row.found[name]) / max(row.std[name], 1e-12) for row in told])
        result[name] = [round(float((off <= factor).mean()), 4) if len(off) else None for factor in factors]
    return result


def rounded(figures: Mapping[str, float]) -> dict[str, float | None]:
    """Figures as they are kept: four significant digits, None for what does not exist."""
    return {name: float(f"{value:.4g}") if np.isfinite(value) else None for name, value in figures.items()}


def confusion(pairs: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Accuracy and matrix of (true, found) classes; each true class counts alike.

    Returns:
        ``accuracy``, the mean of the classes' own; ``each`` class's; ``matrix`` of counts, by true and found class.
    """
    matrix: dict[str, dict[str, int]] = {}
    for true, found in pairs:
        row = matrix.setdefault(true, {})
        row[found or "none told"] = row.get(found or "none told", 0) + 1
    each = {true: row.get(true, 0) / sum(row.values()) for true, row in matrix.items()}
    return {"accuracy": round(_mean(list(each.values())), 4), "each": rounded(each), "matrix": matrix}


def _quantities(counted: Descriptors, diameter: float) -> dict[str, float]:
    return {
        "grain_size": diameter,
        "intercept": counted.intercept,
        "astm_g": float(astm_grain_size_number(counted.intercept)) if counted.intercept > 0.0 else np.nan,
        "d50": np.nan if counted.d50 is None else counted.d50,
        "elongation": counted.elongation,
        "porosity": counted.porosity,
        "phase_fraction": counted.phase_fraction,
    }


def _holds(estimate: Estimate, truth: float) -> bool:
    low, high = estimate.interval()
    return low <= truth <= high


def _iou(rows: Sequence[Row]) -> float:
    return sum(row.phase[0] for row in rows) / max(sum(row.phase[1] for row in rows), 1) if rows else np.nan


def _errors(name: str, errors: Sequence[float]) -> dict[str, float]:
    sizes = [abs(each) for each in errors]
    return {
        f"{name}_median_error": _middle(sizes),
        f"{name}_p90_error": _finite(sizes, lambda values: float(np.quantile(values, 0.9))),
        f"{name}_bias": _middle(errors),
    }


def _mean(values: Sequence[float]) -> float:
    return _finite(values, lambda kept: float(kept.mean()))


def _middle(values: Sequence[float]) -> float:
    return _finite(values, lambda kept: float(np.median(kept)))


def _finite(values: Sequence[float], figure: Callable[[npt.NDArray[np.float64]], float]) -> float:
    kept = np.array([value for value in values if np.isfinite(value)], dtype=np.float64)
    return figure(kept) if len(kept) else np.nan

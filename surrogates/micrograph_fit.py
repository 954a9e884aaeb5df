"""Fits a trained network's calibration on labelled fields that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import optimize

from surrogates.micrograph_calibration import LARGEST_BIAS, SHARES, SIZES, Calibration, Correction, features, raw
from surrogates.micrograph_cnn import MicrographNet
from surrogates.micrograph_descriptors import described
from surrogates.micrograph_fields import LabelledField
from surrogates.micrograph_measure import Segmentation
from surrogates.micrograph_reading import Z90
from surrogates.micrograph_scales import look
from surrogates.quality import LARGEST_POROSITY, exposure_problem, magnification_problem, sharpness

Floats = npt.NDArray[np.float64]

BLURRED_SHARE, DOUBTED_SHARE = 0.015, 0.03
"""Shares of good fields that the limits of sharpness and of doubt may refuse: the false alarms one pays for."""
FEWEST_FIELDS = 30
FOLDS = 8
FITTED_RANGE = (0.02, 0.98)
"""Quantiles of each feature between which a correction varies."""
LIGHT, HEAVY = 0.05, 2.0
"""Penalties, in fields, on the constant and on the slopes of a bias."""


@dataclass(frozen=True)
class CalibrationPoint:
    """One held-out field.

    Args:
        read: what was seen.
        truth: the field's own quantities by name, in pixels; one that it does not have lacks. ``diameter`` is the
            mean of the material that the field is a part of, which is what one wants to know.
        n_grains: grains that the field truly has.
        own_diameter: mean diameter of the field's own grains.
    """

    read: Segmentation
    truth: Mapping[str, float]
    n_grains: int
    own_diameter: float


def calibrate(network: MicrographNet, fields: Iterable[LabelledField]) -> Calibration:
    """Fit limits, bias and spreads; the fields must not be those trained on.

    Raises:
        ValueError: with fewer than 30 usable fields.
    """
    points: list[CalibrationPoint] = []
    sharp: list[float] = []
    for each in fields:
        if exposure_problem(each.image) is not None:
            continue
        seen = look(network, each.image).found
        if seen.porosity > LARGEST_POROSITY or magnification_problem(seen.n_grains, seen.diameter) is not None:
            continue
        sharp.append(sharpness(each.image))
        points.append(point_of(seen, each))
    if len(points) < FEWEST_FIELDS:
        raise ValueError(f"{len(points)} usable fields are too few to calibrate on; take at least {FEWEST_FIELDS}")
    return fit(points, sharp)


def point_of(seen: Segmentation, labelled: LabelledField) -> CalibrationPoint:
    """What was seen in a field beside what is true of it."""
    true = described(labelled.labels, labelled.pores, labelled.phase, labelled.cracks)
    values = {name: getattr(true, name) for name in (*SIZES, *SHARES)} | {"diameter": labelled.diameter}
    truth = {name: float(value) for name, value in values.items() if value is not None}
    return CalibrationPoint(seen, truth, true.n_grains, true.diameter)


def fit(points: Sequence[CalibrationPoint], sharp: Sequence[float]) -> Calibration:
    """Fit all constants on what was read in fields of the given sharpness.

    The limits come first; the corrections are fitted on the fields within them.
    """
    sharpness_limit = float(np.quantile(sharp, BLURRED_SHARE))
    doubt_limit = float(np.quantile([point.read.doubt for point in points], 1.0 - DOUBTED_SHARE))
    kept = [
        point
        for point, value in zip(points, sharp, strict=True)
        if value >= sharpness_limit and point.read.doubt <= doubt_limit
    ]
    fitted = {name: _fitted(name, kept) for name in (*SIZES, *SHARES)}
    known = {name: correction for name, correction in fitted.items() if correction is not None}
    return Calibration(known, sharpness_limit, doubt_limit)


def _fitted(name: str, points: Sequence[CalibrationPoint]) -> Correction | None:
    """The correction of one quantity, or None where too few fields have it."""
    usable = [point for point in points if _usable(name, point)]
    if len(usable) < FEWEST_FIELDS:
        return None
    given = np.array([features(name, point.read) for point in usable])
    error = np.array([_error(name, point) for point in usable])
    grains = np.array([max(point.read.n_grains, 1) for point in usable], dtype=np.float64)
    sampling = _sampling(usable) if name == "diameter" else 0.0
    found = _correction(given, error, sampling, grains)
    return _scaled(found, _outside(given, error, sampling, grains))


def _usable(name: str, point: CalibrationPoint) -> bool:
    value, true = raw(name, point.read), point.truth.get(name)
    if value is None or true is None:
        return False
    return name in SHARES or (value > 0.0 and true > 0.0)


def _error(name: str, point: CalibrationPoint) -> float:
    """What must be added to a share, or to the logarithm of a size."""
    value, true = float(raw(name, point.read) or 0.0), point.truth[name]
    return true - value if name in SHARES else float(np.log(true / value))


def _correction(given: Floats, error: Floats, sampling: float, grains: Floats) -> Correction:
    low, high = np.quantile(given, FITTED_RANGE, axis=0)
    known = np.clip(given, low, high)
    bias = _robust_ridge(known, error)
    spread = _log_variance(known, _rest(known, error, bias), sampling**2 / grains)
    return Correction(_plain(bias), _plain(spread), _plain(low), _plain(high), sampling)


def _rest(known: Floats, error: Floats, bias: Floats) -> Floats:
    return error - np.clip(known @ bias, -LARGEST_BIAS, LARGEST_BIAS)


def _outside(given: Floats, error: Floats, sampling: float, grains: Floats) -> Floats:
    """Errors in standard deviations of fields that took no part in the fit of these (cross-fitting), shape (N,)."""
    fold = np.arange(len(error)) % FOLDS
    scores = np.empty(len(error))
    for out in range(FOLDS):
        inside, held = fold != out, fold == out
        found = _correction(given[inside], error[inside], sampling, grains[inside])
        known = np.clip(given[held], found.low, found.high)
        network = np.exp(0.5 * np.clip(known @ np.array(found.spread), -18.0, 0.0))
        deviation = np.hypot(network, sampling / np.sqrt(grains[held]))
        scores[held] = np.abs(_rest(known, error[held], np.array(found.bias))) / deviation
    return scores


def _scaled(found: Correction, scores: Floats) -> Correction:
    """The same with a spread that holds 90% of the fields that took no part.

    Split-conformal (Vovk et al., Algorithmic Learning in a Random World, 2005; Lei et al., J. Am. Stat. Assoc. 113,
    1094, 2018), with cross-fitted scores: the quantile is that of n + 1, of which the new field is one.
    """
    n = len(scores)
    quantile = float(np.quantile(scores, min(np.ceil(0.9 * (n + 1)) / n, 1.0)))
    factor = max(quantile, 1e-3) / Z90
    spread = (found.spread[0] + 2.0 * float(np.log(factor)), *found.spread[1:])
    return replace(found, spread=spread, sampling=found.sampling * factor)


def _sampling(points: Sequence[CalibrationPoint]) -> float:
    """Field-to-field scatter of the true mean diameter about its material's, for one grain.

    Materials are put on one line by porosity, and the scatter is taken robustly: grains of a second population, as in a
    bimodal body, are no scatter.
    """
    grains = np.array([point.n_grains for point in points], dtype=np.float64)
    basis = np.vander([point.truth["porosity"] for point in points], 3)
    ratio = np.array([np.log(point.own_diameter / point.truth["diameter"]) for point in points])
    root = np.sqrt(grains)
    rest = ratio - basis @ np.linalg.lstsq(basis * root[:, None], ratio * root, rcond=None)[0]
    return float(np.median(np.abs(rest) * root) / 0.6745)


def _robust_ridge(known: Floats, error: Floats) -> Floats:
    """Least squares with a penalty, in which fields far from the line count less.

    Huber, Ann. Math. Stat. 35, 73 (1964). The penalty is on features of unit spread, so that few fields do not bend the
    correction.
    """
    centre, width = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-9)
    centre[0], width[0] = 0.0, 1.0
    basis = (known - centre) / width
    penalty = np.diag([LIGHT, *[HEAVY] * (known.shape[1] - 1)])
    weights, bias = np.ones(len(error)), np.zeros(known.shape[1])
    for _ in range(20):
        gram = basis.T @ (basis * weights[:, None]) + penalty
        bias = np.linalg.solve(gram, basis.T @ (weights * error))
        rest = np.abs(error - basis @ bias)
        scale = 1.345 * float(np.median(rest)) / 0.6745 + 1e-9
        weights = np.minimum(1.0, scale / np.maximum(rest, 1e-12))
    slopes = bias / width
    slopes[0] -= float((bias[1:] * centre[1:] / width[1:]).sum())
    return np.asarray(slopes)


def _log_variance(known: Floats, rest: Floats, sampling: Floats) -> Floats:
    """Weights of a log-linear variance beside that of sampling, by maximum likelihood of errors with heavy tails.

    Student's t with four degrees of freedom; lightly penalised, on features of unit spread.
    """
    width = np.maximum(known.std(axis=0), 1e-9)
    width[0] = 1.0
    basis = known / width
    freedom = 4.0

    def loss(weights: Floats) -> float:
        variance = np.exp(np.clip(basis @ weights, -25.0, 5.0)) + sampling
        tail = 0.5 * (freedom + 1.0) * np.log1p(rest**2 / (freedom * variance))
        return float(np.sum(0.5 * np.log(variance) + tail) + 0.5 * (weights[1:] ** 2).sum())

    start = np.zeros(known.shape[1])
    start[0] = np.log(np.median(rest**2) + 1e-9)
    found = optimize.minimize(loss, start, method="BFGS")
    return np.asarray(found.x) / width


def _plain(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)

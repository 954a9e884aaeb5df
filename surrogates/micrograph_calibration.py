"""Makes the reader's numbers honest: bias and spread, learned on fields that the network was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import optimize

from surrogates.micrograph_measure import Segmentation

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Constants that turn a segmentation into estimates; all of them fitted, none typed.

    Args:
        diameter_bias: weights of ``size_features`` for log(true / measured mean diameter) of the field.
        intercept_bias: the same for the mean intercept.
        diameter_spread: weights of ``spread_features`` for the log variance of what remains.
        intercept_spread: the same for the mean intercept.
        diameter_sampling: relative scatter of a field's true mean diameter times the root of its number of grains.
        intercept_sampling: the same for the mean intercept.
        porosity_line: offset and slope from the mean pore probability to the porosity.
        porosity_spread: weights of ``porosity_features`` for the log variance of the porosity's error.
        sharpness_limit: lowest sharpness that is accepted.
        doubt_limit: highest mean doubt about the boundaries that is accepted.
    """

    diameter_bias: tuple[float, ...]
    intercept_bias: tuple[float, ...]
    diameter_spread: tuple[float, ...]
    intercept_spread: tuple[float, ...]
    diameter_sampling: float
    intercept_sampling: float
    porosity_line: tuple[float, ...]
    porosity_spread: tuple[float, ...]
    sharpness_limit: float
    doubt_limit: float

    def to_dict(self) -> dict[str, object]:
        """JSON-ready form; ``from_dict`` is its inverse."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @staticmethod
    def from_dict(data: Mapping[str, object]) -> Calibration:
        """Read what ``to_dict`` wrote.

        Raises:
            TypeError: when a constant is missing or unknown.
        """
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        return Calibration(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class CalibrationPoint:
    """One held-out field: what was read, and what is true (sizes in pixels).

    ``material_diameter`` belongs to the material, the other three to the field itself.
    """

    read: Segmentation
    diameter: float
    intercept: float
    porosity: float
    n_grains: int
    material_diameter: float


def size_features(read: Segmentation, size: float) -> Floats:
    """What the bias of a size may depend on, shape (5,): the size itself, porosity and the network's doubt."""
    scale = float(np.log(max(size, 1.0) / 20.0))
    return np.array([1.0, scale, scale * scale, read.porosity, read.doubt])


def spread_features(read: Segmentation) -> Floats:
    """What the spread of a size may depend on, shape (3,)."""
    return np.array([1.0, read.doubt, read.porosity])


def porosity_features(read: Segmentation) -> Floats:
    """What the spread of the porosity may depend on, shape (3,)."""
    return np.array([1.0, np.log(read.pore_doubt + 1e-3), np.log(read.porosity + 5e-3)])


def corrected(read: Segmentation, size: float, bias: Sequence[float]) -> float:
    """A size without its systematic bias."""
    return float(size * np.exp(np.clip(size_features(read, size) @ np.array(bias), -0.5, 0.5)))


def spread(features: Floats, weights: Sequence[float]) -> float:
    """Standard deviation from the weights of its log variance, kept within a factor of reason."""
    return float(np.exp(0.5 * np.clip(features @ np.array(weights), -16.0, 0.0)))


def relative_spread(read: Segmentation, weights: Sequence[float], sampling: float) -> float:
    """Relative standard deviation of a size: the network's part and the scatter of a field with so many grains."""
    return float(np.hypot(spread(spread_features(read), weights), sampling / np.sqrt(max(read.n_grains, 1))))


def corrected_porosity(read: Segmentation, line: Sequence[float]) -> float:
    """Porosity on the calibrated line, 0 to 1."""
    return float(np.clip(line[0] + line[1] * read.porosity, 0.0, 1.0))


def fit(points: Sequence[CalibrationPoint], sharpness_limit: float, doubt_limit: float) -> Calibration:
    """Fit all constants on accepted fields.

    Raises:
        ValueError: with fewer than 30 fields, which cannot carry the constants.
    """
    if len(points) < 30:
        raise ValueError(f"{len(points)} fields are too few to calibrate on; take at least 30")
    spreads = np.array([spread_features(point.read) for point in points])
    sizes = []
    for name in ("diameter", "intercept"):
        features = np.array([size_features(point.read, getattr(point.read, name)) for point in points])
        error = np.array([np.log(getattr(point, name) / getattr(point.read, name)) for point in points])
        bias = _ridge(features, error)
        sizes.append((bias, _log_variance(spreads, error - features @ np.array(bias))))
    found = np.array([[1.0, point.read.porosity] for point in points])
    true = np.array([point.porosity for point in points])
    # The penalty pulls towards the network's own value, not towards nothing.
    offset, slope = _ridge(found, true - found[:, 1])
    line = (offset, 1.0 + slope)
    error = true - [corrected_porosity(point.read, line) for point in points]
    porosity = np.array([porosity_features(point.read) for point in points])
    diameter_sampling, intercept_sampling = _sampling(points)
    rough = Calibration(
        diameter_bias=sizes[0][0],
        intercept_bias=sizes[1][0],
        diameter_spread=sizes[0][1],
        intercept_spread=sizes[1][1],
        diameter_sampling=diameter_sampling,
        intercept_sampling=intercept_sampling,
        porosity_line=line,
        porosity_spread=_log_variance(porosity, error),
        sharpness_limit=sharpness_limit,
        doubt_limit=doubt_limit,
    )
    return _scaled(rough, points, error)


def _scaled(rough: Calibration, points: Sequence[CalibrationPoint], error: Floats) -> Calibration:
    """The same with spreads scaled until 90% of the calibration fields lie in their 90% intervals.

    Scaled in sample: bias, spread and this factor are fitted on the same fields, which guarantees no coverage on
    others. What it is on fields that took no part is measured, and in the model card.
    """

    def factor(deviations: Floats) -> float:
        return float(np.quantile(np.abs(deviations), 0.9)) / 1.645

    grain = factor(
        np.array(
            [
                np.log(point.material_diameter / corrected(point.read, point.read.diameter, rough.diameter_bias))
                / relative_spread(point.read, rough.diameter_spread, rough.diameter_sampling)
                for point in points
            ]
        )
    )
    chord = factor(
        np.array(
            [
                np.log(point.intercept / corrected(point.read, point.read.intercept, rough.intercept_bias))
                / spread(spread_features(point.read), rough.intercept_spread)
                for point in points
            ]
        )
    )
    pore = factor(error / [spread(porosity_features(point.read), rough.porosity_spread) for point in points])
    return replace(
        rough,
        diameter_spread=_stretched(rough.diameter_spread, grain),
        diameter_sampling=rough.diameter_sampling * grain,
        intercept_spread=_stretched(rough.intercept_spread, chord),
        porosity_spread=_stretched(rough.porosity_spread, pore),
    )


def _stretched(weights: Sequence[float], factor: float) -> tuple[float, ...]:
    """Weights of a log variance whose standard deviation is ``factor`` times as large."""
    return (weights[0] + 2.0 * float(np.log(factor)), *weights[1:])


def _sampling(points: Sequence[CalibrationPoint]) -> tuple[float, float]:
    """Field-to-field scatter of the true means for one grain; several materials are put on one line by porosity."""
    grains = np.array([point.n_grains for point in points], dtype=np.float64)
    porosity = np.array([point.porosity for point in points])
    basis = np.vander(porosity, 3)
    result = []
    for name in ("diameter", "intercept"):
        ratio = np.array([np.log(getattr(point, name) / point.material_diameter) for point in points])
        rest = ratio - basis @ np.linalg.lstsq(basis * np.sqrt(grains)[:, None], ratio * np.sqrt(grains), rcond=None)[0]
        result.append(float(np.sqrt(np.mean(rest**2 * grains))))
    return result[0], result[1]


def _ridge(features: Floats, target: Floats) -> tuple[float, ...]:
    """Least squares with a light penalty, so that few fields do not bend the correction."""
    gram = features.T @ features + 1e-2 * np.eye(features.shape[1])
    return tuple(float(value) for value in np.linalg.solve(gram, features.T @ target))


def _log_variance(features: Floats, error: Floats) -> tuple[float, ...]:
    """Weights of a log-linear variance by maximum likelihood of Gaussian errors, lightly penalised."""
    scale = np.log(np.mean(error**2) + 1e-9)

    def loss(weights: Floats) -> float:
        log_variance = np.clip(features @ weights, -20.0, 5.0)
        penalty = 0.02 * float((weights[1:] ** 2).sum())
        return float(np.sum(log_variance + error**2 * np.exp(-log_variance)) / 2.0 + penalty)

    start = np.zeros(features.shape[1])
    start[0] = scale
    found = optimize.minimize(loss, start, method="BFGS")
    return tuple(float(value) for value in found.x)

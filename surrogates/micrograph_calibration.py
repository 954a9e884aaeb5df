"""Makes the reader's numbers honest: bias and spread, learned on fields that the network was not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from surrogates.micrograph_measure import Segmentation

Floats = npt.NDArray[np.float64]

SIZES = ("diameter", "intercept", "d10", "d50", "d90", "boundary_length", "elongation", "pore_size")
"""Positive quantities, whose errors are relative."""
SHARES = ("porosity", "phase_fraction", "crack_length")
"""Quantities that may be nought, whose errors are not."""
LARGEST_BIAS = 0.15
"""No correction of a size goes beyond this logarithm."""
UNFITTED_SPREAD, UNFITTED_SHARE = 0.1, 0.02
"""Standard deviations of sizes, relative, and of shares where none was fitted."""


@dataclass(frozen=True)
class Correction:
    """Bias and spread of one quantity; as it stands, those of one that was never fitted.

    Args:
        bias: weights of the features for what is added to the quantity (to the logarithm of a size).
        spread: weights of the features for the log variance of what remains.
        low: lowest value of each feature that it was fitted on; outside, the nearest fitted counts.
        high: highest.
        sampling: relative scatter of a field about its material, times the root of its number of grains.
    """

    bias: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    sampling: float = 0.0

    def within(self, features: Floats) -> Floats:
        """The features, shape (F,), as near as what was fitted comes to them."""
        return np.clip(features, self.low, self.high)

    def size(self, value: float, features: Floats, n_grains: int) -> tuple[float, float]:
        """A corrected size and its standard deviation."""
        if not self.bias:
            return value, value * float(np.hypot(UNFITTED_SPREAD, 0.5 / np.sqrt(max(n_grains, 1))))
        known = self.within(features)
        value *= float(np.exp(np.clip(known @ np.array(self.bias), -LARGEST_BIAS, LARGEST_BIAS)))
        return value, value * float(np.hypot(self._deviation(known), self.sampling / np.sqrt(max(n_grains, 1))))

    def share(self, value: float, features: Floats) -> tuple[float, float]:
        """A corrected share and its standard deviation."""
        if not self.bias:
            return value, UNFITTED_SHARE
        known = self.within(features)
        return max(value + float(known @ np.array(self.bias)), 0.0), self._deviation(known)

    def _deviation(self, known: Floats) -> float:
        return float(np.exp(0.5 * np.clip(known @ np.array(self.spread), -18.0, 0.0)))


@dataclass(frozen=True)
class Calibration:
    """Constants that turn a segmentation into estimates; all of them fitted, none typed.

    Args:
        corrections: by the name of the quantity in ``SIZES`` and ``SHARES``; one that lacks is taken as it is, with a
            wide uncertainty.
        sharpness_limit: lowest sharpness that is accepted.
        doubt_limit: highest mean doubt about the boundaries that is accepted.
    """

    corrections: Mapping[str, Correction] = field(default_factory=dict)
    sharpness_limit: float = 0.0
    doubt_limit: float = 1.0

    def of(self, name: str) -> Correction:
        """The correction of one quantity."""
        return self.corrections.get(name, Correction())

    def to_dict(self) -> dict[str, object]:
        """JSON-ready form; ``from_dict`` is its inverse."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, object]) -> Calibration:
        """Read what ``to_dict`` wrote; constants of other names, as older files have them, do not count.

        Raises:
            TypeError: when a correction is not one.
        """
        corrections = data.get("corrections", {})
        if not isinstance(corrections, Mapping):
            raise TypeError("the corrections must be a table by quantity")
        limits = {key: float(str(data[key])) for key in ("sharpness_limit", "doubt_limit") if key in data}
        return Calibration({name: _correction(values) for name, values in corrections.items()}, **limits)


def size_features(read: Segmentation, size: float) -> Floats:
    """What bias and spread of a size may depend on, shape (6,)."""
    return np.array(
        [
            1.0,
            float(np.log(max(size, 1.0) / 20.0)),
            read.porosity,
            read.doubt,
            abs(read.disagreement),
            1.0 / float(np.sqrt(max(read.n_grains, 4))),
        ]
    )


def share_features(share: float, doubt: float) -> Floats:
    """What bias and spread of a share may depend on, shape (4,): itself, and how undecided the map is."""
    return np.array([1.0, share, np.log(doubt + 1e-3), np.log(share + 5e-3)])


def features(name: str, read: Segmentation) -> Floats:
    """What bias and spread of the quantity may depend on."""
    if name in SIZES:
        return size_features(read, read.intercept)
    if name == "porosity":
        return share_features(read.porosity, read.pore_doubt)
    if name == "phase_fraction":
        return share_features(read.phase_fraction, read.phase_doubt)
    return share_features(_crack_length(read), 0.0)


def raw(name: str, read: Segmentation) -> float | None:
    """The quantity as it was counted, or None where there is none; lengths in pixels."""
    if name in {"diameter", "intercept", "porosity", "phase_fraction"}:
        return float(getattr(read, name))
    value = getattr(read.descriptors, name, None)
    return None if value is None else float(value)


def estimated(name: str, read: Segmentation, calibration: Calibration) -> tuple[float, float] | None:
    """Value and standard deviation of one quantity, in pixels, or None where there is none.

    Args:
        name: one of ``SIZES`` or ``SHARES``.
        read: what was seen.
        calibration: fitted for the network that saw it.
    """
    value = raw(name, read)
    if value is None:
        return None
    given = features(name, read)
    if name in SIZES:
        return calibration.of(name).size(value, given, read.n_grains)
    return calibration.of(name).share(value, given)


def _crack_length(read: Segmentation) -> float:
    return read.descriptors.crack_length if read.descriptors is not None else 0.0


def _correction(values: object) -> Correction:
    if not isinstance(values, Mapping):
        raise TypeError("a correction must be a table")
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return Correction(**plain)

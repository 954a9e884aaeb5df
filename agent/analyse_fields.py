"""Several fields of one sample taken together: mean, scatter from field to field, interval, relative accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from agent.analyse_results import Result
from envs.laws import astm_grain_size_number
from surrogates.micrograph_reading import Z90

TOGETHER = ("grain_size", "intercept", "porosity", "phase_fraction")
Z95 = 1.960


@dataclass(frozen=True)
class FieldsMean:
    """A quantity over several fields.

    Args:
        quantity: its name.
        n_fields: that have it; at least two.
        mean: of the fields, each with the same weight.
        scatter: standard deviation from field to field.
        half_95: half of the 95% confidence interval of the mean.
        half_90: half of the 90% one.
        unit: of all of these.
    """

    quantity: str
    n_fields: int
    mean: float
    scatter: float
    half_95: float
    half_90: float
    unit: str

    @property
    def relative_accuracy(self) -> float:
        """Half of the 95% interval over the mean (%RA of ASTM E112-13, section 15; 10% is taken for enough there)."""
        return self.half_95 / self.mean if self.mean > 0.0 else float("nan")


def together(results: Sequence[Result]) -> list[FieldsMean]:
    """Means over the accepted fields; nothing of a quantity that fewer than two have, or in two units.

    The interval is that of ASTM E112-13, section 15, and of E562: Student's t with n - 1 degrees of freedom times
    s / sqrt(n). Fields that agree by chance better than each is known would make it too short: it is never less than
    the readings' own standard uncertainties leave, taken as independent, their root mean square over sqrt(n).
    """
    accepted = [result for result in results if result.accepted]
    return [found for name in TOGETHER if (found := _mean(name, accepted)) is not None]


def grain_size_number(intercept: FieldsMean) -> tuple[float, float]:
    """G of the mean intercept, and half of its 95% interval (G is linear in the intercept's logarithm, ASTM E112).

    Args:
        intercept: in micrometres.
    """
    number = float(astm_grain_size_number(intercept.mean))
    return number, 6.6439 / np.log(10.0) * intercept.half_95 / intercept.mean


def _mean(name: str, accepted: Sequence[Result]) -> FieldsMean | None:
    found = [estimate for result in accepted if (estimate := result.quantities[name]) is not None]
    n = len(found)
    if n < 2 or len({estimate.unit for estimate in found}) > 1:
        return None
    values = np.array([estimate.value for estimate in found])
    scatter = float(values.std(ddof=1))
    own = float(np.sqrt(np.mean([estimate.std**2 for estimate in found])))
    half_95, half_90 = (
        max(float(stdtrit(n - 1, level)) * scatter, z * own) / np.sqrt(n) for level, z in ((0.975, Z95), (0.95, Z90))
    )
    return FieldsMean(name, n, float(values.mean()), scatter, float(half_95), float(half_90), found[0].unit)

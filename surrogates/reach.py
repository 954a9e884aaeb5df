"""How far apart known things are from each other, and so how far from them is far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

TINY = 1e-9
"""Smallest fence: where all that is known is one and the same thing, everything else is far."""
INSIDE = 0.9
"""Share of what is known that would be inside if it were left out."""
LARGEST = 99.0
"""Largest score that is told."""


@dataclass(frozen=True)
class Reach:
    """Limits of nearest-neighbour distances.

    Args:
        edge: up to here a thing is as near as known ones mostly are to each other.
        limit: from here it is farther than any of them but for outliers.
    """

    edge: float
    limit: float

    @staticmethod
    def of(distances: npt.NDArray[np.float64]) -> Reach:
        """Limits from each known thing's distance to the nearest other; see ``surrogates.applicability``."""
        finite = distances[np.isfinite(distances)]
        if not len(finite):
            return Reach(TINY, TINY)
        first, third, high = np.quantile(finite, [0.25, 0.75, INSIDE])
        limit = max(float(third + 1.5 * (third - first)), TINY)
        return Reach(min(float(high), limit), limit)

    def verdict(self, distance: float) -> Literal["inside", "edge", "outside"]:
        """Where a distance lies."""
        if distance <= self.edge:
            return "inside"
        return "edge" if distance < self.limit else "outside"

    def score(self, distance: float) -> float:
        """The distance as a share of the limit, at most ``LARGEST``."""
        return min(distance / self.limit, LARGEST)

    @property
    def words(self) -> str:
        """Both limits, for people; one where they are as good as the same."""
        if f"{self.edge:.2g}" == f"{self.limit:.2g}":
            return f"outside from {self.limit:.2g}"
        return f"edge from {self.edge:.2g}, outside from {self.limit:.2g}"


def apart(points: npt.NDArray[np.float64], others: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
    """Each point's Euclidean distance to the nearest of the others, or of the other points, ``n``.

    Args:
        points: ``n x d``.
        others: ``m x d``; the points themselves where it is left out, of which none counts as its own neighbour.
    """
    from scipy.spatial import KDTree

    if others is None:
        if len(points) < 2:
            return np.full(len(points), np.inf)
        return np.asarray(KDTree(points).query(points, k=2)[0][:, 1])
    return np.asarray(KDTree(others).query(points)[0])

"""What a relation is fitted to: one row an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
SAME = 0.01
"""Descriptors count as all the same where equal ones would differ as much with more than this probability."""


@dataclass(frozen=True)
class Points:
    """n experiments, each with a property and the descriptors of its micrograph.

    Args:
        ids: of the experiments.
        value: the property, positive, shape ``(n,)``.
        std: its standard uncertainty, same unit.
        x: descriptors by name, each ``(n,)``: ``porosity`` and ``phase_fraction`` as area fractions, ``grain_size`` and
            ``intercept`` in um.
        x_std: their standard uncertainties.
        group: what was made, such as a crystal's identifier; equal ones share one dense value.
        predicted: dense value that somebody predicted for the group before it was ever made, ``(n,)``; NaN where none.

    Raises:
        ValueError: lengths differ, or a value or an uncertainty is not positive where it must be.
    """

    ids: tuple[str, ...]
    value: Array
    std: Array
    x: Mapping[str, Array]
    x_std: Mapping[str, Array]
    group: tuple[str, ...]
    predicted: Array

    def __post_init__(self) -> None:
        columns = [self.value, self.std, self.predicted, *self.x.values(), *self.x_std.values()]
        if any(c.shape != (len(self),) for c in columns) or len(self.group) != len(self):
            raise ValueError(f"{len(self)} experiments need columns of that length")
        if set(self.x) != set(self.x_std):
            raise ValueError("each descriptor needs its uncertainty")
        if not (np.all(self.value > 0) and np.all(self.std >= 0) and all(np.all(s >= 0) for s in self.x_std.values())):
            raise ValueError("values must be positive, and their uncertainties not negative")

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Sequence[int]) -> Points:
        """Some of the experiments."""
        index = np.asarray(rows, dtype=np.int64)
        return Points(
            tuple(self.ids[i] for i in rows), self.value[index], self.std[index],
            {k: v[index] for k, v in self.x.items()}, {k: v[index] for k, v in self.x_std.items()},
            tuple(self.group[i] for i in rows), self.predicted[index],
        )  # fmt: skip

    def varies(self, name: str) -> bool:
        """Whether a descriptor differs by more than its uncertainties explain: Pearson's chi-squared, 1%."""
        x, std = self.x[name], np.maximum(self.x_std[name], 1e-12)
        middle = np.average(x, weights=std**-2)
        chi2 = float(np.sum(((x - middle) / std) ** 2))
        return len(self) > 1 and float(special.chdtrc(len(self) - 1, chi2)) < SAME

"""What each factor of the process does to the objective by the models, the others held.

Around one design it is the individual conditional expectation (Goldstein et al., "Peeking inside the black box", J.
Comput. Graph. Stat. 24, 44, 2015): one factor goes along those of its levels that the space allows with the others as
they are. Over a campaign it is its average over designs that were made, the partial dependence (Friedman, "Greedy
function approximation", Ann. Stat. 29, 1189, 2001, section 8.2): there all levels count, also where a rule forbids one
for some of the designs, because an average over other designs at each level would show the designs, not the factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from envs.design import Design, FactorValue
from envs.factors import Factor
from envs.space import DesignSpace
from surrogates.composite import CompositeModel
from surrogates.design_features import DesignFeatures

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
MAX_LEVELS = 12
"""Most points along one factor."""
MAX_DESIGNS = 24
"""Most designs of an average: its standard error is a fifth of the spread between designs then."""
CHUNK = 256
"""Rows that are predicted at a time: the models make a matrix of each pair."""


@dataclass(frozen=True)
class FactorCurve:
    """The objective along one factor.

    Args:
        factor: its name.
        unit: UCUM code of its levels, empty for words.
        levels: in the factor's own order.
        median: of the objective at each level.
        low: 5% quantile.
        high: 95% quantile.
        share: the variance of the medians along this factor over the sum of these variances over all factors.
    """

    factor: str
    unit: str
    levels: tuple[FactorValue, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    share: float


def conditional_effects(
    space: DesignSpace, features: DesignFeatures, model: CompositeModel, designs: Sequence[Design]
) -> list[tuple[FactorCurve, ...]]:
    """The objective along every factor around each design, one tuple a design.

    Args:
        space: of the designs; levels that it forbids with the others as they are are left out.
        features: turns designs into rows.
        model: predicts.
        designs: of the space.
    """
    slots = range(1, 1 + len(space.factors))
    lines = [_line(row[None], slot, _allowed(space, row, slot)) for row in space.indices(designs) for slot in slots]
    found = _predicted(features, model, lines)
    per = len(slots)
    return [_curves(space, lines[i : i + per], found[i : i + per]) for i in range(0, per * len(designs), per)]


def average_effects(
    space: DesignSpace, features: DesignFeatures, model: CompositeModel, designs: Sequence[Design]
) -> tuple[FactorCurve, ...]:
    """The objective along every factor, averaged over designs; of many, over ``MAX_DESIGNS`` evenly through them.

    Args:
        space: of the designs.
        features: turns designs into rows.
        model: predicts.
        designs: of the space, at least one.
    """
    chosen = [designs[i] for i in _evenly(np.arange(len(designs)), MAX_DESIGNS)]
    base = space.indices(chosen)
    lines = [
        _line(base, slot, _evenly(np.arange(factor.n_levels), MAX_LEVELS))
        for slot, factor in enumerate(space.factors, start=1)
    ]
    return _curves(space, lines, _predicted(features, model, lines))


@dataclass(frozen=True)
class _Line:
    """One factor's way through its levels, from each of some designs; ``rows`` go through the levels first."""

    slot: int
    levels: Indices
    rows: Indices


def _line(base: Indices, slot: int, levels: Indices) -> _Line:
    rows = np.repeat(base, len(levels), axis=0)
    rows[:, slot] = np.tile(levels, len(base))
    return _Line(slot, levels, rows)


def _allowed(space: DesignSpace, row: Indices, slot: int) -> Indices:
    """Levels of a factor that a design could have instead, its own always among them, at most ``MAX_LEVELS``."""
    levels = np.arange(space.factors[slot - 1].n_levels)
    own = int(row[slot])
    feasible = space.feasible_rows(_line(row[None], slot, levels).rows)
    feasible[own] = True
    chosen = _evenly(levels[feasible], MAX_LEVELS)
    if own not in chosen:
        chosen[np.abs(chosen - own).argmin()] = own
    return chosen


def _evenly(values: Indices, most: int) -> Indices:
    """At most so many of the values, the first and the last among them."""
    if len(values) <= most:
        return values
    return values[np.round(np.linspace(0, len(values) - 1, most)).astype(np.int64)]


def _predicted(features: DesignFeatures, model: CompositeModel, lines: Sequence[_Line]) -> list[Floats]:
    """Median, 5% and 95% quantile along each line, averaged over its designs: each ``3 x n_levels``."""
    if not lines:
        return []
    rows = features.rows_of(np.concatenate([line.rows for line in lines]))
    parts = [model.predict(chunk) for chunk in rows.split(CHUNK)]
    table = np.stack([torch.cat([getattr(p, q) for p in parts]).numpy() for q in ("median", "low", "high")])
    ends = np.cumsum([len(line.rows) for line in lines])[:-1]
    return [
        part.reshape(3, -1, len(line.levels)).mean(axis=1)
        for part, line in zip(np.split(table, ends, axis=1), lines, strict=True)
    ]


def _curves(space: DesignSpace, lines: Sequence[_Line], found: Sequence[Floats]) -> tuple[FactorCurve, ...]:
    spread = np.array([part[0].var() for part in found])
    total = float(spread.sum())
    shares = spread / total if total > 0.0 else np.zeros_like(spread)
    return tuple(
        _curve(space.factors[line.slot - 1], line.levels, part, float(share))
        for line, part, share in zip(lines, found, shares, strict=True)
    )


def _curve(factor: Factor, levels: Indices, found: Floats, share: float) -> FactorCurve:
    median, low, high = (tuple(float(x) for x in row) for row in found)
    return FactorCurve(factor.name, factor.unit, tuple(factor.levels[i] for i in levels), median, low, high, share)

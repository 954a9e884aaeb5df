"""What a factor does is what the model says of the changed designs, one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from envs.crystals import CrystalLibrary
from envs.design import Design
from envs.space import DesignSpace, flagship
from surrogates.composite import CompositeModel, Prediction
from surrogates.design_features import DesignFeatures
from surrogates.factor_effects import CHUNK, MAX_DESIGNS, MAX_LEVELS, average_effects, conditional_effects


class Plain:
    """Rows are slot numbers."""

    def rows_of(self, indices: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(indices.astype(np.float64))


@dataclass
class Formula:
    """Any function of the slots that mixes them, so that the order of rows matters."""

    sizes: list[int] = field(default_factory=list)

    def predict(self, rows: Tensor) -> Prediction:
        self.sizes.append(len(rows))
        weights = torch.arange(1.0, rows.shape[1] + 1.0, dtype=rows.dtype)
        median = (rows * weights).sum(dim=1) + 0.1 * rows[:, 1] * rows[:, 3] ** 2
        return Prediction(median, median - 1.0, median + 2.0 + rows[:, 2], median, median)


@pytest.fixture(scope="module")
def space() -> DesignSpace:
    library = CrystalLibrary.builtin()
    return flagship(library.subset(["mp-1143", "mp-1145", "mp-10003"]))


@pytest.fixture(scope="module")
def designs(space: DesignSpace) -> list[Design]:
    return list(dict.fromkeys(space.sample(np.random.default_rng(4), 60)))


def alone(space: DesignSpace, design: Design) -> tuple[float, float, float]:
    found = Formula().predict(Plain().rows_of(space.indices([design])))
    return float(found.median[0]), float(found.low[0]), float(found.high[0])


def changed(design: Design, factor: str, level: float | str) -> Design:
    return Design(design.crystal, {**design.process, factor: level})


def models() -> tuple[DesignFeatures, CompositeModel, Formula]:
    model = Formula()
    return cast("DesignFeatures", Plain()), cast("CompositeModel", model), model


def test_around_a_design_each_point_is_the_prediction_of_the_changed_design(
    space: DesignSpace, designs: list[Design]
) -> None:
    features, model, calls = models()
    found = conditional_effects(space, features, model, designs[:9])
    assert max(calls.sizes) <= CHUNK
    for design, curves in zip(designs[:9], found, strict=True):
        assert [c.factor for c in curves] == [f.name for f in space.factors]
        for curve in curves:
            assert design.process[curve.factor] in curve.levels
            assert len(curve.levels) <= MAX_LEVELS
            points = zip(curve.levels, curve.median, curve.low, curve.high, strict=True)
            for level, *told in points:
                assert told == pytest.approx(alone(space, changed(design, curve.factor, level)))
        assert sum(c.share for c in curves) == pytest.approx(1.0)


def test_around_a_design_only_levels_that_could_be_made_are_told(space: DesignSpace, designs: list[Design]) -> None:
    features, model, _ = models()
    forbidden = 0
    for design, curves in zip(designs[:9], conditional_effects(space, features, model, designs[:9]), strict=True):
        for factor, curve in zip(space.factors, curves, strict=True):
            allowed = [x for x in factor.levels if space.is_feasible(changed(design, factor.name, x))]
            forbidden += factor.n_levels - len(allowed)
            assert set(curve.levels) <= set(allowed)
            if len(allowed) <= MAX_LEVELS:
                assert list(curve.levels) == allowed
            else:
                assert len(curve.levels) == MAX_LEVELS
    assert forbidden > 0


def test_the_average_is_the_mean_over_designs_at_every_level(space: DesignSpace, designs: list[Design]) -> None:
    features, model, _ = models()
    few = designs[:7]
    for curve in average_effects(space, features, model, few):
        for level, *told in zip(curve.levels, curve.median, curve.low, curve.high, strict=True):
            one_by_one = [alone(space, changed(d, curve.factor, level)) for d in few]
            assert told == pytest.approx(np.mean(one_by_one, axis=0).tolist())


def test_shares_are_those_of_the_variance_along_each_factor(space: DesignSpace, designs: list[Design]) -> None:
    features, model, _ = models()
    curves = average_effects(space, features, model, designs)
    spread = [float(np.var(c.median)) for c in curves]
    assert [c.share for c in curves] == pytest.approx([s / sum(spread) for s in spread])


def test_of_many_designs_some_spread_evenly_are_asked(space: DesignSpace, designs: list[Design]) -> None:
    features, model, calls = models()
    average_effects(space, features, model, designs)
    levels = sum(min(f.n_levels, MAX_LEVELS) for f in space.factors)
    assert sum(calls.sizes) == levels * MAX_DESIGNS
    assert conditional_effects(space, features, model, []) == []

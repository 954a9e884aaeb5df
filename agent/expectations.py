"""What the fitted models know of designs, in the form in which a person can judge them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from agent.acquisition import Models
from agent.proposal import Expectation, Forecast
from envs.design import Design
from envs.space import DesignSpace
from surrogates.applicability import Applicability
from surrogates.composite import Prediction
from surrogates.factor_effects import conditional_effects
from surrogates.observations import Made, Observation
from surrogates.reach import apart


def expectations(
    models: Models, space: DesignSpace, designs: Sequence[Design], history: Mapping[str, Observation]
) -> list[Expectation]:
    """One a design; draws nothing at random, so what is chosen later is the same with it and without.

    Args:
        models: fitted to the history.
        space: of the designs.
        designs: of the space.
        history: observations by experiment, at least one.
    """
    if not designs:
        return []
    rows = models.features.rows(designs)
    prediction, success = models.forecast(designs)
    ids = list(history)
    past = models.features.rows([history[i].design for i in ids])[:, 3:]
    # By differences, not by a product of matrices, so that a design is at exactly 0 from itself.
    distance, closest = torch.cdist(rows[:, 3:], past, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    spacing = _spacing(past)
    effects = conditional_effects(space, models.features, models.outcome, designs)
    standings = Applicability(models.features, models.outcome).judge(rows)
    nearest = [ids[int(i)] for i in closest]
    return [
        Expectation(
            _forecast(prediction, success, i),
            eid,
            _in_spacings(float(distance[i]), spacing),
            _found(history[eid]),
            effects[i],
            standings[i],
        )
        for i, eid in enumerate(nearest)
    ]


def _spacing(past: Tensor) -> float | None:
    """How far a finished design mostly is from the nearest other one, by the median; None of a single design."""
    known = torch.unique(past, dim=0)
    return float(np.median(apart(known.numpy()))) if len(known) > 1 else None


def _in_spacings(distance: float, spacing: float | None) -> float | None:
    if distance == 0.0:
        return 0.0
    return distance / spacing if spacing else None


def _found(observation: Observation) -> dict[str, tuple[float, float]]:
    if not isinstance(observation, Made):
        return {}
    readings = {
        "hardness": observation.hardness,
        "porosity": observation.porosity,
        "grain_size": observation.grain_size,
    }
    return {name: (reading.value, reading.std) for name, reading in readings.items()}


def _forecast(prediction: Prediction, success: Tensor, i: int) -> Forecast:
    return Forecast(
        median=float(prediction.median[i]),
        low=float(prediction.low[i]),
        high=float(prediction.high[i]),
        porosity=float(prediction.porosity[i]),
        grain_size=float(prediction.grain_size[i]),
        feasibility=float(success[i]),
    )

"""Which candidates to make: marginal expected improvement for a shortlist, then a joint noisy one for the batch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.objective import GenericMCObjective
from botorch.exceptions import BotorchWarning
from botorch.sampling import SobolQMCNormalSampler
from linear_operator.utils.warnings import NumericalWarning
from torch import Tensor

from envs.design import Design
from surrogates.composite import CompositeModel, Prediction
from surrogates.design_features import DesignFeatures
from surrogates.process_gp import FeasibilityModel

SHORTLIST = 300
N_MC_SAMPLES = 128


class Scorer:
    """The marginal acquisition of any feasible design: log expected improvement plus log probability of success.

    It is the reward of every pool (``envs.ports.RewardModel``). Values are kept by design while the models stand.
    """

    def __init__(
        self, features: DesignFeatures, model: CompositeModel, feasibility: FeasibilityModel, best: float
    ) -> None:
        self._features = features
        self._model = model
        self._feasibility = feasibility
        self._best = best
        self._known: dict[Design, float] = {}

    def score(self, designs: Sequence[Design]) -> npt.NDArray[np.float64]:
        """One value a design, shape ``(n,)``; higher is better."""
        fresh = [d for d in dict.fromkeys(designs) if d not in self._known]
        if fresh:
            rows = self._features.rows(fresh)
            samples, _ = self._model.marginal_samples(rows)
            gain = (samples - self._best).clamp(min=0.0).mean(dim=0)
            values = gain.clamp(min=1e-12).log() + self._feasibility.probability(rows).log()
            self._known.update(zip(fresh, values.tolist(), strict=True))
        return np.array([self._known[d] for d in designs])

    def forecast(self, designs: Sequence[Design]) -> tuple[Prediction, Tensor]:
        """Predicted outcomes and probabilities of success."""
        rows = self._features.rows(designs)
        return self._model.predict(rows), self._feasibility.probability(rows)


def choose_batch(
    candidates: Sequence[Design],
    n: int,
    *,
    features: DesignFeatures,
    model: CompositeModel,
    feasibility: FeasibilityModel,
    scorer: Scorer,
    seed: int,
) -> list[tuple[Design, float]]:
    """The designs to make next, in order, each with its log acquisition value.

    The best ``SHORTLIST`` by marginal value go on; of these each next one maximises qLogNEI (Ament et al., "Unexpected
    improvements to expected improvement for Bayesian optimization", NeurIPS 2023) given those already chosen as
    pending, plus the log probability of success.

    Args:
        candidates: distinct feasible designs, none made before.
        n: batch size.
        features: turns designs into rows.
        model: fitted composite model.
        feasibility: probability of success.
        scorer: marginal acquisition.
        seed: of the Monte Carlo draws.
    """
    marginal = scorer.score(candidates)
    shortlist = [candidates[i] for i in np.argsort(-marginal, kind="stable")[:SHORTLIST]]
    rows = features.rows(shortlist)
    log_success = feasibility.probability(rows).log()
    chosen: list[tuple[Design, float]] = []
    taken = torch.zeros(len(shortlist), dtype=torch.bool)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", BotorchWarning)
        # A candidate almost equal to a chosen one leaves no variance of its own: the jitter that follows is meant so.
        warnings.simplefilter("ignore", NumericalWarning)
        acquisition = qLogNoisyExpectedImprovement(
            model.model,
            X_baseline=model.rows,
            sampler=SobolQMCNormalSampler(torch.Size([N_MC_SAMPLES]), seed=seed),
            objective=GenericMCObjective(model.objective),
            prune_baseline=False,
        )
        for _ in range(min(n, len(shortlist))):
            value = (acquisition(rows[:, None, :]) + log_success).masked_fill(taken, -torch.inf)
            best = int(value.argmax())
            taken[best] = True
            chosen.append((shortlist[best], float(value[best])))
            acquisition.set_X_pending(rows[taken])
    return chosen

"""Which candidates to make: marginal expected improvement for a shortlist, then a joint noisy one for the batch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.objective import GenericMCObjective
from botorch.exceptions import BotorchWarning
from botorch.sampling import SobolQMCNormalSampler
from botorch.utils.safe_math import log_fatplus, logmeanexp
from linear_operator.utils.warnings import NumericalWarning
from torch import Tensor

from envs.design import Design
from surrogates.composite import CompositeModel, Prediction
from surrogates.design_features import DesignFeatures
from surrogates.process_gp import FeasibilityModel

SHORTLIST = 300
N_MC_SAMPLES = 128
TINY = 1e-6
SMOOTHING = 1e-2
"""Width of the softened hinge of the marginal improvement, in standard deviations of what was measured."""


@dataclass(frozen=True)
class Models:
    """What a round knows.

    Args:
        features: turns designs into rows.
        outcome: fitted composite model.
        feasibility: probability of success.
    """

    features: DesignFeatures
    outcome: CompositeModel
    feasibility: FeasibilityModel

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about these models: which of them could not be fitted."""
        return tuple(f"the model of {q} could not be fitted" for q in self.outcome.unfitted + self.feasibility.unfitted)

    def forecast(self, designs: Sequence[Design]) -> tuple[Prediction, Tensor]:
        """Predicted outcomes and probabilities of success."""
        rows = self.features.rows(designs)
        return self.outcome.predict(rows), self.feasibility.probability(rows)


class Scorer:
    """The marginal acquisition of any feasible design: log expected improvement plus log probability of success.

    It is the reward of every pool (``envs.ports.RewardModel``). Values are kept by design while the models stand.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        measured = models.outcome.measured
        self._best = float(measured.max())
        self._smoothing = SMOOTHING * max(float(measured.std()), TINY)
        self._known: dict[Design, float] = {}

    def score(self, designs: Sequence[Design]) -> npt.NDArray[np.float64]:
        """One value a design, shape ``(n,)``; higher is better."""
        fresh = [d for d in dict.fromkeys(designs) if d not in self._known]
        if fresh:
            rows = self._models.features.rows(fresh)
            samples, _ = self._models.outcome.marginal_samples(rows)
            # The fat-tailed softplus keeps a slope where no draw improves: without it most designs would tie.
            gain = logmeanexp(log_fatplus(samples - self._best, tau=self._smoothing), dim=0)
            values = gain + self._models.feasibility.probability(rows).log()
            self._known.update(zip(fresh, values.tolist(), strict=True))
        return np.array([self._known[d] for d in designs])


def choose_batch(
    candidates: Sequence[Design],
    n: int,
    models: Models,
    scorer: Scorer,
    *,
    seed: int,
    reserved: Sequence[Design] = (),
    n_reserved: int = 0,
) -> list[tuple[Design, float]]:
    """The designs to make next, in order, each with its log acquisition value.

    The best ``SHORTLIST`` by marginal value go on; of these each next one maximises qLogNEI (Ament et al., "Unexpected
    improvements to expected improvement for Bayesian optimization", NeurIPS 2023) given those already chosen as
    pending, plus the log probability of success.

    Args:
        candidates: distinct feasible designs, none made before.
        n: batch size.
        models: this round's.
        scorer: marginal acquisition.
        seed: of the Monte Carlo draws.
        reserved: candidates that alone compete for the first places.
        n_reserved: number of those places.
    """
    marginal = scorer.score(candidates)
    best_first = [candidates[i] for i in np.argsort(-marginal, kind="stable")[:SHORTLIST]]
    shortlist = list(dict.fromkeys([*best_first, *reserved]))
    privileged = torch.tensor([design in set(reserved) for design in shortlist])
    rows = models.features.rows(shortlist)
    log_success = models.feasibility.probability(rows).log()
    chosen: list[tuple[Design, float]] = []
    taken = torch.zeros(len(shortlist), dtype=torch.bool)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", BotorchWarning)
        # A candidate almost equal to a chosen one leaves no variance of its own: the jitter that follows is meant so.
        warnings.simplefilter("ignore", NumericalWarning)
        acquisition = qLogNoisyExpectedImprovement(
            models.outcome.model,
            X_baseline=models.outcome.rows,
            sampler=SobolQMCNormalSampler(torch.Size([N_MC_SAMPLES]), seed=seed),
            objective=GenericMCObjective(models.outcome.objective),
            prune_baseline=False,
        )
        for _ in range(min(n, len(shortlist))):
            closed = taken | ~privileged if len(chosen) < n_reserved and (privileged & ~taken).any() else taken
            value = (acquisition(rows[:, None, :]) + log_success).masked_fill(closed, -torch.inf)
            best = int(value.argmax())
            taken[best] = True
            chosen.append((shortlist[best], float(value[best])))
            acquisition.set_X_pending(rows[taken])
    return chosen

"""Fits the hyperparameters of Gaussian processes: repeatable, and never the end of a campaign."""

from __future__ import annotations

import logging

import torch
from botorch.exceptions import ModelFittingError
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from gpytorch.mlls import ExactMarginalLogLikelihood

_log = logging.getLogger(__name__)


def fit_exact_gp(model: SingleTaskGP, what: str) -> SingleTaskGP:
    """Maximise the marginal likelihood under the priors; returns the model ready to predict.

    A retry starts from hyperparameters drawn from their priors: from a generator of its own, so that the same data
    give the same model. Where no attempt succeeds, the hyperparameters stay at their initial values, a warning is
    logged, and the model's ``unfitted`` names the quantity (``""`` where all went well) for whoever keeps the record.

    Args:
        model: with its data.
        what: the quantity, for the message.
    """
    initial = {name: value.detach().clone() for name, value in model.state_dict().items()}
    model.unfitted = ""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        except ModelFittingError:
            model.load_state_dict(initial)
            model.unfitted = what
            _log.warning("the model of %s could not be fitted: it keeps the values its priors start from", what)
    return model.eval()

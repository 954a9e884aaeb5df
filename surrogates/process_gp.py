"""Gaussian processes of what a process makes of a material: a latent quantity, or whether it works out at all."""

from __future__ import annotations

import gpytorch
import torch
from botorch.models import SingleTaskGP
from botorch.models.transforms import Standardize
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from torch import Tensor

from surrogates.gp_fit import fit_exact_gp

CERTAIN_STD = 0.35
"""Spread of a one-or-minus-one outcome about its latent value: how far a single failure is believed."""


def fit_process_gp(
    rows: Tensor, values: Tensor, variances: Tensor, columns: slice, main: int, what: str
) -> SingleTaskGP:
    """A heteroscedastic Gaussian process: a smooth curve of one column plus what all of them add to it.

    The curve is learned from a handful of experiments, the rest as they accumulate.

    Args:
        rows: ``n x n_columns``, double.
        values: observed latent, ``n``.
        variances: observation variances, ``n``: the instrument's own and the CNN's.
        columns: columns that matter.
        main: column of the curve.
        what: the quantity, for messages.
    """
    active = tuple(range(rows.shape[1])[columns])
    curve = gpytorch.kernels.MaternKernel(
        nu=2.5, active_dims=(main,), lengthscale_prior=gpytorch.priors.LogNormalPrior(0.0, 0.5)
    )
    rest = get_covar_module_with_dim_scaled_prior(len(active), use_rbf_kernel=False, active_dims=active)
    shares = [
        gpytorch.kernels.ScaleKernel(k, outputscale_prior=gpytorch.priors.GammaPrior(2.0, 2.0)) for k in (curve, rest)
    ]
    kernel = shares[0] + shares[1]
    model = SingleTaskGP(
        rows, values[:, None], variances[:, None], covar_module=kernel, outcome_transform=Standardize(m=1)
    )
    return fit_exact_gp(model, what)


class FeasibilityModel:
    """Probability that a synthesis works out, modelled apart from the value: a failure is information, not a zero.

    Least-squares classification with a Gaussian process (Rasmussen and Williams, 2006, section 6.5) on outcomes of
    plus and minus one, squashed by the normal distribution; the prior mean is the share of successes so far.
    """

    def __init__(self, rows: Tensor, succeeded: Tensor, columns: slice, main: int) -> None:
        self._model: SingleTaskGP | None = None
        n_failed = int((~succeeded).sum())
        self._base = (len(rows) - n_failed + 2.0) / (len(rows) + 2.5)
        if 0 < n_failed < len(rows):
            outcomes = torch.where(succeeded, 1.0, -1.0).to(rows.dtype)
            self._model = fit_process_gp(
                rows, outcomes, torch.full_like(outcomes, CERTAIN_STD**2), columns, main, "feasibility"
            )

    @property
    def unfitted(self) -> list[str]:
        """``["feasibility"]`` where the model stayed at its priors."""
        return [self._model.unfitted] if self._model is not None and self._model.unfitted else []

    def probability(self, rows: Tensor) -> Tensor:
        """Probability of success, ``n``, between 0.02 and 0.98."""
        if self._model is None:
            return torch.full((len(rows),), self._base, dtype=rows.dtype)
        with torch.no_grad(), gpytorch.settings.fast_pred_var(False):
            posterior = self._model.posterior(rows)
            z = posterior.mean / (posterior.variance + CERTAIN_STD**2).sqrt()
        return torch.special.ndtr(z.squeeze(-1)).clamp(0.02, 0.98)

"""The outcome through the laws: hardness = law(intrinsic hardness, porosity, grain size) * exp(residual).

Porosity and grain size are Gaussian processes of the design, learned from what the CNN read; the residual is one too,
and carries all that the prior about a crystal and the law itself get wrong. Sampling the latents and pushing them
through the law keeps its curvature: Astudillo and Frazier, "Bayesian optimization of composite functions", ICML 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gpytorch
import torch
from botorch.models import ModelListGP, SingleTaskGP
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from torch import Tensor
from typing_extensions import override

from envs import laws
from surrogates.design_features import DesignFeatures
from surrogates.gp_fit import fit_exact_gp
from surrogates.observations import Made
from surrogates.process_gp import fit_process_gp

POROSITY_FLOOR = 0.01
"""Porosity is modelled as ln(P + floor), so that it stays positive and its noise near full density stays finite."""

JITTER = 1e-4
"""Smallest observation variance of a log latent: readings repeat to 1% at best, whatever their own error says."""

N_LATENTS = 3
MIN_OBSERVATIONS = 4


class CrystalPriorKernel(gpytorch.kernels.Kernel):
    """Covariance of the error of the crystals' prior: s(x) s(x') k(c, c'), s the prior's own standard deviation.

    What is learned on one crystal moves the others in proportion to how unsure the prior is of them and how near they
    are; a Matern part over the crystal components is shared, the rest belongs to each crystal alone.

    Args:
        columns: the crystal's place among crystals; column 1 of the rows holds the prior's standard deviation,
            column 2 the crystal's number.
        shared: share of the variance that neighbouring crystals have in common.
    """

    has_lengthscale = False

    def __init__(self, columns: slice, shared: float = 0.6) -> None:
        super().__init__()
        self._columns = columns
        self._shared = shared
        self.base = gpytorch.kernels.MaternKernel(nu=2.5, lengthscale_prior=gpytorch.priors.LogNormalPrior(0.0, 0.7))
        self.base.lengthscale = 1.0

    @override
    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **params: object) -> Tensor:
        """Covariance matrix, or its diagonal."""
        a, b = x1[..., self._columns], x2[..., self._columns]
        if diag:
            same = (x1[..., 2] == x2[..., 2]).to(a.dtype)
            near = self._shared * self.base(a, b, diag=True) + (1.0 - self._shared) * same
            return x1[..., 1] * near * x2[..., 1]
        same = (x1[..., :, 2:3] == x2[..., :, 2].unsqueeze(-2)).to(a.dtype)
        near = self._shared * self.base(a, b).to_dense() + (1.0 - self._shared) * same
        return x1[..., :, 1:2] * near * x2[..., :, 1].unsqueeze(-2)


def hardness_law(rows: Tensor, log_porosity: Tensor, log_grain: Tensor, residual: Tensor) -> Tensor:
    """Hardness in GPa from latent values that broadcast against the rows (torch form of ``laws``)."""
    porosity = (log_porosity.exp() - POROSITY_FLOOR).clamp(0.0, 0.6)
    intrinsic = rows[..., 0].exp() + laws.HALL_PETCH * torch.exp(-0.5 * log_grain.clamp(-3.0, 5.0))
    return intrinsic * torch.exp(-laws.POROSITY_EXPONENT * porosity + residual.clamp(-4.0, 4.0))


@dataclass(frozen=True)
class Prediction:
    """Predicted outcome of designs, each tensor of length n.

    Args:
        median: hardness, GPa.
        low: 5% quantile, GPa.
        high: 95% quantile, GPa.
        porosity: median area fraction.
        grain_size: median mean diameter, um.
    """

    median: Tensor
    low: Tensor
    high: Tensor
    porosity: Tensor
    grain_size: Tensor


class CompositeModel:
    """Latent models fitted to finished experiments, joined by the law.

    Args:
        features: turns designs into rows.
        observations: at least ``MIN_OBSERVATIONS``.

    Raises:
        ValueError: too few observations.
    """

    def __init__(self, features: DesignFeatures, observations: Sequence[Made]) -> None:
        if len(observations) < MIN_OBSERVATIONS:
            raise ValueError(f"the composite model needs {MIN_OBSERVATIONS} finished experiments")
        self.rows = features.rows([o.design for o in observations])
        table = torch.tensor(
            [
                [
                    o.porosity.value,
                    o.porosity.std,
                    o.grain_size.value,
                    o.grain_size.std,
                    o.hardness.value,
                    o.hardness.std,
                ]
                for o in observations
            ],
            dtype=torch.float64,
        )
        porosity, porosity_std, grain, grain_std, hardness, hardness_std = table.unbind(dim=1)
        porosity = porosity.clamp(min=0.0)
        log_porosity = (porosity + POROSITY_FLOOR).log()
        porosity_var = (porosity_std / (porosity + POROSITY_FLOOR)) ** 2
        columns, main = features.process_columns, features.index_column
        residual = hardness.log() - hardness_law(self.rows, log_porosity, grain.log(), torch.zeros_like(grain)).log()
        residual_var = (hardness_std / hardness) ** 2 + (laws.POROSITY_EXPONENT * porosity_std) ** 2
        self.model = ModelListGP(
            fit_process_gp(self.rows, log_porosity, porosity_var + JITTER, columns, main, "porosity"),
            fit_process_gp(self.rows, grain.log(), (grain_std / grain) ** 2 + JITTER, columns, main, "grain size"),
            _fit_residual(self.rows, residual, residual_var, features),
        )
        self.measured = hardness
        self._main = main - columns.start

    @property
    def unfitted(self) -> list[str]:
        """Quantities whose model stayed at its priors."""
        return [m.unfitted for m in self.model.models if m.unfitted]

    @property
    def lengthscales(self) -> Tensor:
        """Of each process column the shortest lengthscale that any latent has, in the column's own unit."""
        with torch.no_grad():
            *curved, residual = self.model.models
            parts = [m.covar_module.kernels[1].base_kernel for m in curved]
            parts.append(residual.covar_module.kernels[1].base_kernel)
            shortest = torch.stack([p.lengthscale.squeeze(0) for p in parts]).amin(dim=0)
            for m in curved:
                curve = m.covar_module.kernels[0].base_kernel.lengthscale.squeeze()
                shortest[self._main] = torch.minimum(shortest[self._main], curve)
            return shortest

    def objective(self, samples: Tensor, X: Tensor) -> Tensor:
        """Monte Carlo objective for BoTorch: ``... x q x 3`` latent samples at ``... x q x d`` rows to ``... x q``."""
        return hardness_law(X, samples[..., 0], samples[..., 1], samples[..., 2])

    def marginal_samples(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Hardness samples ``128 x n`` under the marginal posterior, and latent means ``n x 3``."""
        with torch.no_grad():
            posteriors = [m.posterior(rows) for m in self.model.models]
            mean = torch.cat([p.mean for p in posteriors], dim=-1)
            std = torch.cat([p.variance for p in posteriors], dim=-1).sqrt()
            latents = mean + std * _normal_draws(128)[:, None, :]
            return hardness_law(rows, *latents.unbind(dim=-1)), mean

    def predict(self, rows: Tensor) -> Prediction:
        """Predicted outcome at the rows of ``DesignFeatures``."""
        samples, mean = self.marginal_samples(rows)
        low, median, high = samples.quantile(torch.tensor([0.05, 0.5, 0.95], dtype=samples.dtype), dim=0)
        porosity = (mean[:, 0].exp() - POROSITY_FLOOR).clamp(min=0.0)
        return Prediction(median, low, high, porosity, mean[:, 1].exp())


def _normal_draws(n: int) -> Tensor:
    """A fixed low-discrepancy set of standard normal draws, ``n x 3``."""
    uniform = torch.quasirandom.SobolEngine(N_LATENTS, scramble=True, seed=0).draw(n, dtype=torch.float64)
    return torch.special.ndtri(uniform.clamp(1e-6, 1 - 1e-6))


def _fit_residual(rows: Tensor, residual: Tensor, variance: Tensor, features: DesignFeatures) -> SingleTaskGP:
    active = tuple(range(rows.shape[1])[features.process_columns])
    process = gpytorch.kernels.ScaleKernel(
        get_covar_module_with_dim_scaled_prior(len(active), use_rbf_kernel=False, active_dims=active),
        outputscale_prior=gpytorch.priors.LogNormalPrior(-3.0, 1.0),
    )
    process.outputscale = 0.05
    kernel = CrystalPriorKernel(features.crystal_columns) + process
    model = SingleTaskGP(
        rows, residual[:, None], variance[:, None] + JITTER, covar_module=kernel, outcome_transform=None
    )
    return fit_exact_gp(model, "the residual")

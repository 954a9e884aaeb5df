"""Bulk and shear modulus of a crystal, with a joint uncertainty, from few labels.

Message passing happens in the pretrained backbone (``surrogates.pretrained``). On its atom features stand two readouts
that err differently and are averaged: an ensemble of attention-pooling heads in PyTorch Geometric (Li et al., "Gated
graph sequence neural networks", ICLR 2016, eq. 7), and an exact Gaussian process on pooled features. Each head is
trained without one fold; the errors on the folds left out, together with the process's closed-form leave-one-out
errors (Rasmussen and Williams, 2006, eq. 5.10-5.12), set the scale and the K-G correlation of the joint posterior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gpytorch
import numpy as np
import numpy.typing as npt
import torch
from botorch.models import SingleTaskGP
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import AttentionalAggregation, global_mean_pool
from typing_extensions import override

from envs.crystals import Crystal
from envs.moduli import Moduli
from surrogates.gp_fit import fit_exact_gp
from surrogates.graphs import crystal_batch, crystal_graph
from surrogates.pretrained import N_COMPONENTS, CrystalEmbedding
from surrogates.reach import Reach, apart

FloatArray = npt.NDArray[np.float64]
N_HEADS = 5
MIN_LABELS = 20
STATE_WEIGHT = 0.3
"""Weight of the log volume per atom beside the pooled features, whose total variance is one."""


@dataclass(frozen=True)
class HeadTraining:
    """Settings of the attention heads: AdamW with a one-cycle schedule, Gaussian likelihood."""

    epochs: int = 80
    batch_size: int = 32
    learning_rate: float = 6e-3
    weight_decay: float = 1e-2
    hidden: int = 64


@dataclass(frozen=True)
class ModuliPosterior:
    """Joint normal posterior of (ln K, ln G), K and G in GPa, one row a crystal.

    Args:
        mean: ``n x 2``.
        covariance: ``n x 2 x 2``.
    """

    mean: FloatArray
    covariance: FloatArray

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draws of (K, G) in GPa, ``n_samples x n x 2``."""
        factor = np.linalg.cholesky(self.covariance + 1e-10 * np.eye(2))
        noise = rng.standard_normal((n, *self.mean.shape))
        return np.asarray(np.exp(self.mean + np.einsum("nij,snj->sni", factor, noise)))


class AttentionHead(nn.Module):
    """Attention-pooled atom features to the mean and log standard deviation of both log moduli."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(N_COMPONENTS, hidden), nn.SiLU())
        gate = nn.Sequential(nn.Linear(hidden, hidden // 2), nn.SiLU(), nn.Linear(hidden // 2, 1))
        self.pool = AttentionalAggregation(gate)
        self.readout = nn.Sequential(
            nn.Linear(2 * hidden + 1, hidden), nn.SiLU(), nn.Dropout(0.1), nn.Linear(hidden, 4)
        )

    @override
    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, each ``n_crystals x 2``, in units of the standardised targets."""
        atoms = self.embed(batch.x)
        pooled = torch.cat([self.pool(atoms, batch.batch), global_mean_pool(atoms, batch.batch), batch.state], dim=1)
        out = self.readout(pooled)
        return out[:, :2], out[:, 2:].clamp(-4.0, 1.0)


class CrystalSurrogate:
    """Predicts K and G of crystals after ``fit`` on labelled ones."""

    def __init__(self, embedding: CrystalEmbedding, *, seed: int, training: HeadTraining | None = None) -> None:
        self._embedding = embedding
        self._seed = seed
        self._training = training or HeadTraining()
        self._heads: list[AttentionHead] = []
        self._processes: list[SingleTaskGP] = []

    def fit(self, crystals: Sequence[Crystal], moduli: Sequence[Moduli]) -> None:
        """Train on labelled crystals.

        Args:
            crystals: at least ``MIN_LABELS``.
            moduli: their K and G, same order.

        Raises:
            ValueError: with fewer labels than ``MIN_LABELS``.
        """
        if len(crystals) < MIN_LABELS:
            raise ValueError(
                f"the crystal surrogate needs at least {MIN_LABELS} labelled crystals, got {len(crystals)}"
            )
        targets = np.log(np.array([[m.bulk, m.shear] for m in moduli]))
        self._mean, self._std = targets.mean(axis=0), targets.std(axis=0)
        scaled = (targets - self._mean) / self._std
        pooled = self._pool(crystals)
        self._pool_scale = float(np.sqrt(pooled[:, :-1].var(axis=0).sum()))
        features = self.features(crystals)
        self._trained_on = features
        self._processes = [_fit_process(features, scaled[:, j]) for j in range(2)]
        gp_mean, gp_var = zip(*(_leave_one_out(gp) for gp in self._processes), strict=True)
        head_mean, head_var = self._fit_heads(crystals, scaled)
        mean = (np.stack(gp_mean, axis=1) + head_mean) / 2
        variance = (np.stack(gp_var, axis=1) + head_var) / 2
        z = (scaled - mean) / np.sqrt(variance)
        self._scale = np.sqrt(np.mean(z**2, axis=0))
        self._correlation = float(np.clip(np.corrcoef(z.T)[0, 1], -0.95, 0.95))

    def predict(self, crystals: Sequence[Crystal]) -> ModuliPosterior:
        """Joint posterior of (ln K, ln G) for each crystal, independent between crystals."""
        features = torch.from_numpy(self.features(crystals))
        batch = crystal_batch(crystals, self._embedding)
        with torch.no_grad(), gpytorch.settings.fast_pred_var(False):
            posteriors = [gp.posterior(features, observation_noise=True) for gp in self._processes]
            gp_mean = torch.cat([p.mean for p in posteriors], dim=1).numpy()
            gp_var = torch.cat([p.variance for p in posteriors], dim=1).numpy()
            outputs = [head(batch) for head in self._heads]
        means = np.stack([m.double().numpy() for m, _ in outputs])
        variances = np.stack([(2 * s).exp().double().numpy() for _, s in outputs])
        mean = (gp_mean + means.mean(axis=0)) / 2
        variance = (gp_var + variances.mean(axis=0) + means.var(axis=0)) / 2
        std = np.sqrt(variance) * self._scale * self._std
        correlation = np.array([[1.0, self._correlation], [self._correlation, 1.0]])
        return ModuliPosterior(mean * self._std + self._mean, std[:, :, None] * correlation * std[:, None, :])

    def reach(self, crystals: Sequence[Crystal]) -> tuple[FloatArray, Reach]:
        """How far crystals are from the labelled ones, and how far those are from each other.

        Distances are between features, over the shorter of both processes' lengthscales; the nearest counts.
        """
        scale = min(float(gp.covar_module.base_kernel.lengthscale.detach()) for gp in self._processes)
        known = np.unique(self._trained_on, axis=0) / scale
        return apart(self.features(crystals) / scale, known), Reach.of(apart(known))

    def features(self, crystals: Sequence[Crystal]) -> FloatArray:
        """Pooled description of each crystal on which distances are meaningful, ``n x (2 N_COMPONENTS + 1)``."""
        pooled = self._pool(crystals)
        pooled[:, :-1] /= self._pool_scale
        return pooled

    def _pool(self, crystals: Sequence[Crystal]) -> FloatArray:
        rows = []
        for crystal in crystals:
            atoms = self._embedding.features(crystal).astype(np.float64)
            state = [STATE_WEIGHT * np.log(crystal.volume / crystal.n_atoms)]
            rows.append(np.concatenate([atoms.mean(axis=0), atoms.std(axis=0), state]))
        return np.array(rows)

    def _fit_heads(self, crystals: Sequence[Crystal], scaled: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Train one head a fold; return out-of-fold means and variances, each ``n x 2``."""
        graphs = [crystal_graph(c, self._embedding.features(c)) for c in crystals]
        targets = torch.from_numpy(scaled).float()
        fold = np.random.default_rng(self._seed).permutation(len(crystals)) % N_HEADS
        mean, variance = np.zeros_like(scaled), np.zeros_like(scaled)
        self._heads = []
        for k in range(N_HEADS):
            inside, outside = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            head = _train_head([graphs[i] for i in inside], targets[inside], self._training, self._seed * 1000 + k)
            with torch.no_grad():
                out_mean, out_log_std = head(Batch.from_data_list([graphs[i] for i in outside]))
            mean[outside], variance[outside] = out_mean.numpy(), (2 * out_log_std).exp().numpy()
            self._heads.append(head)
        return mean, variance


def _train_head(graphs: list[Batch], targets: Tensor, training: HeadTraining, seed: int) -> AttentionHead:
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = AttentionHead(training.hidden)
        optimiser = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=training.weight_decay)
        n_batches = -(-len(graphs) // training.batch_size)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, training.learning_rate, total_steps=training.epochs * n_batches
        )
        for epoch in range(training.epochs):
            order = rng.permutation(len(graphs))
            for chunk in np.array_split(order, n_batches):
                mean, log_std = head(Batch.from_data_list([graphs[i] for i in chunk]))
                if epoch < training.epochs // 3:
                    # The spread is learned once the mean has settled: otherwise noise explains what fitting could.
                    log_std = torch.zeros_like(log_std)
                error = (mean - targets[chunk]) * torch.exp(-log_std)
                loss = (log_std + 0.5 * error**2).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
    return head.eval()


def _fit_process(features: FloatArray, targets: FloatArray) -> SingleTaskGP:
    kernel = gpytorch.kernels.ScaleKernel(
        gpytorch.kernels.MaternKernel(nu=2.5, lengthscale_prior=gpytorch.priors.LogNormalPrior(0.0, 1.0))
    )
    model = SingleTaskGP(
        torch.from_numpy(features), torch.from_numpy(targets)[:, None], covar_module=kernel, outcome_transform=None
    )
    return fit_exact_gp(model, "a crystal modulus")


def _leave_one_out(model: SingleTaskGP) -> tuple[FloatArray, FloatArray]:
    """Leave-one-out predictive means and variances (with noise) at the training points."""
    with torch.no_grad():
        x, y = model.train_inputs[0], model.train_targets
        covariance = model.covar_module(x).to_dense() + model.likelihood.noise * torch.eye(len(x), dtype=x.dtype)
        inverse = torch.linalg.inv(covariance)
        centred = y - model.mean_module(x)
        variance = 1.0 / inverse.diagonal()
        return (y - inverse @ centred * variance).numpy(), variance.numpy()

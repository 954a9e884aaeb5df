"""Statistics of experiments that share crystals: a linear mixed model about the point where a law was linearised.

``w = J beta + Z u + e``: each crystal deviates by its own u, each experiment by its own e. Laird and Ware, Biometrics
38, 963 (1982); for laws that are not linear, Lindstrom and Bates, Biometrics 46, 673 (1990).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from surrogates.structure_property.points import Array, IntArray

SMALLEST, LARGEST = 1e-4, 3.0
"""Of the standard deviations, in ln(property)."""
SEARCH = {"xatol": 5e-3, "fatol": 1e-4, "maxfev": 200}


@dataclass(frozen=True)
class Linear:
    """A law linearised at its fit; all in ln(property).

    Args:
        working: what was measured less the law at the means of its crystals, ``(n,)``.
        slopes: J, ``(n, p)``.
        share: derivative by the logarithm of the crystal's dense value, ``(n,)``.
        variance: of each experiment by the uncertainties of its readings, without scatter, ``(n,)``.
        group: crystal's number, ``(n,)``.
        kind: which spread the crystal has, ``(n,)``.
        shares: whether crystals deviate at all: False where there is one dense value.
    """

    working: Array
    slopes: Array
    share: Array
    variance: Array
    group: IntArray
    kind: IntArray
    shares: bool

    def without(self, row: int) -> Linear:
        """All but one experiment."""
        keep = np.arange(len(self.working)) != row
        return Linear(
            self.working[keep], self.slopes[keep], self.share[keep], self.variance[keep], self.group[keep],
            self.kind[keep], self.shares,
        )  # fmt: skip

    def covariance(self, scatter: float, spread: Array) -> Array:
        """V of ``working``, ``(n, n)``."""
        v = np.diag(self.variance + scatter**2)
        if self.shares:
            loads = self.share * spread[self.kind]
            v += np.where(self.group[:, None] == self.group[None, :], np.outer(loads, loads), 0.0)
        return v


def variances(linear: Linear, scatter: float, spread: Array) -> tuple[float, Array]:
    """Scatter of experiments and spread of crystals (standard deviations), by restricted maximum likelihood.

    Patterson and Thompson, Biometrika 58, 545 (1971).

    Args:
        linear: the linearised law.
        scatter: where to begin.
        spread: likewise, by kind of crystal.
    """
    start = np.log(np.clip([scatter, *(spread if linear.shares else ())], 2 * SMALLEST, LARGEST / 2))

    def cost(logs: Array) -> float:
        sds = np.exp(np.clip(logs, np.log(SMALLEST), np.log(LARGEST)))
        return -_likelihood(linear, float(sds[0]), sds[1:] if linear.shares else spread, restricted=True)

    found = optimize.minimize(cost, start, method="Nelder-Mead", options=SEARCH)
    sds = np.exp(np.clip(found.x, np.log(SMALLEST), np.log(LARGEST)))
    return float(sds[0]), sds[1:] if linear.shares else spread


def log_likelihood(linear: Linear, scatter: float, spread: Array) -> float:
    """Marginal log likelihood of the measurements with constants as fitted, crystals' deviations integrated out."""
    return _likelihood(linear, scatter, spread, restricted=False)


def _likelihood(linear: Linear, scatter: float, spread: Array, *, restricted: bool) -> float:
    factor = linalg.cho_factor(linear.covariance(scatter, spread), lower=True)
    logdet = 2.0 * float(np.log(np.diag(factor[0])).sum())
    w, j = linear.working, linear.slopes
    if not restricted:
        return -0.5 * float(logdet + w @ linalg.cho_solve(factor, w) + len(w) * np.log(2.0 * np.pi))
    vj = linalg.cho_solve(factor, j)
    information = j.T @ vj
    beta = np.linalg.lstsq(information, vj.T @ w, rcond=None)[0]
    r = w - j @ beta
    return -0.5 * float(logdet + np.linalg.slogdet(information)[1] + r @ linalg.cho_solve(factor, r))


def parameter_covariance(linear: Linear, scatter: float, spread: Array) -> Array:
    """Covariance ``(p, p)`` of the constants: ``(J' V^-1 J)^-1``."""
    v = linear.covariance(scatter, spread)
    return np.asarray(np.linalg.pinv(linear.slopes.T @ np.linalg.solve(v, linear.slopes), hermitian=True))


def fitted_std(linear: Linear, scatter: float, spread: Array) -> Array:
    """Standard deviation of the fitted ln(property) of each experiment, its crystal's own value included, ``(n,)``.

    From the inverse of the mixed model equations: Henderson, Biometrics 31, 423 (1975).
    """
    design = linear.slopes
    prior = np.zeros(design.shape[1])
    if linear.shares:
        loads = linear.share * spread[linear.kind]
        own = loads[:, None] * (linear.group[:, None] == np.arange(int(linear.group.max()) + 1))
        design, prior = np.hstack([design, own]), np.concatenate([prior, np.ones(own.shape[1])])
    weighted = design / (linear.variance + scatter**2)[:, None]
    covariance = np.linalg.pinv(design.T @ weighted + np.diag(prior), hermitian=True)
    return np.asarray(np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", design, covariance, design), 0.0)))


def left_out(linear: Linear, scatter: float, spread: Array) -> tuple[Array, Array]:
    """What each experiment deviates from what all others say of it, and the standard deviation of that, ``(n,)`` each.

    With the projection Q = V^-1 - V^-1 J (J' V^-1 J)^-1 J' V^-1 it is (Q w)_i / Q_ii, of variance 1 / Q_ii: Dubrule,
    Math. Geol. 15, 687 (1983).
    """
    inverse = np.linalg.inv(linear.covariance(scatter, spread))
    vj = inverse @ linear.slopes
    q = inverse - vj @ np.linalg.pinv(linear.slopes.T @ vj, hermitian=True) @ vj.T
    own = np.maximum(np.diag(q), 1e-12)
    return np.asarray(q @ linear.working / own), np.asarray(own**-0.5)

"""One law fitted to a campaign, with uncertainties of the property and of the descriptors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import optimize, special

from surrogates.structure_property import mixed
from surrogates.structure_property.forms import Form
from surrogates.structure_property.points import Array, IntArray, Points

ROUNDS = 15
Use = Literal["nothing", "choice", "value"]
"""What is used of predictions: nothing, that crystals were chosen by them (which makes no fair sample), or values."""
REPEATS = 3
"""Experiments more than crystals from which each crystal has a dense value of its own: scatter is told by repeats."""
SUSPECT = 2.0
"""Standardised residual from which an experiment is judged by variances that were found without it."""
STEP = 1e-5


@dataclass(frozen=True)
class Crystals:
    """Which experiments share a dense value, and what is known of it beforehand.

    Args:
        names: of the groups, c of them.
        group: of each experiment, ``(n,)``.
        kind: of each group: number of the mean about which its dense value lies, ``(c,)``.
        offset: ln of the dense value that was predicted, 0 where none was, ``(c,)``.
        means: name of each mean: ``dense`` (of groups that nobody predicted, or of all), ``chosen`` (of those that were
            predicted: a planner chose them because they promised much) or ``ratio`` (of those to their predictions).
        shares: whether groups have values of their own: there are several, with ``REPEATS`` repeats among them.
    """

    names: tuple[str, ...]
    group: IntArray
    kind: IntArray
    offset: Array
    means: tuple[str, ...]
    shares: bool

    @staticmethod
    def of(points: Points, use: Use) -> Crystals:
        """The groups of experiments."""
        names = tuple(dict.fromkeys(points.group))
        group = np.array([names.index(g) for g in points.group], dtype=np.int64)
        first = np.array([int(np.argmax(group == i)) for i in range(len(names))])
        predicted = points.predicted[first]
        told = np.isfinite(predicted) & (len(names) > 1)
        told &= use != "nothing"
        words = "ratio" if use == "value" else "chosen"
        means = tuple(m for m, there in (("dense", not told.all()), (words, told.any())) if there)
        kind = np.where(told, len(means) - 1, 0).astype(np.int64)
        offset = np.log(np.where(told & (use == "value"), predicted, 1.0))
        return Crystals(names, group, kind, offset, means, 1 < len(names) <= len(points) - REPEATS)


@dataclass(frozen=True)
class Fitted:
    """A law with its constants.

    Args:
        form: the law.
        points: what it was fitted to.
        crystals: of these.
        constants: ln of each mean of ``crystals.means``, then the parameters of the form, ``(p,)``.
        covariance: of these, ``(p, p)``.
        log_dense: ln of each group's dense value, ``(c,)``.
        scatter: standard deviation of ln(property) that no uncertainty of a reading explains.
        spread: standard deviation of ln(dense value) between groups, by mean.
        fitted: the law at each experiment, ``(n,)``.
        fitted_std: standard deviation of ln of that, ``(n,)``.
        total_std: standard deviation of ln(property) about the law, by all uncertainties and the scatter, ``(n,)``.
        left: ln(measured / predicted from all others), ``(n,)``.
        z: the same as a normal score: the standardised residual, ``(n,)``.
        aicc: corrected Akaike criterion (Hurvich and Tsai, Biometrika 76, 297, 1989); smaller is better.
    """

    form: Form
    points: Points
    crystals: Crystals
    constants: Array
    covariance: Array
    log_dense: Array
    scatter: float
    spread: Array
    fitted: Array
    fitted_std: Array
    total_std: Array
    left: Array
    z: Array
    aicc: float

    @property
    def theta(self) -> Array:
        """The form's own parameters."""
        return self.constants[len(self.crystals.means) :]

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the constants' intervals: experiments within crystals, less the form's parameters."""
        own = len(self.crystals.names) if self.crystals.shares else len(self.crystals.means)
        return max(len(self.points) - own - len(self.form.parameters), 1)

    @property
    def r2(self) -> float:
        """Share of the variance of ln(property) that the law explains, each crystal with its own dense value."""
        y = np.log(self.points.value)
        return 1.0 - float(np.sum((y - np.log(self.fitted)) ** 2) / np.sum((y - y.mean()) ** 2))

    @property
    def r2_left_out(self) -> float:
        """The same for each experiment as all others predict it; below 0 where their mean would do better."""
        y = np.log(self.points.value)
        others = (y - y.mean()) * len(y) / (len(y) - 1)
        return 1.0 - float(np.sum(self.left**2) / np.sum(others**2))

    def curve(self, x: Mapping[str, Array], log_dense: float) -> tuple[Array, Array]:
        """The law along given descriptors at one dense value, and the standard deviation of its ln.

        The deviation is by the parameters; where all experiments share one dense value, by that value too.

        Args:
            x: descriptors by name, ``(m,)`` each.
            log_dense: ln of the dense value.
        """
        n = len(next(iter(x.values())))
        skip, dense = len(self.crystals.means), np.full(n, log_dense)
        if len(self.crystals.means) == 1 and not self.crystals.shares:
            at, skip = np.concatenate([[0.0], self.theta]), 0
            slopes = _slopes(lambda t: self.form.log_value(dense + t[0], t[1:], x), at)
        else:
            slopes = _slopes(lambda t: self.form.log_value(dense, t, x), self.theta)
        cov = self.covariance[skip:, skip:]
        std = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", slopes, cov, slopes), 0.0))
        return np.exp(self.form.log_value(dense, self.theta, x)), std


@dataclass
class _State:
    """Where a fit stands: ``q`` holds constants, then the crystals' deviations in units of their spread."""

    q: Array
    scatter: float
    spread: Array


def fit(points: Points, form: Form, use: Use = "nothing", *, scattered: bool = True) -> Fitted:
    """Fit a law in ln(property): orthogonal distances, a dense value for each crystal, and scatter.

    The constants minimise the squared distances weighted by the variance of the property and, through the law's
    slopes, of the descriptors (effective variance: York, Can. J. Phys. 44, 1079, 1966; Orear, Am. J. Phys. 50, 912,
    1982). Crystals' dense values scatter about a mean (``mixed``), and what the uncertainties leave unexplained is a
    scatter that is fitted too (Tremaine et al., Astrophys. J. 574, 740, 2002).

    Args:
        points: at least two more than the form's parameters and one dense value.
        form: whose descriptors the points have.
        use: of predictions.
        scattered: whether there may be scatter beyond the uncertainties; False takes these as they are.

    Raises:
        ValueError: there are too few points.
    """
    crystals = Crystals.of(points, use)
    n_constants = len(crystals.means) + len(form.parameters)
    if len(points) < n_constants + 2:
        raise ValueError(f"{form.name}: {len(points)} experiments for {n_constants} constants")
    state = _begin(points, form, crystals)
    if not scattered:
        state.scatter, crystals = 0.0, replace(crystals, shares=False)
        state.q = state.q[:n_constants]
    for _ in range(ROUNDS if scattered else 0):
        before = np.array([state.scatter, *state.spread])
        _step(points, form, crystals, state)
        linear = _linear(points, form, crystals, state)
        state.scatter, state.spread = mixed.variances(linear, state.scatter, state.spread)
        now = np.array([state.scatter, *state.spread])
        if np.all(np.abs(now - before) < 5e-3 * now + 1e-3):
            break
    _step(points, form, crystals, state)
    return _finished(points, form, crystals, state)


def _begin(points: Points, form: Form, crystals: Crystals) -> _State:
    """The least squares of ln(property) alone: far from there the weighted distances have other minima."""
    y, kinds = np.log(points.value), crystals.kind[crystals.group]
    scale = _scale(points, form)
    theta = np.array([p.start for p in form.parameters]) * scale
    rest = y - form.log_value(crystals.offset[crystals.group], theta, points.x)
    n_means = len(crystals.means)
    means = [float(np.median(rest[kinds == k])) for k in range(n_means)]

    def cost(q: Array) -> Array:
        log_dense = (q[:n_means][crystals.kind] + crystals.offset)[crystals.group]
        return y - form.log_value(log_dense, q[n_means:], points.x)

    low, high = _bounds(form, scale, n_means, 0)
    found = optimize.least_squares(cost, np.concatenate([means, theta]), bounds=(low, high), x_scale="jac")
    spread = np.full(n_means, max(float(found.fun.std()), 0.05))
    own = np.zeros(len(crystals.names) if crystals.shares else 0)
    return _State(np.concatenate([found.x, own]), 0.1, spread)


def _scale(points: Points, form: Form) -> Array:
    """What the starts and bounds of a form's parameters are multiplied with."""
    middle = float(np.median(points.value))
    return np.array([middle if "{}" in p.unit else 1.0 for p in form.parameters])


def _bounds(form: Form, scale: Array, n_means: int, n_own: int) -> tuple[Array, Array]:
    low, high = np.array([p.low for p in form.parameters]), np.array([p.high for p in form.parameters])
    free, own = np.full(n_means, np.inf), np.full(n_own, np.inf)
    return np.concatenate([-free, low * scale, -own]), np.concatenate([free, high * scale, own])


def _log_dense(crystals: Crystals, q: Array, spread: Array) -> Array:
    """Logarithm of each group's dense value."""
    found = q[: len(crystals.means)][crystals.kind] + crystals.offset
    return found + spread[crystals.kind] * q[-len(crystals.names) :] if crystals.shares else found


def _theta(form: Form, crystals: Crystals, q: Array) -> Array:
    start = len(crystals.means)
    return q[start : start + len(form.parameters)]


def _step(points: Points, form: Form, crystals: Crystals, state: _State) -> None:
    """Constants and deviations that are the most probable at the present variances."""
    y, n_means = np.log(points.value), len(crystals.means)
    n_own = len(crystals.names) if crystals.shares else 0

    def cost(q: Array) -> Array:
        log_dense, theta = _log_dense(crystals, q, state.spread)[crystals.group], _theta(form, crystals, q)
        variance = _reading_variance(points, form, log_dense, theta) + state.scatter**2
        misses = (y - form.log_value(log_dense, theta, points.x)) / np.sqrt(variance)
        return np.concatenate([misses, q[len(q) - n_own :]])

    low, high = _bounds(form, _scale(points, form), n_means, n_own)
    state.q = optimize.least_squares(
        cost, np.clip(state.q, low + 1e-9, high - 1e-9), bounds=(low, high), x_scale="jac", ftol=1e-7, max_nfev=40
    ).x


def _reading_variance(points: Points, form: Form, log_dense: Array, theta: Array) -> Array:
    """Variance of ln(property) by the uncertainties of the property and, through the law, of its descriptors."""
    found = (points.std / points.value) ** 2
    for name in form.descriptors:
        size = STEP * np.maximum(np.abs(points.x[name]), STEP if name != "porosity" else 1.0)
        up = form.log_value(log_dense, theta, {**points.x, name: points.x[name] + size})
        down = form.log_value(log_dense, theta, {**points.x, name: points.x[name] - size})
        found = found + ((up - down) / (2.0 * size) * points.x_std[name]) ** 2
    return np.asarray(np.maximum(found, 1e-10))


def _slopes(function: Callable[[Array], Array], at: Array) -> Array:
    """Derivatives of n values by p numbers, ``(n, p)``."""
    columns = []
    for i, value in enumerate(at):
        size = STEP * max(abs(float(value)), 1.0)
        up, down = at.copy(), at.copy()
        up[i] += size
        down[i] -= size
        columns.append((function(up) - function(down)) / (2.0 * size))
    return np.column_stack(columns) if columns else np.zeros((len(function(at)), 0))


def _linear(points: Points, form: Form, crystals: Crystals, state: _State) -> mixed.Linear:
    q, group = state.q, crystals.group
    kind, n_fixed = crystals.kind[group], len(crystals.means) + len(form.parameters)
    log_dense, theta = _log_dense(crystals, q, state.spread)[group], _theta(form, crystals, q)
    value = form.log_value(log_dense, theta, points.x)
    share = _slopes(lambda s: form.log_value(log_dense + s[0], theta, points.x), np.zeros(1))[:, 0]
    means = [share * (kind == k) for k in range(len(crystals.means))]
    own = _slopes(lambda t: form.log_value(log_dense, t, points.x), theta)
    deviation = state.spread[kind] * q[n_fixed:][group] if crystals.shares else np.zeros(len(points))
    return mixed.Linear(
        working=np.log(points.value) - value + share * deviation,
        slopes=np.column_stack([*means, own]),
        share=share,
        variance=_reading_variance(points, form, log_dense, theta),
        group=group,
        kind=kind,
        shares=crystals.shares,
    )


def _finished(points: Points, form: Form, crystals: Crystals, state: _State) -> Fitted:
    linear = _linear(points, form, crystals, state)
    covariance = mixed.parameter_covariance(linear, state.scatter, state.spread)
    left, z = _left_out(linear, state, crystals)
    n_fixed = len(crystals.means) + len(form.parameters)
    log_dense, theta = _log_dense(crystals, state.q, state.spread), _theta(form, crystals, state.q)
    k = n_fixed + 1 + (len(crystals.means) if crystals.shares else 0)
    room = len(points) - k - 1
    aicc = 2.0 * (k - mixed.log_likelihood(linear, state.scatter, state.spread))
    return Fitted(
        form, points, crystals, state.q[:n_fixed], covariance, log_dense, state.scatter,
        state.spread if crystals.shares else np.zeros(len(crystals.means)),
        fitted=np.exp(form.log_value(log_dense[crystals.group], theta, points.x)),
        fitted_std=mixed.fitted_std(linear, state.scatter, state.spread),
        total_std=np.sqrt(linear.variance + state.scatter**2), left=left, z=z,
        aicc=aicc + 2.0 * k * (k + 1) / room if room > 0 else float("inf"),
    )  # fmt: skip


def _left_out(linear: mixed.Linear, state: _State, crystals: Crystals) -> tuple[Array, Array]:
    """Deviations from what all others say, in ln(property) and as normal scores.

    An experiment that lies far off would hide in the scatter that it makes: such a one is judged by variances that are
    fitted without it, and by Student's t of as many degrees of freedom as are left (Cook and Weisberg, Residuals and
    Influence in Regression, 1982).
    """
    left, std = mixed.left_out(linear, state.scatter, state.spread)
    z = left / std
    own = len(crystals.names) if crystals.shares else 1
    freedom = max(len(left) - own - (linear.slopes.shape[1] - len(crystals.means)) - 1, 1)
    for row in np.flatnonzero(np.abs(z) > SUSPECT):
        scatter, spread = mixed.variances(linear.without(int(row)), state.scatter, state.spread)
        others, others_std = mixed.left_out(linear, scatter, spread)
        t = float(others[row] / others_std[row])
        left[row] = others[row]
        z[row] = -np.sign(t) * special.ndtri(max(special.stdtr(freedom, -abs(t)), 1e-300))
    return left, z

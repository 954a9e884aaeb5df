"""Which law describes a campaign best, or what is missing for any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.errors import LabwrightError
from surrogates.structure_property.fitting import Fitted, fit
from surrogates.structure_property.forms import Form
from surrogates.structure_property.points import Points

SPARE = 2
"""Experiments more than constants that a fit needs."""
FEWEST = 3
"""Crystals that a mean of their dense values needs."""
OUTLIER = 3.0
"""Standardised residual from which an experiment is named."""


class TooLittleError(LabwrightError):
    """The experiments do not determine a law; the message says what is missing."""


@dataclass(frozen=True)
class Relation:
    """The law that describes the experiments best, and the others.

    Args:
        best: of the smallest AICc.
        alternatives: the others that could be fitted, best first.
        notes: what a reader must know, such as a law that the experiments cannot tell.
    """

    best: Fitted
    alternatives: tuple[Fitted, ...]
    notes: tuple[str, ...]

    @property
    def outliers(self) -> list[int]:
        """Rows of the experiments that lie further than ``OUTLIER`` from what all others say."""
        return [i for i, z in enumerate(self.best.z) if abs(z) > OUTLIER]


def relate(points: Points, forms: Sequence[Form], words: str = "the property") -> Relation:
    """Fit every law that the experiments determine, and take the one of the smallest AICc.

    Args:
        points: the experiments.
        forms: laws for the property, at least one of which needs the porosity alone.
        words: the property in a sentence.

    Raises:
        TooLittleError: too few experiments, or bodies that all have the same porosity.
    """
    _check(points, forms, words)
    notes, fits = [], []
    for form in forms:
        if not set(form.descriptors) <= set(points.x):
            continue
        flat = [name for name in form.descriptors if not points.varies(name)]
        needed = _needed(form)
        if flat:
            notes.append(f"{form.formula} is not fitted: {_flat_words(flat)} within the uncertainties")
        elif len(points) < needed:
            notes.append(f"{form.formula} is not fitted: it needs {needed} experiments, there are {len(points)}")
        else:
            fits.append(_fit(points, form))
    fits.sort(key=lambda f: f.aicc)
    return Relation(fits[0], tuple(fits[1:]), (*_crystal_notes(fits[0]), *_limits(fits[0]), *notes))


def _fit(points: Points, form: Form) -> Fitted:
    """A law, with the values that were predicted for crystals or without, whichever describes the experiments better.

    Crystals that a planner chose are harder than those drawn at the start, and denser: with one mean for both, pores
    would be blamed for what the choice did. Where there are enough of either, each has a mean of its own.
    """
    told = {g for g, value in zip(points.group, points.predicted, strict=True) if np.isfinite(value)}
    others = set(points.group) - told
    enough = len(told) >= FEWEST and (not others or len(others) >= FEWEST)
    if not enough or len(points) < _needed(form) + 1:
        return fit(points, form)
    return min(fit(points, form, "choice"), fit(points, form, "value"), key=lambda f: f.aicc)


def _needed(form: Form) -> int:
    return 1 + len(form.parameters) + SPARE


def _check(points: Points, forms: Sequence[Form], words: str) -> None:
    simplest = min((f for f in forms if f.descriptors == ("porosity",)), key=lambda f: len(f.parameters) or 9)
    needed = _needed(simplest)
    if len(points) < needed:
        raise TooLittleError(
            f"{simplest.formula} needs {needed} experiments with {words} and an accepted image, there "
            f"{'is' if len(points) == 1 else 'are'} {len(points)}: make {needed - len(points)} more"
        )
    if not points.varies("porosity"):
        p, std = points.x["porosity"], points.x_std["porosity"]
        raise TooLittleError(
            f"all {len(points)} bodies have the same porosity within its uncertainty ({p.min():.1%} to {p.max():.1%}, "
            f"each ± {std.mean():.1%}), so nothing can be said of what pores do: make some at lower temperatures or "
            "shorter holds"
        )


def _flat_words(names: Sequence[str]) -> str:
    words = " and ".join(n.replace("_", " ") for n in names)
    return f"the {words} {'are' if len(names) > 1 else 'is'} the same in all bodies"


def _crystal_notes(fitted: Fitted) -> list[str]:
    crystals = fitted.crystals
    n, made_twice = len(crystals.names), sum(fitted.points.group.count(g) > 1 for g in crystals.names)
    if n == 1:
        return []
    n_told = int((crystals.kind == len(crystals.means) - 1).sum()) if "ratio" in crystals.means else 0
    told = f", about the value predicted for {n_told} of them" if n_told else ""
    if not crystals.shares:
        repeats = len(fitted.points) - n
        again = {0: "none of them again", 1: "one of them again"}.get(repeats, f"{repeats} times one of them again")
        apart = "the scatter holds what sets them apart; repeat some crystals with other processes"
        return [f"{n} crystals were made, and {again}: they count as one material{told}, and {apart}"]
    carried = f"the {made_twice} made more than once carry most of what is known of pores and grains"
    return [f"each of the {n} crystals has a dense value of its own{told}; {carried}"]


def _limits(fitted: Fitted) -> list[str]:
    at = [
        p.name
        for p, value in zip(fitted.form.parameters, fitted.theta, strict=True)
        if min(abs(value - p.low), abs(p.high - value)) < 1e-3 * max(1.0, abs(value)) and "{}" not in p.unit
    ]
    return [f"{', '.join(at)} ended at the limit of what the law allows: its uncertainty means little"] if at else []

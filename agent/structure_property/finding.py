"""The relations of a campaign, and their plain form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import special

from agent.journal import Stored
from agent.structure_property.reading import Measured, measured
from surrogates.structure_property.choosing import OUTLIER, Relation, TooLittleError, relate
from surrogates.structure_property.fitting import Fitted
from surrogates.structure_property.forms import forms_of

COVERAGE = 0.9
"""Of the intervals of constants."""
RATIO = "c"
"""Symbol of the mean ratio of a crystal's dense value to the one that was predicted for it."""


@dataclass(frozen=True)
class Found:
    """The laws fitted to one property of a campaign."""

    data: Measured
    relation: Relation

    @property
    def name(self) -> str:
        """The property."""
        return self.data.name

    @property
    def unit(self) -> str:
        """Its UCUM unit; empty where the journal does not say."""
        return self.data.unit

    @property
    def best(self) -> Fitted:
        """The law that describes the experiments best."""
        return self.relation.best

    @property
    def constants(self) -> list[Constant]:
        """Of the best law."""
        return constants(self.best, self.unit)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        return (*self.relation.notes, *self.data.notes)


@dataclass(frozen=True)
class Missing:
    """No law is fitted.

    Args:
        name: the property; empty where none was measured.
        unit: UCUM.
        n: experiments that count.
        words: what is missing.
    """

    name: str
    unit: str
    n: int
    words: str


@dataclass(frozen=True)
class Constant:
    """A fitted constant with its standard error and 90% interval."""

    name: str
    value: float
    std: float
    low: float
    high: float
    unit: str
    words: str = ""


def find(stored: Iterable[Stored]) -> list[Found | Missing]:
    """Fit what a campaign measured; one entry a property, or one that says what is missing where there is none."""
    try:
        properties = measured(stored)
    except TooLittleError as error:
        return [Missing("", "", 0, str(error))]
    return [_of(one) for one in properties.values()]


def _of(data: Measured) -> Found | Missing:
    forms, n = forms_of(data.name), len(data.points)
    if not forms:
        words = f"no published law is kept here for {data.name!r}; there are laws for hardness, moduli and strength"
        return Missing(data.name, data.unit, n, words)
    try:
        return Found(data, relate(data.points, forms, data.name))
    except TooLittleError as error:
        return Missing(data.name, data.unit, n, str(error))


def constants(fitted: Fitted, unit: str) -> list[Constant]:
    """All constants of a law; intervals by Student's t, those of dense values in their logarithm."""
    std = np.sqrt(np.diag(fitted.covariance))
    wide = float(special.stdtrit(fitted.freedom, 0.5 + COVERAGE / 2.0))
    made = []
    for i, mean in enumerate(fitted.crystals.means):
        value, error = float(np.exp(fitted.constants[i])), float(std[i])
        known = {
            "dense": (fitted.form.dense, unit, _dense_words(fitted)),
            "chosen": (f"{fitted.form.dense}_chosen", unit, "of crystals that the models chose, geometric mean"),
            "ratio": (RATIO, "1", f"{fitted.form.dense} over its prediction, geometric mean"),
        }[mean]
        factor = float(np.exp(wide * error))
        made.append(Constant(known[0], value, value * error, value / factor, value * factor, known[1], known[2]))
    for p, value, error in zip(fitted.form.parameters, fitted.theta, std[len(made) :], strict=True):
        half = wide * float(error)
        made.append(
            Constant(p.name, float(value), float(error), float(value) - half, float(value) + half,
                     p.unit.format(unit).strip() if "{}" in p.unit else p.unit)
        )  # fmt: skip
    return made


def _dense_words(fitted: Fitted) -> str:
    if len(fitted.crystals.names) == 1:
        return ""
    return "of crystals drawn at the start, geometric mean" if len(fitted.crystals.means) > 1 else "geometric mean"


def plain(found: Found | Missing) -> dict[str, object]:
    """A relation for JSON."""
    head: dict[str, object] = {"property": found.name, "unit": found.unit, "fitted": isinstance(found, Found)}
    if isinstance(found, Missing):
        return {**head, "missing": found.words, "n": found.n}
    best = found.best
    std = np.sqrt(np.diag(best.covariance))
    return {
        **head,
        **_plain_law(best, found.unit),
        "correlation": _finite((best.covariance / np.outer(std, std)).tolist()),
        "n": len(best.points),
        "n_groups": len(best.crystals.names),
        "scatter": best.scatter,
        "spread": best.spread.tolist(),
        "dense_values": _dense_values(best, found.data),
        "residuals": _residuals(best, found.data),
        "outliers": [best.points.ids[i] for i in found.relation.outliers],
        "alternatives": [_plain_law(f, found.unit) for f in found.relation.alternatives],
        "notes": list(found.notes),
    }


def _plain_law(fitted: Fitted, unit: str) -> dict[str, object]:
    return {
        "law": fitted.form.name,
        "formula": fitted.form.formula,
        "citation": fitted.form.citation,
        "parameters": {
            c.name: {"value": c.value, "std": c.std, "low": c.low, "high": c.high, "unit": c.unit, "of": c.words}
            for c in constants(fitted, unit)
        },
        "r2": fitted.r2,
        "r2_left_out": fitted.r2_left_out,
        "rms_left_out": float(np.sqrt(np.mean(fitted.left**2))),
        "aicc": fitted.aicc if np.isfinite(fitted.aicc) else None,
    }


def _finite(rows: list[list[float]]) -> list[list[float | None]]:
    return [[x if np.isfinite(x) else None for x in row] for row in rows]


def _dense_values(fitted: Fitted, data: Measured) -> list[dict[str, object]]:
    points = fitted.points
    return [
        {
            "crystal": name,
            "formula": data.formulas[points.group.index(name)],
            "value": float(np.exp(fitted.log_dense[i])),
            "n": points.group.count(name),
        }
        for i, name in enumerate(fitted.crystals.names)
    ]


def _residuals(fitted: Fitted, data: Measured) -> list[dict[str, object]]:
    points = fitted.points
    return [
        {
            "experiment": points.ids[i],
            "formula": data.formulas[i],
            "crystal": points.group[i],
            **{n: [float(points.x[n][i]), float(points.x_std[n][i])] for n in points.x},
            "measured": [float(points.value[i]), float(points.std[i])],
            "fitted": [float(fitted.fitted[i]), float(fitted.fitted[i] * fitted.fitted_std[i])],
            "from_others": float(points.value[i] * np.exp(-fitted.left[i])),
            "residual": float(points.value[i] - fitted.fitted[i]),
            "z": float(fitted.z[i]),
            "outlier": bool(abs(fitted.z[i]) > OUTLIER),
        }
        for i in range(len(points))
    ]

"""What the models know of a design, as messages have it: plain, and rounded to what anybody reads."""

from __future__ import annotations

from instruments.profile.model_messages import Domain, EffectPoint, FactorEffect
from surrogates.applicability import Standing
from surrogates.factor_effects import FactorCurve

DIGITS = 6
"""Significant digits: more would only make messages longer."""


def significant(number: float) -> float:
    """A number to ``DIGITS`` significant digits."""
    return float(f"{number:.{DIGITS}g}")


def effect_of(curve: FactorCurve) -> FactorEffect:
    """A factor's effect as it is told."""
    found = zip(curve.levels, curve.median, curve.low, curve.high, strict=True)
    points = tuple(
        EffectPoint(at=at, value=significant(value), low=significant(low), high=significant(high))
        for at, value, low, high in found
    )
    return FactorEffect(
        factor=curve.factor, unit=curve.unit or "1", points=points, share=min(significant(curve.share), 1.0)
    )


def domain_of(standing: Standing) -> Domain:
    """The flag as it is told."""
    return Domain(verdict=standing.verdict, score=significant(standing.score), text=standing.text)

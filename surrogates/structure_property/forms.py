"""The laws that are fitted, each with its source; the formulas themselves are in ``envs.laws``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from envs import laws
from surrogates.structure_property.points import Array

Law = Callable[[Array, Mapping[str, float], Mapping[str, Array]], Array]
"""Dense value ``(n,)``, parameters and descriptors ``(n,)`` by name to the property ``(n,)``."""

RYSHKEWITCH = "Ryshkewitch, J. Am. Ceram. Soc. 36, 65 (1953)"
DUCKWORTH = "Duckworth, J. Am. Ceram. Soc. 36, 68 (1953)"
HALL = "Hall, Proc. Phys. Soc. B 64, 747 (1951)"
PETCH = "Petch, J. Iron Steel Inst. 174, 25 (1953)"
RICE = "Rice, Wu and Borchelt, J. Am. Ceram. Soc. 77, 2539 (1994)"
SPRIGGS = "Spriggs, J. Am. Ceram. Soc. 44, 628 (1961)"
PHANI = "Phani and Niyogi, J. Mater. Sci. 22, 257 (1987)"
COBLE = "Coble and Kingery, J. Am. Ceram. Soc. 39, 377 (1956)"
KNUDSEN = "Knudsen, J. Am. Ceram. Soc. 42, 376 (1959)"
VOIGT = "Voigt, Ann. Phys. 274, 573 (1889)"


@dataclass(frozen=True)
class Parameter:
    """A constant of a law.

    Args:
        name: as in the formula.
        unit: UCUM; ``{}`` stands for the property's own.
        start: where the fit begins; for a unit of the property, as a share of its median.
        low: smallest value tried.
        high: largest.
    """

    name: str
    unit: str
    start: float
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class Form:
    """One law.

    Args:
        name: short.
        formula: in the symbols of the parameters; ``P`` is the porosity, ``d`` the grain size, ``l`` the intercept,
            ``f`` the phase fraction.
        citation: where it is from.
        dense: symbol of the value without pores and boundaries.
        parameters: besides ``dense``.
        descriptors: that it needs.
        law: itself.
    """

    name: str
    formula: str
    citation: str
    dense: str
    parameters: tuple[Parameter, ...]
    descriptors: tuple[str, ...]
    law: Law

    def log_value(self, log_dense: Array, theta: Array, x: Mapping[str, Array]) -> Array:
        """Natural logarithm of the property, ``(n,)``; finite also where the law ends at 0."""
        names = [p.name for p in self.parameters]
        found = self.law(np.exp(log_dense), dict(zip(names, theta.tolist(), strict=True)), x)
        return np.asarray(np.log(np.maximum(found, 1e-12)))


B = Parameter("b", "1", 5.0, -50.0, 100.0)
K = Parameter("k", "{} um^0.5", 0.05, -10.0, 10.0)


def _hall_petch_inside(size: str) -> Law:
    def law(dense: Array, theta: Mapping[str, float], x: Mapping[str, Array]) -> Array:
        return laws.polycrystal_hardness(
            dense, x["porosity"], x[size], porosity_exponent=theta["b"], hall_petch=theta["k"]
        )

    return law


def _hall_petch_outside(dense: Array, theta: Mapping[str, float], x: Mapping[str, Array]) -> Array:
    return np.asarray(dense * np.exp(-theta["b"] * x["porosity"]) + theta["k"] / np.sqrt(x["grain_size"]))


def _exponential(dense: Array, theta: Mapping[str, float], x: Mapping[str, Array]) -> Array:
    return laws.spriggs_stiffness(dense, x["porosity"], exponent=theta["b"])


def _power(dense: Array, theta: Mapping[str, float], x: Mapping[str, Array]) -> Array:
    return laws.phani_niyogi_stiffness(dense, x["porosity"], packing=theta["a"], exponent=theta["n"])


def _closed_pores(dense: Array, _theta: Mapping[str, float], x: Mapping[str, Array]) -> Array:
    p = x["porosity"]
    return np.asarray(dense * (1.0 - 1.9 * p + 0.9 * p**2))


def _mixture(dense: Array, theta: Mapping[str, float], x: Mapping[str, Array]) -> Array:
    mixed = 1.0 + (theta["r"] - 1.0) * x["phase_fraction"]
    return np.asarray(mixed * np.exp(-theta["b"] * x["porosity"]) * dense)


def _knudsen(dense: Array, theta: Mapping[str, float], x: Mapping[str, Array]) -> Array:
    return np.asarray(dense * x["grain_size"] ** -theta["a"] * np.exp(-theta["b"] * x["porosity"]))


HARDNESS = (
    Form("Hall-Petch times exponential porosity", "H = (H0 + k d^(-1/2)) exp(-b P)",
         f"{HALL}; {PETCH}; {RICE}; {RYSHKEWITCH}", "H0", (B, K), ("porosity", "grain_size"),
         _hall_petch_inside("grain_size")),
    Form("exponential porosity plus Hall-Petch", "H = H0 exp(-b P) + k d^(-1/2)",
         f"{HALL}; {PETCH}; {RYSHKEWITCH}", "H0", (B, K), ("porosity", "grain_size"), _hall_petch_outside),
    Form("the same by the lineal intercept", "H = (H0 + k l^(-1/2)) exp(-b P)",
         f"{HALL}; {PETCH}; {RICE}; {RYSHKEWITCH}; l is the mean lineal intercept of ASTM E112", "H0", (B, K),
         ("porosity", "intercept"), _hall_petch_inside("intercept")),
    Form("exponential porosity", "H = H0 exp(-b P)", f"{RYSHKEWITCH}; {DUCKWORTH}", "H0", (B,), ("porosity",),
         _exponential),
    Form("exponential porosity times mixture", "H = H0 (1 + (r - 1) f) exp(-b P)", f"{VOIGT}; {RYSHKEWITCH}", "H0",
         (B, Parameter("r", "1", 1.0, 0.0, 50.0)), ("porosity", "phase_fraction"), _mixture),
)  # fmt: skip
MODULUS = (
    Form("exponential porosity", "M = M0 exp(-b P)", SPRIGGS, "M0", (Parameter("b", "1", 4.0, -50.0, 100.0),),
         ("porosity",), _exponential),
    Form("power of the solid", "M = M0 (1 - a P)^n", PHANI, "M0",
         (Parameter("a", "1", 1.5, 1.0, 3.85), Parameter("n", "1", 1.75, 0.0, 10.0)), ("porosity",), _power),
    Form("closed round pores", "M = M0 (1 - 1.9 P + 0.9 P^2)", COBLE, "M0", (), ("porosity",), _closed_pores),
)  # fmt: skip
STRENGTH = (
    Form("exponential porosity", "S = S0 exp(-b P)", f"{RYSHKEWITCH}; {DUCKWORTH}", "S0", (B,), ("porosity",),
         _exponential),
    Form("power of the grain size times exponential porosity", "S = S0 (d / um)^(-a) exp(-b P)", KNUDSEN, "S0",
         (B, Parameter("a", "1", 0.5, -3.0, 3.0)), ("porosity", "grain_size"), _knudsen),
)  # fmt: skip

_BY_WORD = {"hardness": HARDNESS, "modulus": MODULUS, "stiffness": MODULUS, "young": MODULUS, "strength": STRENGTH}


def forms_of(name: str) -> tuple[Form, ...]:
    """The laws for a property by words in its name; none where no law for it is known here."""
    return next((forms for word, forms in _BY_WORD.items() if word in name.lower()), ())

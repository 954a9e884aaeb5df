"""How powders answer a furnace, by class of compound, additive and size: tables of means, and one laboratory's draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.crystals import Crystal, family
from simulators.second_phases import is_of, residue
from simulators.sintering.kinetics import Kinetics
from simulators.truth.compounds import Compound
from simulators.truth.constants import Batch, Constants

Array = npt.NDArray[np.float64]

FAMILIES = ("oxide", "nitride", "carbide", "boride", "silicide", "")
DECOMPOSING = frozenset({"nitride"})
ADDITIVES = ("none", "MgO", "Y2O3", "B4C")
ADDITIVE_SHARE = 0.02
"""By volume, of all powders."""

LATTICE_Q: Mapping[str, float] = MappingProxyType(
    {"oxide": 24.5, "nitride": 20.0, "carbide": 18.5, "boride": 18.0, "silicide": 17.5, "": 17.0}
)
"""Mean activation energy of lattice diffusion over R Tm (ranges: Brown and Ashby, Acta Metall. 28, 1085, 1980; the
oxides' is near alumina's 477 kJ/mol: Frost and Ashby, Deformation-Mechanism Maps, 1982)."""
DENSIFICATION: Mapping[str, float] = MappingProxyType(
    {"oxide": 1.9, "nitride": -0.6, "carbide": -0.4, "boride": -0.3, "silicide": 0.2, "": 0.3}
)
"""Natural logarithm of a family's densification rate over the mean one: covalent powders sinter worse."""
MEAN_RATE = 0.5
"""1/h. Puts the full density of submicrometre powders at 0.7 to 0.85 Tm within hours."""
GROWTH_EXPONENT: Mapping[str, float] = MappingProxyType(
    {"oxide": 3.0, "nitride": 3.0, "carbide": 2.0, "boride": 3.0, "silicide": 2.0, "": 2.0}
)
"""2 where boundaries move alone (Burke and Turnbull, 1952), 3 where solutes or liquid hold them."""
GROWTH: Mapping[str, float] = MappingProxyType(
    {"oxide": 25.0, "nitride": 6.0, "carbide": 3.0, "boride": 6.0, "silicide": 3.0, "": 3.0}
)
"""um^n/h at 0.8 Tm, before an additive's factor. The oxides' gives alumina of 0.3 um with MgO 1 to 2 um after 2 h at
1,550 Cel, 2 to 4 um after 3 h at 1,600 Cel and 8 to 9 um after 8 h at 1,750 Cel: within the spread of what is published
(Coble, J. Appl. Phys. 32, 793, 1961; Bennison and Harmer, J. Am. Ceram. Soc. 66, C-90, 1983)."""
GROWTH_Q: Mapping[str, float] = MappingProxyType(
    {"oxide": 1.05, "nitride": 0.85, "carbide": 0.85, "boride": 0.85, "silicide": 0.85, "": 0.85}
)
"""Activation energy of grain growth over that of lattice diffusion; the oxides' makes 500 kJ/mol of alumina's, between
lattice diffusion and the 640 kJ/mol (153 kcal/mol) that Coble found for its grain growth."""
DECOMPOSITION: Mapping[str, float] = MappingProxyType(
    {"oxide": 0.008, "nitride": 0.10, "carbide": 0.015, "boride": 0.012, "silicide": 0.03, "": 0.015}
)
"""Share of the mass lost per hour at the temperature at which a compound is lost at once: nitrogen and silicon leave
first. Orders of magnitude."""
GAS_LOSS = 0.10
"""The same of what falls apart before it melts."""
SKINNED = frozenset({"carbide", "boride"})
"""Their oxide skin carries matter over the surface, so that they coarsen instead of densifying (Prochazka, in Ceramics
for High Performance Applications, 239, 1974)."""

ADDITIVE_EFFECTS: Mapping[tuple[str, str], tuple[float, float, float]] = MappingProxyType({
    ("oxide", "MgO"): (1.5, 0.25, 1.00),
    ("oxide", "Y2O3"): (0.8, 0.40, 0.98),
    ("oxide", "B4C"): (0.3, 0.90, 0.95),
    ("nitride", "MgO"): (4.0, 1.20, 0.94),
    ("nitride", "Y2O3"): (8.0, 0.80, 0.98),
    ("nitride", "B4C"): (1.0, 0.70, 1.00),
    ("carbide", "MgO"): (0.7, 0.80, 0.94),
    ("carbide", "Y2O3"): (3.5, 1.50, 0.94),
    ("carbide", "B4C"): (3.0, 0.40, 1.02),
    ("boride", "MgO"): (0.6, 1.00, 0.93),
    ("boride", "Y2O3"): (1.5, 1.20, 0.95),
    ("boride", "B4C"): (4.0, 0.35, 1.02),
    ("silicide", "MgO"): (1.2, 0.90, 0.96),
    ("silicide", "Y2O3"): (2.5, 0.70, 0.97),
    ("silicide", "B4C"): (1.6, 0.50, 1.01),
})  # fmt: skip
"""(family, additive) to factors on densification, grain growth and hardness.

MgO slows the boundaries of alumina by several times (Coble, 1961; Bennison and Harmer, 1983); Y2O3 gives nitrides and
carbides a liquid phase (Gazza, J. Am. Ceram. Soc. 56, 662, 1973; Omori and Takei, J. Am. Ceram. Soc. 65, C-92, 1982);
boron and carbon strip the oxide skin of carbides and borides (Prochazka and Scanlan, J. Am. Ceram. Soc. 58, 72, 1975).
Pairs not listed do nothing.
"""
EUTECTICS: Mapping[tuple[str, str], float] = MappingProxyType({
    ("oxide", "Y2O3"): 2099.0,
    ("nitride", "MgO"): 1816.0,
    ("nitride", "Y2O3"): 1933.0,
    ("carbide", "Y2O3"): 1933.0,
    ("silicide", "MgO"): 1816.0,
    ("silicide", "Y2O3"): 1933.0,
})  # fmt: skip
"""(family, additive) to the temperature in K at which the additive melts with the skin of the powder: silica on what
holds silicon or takes up oxygen (1,543 Cel with MgO, 1,660 Cel with Y2O3), Al2O3 (1,826 Cel with Y2O3). Below, such an
additive does little; above, it does what ``ADDITIVE_EFFECTS`` says to a powder of 0.4 um."""
EUTECTIC_CEILING = 0.78
"""Share of the compound's melting temperature: a mixture melts well below either of its components."""
SOLID_SHARE = 0.35
"""Share of the logarithm of such an additive's effect that needs no liquid."""
LIQUID_WORK = 0.25
"""Grain size in um at which what an additive's factor is beyond the solid's share is reached by its liquid at 0.8 Tm;
it works as G^-3 where the lattice works as G^-2, so that it does more for finer powders."""
LIQUID_RIPENING = 0.6
"""By which share a liquid speeds grain growth, beside the additive's own factor."""
PINNED = MappingProxyType({("oxide", "MgO"): 0.03})
"""By how much an additive raises the homologous temperature of abnormal growth (Coble, 1961)."""
RESIDUE: Mapping[tuple[str, str], float] = MappingProxyType(
    {("oxide", "MgO"): 0.7, ("carbide", "B4C"): 0.5, ("boride", "B4C"): 0.4, ("boride", "Y2O3"): 1.2}
)
"""Volume of second phase over that of the additive: MgO dissolves in part, boron carbide is used up on oxide skins,
others take up the skin and swell (1.3 where a liquid formed)."""

FIRST_CUBIC = 195
"""Number of the first cubic space group."""

Row = tuple[float, float, float, float, float]
Pair = tuple[str, str]
"""Family and additive."""


@dataclass(frozen=True)
class Powders:
    """The powders of one laboratory.

    Args:
        families: family to (lattice rate, lattice q, growth rate, growth q, growth exponent).
        effects: as ``ADDITIVE_EFFECTS``.
        eutectics: as ``EUTECTICS``.
    """

    families: Mapping[str, Row]
    effects: Mapping[tuple[str, str], tuple[float, float, float]]
    eutectics: Mapping[tuple[str, str], float]

    @staticmethod
    def mean() -> Powders:
        """What a laboratory's powders scatter about."""
        rows = {}
        for name in FAMILIES:
            q, n = LATTICE_Q[name], GROWTH_EXPONENT[name]
            rows[name] = (float(MEAN_RATE * np.exp(DENSIFICATION[name])), q, GROWTH[name], GROWTH_Q[name] * q, n)
        return Powders(rows, ADDITIVE_EFFECTS, EUTECTICS)

    @staticmethod
    def draw(rng: np.random.Generator, later: np.random.Generator) -> Powders:
        """One laboratory's, as ``Constants.draw`` takes its sources."""
        rows = {}
        for name in FAMILIES:
            q = LATTICE_Q[name] * rng.uniform(0.93, 1.07)
            rate = MEAN_RATE * np.exp(DENSIFICATION[name] + rng.normal(0.0, 0.25))
            n = GROWTH_EXPONENT[name]
            rows[name] = (float(rate), q, GROWTH[name] * rng.lognormal(0.0, 0.3), GROWTH_Q[name] * q, n)
        effects = {
            key: (rate * rng.lognormal(0.0, 0.2), growth * rng.lognormal(0.0, 0.2), hardness)
            for key, (rate, growth, hardness) in ADDITIVE_EFFECTS.items()
        }
        return Powders(rows, effects, {key: kelvin + later.normal(0.0, 20.0) for key, kelvin in EUTECTICS.items()})

    def summary(self) -> list[tuple[object, ...]]:
        """What was drawn, in figures that no rounding changes."""
        tables = (self.families, self.effects, {pair: (kelvin,) for pair, kelvin in self.eutectics.items()})
        return [(key, *figures(*row)) for table in tables for key, row in table.items()]

    def effect(self, pair: Pair) -> tuple[float, float, float]:
        """Factors of an additive on densification, grain growth and hardness of a family."""
        return self.effects.get(pair, (1.0, 1.0, 1.0))

    def kinetics(
        self,
        compounds: Sequence[Compound],
        additives: Sequence[str],
        sizes: Array,
        constants: Constants,
        batches: Sequence[Batch],
    ) -> Kinetics:
        """How n powders answer.

        Args:
            compounds: what they are of.
            additives: names, of ``ADDITIVES``.
            sizes: particle diameters as ordered, um, shape ``(n,)``.
            constants: of the laboratory.
            batches: how each differs from the mean one.
        """
        kinds = [family(c.crystal) for c in compounds]
        pairs = [pair(c.crystal, a) for c, a in zip(compounds, additives, strict=True)]
        d = sizes * np.array([b.size for b in batches])
        melting = np.array([c.melting for c in compounds])
        return Kinetics.broadcast(
            len(compounds),
            powder_size=d,
            melting=melting,
            green_density=green_density(d, np.array([b.green for b in batches])),
            residual=0.004,
            eutectic=np.minimum([self.eutectics.get(p, np.inf) for p in pairs], _ceiling(pairs, melting)),
            abnormal_onset=constants.abnormal_onset + np.array([PINNED.get(p, 0.0) for p in pairs]),
            abnormal_factor=constants.abnormal_factor,
            residue=[_left(c.crystal, p) for c, p in zip(compounds, pairs, strict=True)],
            **self._rates(pairs, d, np.array([b.rate for b in batches]), constants),
            **_limits(compounds, kinds, melting, constants),
        )

    def _rates(self, pairs: Sequence[Pair], d: Array, scatter: Array, constants: Constants) -> dict[str, Array]:
        """Rate constants and activation energies of all that moves matter."""
        rows = np.array([self.families[kind] for kind, _ in pairs]).reshape(-1, 5)
        lattice, q, growth, growth_q, exponent = rows.T
        rate, wet = self._speeds(pairs, d)
        return {
            "lattice_rate": lattice * rate * scatter,
            "lattice_q": q,
            "boundary_rate": 0.05 * lattice * rate * scatter,
            "boundary_q": 0.7 * q,
            "growth_rate": growth * np.array([self.effect(p)[1] for p in pairs]),
            "growth_q": growth_q,
            "growth_exponent": exponent,
            "surface_rate": 0.02 * _skin(pairs, d, constants.skin),
            "surface_q": 0.5 * q,
            "liquid_rate": lattice * wet * scatter,
            "liquid_growth": LIQUID_RIPENING * (wet > 0.0),
        }

    def _speeds(self, pairs: Sequence[Pair], d: Array) -> tuple[Array, Array]:
        """Factors on the family's rate: of the solid paths, and of the liquid one at 1 um.

        The finer a powder, the more skin it has, and the more liquid.
        """
        whole = np.array([self.effect(p)[0] for p in pairs])
        melts = np.array([p in self.eutectics for p in pairs])
        solid = np.where(melts, whole**SOLID_SHARE, whole)
        skin = 0.6 + 0.4 * np.minimum(0.4 / d, 3.0)
        return solid, np.where(melts, np.maximum(whole - solid, 0.0) * LIQUID_WORK * skin, 0.0)


def _limits(
    compounds: Sequence[Compound], kinds: Sequence[str], melting: Array, constants: Constants
) -> dict[str, Any]:
    """What loses or harms a compact."""
    cubic = [c.crystal.space_group >= FIRST_CUBIC for c in compounds]
    ceilings = np.array([c.decomposition for c in compounds])
    falls_apart = ceilings < constants.melting_share * melting
    return {
        "melting_share": constants.melting_share,
        "decomposition": ceilings,
        "decomposes": [k in DECOMPOSING for k in kinds] | falls_apart,
        "decomposition_rate": np.where(falls_apart, GAS_LOSS, [DECOMPOSITION[k] for k in kinds]),
        "decomposition_q": constants.decomposition_q,
        "crack_rate": constants.crack_rate,
        "shock_rate": constants.shock_rate,
        "critical_grain": np.where(cubic, np.inf, constants.critical_grain),
    }


def figures(*values: float) -> tuple[str, ...]:
    """Numbers to the six figures that are the same on every machine."""
    return tuple(f"{value:.6g}" for value in values)


def green_density(size: Array, scatter: Array) -> Array:
    """Relative density of pressed compacts: fine powders pack worse, by friction between their particles.

    Args:
        size: true particle diameters, um, shape ``(n,)``.
        scatter: of the batches, same shape.
    """
    return np.asarray(np.clip(0.575 + 0.045 * np.log10(size) + scatter, 0.48, 0.64))


def pair(crystal: Crystal, additive: str) -> Pair:
    """What the tables are asked for; a compound is no additive to itself."""
    return family(crystal), "none" if additive != "none" and is_of(crystal, additive) else additive


def _ceiling(pairs: Sequence[Pair], melting: Array) -> Array:
    return np.asarray(np.where([p in EUTECTICS for p in pairs], EUTECTIC_CEILING * melting, np.inf))


def _skin(pairs: Sequence[Pair], d: Array, skin: float) -> Array:
    """Factor on coarsening by the oxide skin, which grows with the surface of the powder unless B4C strips it."""
    bare = np.array([kind not in SKINNED or additive == "B4C" for kind, additive in pairs])
    return np.where(bare, 1.0, 1.0 + skin * np.minimum(0.3 / d, 3.0))


def _left(crystal: Crystal, of: Pair) -> float:
    """Volume fraction of second phase; what becomes the compound itself leaves none."""
    if not residue(crystal, of[1]).compound:
        return 0.0
    return ADDITIVE_SHARE * RESIDUE.get(of, 1.3 if of in EUTECTICS else 1.0)

"""What one virtual laboratory hides from its learner: constants drawn once from its seed, and the truth they make.

The library's DFT moduli are the crystals' truth. Everything else (the hardness law's error, melting points, kinetics,
what pores and grains do to hardness) is drawn here, within ranges that the literature gives. Only simulators read this,
and the composition root once a campaign has ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.crystals import Crystal, CrystalLibrary, family
from envs.descriptors import melting_estimates
from envs.design import Design
from envs.laws import KELVIN, chen_hardness
from envs.moduli import Moduli
from simulators.sintering import Kinetics, Outcome, Schedule, SinterResult, densification, sinter

Array = npt.NDArray[np.float64]

FAMILIES = ("oxide", "nitride", "carbide", "boride", "silicide", "")
DECOMPOSING = frozenset({"nitride"})
ADDITIVES = ("none", "MgO", "Y2O3", "B4C")

LATTICE_Q = {"oxide": 21.0, "nitride": 20.0, "carbide": 18.5, "boride": 18.0, "silicide": 17.5, "": 17.0}
"""Mean activation energy of lattice diffusion over R Tm (ranges: Brown and Ashby, Acta Metall. 28, 1085, 1980)."""

DENSIFICATION = {"oxide": 0.5, "nitride": -0.6, "carbide": -0.4, "boride": -0.3, "silicide": 0.2, "": 0.3}
"""Natural logarithm of a family's densification rate over the mean one: covalent powders sinter worse."""

MEAN_RATE = 0.5
"""1/h. Puts the full density of submicrometre powders at 0.7 to 0.85 Tm within hours."""

GROWTH_EXPONENT = {"oxide": 3.0, "nitride": 3.0, "carbide": 2.0, "boride": 3.0, "silicide": 2.0, "": 2.0}
"""2 where boundaries move alone (Burke and Turnbull, 1952), 3 where solutes or liquid hold them."""

ADDITIVE_EFFECTS: Mapping[tuple[str, str], tuple[float, float, float]] = {
    ("oxide", "MgO"): (1.5, 0.15, 1.00),
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
}
"""(family, additive) to factors on densification, grain growth and hardness.

MgO pins the boundaries of alumina (Coble, J. Appl. Phys. 32, 793, 1961); Y2O3 gives nitrides and carbides a liquid
phase (Gazza, J. Am. Ceram. Soc. 56, 662, 1973; Omori and Takei, J. Am. Ceram. Soc. 65, C-92, 1982); boron and carbon
strip the oxide skin of carbides and borides (Prochazka and Scanlan, J. Am. Ceram. Soc. 58, 72, 1975). Pairs not listed
do nothing.
"""

SMOOTH_SHARE = 0.85
LOAD_SCALE = 25.0
"""GPa. The law overestimates what an indenter reads at a finite load, the more the harder the crystal: it gives 48 GPa
for TiB2 and 34 GPa for WC, measured at 25-35 and 22-24 (indentation size effect: Gong, Wu and Guan, J. Eur. Ceram. Soc.
19, 2625, 1999)."""
N_FEATURES = 96
DISCREPANCY_LENGTH = 1.6
"""Length scale of the hardness law's hidden error, in standard deviations of the element descriptors."""


@dataclass(frozen=True)
class Constants:
    """Scalars of one laboratory.

    Args:
        porosity_exponent: b in exp(-bP).
        hall_petch: k, GPa um^0.5.
        discrepancy: size of the hardness law's error, about the root mean square of its logarithm over the library.
        furnace_offset: true minus indicated furnace temperature, K.
        elastic_share: weight of the elastic estimate in the logarithm of the true melting temperature.
        melting_scatter: standard deviation of its logarithm, per compound.
        abnormal_onset: homologous temperature of abnormal grain growth.
        abnormal_factor: how much faster it is.
        melting_share: share of the melting temperature above which a sample is lost.
        crack_rate: K/min that a pressureless compact of 1 um powder survives.
        batch_rate: standard deviation of the logarithm of a sample's densification rate.
        batch_green: standard deviation of its green density.
        batch_grain: standard deviation of the logarithm of its particle size.
    """

    porosity_exponent: float
    hall_petch: float
    discrepancy: float
    furnace_offset: float
    elastic_share: float
    melting_scatter: float
    abnormal_onset: float
    abnormal_factor: float
    melting_share: float
    crack_rate: float
    batch_rate: float
    batch_green: float
    batch_grain: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Constants:
        """One laboratory's constants."""
        return Constants(
            porosity_exponent=rng.uniform(4.2, 6.8),
            hall_petch=rng.uniform(0.6, 2.2),
            discrepancy=rng.uniform(0.15, 0.20),
            furnace_offset=rng.uniform(-25.0, 25.0),
            elastic_share=rng.uniform(0.35, 0.55),
            melting_scatter=rng.uniform(0.03, 0.06),
            abnormal_onset=rng.uniform(0.84, 0.88),
            abnormal_factor=rng.uniform(10.0, 25.0),
            melting_share=rng.uniform(0.91, 0.95),
            crack_rate=rng.uniform(26.0, 36.0),
            batch_rate=rng.uniform(0.10, 0.20),
            batch_green=0.008,
            batch_grain=rng.uniform(0.03, 0.06),
        )


@dataclass(frozen=True)
class Batch:
    """How one batch of powder differs from the mean one.

    Args:
        rate: factor on the densification rates.
        green: added to the green density.
        size: factor on the particle size.
    """

    rate: float = 1.0
    green: float = 0.0
    size: float = 1.0


def element_descriptors(numbers: Sequence[int]) -> Array:
    """Standardised descriptors of elements.

    Args:
        numbers: n atomic numbers.

    Returns:
        ``(n, 4)`` array (period, group, Mendeleev number, electronegativity), each column with mean 0 and standard
        deviation 1.
    """
    from pymatgen.core import Element

    elements = [Element.from_Z(z) for z in numbers]
    rows = [[float(e.row), float(e.group), float(e.mendeleev_no), float(e.X)] for e in elements]
    table = np.nan_to_num(np.array(rows), nan=2.0)
    spread = np.maximum(table.std(axis=0), 1e-9)
    return np.asarray((table - table.mean(axis=0)) / spread)


class LabTruth:
    """The hidden truth of one laboratory.

    Args:
        seed: the laboratory's seed; equal seeds are equal laboratories.
        library: crystals that can be made.
        moduli: true bulk and shear modulus of every one of them.

    Raises:
        KeyError: when a crystal has no moduli.
    """

    def __init__(self, seed: int, library: CrystalLibrary, moduli: Mapping[str, Moduli]) -> None:
        rng = np.random.default_rng(np.random.SeedSequence([seed, 0x7E57]))
        self.seed = seed
        self.library = library
        self.constants = Constants.draw(rng)
        numbers = sorted({z for c in library for z in c.fractions})
        descriptors = element_descriptors(numbers)
        composition = np.array([[c.fractions.get(z, 0.0) for z in numbers] for c in library])
        bulk = np.array([moduli[c.id].bulk for c in library])
        shear = np.array([moduli[c.id].shear for c in library])
        # One smooth random function of composition each: alike compounds err alike, so a learner can learn the error.
        law = chen_hardness(bulk, shear)
        law_error = SMOOTH_SHARE * _smooth(rng, composition, descriptors) - law / LOAD_SCALE
        self._intrinsic = law * np.exp(self.constants.discrepancy * law_error)
        estimate = melting_estimates(library)
        self._melting = self._true_melting(rng, estimate, bulk)
        self._kinetics = _draw_families(rng)
        self._additives = {
            key: (rate * rng.lognormal(0.0, 0.2), growth * rng.lognormal(0.0, 0.2), hardness)
            for key, (rate, growth, hardness) in ADDITIVE_EFFECTS.items()
        }

    def _true_melting(self, rng: np.random.Generator, estimate: Array, bulk: Array) -> Array:
        """Geometric mean of the public estimate and T = 607 + 9.3 K, with scatter.

        The elastic relation is that of Fine, Brown and Marcus, Scr. Metall. 18, 951 (1984). The stiffer a crystal, the
        hotter it must be sintered: what makes hard ceramics hard to make.
        """
        elastic = 607.0 + 9.3 * bulk
        share = self.constants.elastic_share
        scatter = rng.normal(0.0, self.constants.melting_scatter, len(bulk))
        return np.asarray(estimate ** (1.0 - share) * elastic**share * np.exp(scatter))

    def intrinsic_hardness(self, crystal_id: str) -> float:
        """True hardness in GPa of the dense single crystal."""
        return float(self._intrinsic[self.library.index(crystal_id)])

    def melting(self, crystal_id: str) -> float:
        """True melting or decomposition temperature in K."""
        return float(self._melting[self.library.index(crystal_id)])

    def batch(self, rng: np.random.Generator) -> Batch:
        """How the next batch of powder differs from the mean one."""
        c = self.constants
        return Batch(
            rate=rng.lognormal(0.0, c.batch_rate),
            green=rng.normal(0.0, c.batch_green),
            size=rng.lognormal(0.0, c.batch_grain),
        )

    def sinter(self, designs: Sequence[Design], batches: Sequence[Batch] | None = None) -> SinterResult:
        """Fire n designs, each from the mean batch of powder unless ``batches`` says otherwise.

        Raises:
            KeyError: when a crystal is not in the library or a process factor is missing.
        """
        return sinter(*self._firing(designs, batches or [Batch()] * len(designs)))

    def densification(self, design: Design, batch: Batch) -> tuple[Array, Array]:
        """How one compact densifies while it is fired.

        Returns:
            Hours since the heater was switched on, and relative densities, each of shape ``(n_steps,)``.

        Raises:
            KeyError: when the crystal is not in the library or a process factor is missing.
        """
        hours, densities = densification(*self._firing([design], [batch]))
        return hours[:, 0], densities[:, 0]

    def _firing(self, designs: Sequence[Design], batches: Sequence[Batch]) -> tuple[Schedule, Kinetics]:
        size = np.array([_number(d, "powder_size") for d in designs]) * [b.size for b in batches]
        schedule = Schedule(
            powder_size=size,
            temperature=self._column(designs, "temperature") + KELVIN + self.constants.furnace_offset,
            hold=self._column(designs, "hold"),
            heating_rate=self._column(designs, "heating_rate"),
            pressure=self._column(designs, "pressure"),
        )
        return schedule, self._kinetics_of(designs, batches, size)

    def hardness(self, crystal_id: str, additive: str, density: float, grain_size: float) -> float:
        """True Vickers hardness in GPa of a body of given relative density and mean grain diameter (um)."""
        crystal = self.library[crystal_id]
        _, _, factor = self._additives.get((family(crystal), additive), (1.0, 1.0, 1.0))
        c = self.constants
        dense = self.intrinsic_hardness(crystal_id) * factor + c.hall_petch / np.sqrt(grain_size)
        return float(dense * np.exp(-c.porosity_exponent * (1.0 - density)))

    def true_hardness_many(self, designs: Sequence[Design]) -> Array:
        """Expected hardness in GPa of n designs, without batch variability or noise; 0 where the synthesis fails."""
        result = self.sinter(designs)
        return np.array(
            [
                self.hardness(d.crystal, str(d.process["additive"]), rho, grain) if out is Outcome.SINTERED else 0.0
                for d, rho, grain, out in zip(designs, result.density, result.grain_size, result.outcome, strict=True)
            ]
        )

    def true_hardness(self, design: Design) -> float:
        """Expected hardness in GPa of one design, without batch variability or noise; 0 when its synthesis fails."""
        return float(self.true_hardness_many([design])[0])

    def _column(self, designs: Sequence[Design], factor: str) -> Array:
        return np.array([_number(d, factor) for d in designs])

    def _kinetics_of(self, designs: Sequence[Design], batches: Sequence[Batch], size: Array) -> Kinetics:
        crystals: list[Crystal] = [self.library[d.crystal] for d in designs]
        families = [family(c) for c in crystals]
        effects = [
            self._additives.get((f, str(d.process["additive"])), (1.0, 1.0, 1.0))
            for f, d in zip(families, designs, strict=True)
        ]
        speed = np.array([e[0] * b.rate for e, b in zip(effects, batches, strict=True)])
        table = np.array([self._kinetics[f] for f in families]).T
        lattice_rate, lattice_q, growth_rate, growth_q, exponent = table
        c, ones = self.constants, np.ones(len(designs))
        # Fine powders pack worse: friction between particles.
        green = 0.575 + 0.045 * np.log10(size) + np.array([b.green for b in batches])
        return Kinetics(
            melting=self._melting[[self.library.index(c.id) for c in crystals]],
            green_density=np.clip(green, 0.48, 0.64),
            lattice_rate=lattice_rate * speed,
            lattice_q=lattice_q,
            boundary_rate=0.05 * lattice_rate * speed,
            boundary_q=0.7 * lattice_q,
            growth_rate=growth_rate * np.array([e[1] for e in effects]),
            growth_q=growth_q,
            growth_exponent=exponent,
            surface_rate=0.02 * ones,
            surface_q=0.5 * lattice_q,
            residual=0.004 * ones,
            abnormal_onset=c.abnormal_onset * ones,
            abnormal_factor=c.abnormal_factor * ones,
            melting_share=c.melting_share * ones,
            crack_rate=c.crack_rate * ones,
            decomposes=np.array([f in DECOMPOSING for f in families]),
        )


def _number(design: Design, factor: str) -> float:
    return float(design.process[factor])


def _draw_families(rng: np.random.Generator) -> dict[str, tuple[float, float, float, float, float]]:
    """Family to (lattice rate, lattice q, growth rate, growth q, growth exponent) of this laboratory."""
    families = {}
    for name in FAMILIES:
        q = LATTICE_Q[name] * rng.uniform(0.93, 1.07)
        rate = MEAN_RATE * np.exp(DENSIFICATION[name] + rng.normal(0.0, 0.25))
        n = GROWTH_EXPONENT[name]
        growth = (6.0 if n > 2.5 else 3.0) * rng.lognormal(0.0, 0.3)
        families[name] = (float(rate), q, growth, 0.85 * q, n)
    return families


def _smooth(rng: np.random.Generator, composition: Array, descriptors: Array) -> Array:
    """A smooth random function of composition with mean 0 and standard deviation 1 over the library.

    A sum of random Fourier features of the mean element descriptors (Rahimi and Recht, NIPS 2007), hence one draw of a
    Gaussian process with a squared-exponential kernel, then bounded.

    Args:
        rng: source of the draw.
        composition: ``(n_crystals, n_elements)`` atomic fractions.
        descriptors: ``(n_elements, n_descriptors)``.
    """
    place = composition @ descriptors
    place = (place - place.mean(axis=0)) / np.maximum(place.std(axis=0), 1e-9)
    frequency = rng.normal(0.0, 1.0 / DISCREPANCY_LENGTH, (place.shape[1], N_FEATURES))
    phase = rng.uniform(0.0, 2.0 * np.pi, N_FEATURES)
    value = np.cos(place @ frequency + phase) @ rng.normal(0.0, 1.0, N_FEATURES)
    # Saturates: no compound's law errs by more than about twice the typical error.
    value = np.tanh((value - value.mean()) / max(2.0 * float(value.std()), 1e-9))
    return np.asarray((value - value.mean()) / max(float(value.std()), 1e-9))


def fingerprint(truth: LabTruth) -> str:
    """SHA-256 over the laboratory's drawn constants, to tell two laboratories apart without showing either."""
    return hashlib.sha256(repr((truth.seed, truth.constants, truth.library.ids)).encode()).hexdigest()

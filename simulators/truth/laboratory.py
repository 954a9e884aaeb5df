"""The hidden truth of one virtual laboratory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple

import numpy as np
import numpy.typing as npt

from envs.crystals import Crystal, CrystalLibrary
from envs.design import Design
from envs.laws import KELVIN
from envs.moduli import Moduli
from simulators.body import Body
from simulators.sintering import (
    COOLING_RATE,
    Kinetics,
    Loss,
    Outcome,
    Schedule,
    SinterResult,
    densification,
    loss_of,
    ramp_hold_cool,
    sinter,
)
from simulators.sintering.rates import ABNORMAL_SIZE
from simulators.truth.compounds import Compounds, GeneratedCrystals, theoretical_density
from simulators.truth.constants import Batch, Constants
from simulators.truth.powders import Powders, figures, green_density, pair

Array = npt.NDArray[np.float64]


class LabTruth:
    """The hidden truth of one laboratory.

    Args:
        seed: the laboratory's seed; equal seeds are equal laboratories.
        library: crystals that can be made.
        moduli: true bulk and shear modulus of every one of them.
        generated: crystals beside the library's, with a truth of their own.

    Raises:
        KeyError: when a crystal has no moduli.
    """

    def __init__(
        self,
        seed: int,
        library: CrystalLibrary,
        moduli: Mapping[str, Moduli],
        generated: GeneratedCrystals | None = None,
    ) -> None:
        rng = np.random.default_rng(np.random.SeedSequence([seed, 0x7E57]))
        later = np.random.default_rng(np.random.SeedSequence([seed, 0x7E57, 2]))
        self.seed = seed
        self.library = library
        self.constants = Constants.draw(rng, later)
        self._compounds = Compounds(seed, self.constants, rng, library, moduli, generated)
        self._powders = Powders.draw(rng, later)

    def crystal(self, crystal_id: str) -> Crystal:
        """A crystal of the library, or a generated one.

        Raises:
            KeyError: there is none of that name.
        """
        return self._compounds[crystal_id].crystal

    def moduli(self, crystal_id: str) -> Moduli:
        """True moduli of the dense polycrystal.

        Raises:
            KeyError: there is no such crystal.
            ValueError: no such phase holds together, so that no body of it is on any shelf (``is_stable``).
        """
        compound = self._compounds[crystal_id]
        if compound.moduli is None:
            raise ValueError(f"{crystal_id} has no moduli: {compound.reason}")
        return compound.moduli

    def is_stable(self, crystal_id: str) -> bool:
        """Whether such a phase holds together.

        Raises:
            KeyError: there is no such crystal.
        """
        return self._compounds[crystal_id].moduli is not None

    def theoretical_density(self, crystal_id: str) -> float:
        """Density in kg/m3 of the perfect crystal.

        Raises:
            KeyError: there is no such crystal.
        """
        return theoretical_density(self.crystal(crystal_id))

    def origin(self, crystal_id: str) -> str:
        """What the truth about a crystal was taken from, in words.

        Raises:
            KeyError: there is no such crystal.
        """
        return self._compounds[crystal_id].origin

    def instability(self, crystal_id: str) -> str:
        """Why no such phase holds together, in words; ``""`` where it does.

        Raises:
            KeyError: there is no such crystal.
        """
        return self._compounds[crystal_id].reason

    def intrinsic_hardness(self, crystal_id: str) -> float:
        """True hardness in GPa of the dense single crystal; 0 where there is none.

        Raises:
            KeyError: there is no such crystal.
        """
        return self._compounds[crystal_id].intrinsic

    def melting(self, crystal_id: str) -> float:
        """True melting or decomposition temperature in K.

        Raises:
            KeyError: there is no such crystal.
        """
        compound = self._compounds[crystal_id]
        return min(compound.melting, compound.decomposition)

    def summary(self) -> str:
        """All that makes this laboratory another than others, in figures that no rounding changes."""
        compounds = [self._compounds[c.id] for c in self.library]
        rows = [
            (c.crystal.id, *figures(*(astuple(c.moduli) if c.moduli else ()), c.intrinsic, c.melting, c.decomposition))
            for c in compounds
        ]
        return repr((self.seed, figures(*astuple(self.constants)), self._powders.summary(), rows))

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

        A process may have a ``cooling_rate`` in K/min; without one the furnace cools by itself.

        Raises:
            KeyError: when there is no such crystal or a process factor is missing.
        """
        result = sinter(*self._firing(designs, batches or [Batch()] * len(designs)))
        stable = [self.is_stable(d.crystal) for d in designs]
        return result if all(stable) else result.with_unstable(stable)

    def densification(self, design: Design, batch: Batch) -> tuple[Array, Array]:
        """How one compact densifies while it is fired; of one that is lost it means nothing from then on (``loss``).

        Returns:
            Hours since the heater was switched on, and relative densities, each of shape ``(n_moments,)``.

        Raises:
            KeyError: when there is no such crystal or a process factor is missing.
        """
        hours, densities, _ = densification(*self._firing([design], [batch]))
        return hours[:, 0], densities[:, 0]

    def loss(self, design: Design, batch: Batch) -> Loss | None:
        """When and how one compact is lost; None where a body comes out.

        Raises:
            KeyError: when there is no such crystal or a process factor is missing.
        """
        compound = self._compounds[design.crystal]
        plan, powder = self._firing([design], [batch])
        path = densification(plan, powder)[2]
        return loss_of(plan, powder, path, compound.loss, stable=compound.moduli is not None)

    def green_density(self, powder_size: float, batch: Batch) -> float:
        """Relative density of a pressed compact before any firing.

        Args:
            powder_size: mean particle diameter as ordered, um.
            batch: of the powder.
        """
        return float(green_density(np.array([powder_size * batch.size]), np.array([batch.green]))[0])

    def hardness(
        self,
        crystal_id: str,
        additive: str,
        density: float,
        grain_size: float,
        *,
        abnormal: float = 0.0,
        cracks: float = 0.0,
    ) -> float:
        """True Vickers hardness in GPa of a body at large loads.

        Args:
            crystal_id: of what.
            additive: the sintering aid.
            density: relative density.
            grain_size: mean grain diameter, um, without abnormal grains.
            abnormal: volume fraction of abnormal grains; they are coarse, and the rest harder by Hall and Petch.
            cracks: length of micro-cracks per area of a section, 1/mm.

        Raises:
            KeyError: there is no such crystal.
        """
        compound, c = self._compounds[crystal_id], self.constants
        _, _, factor = self._powders.effect(pair(compound.crystal, additive))
        refined = 1.0 - abnormal * (1.0 - ABNORMAL_SIZE**-0.5)
        dense = compound.intrinsic * factor + c.hall_petch / np.sqrt(grain_size) * refined
        return float(dense * np.exp(-c.porosity_exponent * (1.0 - density) - cracks / c.crack_hardness))

    def body_hardness(self, crystal_id: str, additive: str, body: Body) -> float:
        """``hardness`` of all that is inside a body.

        Raises:
            KeyError: there is no such crystal.
        """
        return self.hardness(
            crystal_id, additive, body.density, body.grain_size, abnormal=body.abnormal, cracks=body.cracks
        )

    def true_hardness_many(self, designs: Sequence[Design]) -> Array:
        """Expected hardness in GPa of n designs, without batch variability or noise; 0 where the synthesis fails."""
        result = self.sinter(designs)
        return np.array(
            [
                self.body_hardness(d.crystal, str(d.process["additive"]), result.body(i))
                if out is Outcome.SINTERED
                else 0.0
                for i, (d, out) in enumerate(zip(designs, result.outcome, strict=True))
            ]
        )

    def true_hardness(self, design: Design) -> float:
        """Expected hardness in GPa of one design, without batch variability or noise; 0 when its synthesis fails."""
        return float(self.true_hardness_many([design])[0])

    def _firing(self, designs: Sequence[Design], batches: Sequence[Batch]) -> tuple[Schedule, Kinetics]:
        schedule = ramp_hold_cool(
            _column(designs, "temperature") + KELVIN + self.constants.furnace_offset,
            _column(designs, "hold"),
            _column(designs, "heating_rate"),
            _column(designs, "pressure"),
            np.array([float(d.process.get("cooling_rate", COOLING_RATE)) for d in designs]),
        )
        kinetics = self._powders.kinetics(
            [self._compounds[d.crystal] for d in designs],
            [str(d.process["additive"]) for d in designs],
            _column(designs, "powder_size"),
            self.constants,
            batches,
        )
        return schedule, kinetics


def _column(designs: Sequence[Design], factor: str) -> Array:
    return np.array([float(d.process[factor]) for d in designs])

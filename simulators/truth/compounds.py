"""What a laboratory's crystals truly are: their moduli, hardness and melting points, real and generated ones alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

import numpy as np
import numpy.typing as npt

from envs.crystals import Crystal, CrystalLibrary
from envs.descriptors import element_table, melting_estimates
from envs.laws import chen_hardness, x_ray_density
from envs.moduli import Moduli
from simulators.samples import DFT, stream
from simulators.truth.constants import Constants
from simulators.truth.hardness import LOAD_SCALE, SMOOTH_SHARE, SmoothError
from simulators.truth.stability import ceiling

Array = npt.NDArray[np.float64]

CEILING_SCATTER = 0.04
"""Standard deviation of the logarithm of a decomposition temperature, per compound and laboratory."""


class GeneratedCrystals(Protocol):
    """Crystals that are in no library, with a truth of their own."""

    @property
    def origin(self) -> str:
        """What their truth is taken from, as the record of a sample names it."""
        ...

    def crystal(self, crystal_id: str) -> Crystal:
        """The crystal of an identifier.

        Raises:
            KeyError: it is no generated crystal's.
        """
        ...

    def moduli(self, crystal: Crystal) -> Moduli | None:
        """Its true moduli; None where it is elastically unstable."""
        ...

    def reason(self, crystal: Crystal) -> str:
        """Why a crystal has no moduli, in words; ``""`` where it has."""
        ...


@dataclass(frozen=True)
class Compound:
    """The truth about one crystal.

    Args:
        crystal: it.
        moduli: None where no such phase holds together.
        intrinsic: hardness of the dense single crystal, GPa; 0 where there is none.
        melting: melting temperature, K, of which its kinetics are shares.
        origin: what the moduli are taken from.
        reason: why there are none, in words.
        decomposition: temperature in K at which it falls apart before; infinite where it melts.
        loss: how it falls apart, in words; ``""`` where it melts.
    """

    crystal: Crystal
    moduli: Moduli | None
    intrinsic: float
    melting: float
    origin: str = DFT
    reason: str = ""
    decomposition: float = inf
    loss: str = ""


class Compounds:
    """The truth about all crystals that a laboratory can make.

    Args:
        seed: the laboratory's.
        constants: its constants.
        rng: source of the hardness law's error and the melting points' scatter.
        library: real compounds.
        moduli: true moduli of every one of them.
        generated: crystals beside the library's.

    Raises:
        KeyError: when a crystal of the library has no moduli.
    """

    def __init__(
        self,
        seed: int,
        constants: Constants,
        rng: np.random.Generator,
        library: CrystalLibrary,
        moduli: Mapping[str, Moduli],
        generated: GeneratedCrystals | None,
    ) -> None:
        self._seed, self._constants, self._generated = seed, constants, generated
        known = [moduli[c.id] for c in library]
        # One smooth random function of composition: alike compounds err alike, so a learner can learn the error.
        self._error = SmoothError(rng, [c.fractions for c in library])
        hardness = self._hardness(list(library), known)
        scatter = rng.normal(0.0, constants.melting_scatter, len(known))
        melting = self._melting(library, known, scatter)
        self._found = {
            c.id: Compound(c, m, float(h), float(t), DFT, "", *self._ceiling(c))
            for c, m, h, t in zip(library, known, hardness, melting, strict=True)
        }

    def __getitem__(self, crystal_id: str) -> Compound:
        """The truth about one crystal.

        Raises:
            KeyError: it is neither in the library nor a generated one.
        """
        if crystal_id not in self._found:
            if self._generated is None:
                raise KeyError(crystal_id)
            self._found[crystal_id] = self._made(self._generated, crystal_id)
        return self._found[crystal_id]

    def _made(self, generated: GeneratedCrystals, crystal_id: str) -> Compound:
        crystal = generated.crystal(crystal_id)
        alone = CrystalLibrary([crystal])
        moduli = generated.moduli(crystal)
        if moduli is None:
            public = float(melting_estimates(alone)[0])
            reason = generated.reason(crystal)
            return Compound(crystal, None, 0.0, public, generated.origin, reason, *self._ceiling(crystal))
        scatter = stream(self._seed, "melting", crystal_id).normal(0.0, self._constants.melting_scatter, 1)
        melting = self._melting(alone, [moduli], scatter)
        intrinsic = float(self._hardness([crystal], [moduli])[0])
        return Compound(crystal, moduli, intrinsic, float(melting[0]), generated.origin, "", *self._ceiling(crystal))

    def _ceiling(self, crystal: Crystal) -> tuple[float, str]:
        """Where it falls apart in this laboratory, K, and how."""
        if (found := ceiling(crystal)) is None:
            return inf, ""
        error = stream(self._seed, "ceiling", crystal.id).normal(0.0, CEILING_SCATTER)
        return float(found.kelvin * np.exp(error)), found.how

    def _hardness(self, crystals: Sequence[Crystal], moduli: Sequence[Moduli]) -> Array:
        law = chen_hardness(np.array([m.bulk for m in moduli]), np.array([m.shear for m in moduli]))
        error = SMOOTH_SHARE * self._error([c.fractions for c in crystals]) - law / LOAD_SCALE
        return np.asarray(law * np.exp(self._constants.discrepancy * error))

    def _melting(self, crystals: CrystalLibrary, moduli: Sequence[Moduli], scatter: Array) -> Array:
        """Geometric mean of the public estimate and T = 607 + 9.3 K, with scatter.

        The elastic relation is that of Fine, Brown and Marcus, Scr. Metall. 18, 951 (1984). The stiffer a crystal, the
        hotter it must be sintered: what makes hard ceramics hard to make.
        """
        elastic = 607.0 + 9.3 * np.array([m.bulk for m in moduli])
        share = self._constants.elastic_share
        return np.asarray(melting_estimates(crystals) ** (1.0 - share) * elastic**share * np.exp(scatter))


def theoretical_density(crystal: Crystal) -> float:
    """Density in kg/m3 of the perfect crystal: the mass of its cell over its volume."""
    table = element_table()
    mass = sum(table[int(z)][3] for z in crystal.numbers)
    return float(x_ray_density(mass, crystal.volume))

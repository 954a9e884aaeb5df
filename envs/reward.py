"""Reward models for complete designs: a guess from public knowledge, and a wrapper that shapes another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.design import Design
from envs.errors import ConfigError
from envs.laws import KELVIN, polycrystal_hardness
from envs.ports import RewardModel
from envs.space import DesignSpace

FloatArray = npt.NDArray[np.float64]

BOLTZMANN_OVER_CUBIC_ANGSTROM = 1.380649e-23 / 1e-30 / 1e9
"""k_B per cubic angstrom in GPa/K."""
LINDEMANN = 45.0
"""Shear modulus over k_B T_melt / V_atom, the constant that Lindemann's melting rule (Phys. Z. 11, 609, 1910) gives
for close-packed and rock-salt solids to within about a factor of two."""
TETER = 0.151
"""Hardness over shear modulus of brittle solids (Chen et al., Intermetallics 19, 1275, 2011, after Teter, 1998)."""
DIFFUSION_ENERGY = 18.0
"""Activation energy of diffusion in units of R T_melt (Brown and Ashby, Acta Metall. 28, 1085, 1980)."""
GREEN_POROSITY = 0.4
SCALE = 40.0
"""GPa, about the hardest compounds of interest: the guess's unit."""

HELPS = {
    ("oxide", "MgO"): (1.5, 0.3), ("nitride", "Y2O3"): (2.0, 1.0), ("carbide", "B4C"): (2.0, 0.7),
    ("boride", "B4C"): (2.0, 0.7), ("silicide", "Y2O3"): (1.3, 0.8),
}  # fmt: skip
"""(family, additive) to factors on densification and on grain growth: textbook sintering aids (Coble, J. Appl. Phys.
32, 793, 1961, for MgO; Rahaman, Ceramic Processing and Sintering, 2003, for the others); orders of magnitude."""


class PhysicsGuess:
    """Hardness over 40 GPa as a ceramist would guess it before any measurement or computed property.

    Intrinsic hardness from the estimated melting temperature and the volume per atom; porosity and grain size from
    diffusion that scales with the melting temperature (Herring's d^3 size scaling, cubic grain growth); both joined
    by ``laws.polycrystal_hardness``. It needs the flagship's factors and uses no elastic label.

    Args:
        space: a space with crystals and the factors ``powder_size``, ``additive``, ``temperature``, ``hold`` and
            ``pressure``.

    Raises:
        ConfigError: the space lacks crystals or a factor.
    """

    def __init__(self, space: DesignSpace) -> None:
        names = {f.name for f in space.factors}
        missing = {"powder_size", "additive", "temperature", "hold", "pressure"} - names
        if missing or not len(space.library):
            raise ConfigError(
                "reward_model", None, f"to be injected for {space.name!r}: the default guess needs crystals and "
                f"{', '.join(sorted(missing)) or 'nothing else'}",
            )  # fmt: skip
        self.space = space
        volume = np.array([c.volume / c.n_atoms for c in space.library])
        self._melting = space.crystals.melting
        self._intrinsic = TETER * LINDEMANN * BOLTZMANN_OVER_CUBIC_ANGSTROM * self._melting / volume

    def score(self, designs: Sequence[Design]) -> FloatArray:
        """Guessed hardness over 40 GPa, shape ``(len(designs),)``."""
        rows = np.array([self.space.library.index(d.crystal) for d in designs], dtype=np.int64)
        column = {
            name: np.array([float(d.process[name]) for d in designs])
            for name in ("powder_size", "temperature", "hold", "pressure")
        }
        helps = np.array([
            HELPS.get((self.space.crystals.families[r], str(d.process["additive"])), (1.0, 1.0))
            for r, d in zip(rows, designs, strict=True)
        ]).reshape(len(rows), 2)  # fmt: skip
        homologous = (column["temperature"] + KELVIN) / self._melting[rows]
        # Reference: 1 h at 0.65 of melting without pressure turns 0.8 um powder's 40% pores into half of that.
        work = column["hold"] * helps[:, 0] * (1.0 + column["pressure"] / 10.0) * (0.8 / column["powder_size"]) ** 3
        porosity = GREEN_POROSITY / (1.0 + work * np.exp(DIFFUSION_ENERGY * (1 / 0.65 - 1 / homologous)))
        growth = column["hold"] * helps[:, 1] * np.exp(DIFFUSION_ENERGY * (1 / 0.65 - 1 / homologous))
        grain = np.cbrt(column["powder_size"] ** 3 + growth)
        return np.asarray(polycrystal_hardness(self._intrinsic[rows], porosity, grain) / SCALE)


@dataclass(frozen=True)
class Rereferenced:
    """clip((a - reference) / scale, -limit, limit): a reward of even size whatever the score's unit and round.

    Args:
        model: the score a.
        reference: a score that is worth nothing.
        scale: a difference that is worth one, > 0.
        limit: clip, so that one outlier cannot dominate an update.
    """

    model: RewardModel
    reference: float
    scale: float
    limit: float = 2.0

    @staticmethod
    def against(model: RewardModel, designs: Sequence[Design], *, quantile: float = 0.75) -> Rereferenced:
        """Reference at a quantile of the designs' scores, two of their standard deviations as the scale.

        Scores far above the random designs' then stay distinguishable (up to four standard deviations).
        """
        scores = np.asarray(model.score(designs), dtype=np.float64)
        spread = float(scores.std())
        return Rereferenced(model, float(np.quantile(scores, quantile)), 2.0 * spread if spread > 1e-12 else 1.0)

    def score(self, designs: Sequence[Design]) -> FloatArray:
        """Shaped reward, shape ``(len(designs),)``."""
        scores = np.asarray(self.model.score(designs), dtype=np.float64)
        return np.clip((scores - self.reference) / self.scale, -self.limit, self.limit)

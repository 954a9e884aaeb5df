"""What the process and residual models see of a design: its crystal's prior, place among crystals, and process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs import laws
from envs.design import Design
from envs.moduli import Moduli
from envs.space import DesignSpace
from surrogates.crystal_gnn import CrystalSurrogate

FloatArray = npt.NDArray[np.float64]
LAW_STD = 0.2
"""Prior standard deviation of ln(H) about the intrinsic-hardness law: its published scatter is 10 to 25%."""

MAX_LOG_STD = 0.8
N_MODULI_SAMPLES = 512
N_CRYSTAL_COMPONENTS = 8
TINY = 1e-9
"""Guards the scale of a space with a single crystal."""

INDEX_CENTRE, INDEX_SCALE = -34.0, 10.0
"""Bring the index near zero, with a spread near one, for processes between barely and overly sintered."""


class DesignFeatures:
    """Turns designs into rows ``[ln H0 mean, ln H0 std, crystal, crystal components, index, material, process]``.

    Args:
        space: the design space; its library gives the crystals.
        surrogate: fitted predictor of K and G.
        labels: moduli known beforehand, by crystal identifier; these crystals keep only the law's own error.
        seed: of the draws that carry the moduli's posterior through the hardness law.

    Attributes:
        crystal_distance: of each crystal of the space to the nearest labelled one, ``CrystalSurrogate.reach``.
        crystal_reach: how far labelled ones are from each other.
    """

    def __init__(
        self, space: DesignSpace, surrogate: CrystalSurrogate, labels: Mapping[str, Moduli], *, seed: int
    ) -> None:
        self._space = space
        crystals = list(space.library)
        self.log_hardness, self.log_std = _intrinsic_prior(space, surrogate, labels, seed)
        self.crystal_distance, self.crystal_reach = surrogate.reach(crystals)
        pooled = surrogate.features(crystals)
        centred = pooled - pooled.mean(axis=0)
        left, singular, _ = np.linalg.svd(centred, full_matrices=False)
        components = left[:, :N_CRYSTAL_COMPONENTS] * singular[:N_CRYSTAL_COMPONENTS]
        self._components = components / max(float(components[:, 0].std()), TINY)
        families = sorted(set(space.crystals.families))
        one_hot = np.array([[float(f == name) for name in families] for f in space.crystals.families])
        scaled_hardness = (self.log_hardness - self.log_hardness.mean()) / max(
            float(self.log_hardness.std()), TINY
        ) / 4 + 0.5
        self._material = np.column_stack([one_hot, scaled_hardness])
        self._melting = np.asarray(space.crystals.melting, dtype=np.float64)
        self._slot = {f.name: 1 + i for i, f in enumerate(space.factors)}

    @property
    def crystal_columns(self) -> slice:
        """Columns that place the crystal among crystals."""
        return slice(3, 3 + self._components.shape[1])

    @property
    def process_columns(self) -> slice:
        """Columns that the process models see: sintering index, material block, process factors."""
        return slice(3 + self._components.shape[1], None)

    @property
    def index_column(self) -> int:
        """Column of the sintering index, the one on which a process mostly depends."""
        return 3 + self._components.shape[1]

    @property
    def homologous_column(self) -> int:
        """Column of the homologous temperature, on which melting depends."""
        return self.index_column + 1 + self._material.shape[1]

    def rows(self, designs: Sequence[Design]) -> Tensor:
        """Double tensor ``n x n_columns``."""
        return self.rows_of(self._space.indices(designs))

    def rows_of(self, indices: npt.NDArray[np.int64]) -> Tensor:
        """The same from the space's integer form, ``n x (1 + n_factors)``: crystal row, then levels."""
        crystal = indices[:, 0]
        process = self._space.encode_levels(indices[:, 1:])
        melting = self._melting[crystal]
        kelvin = self._values("temperature", indices) + laws.KELVIN
        index = laws.sintering_index(
            kelvin,
            self._values("hold", indices),
            self._values("powder_size", indices),
            self._values("pressure", indices),
            melting,
        )
        scaled_index = (index - INDEX_CENTRE) / INDEX_SCALE
        return torch.from_numpy(
            np.column_stack(
                [
                    self.log_hardness[crystal],
                    self.log_std[crystal],
                    crystal,
                    self._components[crystal],
                    scaled_index,
                    self._material[crystal],
                    2.0 * kelvin / melting - 1.0,
                    process,
                ]
            )
        )

    def _values(self, factor: str, indices: npt.NDArray[np.int64]) -> FloatArray:
        slot = self._slot[factor]
        return self._space.factors[slot - 1].values[indices[:, slot]]


def _intrinsic_prior(
    space: DesignSpace, surrogate: CrystalSurrogate, labels: Mapping[str, Moduli], seed: int
) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of ln(H0 / GPa) for every crystal of the space, before any experiment."""
    crystals = list(space.library)
    moduli = surrogate.predict(crystals).sample(N_MODULI_SAMPLES, np.random.default_rng([seed, 1]))
    draws = np.log(laws.chen_hardness(moduli[..., 0], moduli[..., 1]))
    mean, std = draws.mean(axis=0), np.minimum(draws.std(axis=0), MAX_LOG_STD)
    for i, crystal in enumerate(crystals):
        if crystal.id in labels:
            known = labels[crystal.id]
            mean[i], std[i] = np.log(laws.chen_hardness(known.bulk, known.shear)), 0.0
    return mean, np.hypot(std, LAW_STD)

"""What the environments ask of the outside: a reward for complete designs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from envs.design import Design


class RewardModel(Protocol):
    """Scores complete designs; higher is better. Injected, so that no environment knows a surrogate or a truth."""

    def score(self, designs: Sequence[Design]) -> npt.NDArray[np.float64]:
        """One finite reward a design, shape ``(len(designs),)``."""
        ...

"""What the laws take and give: numbers or arrays of them, which broadcast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
ArrayLike = float | Array


def doubles(*given: ArrayLike) -> tuple[Array, ...]:
    """Each argument as an array of doubles, of whatever shape it has."""
    return tuple(np.asarray(one, dtype=np.float64) for one in given)

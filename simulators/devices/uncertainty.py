"""What an operator knows of the error of a result, from that of what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from instruments.device import Quantity

Array = npt.NDArray[np.float64]


def carried(
    law: Callable[[Array], Array], inputs: Array, errors: Array, names: Iterable[tuple[str, str]]
) -> dict[str, Quantity]:
    """Results of a law with their standard uncertainties, to first order in the errors (GUM, JCGM 100:2008, eq. 10).

    Args:
        law: gives the ``(k,)`` results of ``(n,)`` inputs.
        inputs: as read.
        errors: their standard uncertainties, independent.
        names: of the k results, each with its unit.
    """
    changes = [0.5 * (law(inputs + step) - law(inputs - step)) for step in np.diag(errors)]
    found = zip(names, law(inputs), np.linalg.norm(changes, axis=0), strict=True)
    return {name: Quantity(value=float(value), unit=unit, std=float(std)) for (name, unit), value, std in found}

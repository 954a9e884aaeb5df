"""The hidden error of the hardness law: one smooth random function of composition, defined for any composition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SMOOTH_SHARE = 0.85
LOAD_SCALE = 25.0
"""GPa. The law overestimates what an indenter reads at a finite load, the more the harder the crystal: it gives 48 GPa
for TiB2 and 34 GPa for WC, measured at 25-35 and 22-24 (indentation size effect: Gong, Wu and Guan, J. Eur. Ceram. Soc.
19, 2625, 1999)."""
N_FEATURES = 96
DISCREPANCY_LENGTH = 1.6
"""Length scale of the hardness law's hidden error, in standard deviations of the element descriptors."""


def element_descriptors(numbers: Sequence[int]) -> Array:
    """Descriptors of elements in their own units.

    Args:
        numbers: n atomic numbers.

    Returns:
        ``(n, 4)`` array: period, group, Mendeleev number, electronegativity (2 where there is none).
    """
    from pymatgen.core import Element

    elements = [Element.from_Z(z) for z in numbers]
    rows = [[float(e.row), float(e.group), float(e.mendeleev_no), float(e.X)] for e in elements]
    return np.asarray(np.nan_to_num(np.array(rows), nan=2.0))


class SmoothError:
    """A smooth random function of composition with mean 0 and standard deviation 1 over a library.

    A sum of random Fourier features of the mean element descriptors (Rahimi and Recht, NIPS 2007), hence one draw of a
    Gaussian process with a squared-exponential kernel, then bounded. The descriptors are standardised by the library's
    elements and compounds, and so are those of a composition that is not in it.

    Args:
        rng: source of the draw.
        compositions: of the library, each a mapping of atomic number to atomic fraction.
    """

    def __init__(self, rng: np.random.Generator, compositions: Sequence[Mapping[int, float]]) -> None:
        table = element_descriptors(sorted({z for c in compositions for z in c}))
        self._mean, self._spread = table.mean(axis=0), np.maximum(table.std(axis=0), 1e-9)
        place = self._places(compositions)
        self._centre, self._width = place.mean(axis=0), np.maximum(place.std(axis=0), 1e-9)
        self._frequency = rng.normal(0.0, 1.0 / DISCREPANCY_LENGTH, (place.shape[1], N_FEATURES))
        self._phase = rng.uniform(0.0, 2.0 * np.pi, N_FEATURES)
        self._weight = rng.normal(0.0, 1.0, N_FEATURES)
        raw = self._raw(place)
        self._middle, self._scale = raw.mean(), max(2.0 * float(raw.std()), 1e-9)
        bounded = self._bounded(raw)
        self._offset, self._size = bounded.mean(), max(float(bounded.std()), 1e-9)

    def __call__(self, compositions: Sequence[Mapping[int, float]]) -> Array:
        """The function's values, shape ``(n,)``."""
        return np.asarray((self._bounded(self._raw(self._places(compositions))) - self._offset) / self._size)

    def _places(self, compositions: Sequence[Mapping[int, float]]) -> Array:
        numbers = sorted({z for c in compositions for z in c})
        table = (element_descriptors(numbers) - self._mean) / self._spread
        shares = np.array([[c.get(z, 0.0) for z in numbers] for c in compositions])
        return np.asarray(shares @ table)

    def _raw(self, place: Array) -> Array:
        scaled = (place - self._centre) / self._width
        return np.asarray(np.cos(scaled @ self._frequency + self._phase) @ self._weight)

    def _bounded(self, raw: Array) -> Array:
        # Saturates: no compound's law errs by more than about twice the typical error.
        return np.asarray(np.tanh((raw - self._middle) / self._scale))

"""Universal potentials are too soft in shear, and by how much can be told from crystals whose tensor is known by DFT.

They are fitted near minima, and the energy rises too slowly away from them; the error is systematic, so a few numbers
fitted to DFT take most of it back (Deng et al., npj Comput. Mater. 11, 9, 2025). Volume changes are in the data that
they are fitted to, shears hardly: the bulk modulus is taken as it is, and Pugh's ratio is corrected,

    log10(G / K) = offset + exponent * log10(G' / K'),

the primed moduli being the potential's own. ``tests/benchmarks/potential.py --softening`` fits it and says what it is
worth; the form and the two numbers are this project's own. What is left: both moduli are some 17% low on the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.moduli import Moduli


@dataclass(frozen=True)
class Softening:
    """The correction of one potential.

    Args:
        offset: of the logarithm of Pugh's ratio G / K.
        exponent: of Pugh's ratio by the potential.
    """

    offset: float
    exponent: float

    def corrected(self, moduli: Moduli) -> Moduli:
        """Moduli in GPa as they are after the correction."""
        ratio = 10.0**self.offset * (moduli.shear / moduli.bulk) ** self.exponent
        return Moduli(bulk=moduli.bulk, shear=moduli.bulk * ratio)

    @staticmethod
    def fitted(potential: Sequence[Moduli], reference: Sequence[Moduli]) -> Softening:
        """The correction that a potential needs, by Theil and Sen's slope, so that a few odd crystals do not turn it.

        Args:
            potential: n moduli by the potential.
            reference: those of the same crystals by DFT.

        Raises:
            ValueError: fewer than three crystals, or the numbers do not match.
        """
        from scipy.stats import theilslopes

        if len(potential) != len(reference) or len(potential) < 3:
            raise ValueError(f"{len(potential)} moduli by the potential and {len(reference)} by DFT: 3 pairs at least")
        own, true = (np.log10([m.shear / m.bulk for m in side]) for side in (potential, reference))
        exponent = float(theilslopes(true, own)[0])
        return Softening(float(np.median(true - exponent * own)), exponent)

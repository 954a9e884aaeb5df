"""Universal potentials are too soft in shear, and by how much can be told from crystals whose tensor is known by DFT.

They are fitted near minima, and the energy rises too slowly away from them; the error is systematic, so a few numbers
fitted to DFT take most of it back (Deng et al., npj Comput. Mater. 11, 9, 2025). Volume changes are in the data that
they are fitted to, shears hardly: the bulk modulus needs one factor, Pugh's ratio two numbers,

    log10 K = stiffening + log10 K',    log10(G / K) = offset + exponent * log10(G' / K'),

the primed moduli being the potential's own. ``tests/benchmarks/potential.py --softening`` fits them and says what they
are worth; the form and the three numbers are this project's own. An exponent far below 1 draws Pugh's ratios together:
what is very hard comes out too soft, what is soft too hard.
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
        stiffening: of the logarithm of the bulk modulus.
        offset: of the logarithm of Pugh's ratio G / K.
        exponent: of Pugh's ratio by the potential.
    """

    stiffening: float
    offset: float
    exponent: float

    def corrected(self, moduli: Moduli) -> Moduli:
        """Moduli in GPa as they are after the correction."""
        ratio = 10.0**self.offset * (moduli.shear / moduli.bulk) ** self.exponent
        bulk = 10.0**self.stiffening * moduli.bulk
        return Moduli(bulk=bulk, shear=bulk * ratio)

    @staticmethod
    def fitted(potential: Sequence[Moduli], reference: Sequence[Moduli]) -> Softening:
        """The correction that a potential needs: medians and Theil and Sen's slope, so that no odd crystal turns it.

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
        factors = np.log10([r.bulk / p.bulk for p, r in zip(potential, reference, strict=True)])
        return Softening(float(np.median(factors)), float(np.median(true - exponent * own)), exponent)

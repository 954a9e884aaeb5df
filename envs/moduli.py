"""Isotropic elastic moduli: a word that laws, models and laboratories share. It holds nobody's data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Moduli:
    """Isotropic elastic moduli.

    Args:
        bulk: Voigt-Reuss-Hill bulk modulus, GPa.
        shear: Voigt-Reuss-Hill shear modulus, GPa.

    Raises:
        ValueError: a modulus is not positive.
    """

    bulk: float
    shear: float

    def __post_init__(self) -> None:
        if not (self.bulk > 0 and self.shear > 0):
            raise ValueError(f"moduli must be positive, got K = {self.bulk} GPa and G = {self.shear} GPa")

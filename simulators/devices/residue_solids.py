"""Density and stiffness of what additives leave in the grain boundaries, as measured on the pure compounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from envs.moduli import Moduli


@dataclass(frozen=True)
class ResidueSolid:
    """A second phase.

    Args:
        density: kg/m3.
        moduli: of the dense polycrystal.
    """

    density: float
    moduli: Moduli


SOLIDS: Mapping[str, ResidueSolid] = MappingProxyType(
    {
        # Anderson and Andreatch, J. Am. Ceram. Soc. 49, 404 (1966).
        "MgO": ResidueSolid(3584.0, Moduli(163.0, 131.0)),
        # Palko et al., J. Appl. Phys. 89, 7791 (2001).
        "Y2O3": ResidueSolid(5030.0, Moduli(149.5, 66.3)),
        # Spinel: Yoneda, J. Phys. Earth 38, 19 (1990).
        "MgAl2O4": ResidueSolid(3578.0, Moduli(196.0, 108.0)),
        # Garnet: Alton and Barlow, J. Appl. Phys. 38, 3817 (1967).
        "Y3Al5O12": ResidueSolid(4553.0, Moduli(185.0, 114.0)),
        # Forsterite: Kumazawa and Anderson, J. Geophys. Res. 74, 5961 (1969).
        "Mg2SiO4": ResidueSolid(3222.0, Moduli(129.0, 81.0)),
        # Sun, Zhou, Wang and Li, J. Am. Ceram. Soc. 90, 2535 (2007).
        "Y2Si2O7": ResidueSolid(4040.0, Moduli(112.0, 61.0)),
        # Gieske, Aselage and Emin, AIP Conf. Proc. 231, 376 (1991).
        "B4C": ResidueSolid(2520.0, Moduli(247.0, 200.0)),
        # Hexagonal, Reuss's mean of the constants of Bosak et al., Phys. Rev. B 73, 041402 (2006): its layers slide.
        "BN": ResidueSolid(2279.0, Moduli(25.6, 15.8)),
        # Munro, J. Res. Natl. Inst. Stand. Technol. 105, 709 (2000).
        "TiB2": ResidueSolid(4520.0, Moduli(240.0, 255.0)),
        # Munro, J. Phys. Chem. Ref. Data 26, 1195 (1997).
        "SiC": ResidueSolid(3215.0, Moduli(203.0, 179.0)),
    }
)
"""By formula."""

"""The bulk of a body as mechanical testers meet it: a disc of some size and density, and its true stiffness.

What the learner's laws leave out stands here: pores of another shape the more of them are open, a second phase, cracks,
and a Poisson ratio that changes with the pores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.laws import bulk_and_shear, cracked_moduli, poisson_ratio, youngs_modulus
from envs.moduli import Moduli
from simulators.body import Body
from simulators.devices.residue_solids import SOLIDS, ResidueSolid
from simulators.samples import Sample, stream
from simulators.second_phases import residue
from simulators.truth import LabTruth

DISC_MM = (13.0, 4.0)
"""Diameter and thickness of a fired disc, on average."""
DISC_SCATTER = 0.04
"""Relative standard deviation of both from compact to compact: how much powder went into the die."""

CLOSED_PORES, OPEN_PORES = (0.818, 1.65), (0.652, 2.23)
"""Porosity at which no stiffness is left, and exponent, of overlapping round pores and of sintered round particles.

Computed Young's moduli of model ceramics: Roberts and Garboczi, J. Am. Ceram. Soc. 83, 3041 (2000), eq. 2. They also
find that the Poisson ratio goes to a value of the pores' shape, 0.14 to 0.22, whatever that of the solid.
"""
POROUS_POISSON = 0.2
SHAPE_SCATTER = 0.05
"""Relative standard deviation of the exponent from laboratory to laboratory."""
CRACK_RADIUS_MM = 0.1
MOST_CRACK_DENSITY = 0.5
"""The self-consistent theory loses all stiffness at 9/16; a body that holds together keeps some."""


@dataclass(frozen=True)
class Disc:
    """A fired body as it lies on the bench.

    Args:
        thickness: mm.
        diameter: mm.
        density: with its pores, kg/m3.
    """

    thickness: float
    diameter: float
    density: float

    @property
    def volume(self) -> float:
        """With its pores, cm3."""
        return float(np.pi / 4.0 * self.diameter**2 * self.thickness * 1e-3)

    @property
    def mass(self) -> float:
        """In vacuum, g."""
        return self.density * self.volume * 1e-3


def disc(truth: LabTruth, made: Sample) -> Disc:
    """Size and true density of a sample; the same for every instrument."""
    size = stream(truth.seed, "disc", made.id).normal(1.0, DISC_SCATTER, 2)
    wide, thick = (mean * float(np.clip(factor, 0.8, 1.2)) for mean, factor in zip(DISC_MM, size, strict=True))
    return Disc(thick, wide, solid_density(truth, made) * made.body.density)


def solid_density(truth: LabTruth, made: Sample) -> float:
    """Density in kg/m3 of the solid between the pores, second phase included."""
    host, left, share = truth.theoretical_density(made.design.crystal), _residue(truth, made), made.body.second_phase
    return host if left is None else (1.0 - share) * host + share * left.density


def stiffness(truth: LabTruth, made: Sample) -> Moduli | None:
    """True moduli of a body with its second phase, pores and cracks; None where it carries no load."""
    bulk, shear = _solid_moduli(truth, made)
    young, poisson = float(youngs_modulus(bulk, shear)), float(poisson_ratio(bulk, shear))
    left = _left_by_pores(made.body, stream(truth.seed, "pore shape").normal(1.0, SHAPE_SCATTER))
    if left <= 0.0:
        return None
    towards = min(made.body.porosity / OPEN_PORES[0], 1.0)
    soft = bulk_and_shear(young * left, poisson + (POROUS_POISSON - poisson) * towards)
    cracked = cracked_moduli(*soft, min(crack_density(made.body), MOST_CRACK_DENSITY))
    return Moduli(float(cracked[0]), float(cracked[1]))


def crack_density(body: Body) -> float:
    """Number of cracks per volume times the cube of their radius, from their length per area of a section.

    Their area per volume is 4 / pi times their length per area (Underwood, Quantitative Stereology, 1970), and
    pi a^2 for each crack of radius a.
    """
    return 4.0 / np.pi**2 * body.cracks * CRACK_RADIUS_MM


def host_moduli(truth: LabTruth, made: Sample) -> Moduli:
    """True moduli of the compound that a sample is of, dense and pure."""
    return truth.moduli(made.design.crystal)


def _solid_moduli(truth: LabTruth, made: Sample) -> tuple[float, float]:
    """Mean of Voigt's and Reuss's mixture (Hill, Proc. Phys. Soc. A 65, 349, 1952), GPa."""
    host = host_moduli(truth, made)
    left, f = _residue(truth, made), made.body.second_phase
    if left is None or f == 0.0:
        return host.bulk, host.shear
    pairs = ((host.bulk, left.moduli.bulk), (host.shear, left.moduli.shear))
    bulk, shear = (0.5 * ((1.0 - f) * a + f * b + 1.0 / ((1.0 - f) / a + f / b)) for a, b in pairs)
    return bulk, shear


def _residue(truth: LabTruth, made: Sample) -> ResidueSolid | None:
    """What the additive became; None where there was none."""
    became = residue(truth.crystal(made.design.crystal), str(made.design.process["additive"]))
    return SOLIDS.get(became.compound)


def _left_by_pores(body: Body, shape: float) -> float:
    """Young's modulus over that of the dense solid."""
    shares = (1.0 - body.open_share, body.open_share)
    forms = (CLOSED_PORES, OPEN_PORES)
    left = (max(1.0 - body.porosity / end, 0.0) ** (shape * n) for end, n in forms)
    return float(sum(share * one for share, one in zip(shares, left, strict=True)))

"""Vickers impressions in a body: what each meets under its tip, how large it becomes, and whether it can be read.

- Level: a truth's hardness is what is read at 9.81 N. At other loads the proportional specimen resistance moves it (Li
  and Bradt, J. Mater. Sci. 28, 917, 1993), more in harder solids.
- Scatter: an indent averages over its plastic zone, of radius (E / H)^(1/2) cot^(1/3)(74 deg) half diagonals (Lawn,
  Evans and Marshall, J. Am. Ceram. Soc. 63, 574, 1980). Few grains, pores or particles within it make it uncertain.
- Cracks: radial ones above a threshold (Lawn and Evans, J. Mater. Sci. 12, 2195, 1977), as long as Anstis et al. have
  them (J. Am. Ceram. Soc. 64, 533, 1981), and chips above another one (Marshall, Lawn and Evans, J. Am. Ceram. Soc. 65,
  561, 1982). In a porous body the ground is crushed into its pores instead and no radial crack runs: as in alumina
  under spheres, which cracks at 3% of porosity and is only pressed in at some 15% (Latella, O'Connor, Padture and Lawn,
  J. Am. Ceram. Soc. 80, 1027, 1997). What is chipped, lies on a crack or has a pore at its corner cannot be read; in a
  very porous body that leaves the harder places, and the mean a few per cent high.
- Neighbours: too close to each other, indents lie in work-hardened ground and their cracks meet (standards demand some
  diagonals between them).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from envs.laws import crack_threshold, niu_toughness, resisted_diagonal, vickers_diagonal, youngs_modulus
from simulators.devices.solid import host_moduli, stiffness
from simulators.samples import Sample, stream
from simulators.sintering.rates import ABNORMAL_SIZE
from simulators.truth import LabTruth

Array = npt.NDArray[np.float64]

REFERENCE_LOAD = 9.81
"""N, at which a truth's hardness is read."""
SIZE_EFFECT = (1.6, 3.0)
"""um. Least and greatest d0 of the specimen's resistance over laboratories, at ``TYPICAL_HARDNESS``."""
TYPICAL_HARDNESS = 17.0
PACKING_SCATTER = 0.10
"""Relative standard deviation of the porosity from place to place: a powder never packs evenly."""
GRAIN_SCATTER = 0.08
"""Relative standard deviation of hardness with a grain's orientation."""
SURFACE_SCATTER = 0.02
"""The same from what polishing left, of an indent of 30 um; smaller ones feel more of it."""
PHASE_SOFT = 0.4
"""How much softer a second phase is, a share."""
PORE_RATIO, PARTICLE_RATIO = 0.5, 0.5
"""Diameter of pores and of particles of a second phase over that of the grains."""
SECTION = 1.27
"""Mean diameter of grains over that of their circles in a section, about."""
TOUGHNESS_SCATTER = 0.12
CALIBRATION_SCATTER = 0.2
"""Relative: of a compound's toughness about Niu's estimate, and of its cracks about Anstis's equation."""
SHORTEST_RATIO, SHORTEST_UM = 0.75, 6.0
"""Length over the diagonal, and in um, of the shortest cracks that are told from the corners."""
TOUGHNESS_POROSITY = 2.5
"""b in exp(-bP): toughness falls with pores less fast than hardness (Rice, Porosity of Ceramics, 1998)."""
CHIPPING, CHIP_SPREAD, CHIP_SHARE = 2e5, 0.6, 150.0
"""Factor of the load from which lateral cracks run; at how many times that load 63% of the indents are chipped is the
last, the exponent by which their share grows the middle one."""
CRUSHED, CRUSHED_SPREAD = 0.11, 0.03
"""Porosity at which half of the indents crush their ground instead of cracking it, and how far from it that begins."""
SOFTEST = 10.0
"""E / H of a body whose solid hardly holds together."""
HARDENED = 0.06
"""How much harder an indent reads, a share, for each plastic zone's width by which its neighbour's overlaps it."""
N_PLACES = 2000
"""Places of a body over which its mean is taken."""
_COT = 1.0 / np.tan(np.radians(74.0))


@dataclass(frozen=True)
class Impressions:
    """n indents, before anybody reads them.

    Args:
        diagonals: ``(n,)``, um.
        cracks: ``(n,)``, from the middle to the tips of the radial cracks, um; not a number where there are none.
        readable: ``(n,)``.
    """

    diagonals: Array
    cracks: Array
    readable: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Solid:
    """What the indents need to know of a body beside its hardness."""

    young: float
    hardness: float
    toughness: float
    calibration: float
    resistance: float


def press(
    truth: LabTruth, made: Sample, load: float, n: int, rng: np.random.Generator, *, spacing: float = 5.0
) -> Impressions:
    """Press n indents into fresh places of a sample.

    Args:
        truth: of the laboratory.
        made: the sample.
        load: N.
        n: how many.
        rng: of this order.
        spacing: from the middle of an indent to that of the next, in diagonals.
    """
    mean = truth.body_hardness(made.design.crystal, str(made.design.process["additive"]), made.body)
    solid = _solid(truth, made, mean)
    size = float(resisted_diagonal(load, _plateau(mean, solid.resistance), solid.resistance))
    zone = 0.5 * size * np.sqrt(solid.young / solid.hardness) * np.cbrt(_COT)
    volume = 2.0 / 3.0 * np.pi * zone**3
    porosity = _porosity(made, volume, n, rng)
    hardness = _local(truth, made, volume, porosity, rng) * _polish(size, n, rng) * _fair(truth, made, volume)
    diagonals = resisted_diagonal(load, _plateau(hardness, solid.resistance), solid.resistance)
    diagonals /= np.sqrt(1.0 + HARDENED * max(2.0 * zone / (spacing * size) - 1.0, 0.0))
    cracks = np.where(
        porosity + rng.normal(0.0, CRUSHED_SPREAD, n) < CRUSHED, _cracks(solid, load, diagonals, rng), np.nan
    )
    spoiled = _spoiled(solid, made, load, diagonals, porosity)
    meeting = np.clip(2.0 * np.nan_to_num(cracks) / (spacing * size) - 1.0, 0.0, 1.0)
    readable = rng.random((5, n)) > np.stack([*spoiled, meeting])
    return Impressions(diagonals, cracks, np.asarray(readable.all(axis=0)))


def _solid(truth: LabTruth, made: Sample, hardness: float) -> _Solid:
    crystal, moduli = truth.crystal(made.design.crystal), host_moduli(truth, made)
    left = stiffness(truth, made)
    own = stream(truth.seed, "toughness", crystal.id).normal(0.0, 1.0, 2)
    tough = float(niu_toughness(moduli.bulk, moduli.shear, crystal.volume / crystal.n_atoms))
    resistance = stream(truth.seed, "specimen resistance").uniform(*SIZE_EFFECT)
    return _Solid(
        young=SOFTEST * hardness if left is None else float(youngs_modulus(left.bulk, left.shear)),
        hardness=hardness,
        toughness=tough * float(np.exp(TOUGHNESS_SCATTER * own[0] - TOUGHNESS_POROSITY * made.body.porosity)),
        calibration=0.016 * float(np.exp(CALIBRATION_SCATTER * own[1])),
        resistance=resistance * float(np.sqrt(hardness / TYPICAL_HARDNESS)),
    )


def _plateau(hardness: float | Array, resistance: float) -> Array:
    """Hardness of large indents in GPa, by that at the reference load."""
    return np.asarray(hardness / (1.0 + resistance / vickers_diagonal(REFERENCE_LOAD, hardness)))


def _sphere(diameter: float) -> float:
    return float(np.pi / 6.0 * diameter**3)


def _share(mean: float, pieces: float, n: int, rng: np.random.Generator) -> Array:
    """What share of its zone each indent finds to be of a kind that comes in pieces, so many to a zone.

    Beta-distributed, with the variance m (1 - m) / (1 + pieces) of a share that is counted in pieces.
    """
    if mean <= 0.0 or mean >= 1.0:
        return np.full(n, mean)
    pieces = float(np.clip(pieces, 0.02, 1e8))
    return rng.beta(max(mean * pieces, 1e-4), max((1.0 - mean) * pieces, 1e-4), n)


def _porosity(made: Sample, volume: float, n: int, rng: np.random.Generator) -> Array:
    pieces = volume / _sphere(PORE_RATIO * made.body.grain_size)
    uneven = np.maximum(1.0 + rng.normal(0.0, PACKING_SCATTER, n), 0.0)
    return np.clip(_share(made.body.porosity, pieces, n, rng) * uneven, 0.0, 1.0)


def _local(truth: LabTruth, made: Sample, volume: float, porosity: Array, rng: np.random.Generator) -> Array:
    """Hardness in GPa that the truth gives to what each indent meets: pores, grains, abnormal grains and particles."""
    body, grain, n = made.body, SECTION * made.body.grain_size, len(porosity)
    abnormal = _share(body.abnormal, volume / _sphere(ABNORMAL_SIZE * grain), n, rng)
    phase = _share(body.second_phase, volume / _sphere(PARTICLE_RATIO * grain), n, rng)
    crystal, additive = made.design.crystal, str(made.design.process["additive"])
    level = [
        truth.body_hardness(crystal, additive, replace(body, density=1.0 - float(p), abnormal=float(a)))
        for p, a in zip(porosity, abnormal, strict=True)
    ]
    # Where an abnormal grain is, the indent lies in few grains, or in one.
    few = (1.0 - abnormal) * _sphere(grain) + abnormal * _sphere(ABNORMAL_SIZE * grain)
    orientation = rng.normal(0.0, 1.0, n) * GRAIN_SCATTER * np.sqrt(np.minimum(few / volume, 1.0))
    # The truth counts the second phase in its mean.
    return np.asarray(level * (1.0 - PHASE_SOFT * (phase - body.second_phase)) * np.maximum(1.0 + orientation, 0.5))


def _fair(truth: LabTruth, made: Sample, volume: float) -> float:
    """What keeps the mean over all places at the truth's hardness, which is that of the body at large.

    Hardness falls with porosity along a convex curve, so places that differ in it would be harder on average.
    """
    body, step = made.body, 0.01
    additive = str(made.design.process["additive"])
    denser = replace(body, density=min(body.density + step, 1.0), abnormal=0.0)
    looser = replace(denser, density=denser.density - step)
    ratio = truth.body_hardness(made.design.crystal, additive, denser)
    ratio /= truth.body_hardness(made.design.crystal, additive, looser)
    places = _porosity(made, volume, N_PLACES, stream(truth.seed, "places", made.id))
    return float(1.0 / np.mean(ratio ** ((body.porosity - places) / step)))


def _polish(size: float, n: int, rng: np.random.Generator) -> Array:
    return np.asarray(np.maximum(1.0 + rng.normal(0.0, SURFACE_SCATTER * np.sqrt(30.0 / size), n), 0.5))


def _cracks(solid: _Solid, load: float, diagonals: Array, rng: np.random.Generator) -> Array:
    n = len(diagonals)
    onset = crack_threshold(solid.toughness, solid.hardness) * rng.lognormal(0.0, 0.3, n)
    driving = solid.calibration * np.sqrt(solid.young / solid.hardness) * load / (solid.toughness * 1e6)
    lengths = driving ** (2.0 / 3.0) * 1e6 * rng.lognormal(0.0, 0.05, n)
    seen = (lengths > SHORTEST_RATIO * diagonals) & (lengths > SHORTEST_UM)
    return np.where((load > onset) & seen, lengths, np.nan)


def _spoiled(solid: _Solid, made: Sample, load: float, diagonals: Array, porosity: Array) -> Array:
    """Chances that an indent is chipped, has a pore at a corner, lies on a crack, is too small to be seen: (4, n)."""
    chips = load / (CHIP_SHARE * crack_threshold(solid.toughness, solid.hardness, factor=CHIPPING))
    chipped = np.full_like(diagonals, 1.0 - np.exp(-(chips**CHIP_SPREAD)))
    pored = 1.0 - np.exp(-((porosity / 0.6) ** 3))
    # Long lines in all directions, L of them per area, hit a disc of diameter D L D times on average.
    crossed = 1.0 - np.exp(-made.body.cracks * diagonals * 1e-3)
    unseen = np.exp(-((diagonals / 4.0) ** 2))
    return np.stack([chipped, pored, crossed, unseen])

"""What a powder diffractometer counts: the reflections of a mixture of phases, with their widths, on their background.

Where a reflection lies and how strong it is comes from the crystal structure (pymatgen's ``XRDCalculator``). The
integrated intensity of a phase in Bragg-Brentano geometry is v S / mu: v its share of the volume, S = m |F|^2 LP / Vc^2
what a volume of it scatters, mu the linear attenuation of the mixture (Klug and Alexander, X-Ray Diffraction
Procedures, 2nd ed., Wiley 1974, ch. 7; Hill and Howard, J. Appl. Crystallogr. 20, 467, 1987). Pores thin what scatters
and what absorbs alike, so they do not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from envs.broadening_laws import williamson_hall_width
from envs.crystals import Crystal
from simulators.attenuation import fluorescence, linear_attenuation

if TYPE_CHECKING:
    from pymatgen.core import Structure

Array = npt.NDArray[np.float64]

K_ALPHA_1, K_ALPHA_2, K_BETA = 1.5405929, 1.5444274, 1.392234
"""Wavelengths of copper's doublet and of what a nickel filter should keep back, angstrom (Deslattes et al., Rev. Mod.
Phys. 75, 35, 2003)."""
DOUBLET_RATIO = 0.5
"""Intensity of the second line over that of the first, by the electrons in the two shells."""
LEAK = 0.004
"""Intensity of K-beta behind the filter over that of the first line."""
NATURAL_WIDTH = 2.8e-4
"""Full width at half maximum of a line over its energy, 2.3 of 8,048 eV (Hoelzer et al., Phys. Rev. A 56, 4554,
1997)."""
THERMAL_B = 0.4
"""Isotropic displacement parameter of every atom, square angstrom: that of a stiff ceramic at room temperature."""
RANGE = (4.0, 150.0)
"""Degrees of 2 theta within which reflections are known."""
BRIGHTNESS = 7.0e3
"""Of tube, slits and detector together: corundum's strongest reflections reach some 8,000 counts/s."""
AIR, AIR_REACH, CONSTANT, SHINE = 600.0, 12.0, 40.0, 1500.0
"""Background, counts/s: what air scatters at 0 degrees and over how many it falls to 1/e, what is there everywhere, and
what a specimen that turned all it absorbs into its own light would add."""
HALO, HALO_WIDTH = 29.5, 3.6
"""Centre and standard deviation of a silicate glass's halo, degrees of 2 theta."""
SMALLEST = 1e-5
"""Reflections below this share of the sum of all are left out: they drown in any noise."""
THICKNESS = 3.0
"""Of a specimen, mm."""
_SYMMETRY = 0.01
_REACH, _REACH_WIDTHS = 2.0, 25.0
"""How far the tails of a reflection are followed: degrees, or widths where those are more."""
_AT_ONCE = 128
"""Reflections in one piece of work, so that it stays in the processor's cache."""
_TCH = (1.0, 2.69269, 2.42843, 4.47163, 0.07842, 1.0)


@dataclass(frozen=True)
class Sticks:
    """The reflections of one phase before anything broadens them.

    Args:
        spacing: ``(n,)`` lattice spacings, angstrom.
        strength: ``(n,)`` m |F|^2 LP / Vc^2 at the first line of the doublet.
        tilt: ``(n,)`` cosines between a reflection's normal and that of the basal plane.
        attenuation: of the dense phase for copper's K-alpha lines, 1/cm.
        fluorescence: share of what it absorbs that it gives back as its own light.
        textured: whether its basal plane is unlike its other planes: not so in cubic crystals.
    """

    spacing: Array
    strength: Array
    tilt: Array
    attenuation: float
    fluorescence: float
    textured: bool


@dataclass(frozen=True)
class Phase:
    """One crystalline phase in a specimen.

    Args:
        sticks: its reflections.
        volume: its share of the solid's volume, 0 to 1.
        size: of what diffracts coherently, um.
        strain: microstrain of the lattice.
        stretch: lattice constants over those of the structure.
        texture: March coefficient r: 1 for none, below 1 where basal planes lie in the surface.
        spots: ``(n,)`` factors on the reflections, of how many grains happen to be in their place; None for enough.
    """

    sticks: Sticks
    volume: float
    size: float
    strain: float = 0.0
    stretch: float = 1.0
    texture: float = 1.0
    spots: Array | None = None


@dataclass(frozen=True)
class Optics:
    """A Bragg-Brentano diffractometer with a specimen in it.

    Its slits give reflections a Gaussian width of (u tan^2 + v tan + w)^(1/2) (Caglioti, Paoletti and Ricci, Nucl.
    Instrum. 3, 223, 1958).

    Args:
        u: square degrees.
        v: square degrees.
        w: square degrees.
        radius: of the goniometer, mm.
        displacement: of the specimen's surface below the focusing circle, mm.
    """

    u: float = 0.0012
    v: float = -0.0014
    w: float = 0.0042
    radius: float = 217.5
    displacement: float = 0.0

    def shift(self, two_theta: Array, attenuation: float) -> Array:
        """By how many degrees reflections are moved.

        -2 s cos theta / R (Klug and Alexander, 1974, ch. 5), s with the mean depth from which they come: in a thick
        specimen sin theta / 2 mu, so that weak absorbers are seen at lower angles.

        Args:
            two_theta: degrees.
            attenuation: of the specimen, 1/cm.
        """
        half = np.radians(two_theta) / 2.0
        x = optical_depth(two_theta, attenuation)
        depth = 10.0 * np.sin(half) / (2.0 * attenuation) * (1.0 - x * np.exp(-x) / -np.expm1(-x))
        return np.asarray(np.degrees(-2.0 * (self.displacement + depth) * np.cos(half) / self.radius))

    def width(self, two_theta: Array) -> Array:
        """Full width at half maximum of the slits' Gaussian, degrees."""
        tan = np.tan(np.radians(two_theta) / 2.0)
        return np.sqrt(np.maximum(self.u * tan**2 + self.v * tan + self.w, 1e-4))


def sticks(crystal: Crystal) -> Sticks:
    """The reflections of a crystal; those that were asked for before are remembered.

    Raises:
        KeyError: when the absorption of one of its elements is not known.
        ValueError: when the scattering of one of its elements is not known.
    """
    return _remembered(crystal.lattice.tobytes(), crystal.numbers.tobytes(), crystal.frac_coords.tobytes())


@lru_cache(maxsize=1024)
def _remembered(lattice: bytes, numbers: bytes, coordinates: bytes) -> Sticks:
    from pymatgen.core import Lattice, Structure

    cell = np.frombuffer(lattice, dtype=np.float64).reshape(3, 3)
    sites = np.frombuffer(coordinates, dtype=np.float64).reshape(-1, 3)
    return structure_sticks(Structure(Lattice(cell), np.frombuffer(numbers, dtype=np.int64).tolist(), sites))


def structure_sticks(structure: Structure) -> Sticks:
    """The reflections of a structure.

    Raises:
        KeyError: when the absorption of one of its elements is not known.
        ValueError: when the scattering of one of its elements is not known.
    """
    from pymatgen.analysis.diffraction.xrd import XRDCalculator
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    finder = SpacegroupAnalyzer(structure, symprec=_SYMMETRY)
    cell = finder.get_conventional_standard_structure()
    thermal = {str(e): THERMAL_B for e in cell.composition.elements}
    pattern = XRDCalculator(K_ALPHA_1, debye_waller_factors=thermal).get_pattern(
        cell, scaled=False, two_theta_range=RANGE
    )
    found = np.asarray(pattern.y, dtype=np.float64)
    kept = found > SMALLEST * found.sum()
    # Hexagonal indices come as hkil. All members of a family are tilted alike: the basal plane is unique.
    first = [family[0]["hkl"] for family in pattern.hkls]
    indices = np.array([(*hkl[:2], hkl[-1]) for hkl in first], dtype=np.float64)[kept]
    reciprocal = cell.lattice.reciprocal_lattice_crystallographic.matrix
    spacing = K_ALPHA_1 / (2.0 * np.sin(np.radians(np.asarray(pattern.x)[kept]) / 2.0))
    tilt = np.abs(indices @ reciprocal @ reciprocal[2]) * spacing / np.linalg.norm(reciprocal[2])
    weights = {str(e): float(n) * float(e.atomic_mass) for e, n in cell.composition.items()}
    return Sticks(
        spacing,
        found[kept] / cell.volume**2,
        np.minimum(tilt, 1.0),
        linear_attenuation(weights, cell.volume),
        fluorescence(weights),
        finder.get_crystal_system() != "cubic",
    )


def optical_depth(two_theta: Array, attenuation: float) -> Array:
    """How thick a specimen is on the way in and out, in lengths over which the beam falls to 1/e.

    Args:
        two_theta: degrees.
        attenuation: 1/cm.
    """
    return np.asarray(0.2 * attenuation * THICKNESS / np.sin(np.radians(two_theta) / 2.0))


def march(tilt: Array, r: float) -> Array:
    """How much stronger a texture makes reflections; 1 on the mean over all directions.

    Dollase, J. Appl. Crystallogr. 19, 267 (1986), eq. 5: (r^2 cos^2 + sin^2 / r)^(-3/2).

    Args:
        tilt: cosines between a reflection's normal and the texture's axis.
        r: March coefficient.
    """
    return np.asarray((r**2 * tilt**2 + (1.0 - tilt**2) / r) ** -1.5)


def rate(
    two_theta: Array, phases: Sequence[Phase], optics: Optics, *, glass: float = 0.0, packing: float = 1.0
) -> Array:
    """Expected counts a second.

    Args:
        two_theta: ``(n,)`` evenly spaced angles, degrees.
        phases: what the specimen is made of.
        optics: the instrument.
        glass: share of the solid's volume that is a silicate glass, 0 to 1.
        packing: relative density of the specimen.

    Returns:
        ``(n,)`` array.

    Raises:
        ValueError: when there is nothing that absorbs.
    """
    solid = sum(p.volume for p in phases)
    absorbed = sum(p.volume * p.sticks.attenuation for p in phases)
    if solid <= 0.0:
        raise ValueError("a specimen without a crystalline phase has no attenuation here")
    attenuation = absorbed * (solid + glass) / solid
    light = sum(p.volume * p.sticks.attenuation * p.sticks.fluorescence for p in phases) / absorbed
    counted = AIR * np.exp(-two_theta / AIR_REACH) + CONSTANT + SHINE * light
    scattered = np.zeros(len(two_theta))
    for phase in phases:
        scattered += _reflections(two_theta, phase, optics, packing * attenuation)
    return np.asarray(counted + BRIGHTNESS / attenuation * (scattered + glass * _halo(two_theta, phases[0])))


def _halo(two_theta: Array, of: Phase) -> Array:
    """What a volume of glass scatters: as much as its crystals would, in one broad hump."""
    low = of.sticks.spacing > K_ALPHA_1 / (2.0 * np.sin(np.radians(30.0)))
    area = float(of.sticks.strength[low].sum()) * (1.0 + DOUBLET_RATIO)
    hump = np.exp(-0.5 * ((two_theta - HALO) / HALO_WIDTH) ** 2)
    return np.asarray(area * hump / (HALO_WIDTH * np.sqrt(2.0 * np.pi)))


def _reflections(two_theta: Array, phase: Phase, optics: Optics, attenuation: float) -> Array:
    """The profiles of one phase for all lines of the tube: v S each, less what leaves by the specimen's back."""
    found = phase.sticks
    strength = phase.volume * found.strength
    if found.textured:
        strength = strength * march(found.tilt, phase.texture)
    if phase.spots is not None:
        strength = strength * phase.spots
    total = np.zeros(len(two_theta))
    for wavelength, share in ((K_ALPHA_1, 1.0), (K_ALPHA_2, DOUBLET_RATIO), (K_BETA, LEAK)):
        sine = wavelength / (2.0 * phase.stretch * found.spacing)
        there = (sine < np.sin(np.radians(RANGE[1]) / 2.0)) & (share * strength > SMALLEST * strength.sum())
        place = np.degrees(2.0 * np.arcsin(sine[there]))
        natural = np.degrees(2.0 * NATURAL_WIDTH * np.tan(np.radians(place) / 2.0))
        lorentz = natural + williamson_hall_width(1e3 * phase.size, phase.strain, wavelength, place)
        width, mixing = pseudo_voigt(optics.width(place), lorentz)
        area = -np.expm1(-optical_depth(place, attenuation)) * share * strength[there]
        total += _summed(two_theta, place + optics.shift(place, attenuation), area, width, mixing)
    return total


def pseudo_voigt(gauss: Array, lorentz: Array) -> tuple[Array, Array]:
    """Width and Lorentzian share of the pseudo-Voigt profile nearest to a Voigt one.

    Thompson, Cox and Hastings, J. Appl. Crystallogr. 20, 79 (1987).

    Args:
        gauss: full width at half maximum of the Gaussian part.
        lorentz: that of the Lorentzian part.
    """
    terms = (c * gauss ** (5 - n) * lorentz**n for n, c in enumerate(_TCH))
    width = np.asarray(sum(terms)) ** 0.2
    q = lorentz / width
    return width, np.asarray(1.36603 * q - 0.47719 * q**2 + 0.11116 * q**3)


def _summed(two_theta: Array, place: Array, area: Array, width: Array, mixing: Array) -> Array:
    """Pseudo-Voigt profiles of ``(m,)`` reflections on an evenly spaced grid, each as far as its tails are seen."""
    n, step = len(two_theta), float(two_theta[1] - two_theta[0])
    reach = int(np.ceil(max(_REACH, _REACH_WIDTHS * float(width.max(initial=0.0))) / step))
    near = (place > two_theta[0] - reach * step) & (place < two_theta[-1] + reach * step)
    kept = [a[near, None] for a in (place, area, width, mixing)]
    total = np.zeros(n + 2 * reach + 2)  # with room for tails beyond either end
    for begin in range(0, len(kept[0]), _AT_ONCE):
        at, strength, wide, mixed = (a[begin : begin + _AT_ONCE] for a in kept)
        index = np.rint((at - two_theta[0]) / step).astype(np.int64) + np.arange(-reach, reach + 1)
        square = ((two_theta[0] + step * index - at) / wide) ** 2
        gauss = 2.0 * np.sqrt(np.log(2.0) / np.pi) * np.exp(-4.0 * np.log(2.0) * square)
        profile = strength / wide * ((1.0 - mixed) * gauss + mixed * (2.0 / np.pi) / (1.0 + 4.0 * square))
        inside = np.clip(index + reach + 1, 0, len(total) - 1)
        total += np.bincount(inside.ravel(), weights=profile.ravel(), minlength=len(total))
    return total[reach + 1 : reach + 1 + n]

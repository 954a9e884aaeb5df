"""Laws of heat and charge: conductivity of the lattice, its floor, and what pores leave of it."""

from __future__ import annotations

import numpy as np

from envs.law_arrays import Array, ArrayLike, doubles

BOLTZMANN = 1.380649e-23
"""J/K."""
HBAR = 1.054571817e-34
"""J s."""
LORENZ = 2.443e-8
"""W Ohm / K2, of free electrons (Sommerfeld, Z. Phys. 47, 1, 1928)."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def gruneisen_parameter(poisson: ArrayLike) -> Array:
    """Grueneisen parameter from the Poisson ratio alone: (3/2) (1 + v) / (2 - 3v).

    Belomestnykh and Tesleva, Tech. Phys. 49, 1098 (2004). Good to some 10 to 20% where bonds are not strongly
    directional; too high by up to a half for silicon and its like, whose transverse modes soften.
    """
    (v,) = doubles(poisson)
    return np.asarray(1.5 * (1.0 + v) / (2.0 - 3.0 * v))


def slack_conductivity(
    mass: ArrayLike,
    debye: ArrayLike,
    volume_per_atom: ArrayLike,
    gruneisen: ArrayLike,
    atoms: ArrayLike,
    temperature: ArrayLike = 300.0,
) -> Array:
    """Thermal conductivity in W/(m K) of a perfect insulating crystal: A M Theta^3 delta / (gamma^2 n^(2/3) T).

    Slack, J. Phys. Chem. Solids 34, 321 (1973); A = 2.43e-6 / (1 - 0.514 / gamma + 0.228 / gamma^2) after Julian
    (Phys. Rev. 137, A128, 1965), as Morelli and Slack give it (in Shinde and Goela, High Thermal Conductivity
    Materials, Springer, 2006). For temperatures from about a third of Theta up. Right to a factor of two: acoustic
    phonons carry all, and umklapp is all that stops them.

    Args:
        mass: M, mean atomic mass, Da.
        debye: Theta, of all atoms, K; that of the acoustic branches is Theta n^(-1/3).
        volume_per_atom: delta cubed, cubic angstrom.
        gruneisen: gamma.
        atoms: n, in the primitive cell.
        temperature: K.
    """
    m, theta, volume, gamma, n, t = doubles(mass, debye, volume_per_atom, gruneisen, atoms, temperature)
    factor = 2.43e-6 / (1.0 - 0.514 / gamma + 0.228 / gamma**2)
    return np.asarray(factor * m * theta**3 * np.cbrt(volume) / (gamma**2 * n ** (2.0 / 3.0) * t))


def cahill_conductivity(
    longitudinal: ArrayLike,
    shear: ArrayLike,
    volume_per_atom: ArrayLike,
    temperature: ArrayLike | None = None,
) -> Array:
    """Least thermal conductivity of a lattice in W/(m K), as of a glass: phonons that go half a wavelength.

    Cahill, Watson and Pohl, Phys. Rev. B 46, 6131 (1992):
    (pi/6)^(1/3) k_B n^(2/3) sum_i v_i (T / Theta_i)^2 int_0^(Theta_i / T) x^3 e^x / (e^x - 1)^2 dx over one
    longitudinal and two transverse branches, Theta_i = v_i (hbar / k_B) (6 pi^2 n)^(1/3). Without a temperature its
    limit for high ones, (1/2) (pi/6)^(1/3) k_B n^(2/3) (v_l + 2 v_t).

    Args:
        longitudinal: v_l, m/s.
        shear: v_t, m/s.
        volume_per_atom: 1 / n, cubic angstrom.
        temperature: K, positive; None for the limit.
    """
    v_l, v_t, volume = doubles(longitudinal, shear, volume_per_atom)
    n = 1e30 / volume
    scale = np.cbrt(np.pi / 6.0) * BOLTZMANN * n ** (2.0 / 3.0)
    if temperature is None:
        return np.asarray(0.5 * scale * (v_l + 2.0 * v_t))
    (t,) = doubles(temperature)
    wave = HBAR / BOLTZMANN * np.cbrt(6.0 * np.pi**2 * n) / t
    return np.asarray(scale * (v_l * _occupied(wave * v_l) + 2.0 * v_t * _occupied(wave * v_t)))


def _occupied(top: Array) -> Array:
    """``u^-2 int_0^u x^3 e^x / (e^x - 1)^2 dx``, which is 1/2 for u near 0."""
    end = np.minimum(top, 60.0)[..., None]  # nothing is left of the integrand beyond
    x = 0.5 * end * (_NODES + 1.0)
    integral = (0.5 * end * _WEIGHTS * x**3 / (4.0 * np.sinh(0.5 * x) ** 2)).sum(axis=-1)
    return np.asarray(integral / top**2)


def maxwell_eucken_conductivity(dense: ArrayLike, porosity: ArrayLike, pore: ArrayLike = 0.0) -> Array:
    """Conductivity, of heat or charge, of a body with round closed pores, in the unit of the dense one's.

    k0 [2 k0 + kp - 2P (k0 - kp)] / [2 k0 + kp + P (k0 - kp)], with empty pores k0 (1 - P) / (1 + P/2): Maxwell,
    Treatise on Electricity and Magnetism (1873), art. 314; Eucken, Forsch. Geb. Ingenieurwes. B 3, Forschungsheft 353
    (1932). It is the upper bound of Hashin and Shtrikman (J. Appl. Phys. 33, 3125, 1962): real pores leave less.

    Args:
        dense: k0.
        porosity: P, volume fraction.
        pore: kp, of what fills the pores.
    """
    k0, p, kp = doubles(dense, porosity, pore)
    return np.asarray(k0 * (2.0 * k0 + kp - 2.0 * p * (k0 - kp)) / (2.0 * k0 + kp + p * (k0 - kp)))


def loeb_conductivity(dense: ArrayLike, porosity: ArrayLike, *, shape: float = 1.5) -> Array:
    """Thermal conductivity k0 (1 - a P) in the unit of k0, ending at 0: Loeb, J. Am. Ceram. Soc. 37, 96 (1954).

    a is 1 for pores along the flow, 1.5 for round ones and more for flat ones across it; P below about 0.3, and below
    some 1,000 K, where radiation through the pores counts little.
    """
    k0, p = doubles(dense, porosity)
    return np.asarray(k0 * np.maximum(1.0 - shape * p, 0.0))


def archie_conductivity(dense: ArrayLike, porosity: ArrayLike, *, exponent: float = 1.5) -> Array:
    """Electrical conductivity s0 (1 - P)^m of a conductor with empty pores, in the unit of s0.

    The form of Archie's law (Trans. AIME 146, 54, 1942), for the solid that conducts. m = 3/2 is Bruggeman's value for
    round pores (Ann. Phys. 416, 636, 1935); necks between grains make it 2 and more. Holds while the solid is
    connected, P below about 0.4.
    """
    s0, p = doubles(dense, porosity)
    return np.asarray(s0 * (1.0 - p) ** exponent)


def electronic_conductivity(electrical: ArrayLike, temperature: ArrayLike = 300.0) -> Array:
    """The electrons' thermal conductivity in W/(m K), L s T: Wiedemann and Franz, Ann. Phys. 165, 497 (1853).

    L is Sommerfeld's, ``LORENZ``: for metals and conducting carbides and borides, well above or below the temperatures
    where phonons scatter electrons inelastically; good to 10 to 20% at room temperature.

    Args:
        electrical: s, S/m.
        temperature: K.
    """
    sigma, t = doubles(electrical, temperature)
    return np.asarray(LORENZ * sigma * t)

"""The rate laws: densification, grain growth and abnormal grain growth, coupled.

State of one compact: ``u = ln((P - P_res) / (P_0 - P_res))`` of its porosity P, ``v = ln(G / um)`` of its mean grain
diameter, and ``w`` of its abnormal grains, whose volume fraction is ``1 - exp(-w^3)``.

- Densification: the combined-stage model (Hansen, Rusin, Teng and Johnson, J. Am. Ceram. Soc. 75, 1129, 1992); its
  integral over the thermal history is the master sintering curve (Su and Johnson, J. Am. Ceram. Soc. 79, 3211, 1996)::

      dP/dt = -(P - P_res) g(P) (sigma / sigma_ref) (T_ref / T) D(T, G) (1 - f_abnormal)
      D = k_v e^(-q_v x) / G^2 + (k_b e^(-q_b x) + k_l L(T) e^(-q_b x)) / G^3

  Lattice and boundary diffusion act side by side (Coble, J. Appl. Phys. 32, 787, 1961); with capillarity, time grows as
  the third and fourth power of size (Herring, J. Appl. Phys. 21, 301, 1950). g = (P / 0.4)^(1/2), because the last
  pores lie in the loosest regions of the packing.
- Driving stress: capillarity and applied pressure, sigma = 4 gamma / G + p / rho (Coble, J. Appl. Phys. 41, 4798,
  1970).
- A liquid that appears above a eutectic temperature (L goes from 0 to 1) wets the boundaries and carries matter along
  them as a wide grain boundary would, hence the same power of G (solution and precipitation: Kingery, J. Appl. Phys.
  30, 301, 1959), and lets grains ripen faster (Lifshitz and Slyozov, J. Phys. Chem. Solids 19, 35, 1961; Wagner, Z.
  Elektrochem. 65, 581, 1961).
- Grain growth: dG/dt = K / (n G^(n-1)) (Burke and Turnbull, Prog. Met. Phys. 3, 220, 1952; Hillert, Acta Metall. 13,
  227, 1965), slowed by pores on the boundaries (Zhao and Harmer, J. Am. Ceram. Soc. 75, 830, 1992), and coarsening by
  surface diffusion, which costs fine powders their fineness during a slow ramp (n = 4: Herring, 1950).
- Above a homologous temperature boundaries break away from their pores once these are few: some grains then grow
  abnormally through the others, and what porosity they sweep over is shut inside them (Brook, J. Am. Ceram. Soc. 52,
  56, 1969). The volume fraction follows the extended volume of growing spheres (Avrami, J. Chem. Phys. 8, 212, 1940).

Temperatures act through x = Tm/T - Tm/T_ref: activation energies in units of R Tm are nearly the same within a class of
solids (Brown and Ashby, Acta Metall. 28, 1085, 1980).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulators.sintering.kinetics import Kinetics

Array = npt.NDArray[np.float64]

REFERENCE = 0.8
"""Homologous temperature at which the rate constants are stated."""
SURFACE_ENERGY = 1.0
"""J/m2, typical of ceramics; 4 gamma / G is then 4 MPa at a grain size of 1 um."""
REFERENCE_STRESS = 4.0
"""MPa."""
REFERENCE_POROSITY = 0.4
PORE_DRAG = 0.05
"""Porosity at which pores halve the mobility of the boundaries."""
ABNORMAL_WIDTH = 0.008
"""Homologous temperature over which abnormal growth sets in."""
ABNORMAL_SIZE = 12.0
"""Diameter of abnormal grains over that of the others when they meet."""
LIQUID_WIDTH = 12.0
"""K over which the liquid appears, for no additive is spread evenly."""
LIQUID_BREAKAWAY = 0.02
"""Homologous temperature by which a liquid lowers the onset of abnormal growth, as glass does in alumina."""
N_STATES = 3


class Rates:
    """The rate laws of n powders.

    Args:
        kinetics: their constants.
    """

    def __init__(self, kinetics: Kinetics) -> None:
        k = self._k = kinetics
        # Constants of proportionality go into the exponents: an exponential costs more than what is added before it.
        with np.errstate(divide="ignore"):
            self._ln = {
                name: np.log(getattr(k, f"{name}_rate")) for name in ("lattice", "boundary", "liquid", "growth")
            } | {"surface": np.log(k.surface_rate / 4.0)}
        self._ln["growth"] = self._ln["growth"] - np.log(k.growth_exponent)
        self._removable = 1.0 - k.green_density - k.residual
        self._wet = bool(np.isfinite(k.eutectic).any())

    def start(self) -> Array:
        """The green compacts, shape ``(n, 3)``."""
        grain = np.log(self._k.powder_size)
        return np.stack([np.zeros_like(grain), grain, np.zeros_like(grain)], axis=1)

    def porosity(self, state: Array) -> Array:
        """Pore volume fraction; of ``(..., n, 3)`` states, shape ``(..., n)``."""
        return np.asarray(self._k.residual + self._removable * np.exp(np.minimum(state[..., 0], 0.0)))

    def __call__(self, state: Array, temperature: Array, pressure: Array) -> Array:
        """Change of the state per hour.

        Args:
            state: shape ``(n, 3)``.
            temperature: shape ``(n,)``, K.
            pressure: shape ``(n,)``, MPa.
        """
        k, ln = self._k, self._ln
        porosity = self.porosity(state)
        log_grain = state[:, 1]
        fineness = np.exp(-log_grain)
        homologous = temperature / k.melting
        x = 1.0 / homologous - 1.0 / REFERENCE
        squared = porosity * porosity
        held = squared / (squared + PORE_DRAG**2)
        sound = np.exp(-(np.maximum(state[:, 2], 0.0) ** 3))
        liquid = _step((temperature - k.eutectic) / LIQUID_WIDTH) if self._wet else 0.0

        stress = 4.0 * SURFACE_ENERGY * fineness + pressure / (1.0 - porosity)
        along = np.exp(ln["boundary"] - k.boundary_q * x)
        if self._wet:
            along = along + np.exp(ln["liquid"] - k.boundary_q * x) * liquid
        diffusion = (np.exp(ln["lattice"] - k.lattice_q * x) + along * fineness) * fineness * fineness
        shrinking = stress * diffusion * np.sqrt(porosity / REFERENCE_POROSITY) * sound / homologous

        # One exponential for a rate constant over a power of the grain size.
        normal = np.exp(ln["growth"] - k.growth_q * x - k.growth_exponent * log_grain)
        normal *= (1.0 - held) * (1.0 + k.liquid_growth * liquid)
        coarsening = np.exp(ln["surface"] - k.surface_q * x - 4.0 * log_grain) * held
        breakaway = _step((homologous - k.abnormal_onset + LIQUID_BREAKAWAY * liquid) / ABNORMAL_WIDTH)
        found = np.empty_like(state)
        found[:, 0] = -REFERENCE / REFERENCE_STRESS * shrinking
        found[:, 1] = normal + coarsening
        found[:, 2] = k.abnormal_factor / ABNORMAL_SIZE * breakaway * normal
        return found


def _step(departure: Array) -> Array:
    """A smooth step from 0 to 1."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * departure))

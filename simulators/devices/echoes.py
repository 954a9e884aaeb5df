"""Echoes of ultrasound in a disc: how long they take, and how much of them comes back.

What takes from an echo: pores, cracks and grains scatter it, at wavelengths above their size with the fourth power of
the frequency (for pores in ceramics: Evans, Tittmann, Ahlberg, Khuri-Yakub and Kino, J. Appl. Phys. 49, 2669, 1978; for
grains: Mason and McSkimin, J. Acoust. Soc. Am. 19, 464, 1947), and the solid absorbs a little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.body import Body
from simulators.devices.solid import CRACK_RADIUS_MM

Array = npt.NDArray[np.float64]

FIRST_LOSS_DB = 12.0
"""Of couplant and of two reflections, in the second echo."""
DYNAMIC_RANGE_DB = 62.0
"""From the first pulse to the noise, with some hundred sweeps averaged; an echo needs ``CLEAR_DB`` of it."""
CLEAR_DB = 10.0
TIMING_NS = 1.2
"""Standard deviation of one time of flight at 10 MHz and full amplitude: overlap of two echoes."""
EVEN, UNEVEN = 0.0015, 0.02
"""Relative standard deviation of velocity from place to place, without pores and for each unit of porosity."""
CLUSTER_GRAINS, CLUSTER_UM = 8.0, (8.0, 80.0)
"""What scatters are not single pores but clusters of them, where the powder packed badly: their radius in grain
diameters, and its least and most."""
ABSORPTION = 0.15
"""Np/m at 1 MHz, in proportion to frequency."""
ANISOTROPY = 0.003
"""Mean square of the relative change of velocity from grain to grain."""


@dataclass(frozen=True)
class Echoes:
    """Times of flight of one kind of wave, once through the disc and back.

    Args:
        times: ``(n,)``, one for each place, ns.
        loss: of the second echo against the first pulse, dB.
    """

    times: Array
    loss: float


def lost(body: Body, velocity: float, frequency: float, thickness: float) -> float:
    """Loss in dB of the second echo, which goes through the disc four times.

    Args:
        body: the disc's inside.
        velocity: m/s.
        frequency: MHz.
        thickness: mm.
    """
    wave = 2.0 * np.pi * frequency * 1e6 / velocity
    cluster = float(np.clip(CLUSTER_GRAINS * body.grain_size, *CLUSTER_UM)) * 1e-6
    pores = 0.375 * body.porosity / cluster * _scattered(wave * cluster)
    cracks = 2.0 / np.pi * body.cracks * 1e3 * _scattered(wave * CRACK_RADIUS_MM * 1e-3)
    grain = body.grain_size * (1.0 + 9.0 * body.abnormal) * 1e-6
    grains = ANISOTROPY / grain * _scattered(wave * grain)
    nepers = pores + cracks + grains + ABSORPTION * frequency
    return float(FIRST_LOSS_DB + 20.0 / np.log(10.0) * nepers * 4.0 * thickness * 1e-3)


def listen(
    body: Body, velocity: float, frequency: float, thickness: float, n: int, rng: np.random.Generator
) -> Echoes | None:
    """Times of flight at n places; None where the second echo is lost in the noise.

    Arguments as of ``lost``; thickness is the true one.
    """
    loss = lost(body, velocity, frequency, thickness)
    if loss > DYNAMIC_RANGE_DB - CLEAR_DB:
        return None
    local = 1.0 + rng.normal(0.0, EVEN + UNEVEN * body.porosity, n)
    flight = 2.0 * thickness * 1e-3 / (velocity * local) * 1e9
    return Echoes(flight + rng.normal(0.0, timing_error(loss, frequency), n), loss)


def timing_error(loss: float, frequency: float) -> float:
    """Standard deviation of one time of flight, ns: the longer the wave and the fainter the echo, the larger."""
    return TIMING_NS * (10.0 / frequency) * float(10.0 ** ((loss - FIRST_LOSS_DB) / 40.0))


def _scattered(reduced: float) -> float:
    """Cross-section over that of the shadow, by size times wave number: the fourth power, and 2 for short waves."""
    return float(reduced**4 / (1.0 + 0.5 * reduced**4))

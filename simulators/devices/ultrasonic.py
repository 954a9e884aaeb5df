"""The virtual pulse-echo bench: sound velocities of a disc, and the moduli that follow (EN 843-2, ASTM E494).

Thickness is measured with a micrometer, density by mass and dimensions; both are in the uncertainties. A disc that is
very porous or cracked gives no second echo at high frequency, and may give one at a lower one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.laws import longitudinal_velocity, moduli_from_velocities, poisson_ratio, shear_velocity, youngs_modulus
from instruments.device import DeviceFault, JobContext, JobResult, Parameter, Quantity, Returns, Text, command
from simulators.devices.bench import BenchDevice
from simulators.devices.echoes import Echoes, listen, timing_error
from simulators.devices.solid import disc, stiffness
from simulators.devices.uncertainty import carried
from simulators.reference import REFERENCE
from simulators.samples import Sample, stream

Array = npt.NDArray[np.float64]

MICROMETER_UM = 2.0
"""Standard deviation of the thickness: the gauge, and faces that are not quite parallel."""
DENSITY_ERROR = 0.003
"""Relative, of the density by mass and dimensions."""
MOUNT_S, PLACE_S = 600.0, 180.0
_NAMES = (
    ("longitudinal_velocity", "m/s"), ("shear_velocity", "m/s"), ("youngs_modulus", "GPa"), ("shear_modulus", "GPa"),
    ("bulk_modulus", "GPa"), ("poisson_ratio", "1"),
)  # fmt: skip


class Ultrasonic(BenchDevice):
    """Two contact transducers, longitudinal and shear, on an oscilloscope."""

    kind = "ultrasonic"
    driver = "labwright virtual pulse-echo bench"

    @command(
        summary="Measure sound velocities by pulse and echo, and the elastic moduli from them",
        parameters={
            "sample": Text(max_length=64),
            "frequency": Parameter(unit="MHz", low=1.0, high=50.0, default=10.0, summary="of both transducers"),
            "places": Parameter(unit="1", low=2, high=20, default=5, whole=True, summary="places on the disc"),
        },
        results={
            "longitudinal_velocity": Returns(unit="m/s"),
            "shear_velocity": Returns(unit="m/s"),
            "youngs_modulus": Returns(unit="GPa"),
            "shear_modulus": Returns(unit="GPa"),
            "bulk_modulus": Returns(unit="GPa"),
            "poisson_ratio": Returns(unit="1"),
            "density": Returns(unit="kg/m3", summary="by mass and dimensions"),
            "thickness": Returns(unit="mm", summary="by micrometer"),
            "echo_loss": Returns(unit="dB", summary="of the second longitudinal echo against the first pulse"),
        },
        duration_s=MOUNT_S + 5 * PLACE_S,
        example={
            "sample": REFERENCE,
            "frequency": Quantity(value=10.0, unit="MHz"),
            "places": Quantity(value=5, unit="1"),
        },
    )
    async def measure(self, job: JobContext, *, sample: str, frequency: float = 10.0, places: float = 5) -> JobResult:
        """Velocities and moduli, each with its standard uncertainty.

        The same order reads the same.

        Raises:
            InfeasibleFault: the sample did not survive its synthesis.
            DeviceFault: there is no such sample, or no echo comes through it at this frequency.
        """
        made = self.sample(sample)
        n = int(places)
        rng = stream(self.bench.truth.seed, "ultrasonic", made.id, frequency, n)
        heard = self._echoes(made, frequency, n, rng)
        drift = self.bench.mishaps.drift(self.iid)
        await self.pace.take(job, MOUNT_S + PLACE_S * n)
        if heard is None:
            raise DeviceFault(
                "no_echo",
                f"sample {sample}: no second echo comes out of the noise at {frequency:g} MHz, as of a very porous, "
                "cracked or coarse body: try a lower frequency",
            )
        real = disc(self.bench.truth, made)
        thickness = real.thickness + rng.normal(0.0, MICROMETER_UM * 1e-3)
        density = real.density * (1.0 + rng.normal(0.0, DENSITY_ERROR))
        flights = [float(e.times.mean()) / drift for e in heard]
        errors = [_error(e, frequency) for e in heard]
        read = np.array([thickness, *flights, density])
        values = carried(_measured, read, np.array([MICROMETER_UM * 1e-3, *errors, DENSITY_ERROR * density]), _NAMES)
        values["density"] = Quantity(value=density, unit="kg/m3", std=DENSITY_ERROR * density)
        values["thickness"] = Quantity(value=thickness, unit="mm", std=MICROMETER_UM * 1e-3)
        values["echo_loss"] = Quantity(value=heard[0].loss + rng.normal(0.0, 1.0), unit="dB", std=1.0)
        return JobResult(values=dict(values))

    def _echoes(self, made: Sample, frequency: float, n: int, rng: np.random.Generator) -> tuple[Echoes, Echoes] | None:
        """Longitudinal and shear ones."""
        real, moduli = disc(self.bench.truth, made), stiffness(self.bench.truth, made)
        if moduli is None:
            return None
        fast = float(longitudinal_velocity(moduli.bulk, moduli.shear, real.density))
        slow = float(shear_velocity(moduli.shear, real.density))
        along = listen(made.body, fast, frequency, real.thickness, n, rng)
        across = listen(made.body, slow, frequency, real.thickness, n, rng)
        return None if along is None or across is None else (along, across)


def _error(heard: Echoes, frequency: float) -> float:
    """Standard uncertainty of the mean time of flight, ns; few places estimate their own scatter badly."""
    single = max(float(heard.times.std(ddof=1)), timing_error(heard.loss, frequency))
    return single / float(np.sqrt(len(heard.times)))


def _measured(inputs: Array) -> Array:
    """The six results in the order of their names.

    Args:
        inputs: thickness (mm), two times of flight (ns) and density (kg/m3).
    """
    thickness, along, across, density = inputs
    v_l, v_t = 2e6 * thickness / along, 2e6 * thickness / across
    bulk, shear = moduli_from_velocities(v_l, v_t, density)
    return np.array([v_l, v_t, youngs_modulus(bulk, shear), shear, bulk, poisson_ratio(bulk, shear)])

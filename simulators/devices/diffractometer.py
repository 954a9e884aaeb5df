"""The virtual powder diffractometer: theta-2 theta scans of a sample's face with a copper tube."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from instruments.device import DeviceFault, JobContext, JobResult, Parameter, Quantity, Returns, Text, command
from simulators.body import Body
from simulators.devices.bench import BenchDevice
from simulators.diffraction import DOUBLET_RATIO, K_ALPHA_1, K_ALPHA_2, Optics, Phase, rate, sticks
from simulators.peak import strongest
from simulators.reference import REFERENCE
from simulators.samples import Sample, stream
from simulators.second_phases import reflections, residue
from simulators.sintering.rates import ABNORMAL_SIZE

Array = npt.NDArray[np.float64]

MOUNT_S = 600.0
"""Levelling the sample in its holder, closing the shutters, finding the surface, s."""
DISPLACEMENT = 0.04
"""Standard deviation of the height at which a sample is mounted, mm: 0.02 degrees at low angles."""
DOMAIN_SIZE, DOMAIN_SPREAD = 0.28, 0.25
"""Median of the size of coherent domains in a powder's grains, um, and standard deviation of its logarithm."""
STRAIN, STRAIN_SPREAD = 4e-4, 0.35
"""Median microstrain of a sintered powder, and standard deviation of its logarithm."""
IMPURITY_STRETCH = 2e-4
"""Standard deviation of the lattice constants of batches, relative: what is dissolved in them."""
TEXTURE_AT_REST, TEXTURE_PER_MPA = 0.03, 0.002
"""How far plate-like grains bring the March coefficient below 1 by pressing and by the hot press."""
SECOND_SIZE = (0.06, 0.25)
"""Range of the size of crystallites that grow between the grains, um."""
SPOTTY_GRAIN, SPOTTY = 10.0, 0.02
"""Grains of 10 um scatter integrated intensities by 2 %; the fewer grains are lit, the more, with the square root of
their volume (Alexander, Klug and Kummer, J. Appl. Phys. 19, 742, 1948)."""
SPOTTIEST = 0.6


class Diffractometer(BenchDevice):
    """A Bragg-Brentano diffractometer with a nickel filter and a strip detector."""

    kind = "diffractometer"
    driver = "labwright virtual diffractometer"

    @command(
        summary="Scan the diffraction pattern of a sample's face",
        parameters={
            "sample": Text(max_length=64),
            "start": Parameter(unit="deg", low=5.0, high=140.0, summary="first angle, 2 theta", default=20.0),
            "stop": Parameter(unit="deg", low=6.0, high=145.0, summary="last angle, 2 theta", default=80.0),
            "step": Parameter(unit="deg", low=0.005, high=0.5, summary="between two angles, 2 theta", default=0.02),
            "time": Parameter(unit="s", low=0.01, high=100.0, summary="counted at each angle", default=1.0),
        },
        results={
            "wavelength": Returns(unit="Ao", summary="of the first line of the doublet"),
            "start": Returns(unit="deg", summary="first angle, 2 theta"),
            "stop": Returns(unit="deg", summary="last angle, 2 theta"),
            "points": Returns(unit="1", summary="number of angles"),
            "max_counts": Returns(unit="1", summary="most counts at an angle"),
            "strongest": Returns(
                unit="deg",
                summary="2 theta of the strongest reflection; its error is mostly the sample's height in the holder",
                optional=True,
            ),
            "pattern": Returns(media_type="text/plain", summary="2 theta and counts, two columns"),
        },
        duration_s=MOUNT_S + 3001.0,
        example={
            "sample": REFERENCE,
            "start": Quantity(value=34.0, unit="deg"),
            "stop": Quantity(value=44.0, unit="deg"),
            "step": Quantity(value=0.05, unit="deg"),
            "time": Quantity(value=1.0, unit="s"),
        },
    )
    async def scan(
        self, job: JobContext, *, sample: str, start: float, stop: float, step: float, time: float
    ) -> JobResult:
        """Count at each angle; the same order counts the same.

        Raises:
            InfeasibleFault: the sample did not survive its synthesis.
            DeviceFault: there is no such sample, the angles are fewer than two, or an element is not in the tables.
        """
        made = self.sample(sample)
        n = int(np.floor((stop - start) / step + 1e-6)) + 1
        if n < 2:
            raise DeviceFault("range", f"a scan from {start:g} to {stop:g} deg by {step:g} deg has no two angles")
        total_s = MOUNT_S + n * time
        two_theta: Array = start + step * np.arange(n, dtype=np.float64)
        rng = stream(self.bench.truth.seed, "scan", sample, start, stop, step, time)
        counts = self._counts(made, two_theta, time, rng)
        peak = strongest(two_theta, counts)
        text = _text(sample, two_theta, counts, step, time)
        await self.pace.take(job, total_s)
        # Not before it is counted: of what is interrupted there is no file.
        kept = await self.kept(job, text.encode(), "text/plain", ".xy")
        values = {
            "wavelength": Quantity(value=K_ALPHA_1, unit="Ao"),
            "start": Quantity(value=start, unit="deg"),
            "stop": Quantity(value=float(two_theta[-1]), unit="deg"),
            "points": Quantity(value=n, unit="1"),
            "max_counts": Quantity(value=int(counts.max()), unit="1"),
        }
        if peak is not None:
            place, error = peak
            mounted = float(np.degrees(2.0 * DISPLACEMENT / Optics().radius * np.cos(np.radians(place) / 2.0)))
            values["strongest"] = Quantity(value=place, unit="deg", std=float(np.hypot(error, mounted)))
        return JobResult(values=values, artefacts={"pattern": kept})

    def _counts(self, made: Sample, two_theta: Array, time: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """What is counted with a tube that ages."""
        tube = self.bench.mishaps.drift(self.iid)
        optics = Optics(displacement=float(rng.normal(0.0, DISPLACEMENT)))
        phases, glass = self._specimen(made, rng)
        expected = rate(two_theta, phases, optics, glass=glass, packing=made.body.density)
        return np.asarray(rng.poisson(tube * time * expected), dtype=np.int64)

    def _specimen(self, made: Sample, rng: np.random.Generator) -> tuple[list[Phase], float]:
        """The phases in a sample's face and its share of glass; ``rng`` chooses the spot that is lit."""
        body, crystal = made.body, self.bench.truth.crystal(made.design.crystal)
        left = residue(crystal, str(made.design.process["additive"]))
        try:
            host = sticks(crystal)
        except (KeyError, ValueError) as error:
            message = f"sample {made.id}: nothing is known of how an element of {crystal.formula} absorbs or scatters"
            raise DeviceFault("unknown_element", message) from error
        seed = self.bench.truth.seed
        powder = stream(seed, "diffraction", crystal.id)
        domain = DOMAIN_SIZE * powder.lognormal(0.0, DOMAIN_SPREAD)
        strain = STRAIN * powder.lognormal(0.0, STRAIN_SPREAD)
        plates = powder.uniform()
        batch = stream(seed, "diffraction", made.id)
        pressure = float(made.design.process.get("pressure", 0.0))
        spotty = _spottiness(body)
        phases = [
            Phase(
                host,
                1.0 - body.second_phase,
                min(body.grain_size, domain),
                strain,
                1.0 + batch.normal(0.0, IMPURITY_STRETCH),
                float(np.exp(-plates * (TEXTURE_AT_REST + TEXTURE_PER_MPA * pressure))),
                rng.lognormal(-0.5 * spotty**2, spotty, len(host.spacing)),
            )
        ]
        if left.compound and body.second_phase > 0.0:
            size = min(float(batch.uniform(*SECOND_SIZE)), body.grain_size)
            phases.append(Phase(reflections(left.compound), (1.0 - left.glass) * body.second_phase, size))
        return phases, left.glass * body.second_phase


def _spottiness(body: Body) -> float:
    """Standard deviation of integrated intensities by how few grains reflect: by the mean volume of what is lit."""
    coarse = (1.0 - body.abnormal + body.abnormal * ABNORMAL_SIZE**3) * body.grain_size**3
    return float(min(SPOTTIEST, SPOTTY * np.sqrt(coarse / SPOTTY_GRAIN**3)))


def _text(sample: str, two_theta: Array, counts: npt.NDArray[np.int64], step: float, time: float) -> str:
    """The scan as a two-column file that every program for powder patterns reads."""
    header = (
        f"# sample {sample}",
        "# theta-2 theta scan, Bragg-Brentano, Cu tube, Ni filter",
        f"# wavelength K-alpha1 {K_ALPHA_1} K-alpha2 {K_ALPHA_2} angstrom, ratio {DOUBLET_RATIO}",
        f"# goniometer radius {Optics().radius} mm",
        f"# start {two_theta[0]:g} stop {two_theta[-1]:g} step {step:g} degrees 2 theta, {time:g} s per step",
        "# two_theta/degrees counts",
    )
    lines = [f"{angle:.4f} {count}" for angle, count in zip(two_theta.tolist(), counts.tolist(), strict=True)]
    return "\n".join((*header, *lines, ""))

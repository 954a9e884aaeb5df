"""The virtual Vickers indenter: several indents on a polished section, their mean and its standard error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from instruments.device import JobContext, JobResult, Parameter, Quantity, Returns, Text, command
from simulators.devices.bench import BenchDevice
from simulators.reference import REFERENCE
from simulators.samples import Sample, stream

READING_NOISE = 0.03
"""Relative standard deviation of one indent at 9.81 N: 1.5% in reading a diagonal counts twice in hardness."""
REFERENCE_LOAD = 9.81
LOCAL_POROSITY_SCATTER = 0.12
"""Relative standard deviation of the porosity under one indent."""
SAMPLE_NOISE = 0.012
"""Relative error that all indents of one mounting share (tilt, calibration of the day)."""
MOUNT_S, INDENT_S = 900.0, 120.0


class Indenter(BenchDevice):
    """A Vickers hardness tester."""

    kind = "indenter"
    driver = "labwright virtual indenter"

    @command(
        summary="Measure Vickers hardness by several indents",
        parameters={
            "sample": Text(max_length=64),
            "load": Parameter(unit="N", low=0.5, high=100.0, summary="test force"),
            "count": Parameter(unit="1", low=2, high=50, summary="number of indents"),
        },
        results={
            "hardness": Returns(unit="GPa", summary="mean of the indents"),
            "scatter": Returns(unit="GPa", summary="standard deviation of single indents"),
            "count": Returns(unit="1", summary="number of indents"),
        },
        duration_s=MOUNT_S + 8 * INDENT_S,
        example={
            "sample": REFERENCE,
            "load": Quantity(value=REFERENCE_LOAD, unit="N"),
            "count": Quantity(value=5, unit="1"),
        },
    )
    async def indent(self, job: JobContext, *, sample: str, load: float, count: float) -> JobResult:
        """Mean hardness with its standard uncertainty, and the scatter of single indents.

        The same order reads the same.

        Raises:
            InfeasibleFault: the sample did not survive its synthesis.
            DeviceFault: there is no such sample.
        """
        made = self.sample(sample)
        n = int(count)
        readings = self._readings(made, load, n)
        scatter = float(readings.std(ddof=1))
        mean = float(readings.mean())
        # Few indents estimate their own scatter badly, and what they share does not show in it at all.
        error = float(np.hypot(max(scatter, 0.5 * READING_NOISE * mean) / np.sqrt(n), SAMPLE_NOISE * mean))
        await self.pace.take(job, MOUNT_S + INDENT_S * n)
        values = {
            "hardness": Quantity(value=mean, unit="GPa", std=error),
            "scatter": Quantity(value=scatter, unit="GPa"),
            "count": Quantity(value=n, unit="1"),
        }
        return JobResult(values=values)

    def _readings(self, made: Sample, load: float, n: int) -> npt.NDArray[np.float64]:
        """Hardness in GPa of each indent: local porosity, then the reading of the diagonals, worse for small ones."""
        rng = stream(self.bench.truth.seed, "indent", made.id, load, n)
        porosity = np.clip((1.0 - made.body.density) * (1.0 + rng.normal(0.0, LOCAL_POROSITY_SCATTER, n)), 0.0, 1.0)
        additive = str(made.design.process["additive"])
        local = [
            self.bench.truth.hardness(made.design.crystal, additive, 1.0 - p, made.body.grain_size) for p in porosity
        ]
        noise = READING_NOISE * max(1.0, (REFERENCE_LOAD / load) ** 0.25)
        shared = 1.0 + rng.normal(0.0, SAMPLE_NOISE)
        return np.asarray(np.array(local) * shared * (1.0 + rng.normal(0.0, noise, n)), dtype=np.float64)

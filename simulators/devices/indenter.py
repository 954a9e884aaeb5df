"""The virtual Vickers indenter: several indents on a polished section, read with a light microscope.

Indents that are chipped, lie on a crack or a pore, or are too small to be seen are discarded, and others made in fresh
places, up to ``TRIES`` for each that was ordered (ASTM C1327 tells such indents from acceptable ones).
"""

from __future__ import annotations

import numpy as np

from envs.laws import anstis_toughness, vickers_hardness
from instruments.device import DeviceFault, JobContext, JobResult, Parameter, Quantity, Returns, Text, command
from instruments.messages import Value
from simulators.devices.bench import BenchDevice
from simulators.devices.impressions import REFERENCE_LOAD, Array, Impressions, press
from simulators.reference import REFERENCE
from simulators.samples import stream

READING_UM = 0.45
"""Standard deviation of one reading of one diagonal: the resolution of light, about half a wavelength."""
OPTICS_UM = 0.15
"""The same of what all readings of one mounting share: where the operator sees the corners end."""
CRACK_READING_UM = 1.0
FAINT_TIP_UM = 1.5
"""The last of a crack is too fine for light: it is read so much too short. No uncertainty says so."""
MACHINE = 0.01
"""Relative error of load and tilt that all indents of one mounting share."""
TRIES = 3
FEWEST = 2
"""Readable indents below which nothing is reported: one has no scatter."""
STIFFNESS_OVER_HARDNESS = 20.0
"""E / H of ceramics, where nobody measured E; most lie within a third of it."""
YOUNG_ERROR, YOUNG_GUESS_ERROR = 0.02, 0.25
CALIBRATION_ERROR = 0.25
"""Relative, of the constant 0.016 +- 0.004 of Anstis et al."""
MOUNT_S, INDENT_S = 900.0, 120.0


class Indenter(BenchDevice):
    """A Vickers hardness tester."""

    kind = "indenter"
    driver = "labwright virtual indenter"

    @command(
        summary="Measure Vickers hardness by several indents, and toughness by their cracks",
        parameters={
            "sample": Text(max_length=64),
            "load": Parameter(unit="N", low=0.5, high=100.0, summary="test force"),
            "count": Parameter(unit="1", low=2, high=50, whole=True, summary="number of indents that can be read"),
            "spacing": Parameter(unit="1", low=1.5, high=20.0, default=5.0, summary="between middles, in diagonals"),
            "youngs_modulus": Parameter(
                unit="GPa", low=0.0, high=1500.0, default=0.0, summary="for the toughness; 0: taken as 20 hardnesses"
            ),
        },
        results={
            "hardness": Returns(unit="GPa", summary="mean of the single indents' 1.8544 F/d2"),
            "scatter": Returns(unit="GPa", summary="standard deviation of single indents"),
            "count": Returns(unit="1", summary="number of indents that were read"),
            "rejected": Returns(unit="1", summary="indents that were chipped, cracked through or could not be seen"),
            "diagonal": Returns(unit="um", summary="mean of the diagonals"),
            "cracked": Returns(unit="1", summary="indents that were read and have radial cracks at their corners"),
            "crack_length": Returns(unit="um", summary="from the middle of an indent to a tip", optional=True),
            "fracture_toughness": Returns(
                unit="{MPa.m^0.5}", summary="by the equation of Anstis, where at least two have cracks", optional=True
            ),
        },
        duration_s=MOUNT_S + 8 * INDENT_S,
        example={
            "sample": REFERENCE,
            "load": Quantity(value=REFERENCE_LOAD, unit="N"),
            "count": Quantity(value=5, unit="1"),
        },
    )
    async def indent(
        self,
        job: JobContext,
        *,
        sample: str,
        load: float,
        count: float,
        spacing: float = 5.0,
        youngs_modulus: float = 0.0,
    ) -> JobResult:
        """Mean hardness with its standard uncertainty, the scatter of single indents, and what their cracks tell.

        The same order reads the same.

        Raises:
            InfeasibleFault: the sample did not survive its synthesis.
            DeviceFault: there is no such sample, or hardly an indent in it can be read at this load.
        """
        made = self.sample(sample)
        n = int(count)
        rng = stream(self.bench.truth.seed, "indent", made.id, load, n)
        found = press(self.bench.truth, made, load, TRIES * n, rng, spacing=spacing)
        read = np.flatnonzero(found.readable)[:n]
        made_in_all = int(read[-1]) + 1 if len(read) == n else TRIES * n
        drift = self.bench.mishaps.drift(self.iid)
        diagonals = _read(found.diagonals, rng) / np.sqrt(drift * (1.0 + rng.normal(0.0, MACHINE)))
        await self.pace.take(job, MOUNT_S + INDENT_S * made_in_all)
        if len(read) < FEWEST:
            raise DeviceFault(
                "unreadable",
                f"sample {sample}: of {made_in_all} indents at {load:g} N only {len(read)} can be read, the others are "
                "chipped or lie in pores and cracks: try a smaller load",
            )
        hardness = _hardness(diagonals[read], load)
        values: dict[str, Value] = {
            **hardness,
            "count": Quantity(value=len(read), unit="1"),
            "rejected": Quantity(value=made_in_all - len(read), unit="1"),
        }
        return JobResult(values={**values, **_toughness(found, read, load, hardness, youngs_modulus, rng)})


def _read(diagonals: Array, rng: np.random.Generator) -> Array:
    """Both diagonals of each indent as read, their mean; the optics' error is the same for all."""
    both = rng.normal(0.0, READING_UM, (2, len(diagonals))).mean(axis=0)
    return np.asarray(np.maximum(diagonals + both + rng.normal(0.0, OPTICS_UM), 0.5))


def _hardness(diagonals: Array, load: float) -> dict[str, Value]:
    """Hardness and its scatter, and the mean diagonal, each with what the operator knows of its error."""
    readings = vickers_hardness(load, diagonals)
    n, mean, scatter = len(readings), float(readings.mean()), float(readings.std(ddof=1))
    size = float(diagonals.mean())
    # Few indents estimate their own scatter badly, and what they share does not show in it at all.
    single = max(scatter, np.sqrt(2.0) * READING_UM / size * mean)
    shared = mean * float(np.hypot(MACHINE, 2.0 * OPTICS_UM / size))
    spread = max(float(diagonals.std(ddof=1)), READING_UM / np.sqrt(2.0)) / np.sqrt(n)
    return {
        "hardness": Quantity(value=mean, unit="GPa", std=float(np.hypot(single / np.sqrt(n), shared))),
        "scatter": Quantity(value=scatter, unit="GPa", std=scatter / float(np.sqrt(2.0 * (n - 1)))),
        "diagonal": Quantity(value=size, unit="um", std=float(np.hypot(spread, OPTICS_UM))),
    }


def _toughness(
    found: Impressions,
    read: np.ndarray[tuple[int], np.dtype[np.intp]],
    load: float,
    hardness: dict[str, Value],
    young: float,
    rng: np.random.Generator,
) -> dict[str, Value]:
    """What the radial cracks of the readable indents tell; nothing where fewer than two have any."""
    seen = found.cracks[read]
    seen = seen[np.isfinite(seen)]
    n = len(seen)
    values: dict[str, Value] = {"cracked": Quantity(value=n, unit="1")}
    level = hardness["hardness"]
    if n < FEWEST or not isinstance(level, Quantity):
        return values
    lengths = seen - FAINT_TIP_UM + rng.normal(0.0, CRACK_READING_UM / np.sqrt(2.0), n)
    crack = float(lengths.mean())
    error = float(max(lengths.std(ddof=1), CRACK_READING_UM) / np.sqrt(n))
    stiff = young or STIFFNESS_OVER_HARDNESS * level.value
    tough = float(anstis_toughness(load, crack, stiff, level.value))
    parts = (
        CALIBRATION_ERROR,
        1.5 * error / crack,
        0.5 * (YOUNG_ERROR if young else YOUNG_GUESS_ERROR),
        0.5 * (level.std or 0.0) / level.value,
    )
    values["crack_length"] = Quantity(value=crack, unit="um", std=error)
    values["fracture_toughness"] = Quantity(value=tough, unit="{MPa.m^0.5}", std=tough * float(np.linalg.norm(parts)))
    return values

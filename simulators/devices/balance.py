"""The virtual density bench: a body weighed dry, soaked under water and soaked in air (ISO 18754, ASTM C20).

What its uncertainties do not cover, as in a real laboratory: fine open pores stay partly empty, more of them after
boiling than in vacuum. Then the apparent porosity is low, and the closed one high by as much; the bulk density stays
right. And the theoretical density is that of the pure compound, whatever second phase the additive left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from envs.laws import archimedes_density, archimedes_open_porosity, water_absorption, water_density
from instruments.device import Choice, JobContext, JobResult, Parameter, Quantity, Returns, Text, command
from simulators.body import Body
from simulators.devices.bench import BenchDevice
from simulators.devices.solid import disc
from simulators.devices.uncertainty import carried
from simulators.reference import REFERENCE
from simulators.samples import Sample, stream

Array = npt.NDArray[np.float64]

AIR, WEIGHTS = 1.2, 8000.0
"""Density in kg/m3 of the room's air, and of the weights that calibrated the balance."""
RESOLUTION_G = 0.0001
WEIGHING_G = 0.00015
"""Standard deviation of one weighing in air."""
WIRE_G = 0.0004
"""The same under water: the meniscus pulls at the wire, and the body swings."""
BUBBLE_G = 0.0003
"""Mean lift of the bubbles that cling to it; always upwards."""
BLOTTING_G_CM2 = 0.0003
"""Standard deviation of the film that the damp cloth leaves on, or takes out of pores, for each cm2 of surface."""
THERMOMETER_K = 0.2
ROOM_CELSIUS, ROOM_SPREAD = 21.0, 1.0
EMPTY: Mapping[str, float] = MappingProxyType({"vacuum": 0.03, "boiling": 0.08})
"""Share of the open pores of 1 um that do not fill, by how the body is soaked; it grows with the inverse root of their
size, because water seeps through fine channels slowly and shuts air in (Washburn, Phys. Rev. 17, 273, 1921)."""
MOST_EMPTY = 0.5
CHANNEL_RATIO = 0.3
"""Width of the pore channels over the grain size."""
SOAK_S: Mapping[str, float] = MappingProxyType({"vacuum": 4 * 3600.0, "boiling": 15 * 3600.0})
"""Drying to constant mass, filling, and cooling under water."""
WEIGH_S = 300.0
_NAMES = (
    ("bulk_density", "kg/m3"), ("apparent_porosity", "1"), ("relative_density", "1"), ("total_porosity", "1"),
    ("closed_porosity", "1"), ("water_absorption", "1"),
)  # fmt: skip


@dataclass(frozen=True)
class _Weighed:
    """Means of the repeated weighings and what is known of their errors.

    Args:
        inputs: dry, immersed and soaked mass in g, and temperature of the water in Cel.
        errors: their standard uncertainties.
    """

    inputs: Array
    errors: Array


class Balance(BenchDevice):
    """An analytical balance with a hanger below it, a water bath, a vacuum pot and a hot plate."""

    kind = "balance"
    driver = "labwright virtual density bench"

    @command(
        summary="Measure density and porosity by Archimedes's method, in water",
        parameters={
            "sample": Text(max_length=64),
            "soaking": Choice(tuple(EMPTY), default="vacuum", summary="how the open pores are filled"),
            "count": Parameter(unit="1", low=1, high=10, default=3, whole=True, summary="weighings of each kind"),
        },
        results={
            "bulk_density": Returns(unit="kg/m3", summary="with all pores"),
            "apparent_porosity": Returns(unit="1", summary="volume fraction of the pores that water filled"),
            "relative_density": Returns(unit="1", summary="bulk density over that of the perfect crystal"),
            "total_porosity": Returns(unit="1", summary="one minus the relative density"),
            "closed_porosity": Returns(unit="1", summary="total minus apparent; scatters about 0 where there is none"),
            "water_absorption": Returns(unit="1", summary="mass of water taken up over the dry mass"),
            "dry_mass": Returns(unit="g", summary="of the disc, 13 mm by 4 mm, that was cut from the body"),
            "immersed_mass": Returns(unit="g", summary="soaked, under water, without the hanger"),
            "soaked_mass": Returns(unit="g"),
            "water_temperature": Returns(unit="Cel"),
        },
        duration_s=SOAK_S["vacuum"] + 9 * WEIGH_S,
        example={"sample": REFERENCE, "soaking": "vacuum", "count": Quantity(value=3, unit="1")},
    )
    async def weigh(self, job: JobContext, *, sample: str, soaking: str = "vacuum", count: float = 3) -> JobResult:
        """Density and porosities, each with its standard uncertainty.

        The same order reads the same.

        Raises:
            InfeasibleFault: the sample did not survive its synthesis.
            DeviceFault: there is no such sample.
        """
        made = self.sample(sample)
        n = int(count)
        rng = stream(self.bench.truth.seed, "weigh", made.id, soaking, n)
        drift = self.bench.mishaps.drift(self.iid)
        found = self._weighed(made, soaking, n, drift, rng)
        await self.pace.take(job, SOAK_S[soaking] + 3 * n * WEIGH_S)
        theoretical = self.bench.truth.theoretical_density(made.design.crystal)
        values = _results(found, theoretical)
        for name, unit, value, std in zip(
            ("dry_mass", "immersed_mass", "soaked_mass", "water_temperature"),
            ("g", "g", "g", "Cel"),
            found.inputs,
            found.errors,
            strict=True,
        ):
            values[name] = Quantity(value=float(value), unit=unit, std=float(std))
        return JobResult(values=dict(values))

    def _weighed(self, made: Sample, soaking: str, n: int, drift: float, rng: np.random.Generator) -> _Weighed:
        """Weigh a body n times in each of three ways.

        Drift is of what hangs in the water, so that densities read too high by it: an error of the balance's scale
        would cancel in all of them.
        """
        body, real = made.body, disc(self.bench.truth, made)
        water = rng.normal(ROOM_CELSIUS, ROOM_SPREAD)
        filled = body.open_porosity * (1.0 - unfilled(body, soaking)) * real.volume
        liquid, air = float(water_density(water)) * 1e-3, AIR * 1e-3
        surface = np.pi * real.diameter * (real.thickness + 0.5 * real.diameter) * 1e-2
        soaked = real.mass + filled * liquid + rng.normal(0.0, BLOTTING_G_CM2 * surface, n)
        lifts = rng.exponential(BUBBLE_G, n)
        calibration = 1.0 / (1.0 - AIR / WEIGHTS)
        dry = np.full(n, real.mass - air * (1.0 - body.open_porosity) * real.volume) * calibration
        wet = (soaked - air * real.volume) * calibration
        under = (real.mass + filled * liquid - real.volume * liquid) * calibration - lifts
        under = wet - (wet - under) / drift
        true = np.stack([dry, under, wet])
        noise = np.array([[WEIGHING_G], [WIRE_G], [WEIGHING_G]])
        shown = np.round((true + rng.normal(0.0, 1.0, (3, n)) * noise) / RESOLUTION_G) * RESOLUTION_G
        single = np.array([WEIGHING_G, np.hypot(WIRE_G, BUBBLE_G), np.hypot(WEIGHING_G, BLOTTING_G_CM2 * surface)])
        # What n weighings say of their own scatter is worth little, and bubbles lift every time.
        errors = np.hypot(single / np.sqrt(n), [RESOLUTION_G / np.sqrt(12.0), BUBBLE_G, RESOLUTION_G / np.sqrt(12.0)])
        thermometer = round(float(water + rng.normal(0.0, THERMOMETER_K)), 1)
        return _Weighed(np.append(shown.mean(axis=1), thermometer), np.append(errors, THERMOMETER_K))


def unfilled(body: Body, soaking: str) -> float:
    """Share of the open pores that water does not enter."""
    channel = CHANNEL_RATIO * body.grain_size
    return min(EMPTY[soaking] / float(np.sqrt(channel)), MOST_EMPTY)


def _results(found: _Weighed, theoretical: float) -> dict[str, Quantity]:
    def law(inputs: Array) -> Array:
        dry, immersed, soaked, celsius = inputs
        bulk = archimedes_density(dry, immersed, soaked, water_density(celsius), air=AIR)
        open_, relative = archimedes_open_porosity(dry, immersed, soaked), bulk / theoretical
        total = 1.0 - relative
        return np.array([bulk, open_, relative, total, total - open_, water_absorption(dry, soaked)])

    return carried(law, found.inputs, found.errors, _NAMES)

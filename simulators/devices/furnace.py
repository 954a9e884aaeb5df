"""The virtual furnace: weighs, presses and sinters a powder, and puts what comes out on the shelf."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from math import inf
from types import MappingProxyType
from typing import ClassVar

from envs.design import Design, FactorValue
from envs.firing_limits import FIRING
from envs.laws import KELVIN
from instruments.commands import ParameterRule
from instruments.device import (
    Channel,
    Choice,
    DeviceFault,
    InfeasibleFault,
    JobContext,
    JobResult,
    Parameter,
    Quantity,
    Returns,
    Text,
    command,
)
from instruments.messages import Value
from simulators.devices.bench import BenchDevice
from simulators.devices.firing import ROOM_CELSIUS, Firing
from simulators.potential_beside import known
from simulators.reference import reference_order
from simulators.samples import Sample, is_name, stream
from simulators.sintering import COOLING_RATE, REASONS, Outcome, furnace_hours
from simulators.truth import Batch

PREPARATION_H = 0.75
"""Weighing, mixing with the additive, and pressing, h."""

SUMMARIES = {
    "powder_size": "mean particle diameter",
    "additive": "sintering aid, 2 % by volume",
    "temperature": "hold temperature",
    "hold": "time at temperature",
    "heating_rate": "",
    "pressure": "uniaxial, 0 is pressureless",
}
PROCESS: dict[str, ParameterRule] = {
    name: Choice(limit.options, summary=SUMMARIES[name])
    if limit.options
    else Parameter(unit=limit.unit, low=limit.low, high=limit.high, summary=SUMMARIES[name])
    for name, limit in FIRING.items()
}
COOLING = Parameter(
    unit="K/min", low=1.0, high=100.0, default=COOLING_RATE, summary="after the hold; the default is the furnace's own"
)


class Furnace(BenchDevice):
    """A hot press that also fires without pressure; one sample at a time.

    At speed 0 it fires at once, and then the gauges show nothing.
    """

    kind = "furnace"
    driver = "labwright virtual furnace"
    # The heater is on within a firing alone, so what ends a job has made the furnace safe.
    safe_state = "heater off"
    lease_s = 60.0
    channels: ClassVar[Mapping[str, Channel]] = MappingProxyType(
        {
            "temperature": Channel(unit="Cel", summary="thermocouple at the sample"),
            "density": Channel(unit="1", summary="relative density of the compact, by its dilatometer"),
            "shrinkage": Channel(unit="1", summary="linear shrinkage since the green state, by its dilatometer"),
        }
    )

    @command(
        summary="Sinter one compact of a crystal's powder",
        parameters={
            "sample": Text(max_length=64, summary="label of the sample to be made"),
            "crystal": Text(max_length=64, summary="identifier of the compound; generated: labwright lab prototypes"),
            **PROCESS,
            "cooling_rate": COOLING,
        },
        results={
            "peak_temperature": Returns(unit="Cel", summary="highest temperature of the sample"),
            "furnace_time": Returns(unit="h", summary="heating, holding and cooling"),
            "origin": Returns(summary="what the virtual laboratory's truth about the crystal was taken from"),
        },
        duration_s=8 * 3600.0,
        example=reference_order(),
    )
    async def sinter(
        self,
        job: JobContext,
        *,
        sample: str,
        crystal: str,
        powder_size: float,
        additive: str,
        temperature: float,
        hold: float,
        heating_rate: float,
        pressure: float,
        cooling_rate: float,
    ) -> JobResult:
        """Make a sample.

        What the robot has pressed under the same label, of the same powder, is fired as it is: that saves the time of
        its preparation.

        Raises:
            InfeasibleFault: it melted, decomposed, cracked, or no such phase forms.
            DeviceFault: the label is taken by another design or compact or unfit, there is no such compound, or the
                firing failed through no fault of the design.
        """
        process: dict[str, FactorValue] = {
            "powder_size": powder_size, "additive": additive, "temperature": temperature, "hold": hold,
            "heating_rate": heating_rate, "pressure": pressure,
        }  # fmt: skip
        if cooling_rate != COOLING_RATE:
            # Of the furnace's own cooling no design says anything, so that a sample of old is still the same.
            process["cooling_rate"] = cooling_rate
        await known(self.bench.truth.origin, crystal)
        body = self._make(sample, Design(crystal, process))
        hours = furnace_hours(temperature + KELVIN, hold, heating_rate, cooling_rate)
        await self._fire(job, body, hours)
        return self._told(body, hours)

    def _told(self, body: Sample, hours: float) -> JobResult:
        if body.outcome is not Outcome.SINTERED:
            raise InfeasibleFault(str(body.outcome), f"sample {body.id}: {self._reason(body)}")
        values: dict[str, Value] = {
            "peak_temperature": Quantity(value=float(body.design.process["temperature"]), unit="Cel", std=5.0),
            "furnace_time": Quantity(value=hours, unit="h"),
            "origin": body.origin,
        }
        return JobResult(values=values)

    async def _fire(self, job: JobContext, body: Sample, hours: float) -> None:
        """Let the firing pass, and shelve what comes out."""
        preparation = self._preparation(body)
        total_s = 3600.0 * (preparation + hours)
        try:
            await self.pace.take(job, total_s, at=self._gauges(job, body, preparation))
        finally:
            if self.pace.gradual:
                await job.telemetry("temperature", Quantity(value=ROOM_CELSIUS, unit="Cel"))
        self._check_unspoiled(body.id)
        # Not before it is fired: of what is interrupted nothing lies on the shelf.
        self._shelve(body)

    def _make(self, sample: str, design: Design) -> Sample:
        """The body that this label and design give; making it again gives the same one."""
        if not is_name(sample):
            raise DeviceFault("bad_label", f"{sample!r} is no sample label: use letters, digits, '_', '-' and dots")
        truth = self.bench.truth
        try:
            origin = truth.origin(design.crystal)
        except KeyError:
            raise DeviceFault("unknown_crystal", f"no powder of {design.crystal!r} is in stock here") from None
        present = self.bench.samples.get(sample)
        if present is not None and present.design != design:
            raise DeviceFault("sample_exists", f"sample {sample} was made before, to another design")
        if present is not None:
            return present
        result = truth.sinter([design], [self._batch(sample)])
        return Sample(sample, design, result.body(0), result.outcome[0], origin)

    def _preparation(self, body: Sample) -> float:
        """Hours of weighing, mixing and pressing before the firing; none where the robot has done it.

        Raises:
            DeviceFault: under this label another powder was pressed.
        """
        green = self.bench.stock.green(body.id)
        if green is None:
            return PREPARATION_H
        process = body.design.process
        if not green.agrees(body.design.crystal, float(process["powder_size"]), str(process["additive"])):
            pressed = f"{green.crystal}, {green.powder_size:g} um, additive {green.additive}"
            raise DeviceFault(
                "compact_exists", f"under the label {body.id} lies a compact of another powder: {pressed}"
            )
        return 0.0

    def _check_unspoiled(self, sample: str) -> None:
        # A body that lies on the shelf was made well, whatever happens to an order that asks for it again.
        if self.bench.samples.get(sample) is None and (why := self.bench.mishaps.spoiled(sample)) is not None:
            raise DeviceFault("spoiled", f"sample {sample}: {why}")

    def _reason(self, body: Sample) -> str:
        # In words alone: no furnace measures by how much a phase is unstable.
        lost = self.bench.truth.loss(body.design, self._batch(body.id))
        return REASONS[body.outcome] if lost is None else lost.why

    def _batch(self, sample: str) -> Batch:
        return self.bench.truth.batch(stream(self.bench.truth.seed, "batch", sample))

    def _shelve(self, body: Sample) -> None:
        if self.bench.samples.get(body.id) is None:
            self.bench.samples.put(body)

    def _gauges(self, job: JobContext, body: Sample, preparation: float) -> Callable[[float], Awaitable[None]]:
        """Shows the gauges, so many seconds of lab time after the job began."""
        process, truth, batch = body.design.process, self.bench.truth, self._batch(body.id)
        lost = truth.loss(body.design, batch) if body.outcome is not Outcome.SINTERED and self.pace.gradual else None
        firing = Firing(
            float(process["temperature"]),
            float(process["hold"]),
            float(process["heating_rate"]),
            float(process.get("cooling_rate", COOLING_RATE)),
            truth.densification(body.design, batch) if self.pace.gradual else None,
            stream(truth.seed, "gauges", body.id),
            inf if lost is None else lost.hours,
        )

        async def show(passed_s: float) -> None:
            hours = passed_s / 3600.0 - preparation
            await job.telemetry("temperature", Quantity(value=firing.temperature(hours), unit="Cel"))
            # While it is weighed and pressed nothing lies in the furnace.
            if hours >= 0.0 and (density := firing.density(hours)) is not None:
                await job.telemetry("density", Quantity(value=density, unit="1"))
                await job.telemetry("shrinkage", Quantity(value=firing.shrinkage(density), unit="1"))

        return show

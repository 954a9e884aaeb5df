"""Instruments that keep the profile by the real device class, and write down what physically happened in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

from instruments.artefacts import inline_artefact
from instruments.clock import Clock
from instruments.device import (
    Device,
    DeviceFault,
    InfeasibleFault,
    JobContext,
    JobResult,
    Parameter,
    Quantity,
    RetryableFault,
    Text,
    command,
)
from instruments.ids import Ids
from instruments.journal import JobJournal
from instruments.transport import Transport

LAB = "sim"
HOTTEST = 1700.0
"""Cel; what the furnace's own driver allows."""


@dataclass
class Act:
    """Something that physically happened: hardware moved for one order.

    Attributes:
        at: seconds since the schedule began.
        parameters: as the hardware got them.
        end: how it ended; empty while it goes on.
    """

    at: float
    iid: str
    command: str
    job: str
    digest: str
    approval: str
    sample: str
    parameters: dict[str, float | str]
    end: str = ""
    ended_at: float = -1.0
    code: str = ""


@dataclass
class Mishaps:
    """What may go wrong in a job, as shares of all jobs; none once the faults are over."""

    retryable: float = 0.0
    infeasible: float = 0.0
    other: float = 0.0
    slow: float = 0.0

    def calm(self) -> None:
        """Let every job succeed from now on."""
        self.retryable = self.infeasible = self.other = self.slow = 0.0


@dataclass
class Workshop:
    """What all instruments share, and what no restart of them forgets.

    Attributes:
        acts: the physical log, in the order of beginnings.
        inside: the act that each instrument's hardware is busy with; two at once would be an accident.
        accidents: what must never happen, in words.
    """

    rng: random.Random
    clock: Clock
    mishaps: Mishaps = field(default_factory=Mishaps)
    acts: list[Act] = field(default_factory=list)
    inside: dict[str, Act] = field(default_factory=dict)
    accidents: list[str] = field(default_factory=list)
    note: Callable[..., None] = lambda *_words: None

    def begin(self, iid: str, job: JobContext, sample: str, parameters: dict[str, float | str]) -> Act:
        """The hardware begins to move."""
        act = Act(
            round(self.clock.elapsed(), 6), iid, job.command, job.job, job.digest, job.approval, sample, parameters
        )
        if (other := self.inside.get(iid)) is not None:
            self.accidents.append(f"{iid} does {job.command} for {sample} while {other.sample} is in it")
        self.inside[iid] = act
        self.acts.append(act)
        self.note("act", iid, job.command, sample, job.job[-6:], job.approval)
        return act

    def finish(self, act: Act, end: str, code: str = "") -> None:
        """The hardware stands still."""
        if not act.end:
            act.end, act.code, act.ended_at = end, code, round(self.clock.elapsed(), 6)
            self.note("end", act.iid, act.command, act.sample, end, code)
        if self.inside.get(act.iid) is act:
            del self.inside[act.iid]

    def power_off(self, iid: str) -> None:
        """The instrument's controller is gone, and with it whatever it did."""
        if (act := self.inside.get(iid)) is not None:
            self.finish(act, "interrupted")


class _Machine(Device):
    """Does its jobs in virtual time, and has the mishaps of the workshop."""

    driver = "simulated 1"
    usual_s = 30.0

    def __init__(
        self,
        iid: str,
        transport: Transport,
        *,
        workshop: Workshop,
        clock: Clock,
        ids: Ids,
        journal: JobJournal,
    ) -> None:
        self.workshop = workshop
        super().__init__(iid, transport, lab=LAB, clock=clock, ids=ids, journal=journal)

    async def act(self, job: JobContext, sample: str, **parameters: float | str) -> None:
        """Move the hardware for one order; raises the fault that it ends with."""
        shop = self.workshop
        act = shop.begin(self.iid, job, sample, {**parameters, "sample": sample})
        lasts, chance = shop.rng.uniform(0.3, 1.5) * self.usual_s, shop.rng.random()
        if shop.rng.random() < shop.mishaps.slow:
            lasts *= 6.0
        try:
            await job.sleep(lasts)
            for share, fault in self._faults():
                if chance < share:
                    raise fault  # noqa: TRY301 - as a driver would, amid its work
                chance -= share
        except DeviceFault as fault:
            shop.finish(act, "failed", fault.kind)
            raise
        except BaseException:
            shop.finish(act, "interrupted")
            raise
        shop.finish(act, "succeeded")

    def _faults(self) -> list[tuple[float, DeviceFault]]:
        mishaps = self.workshop.mishaps
        return [
            (mishaps.retryable, RetryableFault("unsteady", "the temperature was not reached in time")),
            (mishaps.infeasible, InfeasibleFault("sample_melted", "the pellet had melted")),
            (mishaps.other, DeviceFault("jammed", "the door is jammed")),
        ]


class Furnace(_Machine):
    """Has one place, and heats: the agent's lease keeps it hot."""

    kind = "furnace"
    safe_state = "heater off"
    lease_s = 90.0
    usual_s = 60.0

    @command(
        summary="Sinter",
        parameters=MappingProxyType(
            {
                "sample": Text(),
                "crystal": Text(),
                "temperature": Parameter(unit="Cel", low=20, high=HOTTEST),
                "time": Parameter(unit="h", low=0, high=24),
            }
        ),
    )
    async def sinter(self, job: JobContext, *, sample: str, crystal: str, temperature: float, time: float) -> JobResult:
        """Heat a sample."""
        await self.act(job, sample, crystal=crystal, temperature=temperature, time=time)
        return JobResult(values={"peak": Quantity(value=temperature, unit="Cel", std=2.0)})


class Microscope(_Machine):
    """Finds a magnification and takes images."""

    kind = "sem"

    @command(summary="Find a magnification", parameters=MappingProxyType({"sample": Text()}))
    async def survey(self, job: JobContext, *, sample: str) -> JobResult:
        """Look at the whole of a sample."""
        await self.act(job, sample)
        return JobResult(values={"pixel_size": Quantity(value=0.05, unit="um")})

    @command(
        summary="Take an image",
        parameters=MappingProxyType(
            {
                "sample": Text(),
                "pixel_size": Parameter(unit="um", low=0.001, high=5),
                "field": Parameter(unit="1", low=0, high=99),
            }
        ),
    )
    async def acquire(self, job: JobContext, *, sample: str, pixel_size: float, field: float) -> JobResult:
        """Take an image of a field of a sample."""
        await self.act(job, sample, pixel_size=pixel_size, field=field)
        image = inline_artefact(f"{sample} {field:g} {job.job}".encode(), "image/tiff")
        return JobResult(values={"pixel_size": Quantity(value=pixel_size, unit="um")}, artefacts={"image": image})


class Indenter(_Machine):
    """Measures hardness."""

    kind = "indenter"
    usual_s = 20.0

    @command(
        summary="Measure the hardness",
        parameters=MappingProxyType(
            {
                "sample": Text(),
                "load": Parameter(unit="N", low=0.1, high=100),
                "count": Parameter(unit="1", low=1, high=100),
            }
        ),
    )
    async def indent(self, job: JobContext, *, sample: str, load: float, count: float) -> JobResult:
        """Press a diamond into a sample."""
        await self.act(job, sample, load=load, count=count)
        hardness = Quantity(value=round(self.workshop.rng.uniform(10.0, 30.0), 3), unit="GPa", std=0.5)
        return JobResult(values={"hardness": hardness})


MACHINES: dict[str, type[_Machine]] = {"furnace-1": Furnace, "sem-1": Microscope, "indenter-1": Indenter}

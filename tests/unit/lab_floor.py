"""Instruments on a bus in this process, in time that costs nothing, and a daemon's conduct over them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lab_bench import LAB
from quick_time import LoopClock, ids

from agent import core
from agent import events as ev
from agent.core.messages import Effect
from agent.daemon.conduct import Patient
from agent.desk import Desk
from agent.jobs import Jobs
from agent.minds import PlanAnswer, PlanRequest, PreviewAnswer, PreviewRequest, Suggestion
from agent.planning import Offline, Planning
from agent.rules.outlook import Outlook
from agent.runner import Runner
from agent.store import ArtefactStore
from agent.world import world_of
from envs.errors import InstrumentError
from instruments.bulk.fetch import Sources
from instruments.client import InstrumentClient
from instruments.device import Device, JobContext, JobResult, Parameter, Quantity, Text, command
from instruments.journal import JobJournal, MemoryJournal
from instruments.local import LocalBus, LocalTransport

HOT_S = 60.0
SOON = timedelta(minutes=2)
"""After such a silence a person is asked."""


@dataclass
class Acts:
    """What physically happened, which no restart undoes.

    Attributes:
        done: job and sample, in the order of beginnings.
        slow: whether an act takes hours.
    """

    done: list[tuple[str, str]] = field(default_factory=list)
    slow: bool = False


class _Machine(Device):
    acts: Acts

    async def act(self, job: JobContext, sample: str) -> None:
        """Do it: it takes a while."""
        self.acts.done.append((job.job, sample))
        await job.sleep(100 * HOT_S if self.acts.slow else HOT_S)


class Furnace(_Machine):
    """Heats."""

    kind = "furnace"
    safe_state = "heater off"
    lease_s = 90.0

    @command(
        summary="Sinter",
        parameters=MappingProxyType(
            {
                "sample": Text(), "crystal": Text(), "temperature": Parameter(unit="Cel", low=20, high=2000),
                "hold": Parameter(unit="h", low=0, high=24),
            }
        ),
    )  # fmt: skip
    async def sinter(self, job: JobContext, *, sample: str, crystal: str, temperature: float, hold: float) -> JobResult:
        """Heat a sample."""
        await self.act(job, sample)
        return JobResult(values={"peak": Quantity(value=temperature, unit="Cel")})


class Indenter(_Machine):
    """Measures hardness."""

    kind = "indenter"

    @command(
        summary="Measure",
        parameters=MappingProxyType(
            {
                "sample": Text(),
                "load": Parameter(unit="N", low=0, high=99),
                "count": Parameter(unit="1", low=0, high=99),
            }
        ),
    )
    async def indent(self, job: JobContext, *, sample: str, load: float, count: float) -> JobResult:
        """Press a diamond into a sample."""
        await self.act(job, sample)
        return JobResult(values={"hardness": Quantity(value=20.0, unit="GPa", std=0.5)})


MACHINES: Mapping[str, type[_Machine]] = MappingProxyType({"furnace-1": Furnace, "indenter-1": Indenter})


class Kept:
    """A journal in memory, with the outbox that goes with it."""

    def __init__(self) -> None:
        self.stored: list[Any] = []
        self.rows: dict[Effect, int] = {}

    @property
    def seq(self) -> int:
        return len(self.stored)

    def scan(self) -> Sequence[Any]:
        return list(self.stored)

    def append(
        self, happened: Sequence[ev.Event], at: datetime, *, outbox: Sequence[Effect] = (),
        done: Sequence[tuple[str, str]] = (), inbox: tuple[str, str] | None = None,
    ) -> Sequence[Any]:  # fmt: skip
        del inbox
        self.stored += [_Stored(at, ev.parse_event(event.model_dump_json())) for event in happened]
        self.settle(done)
        self.rows.update(dict.fromkeys(outbox, self.seq))
        return self.stored[-len(happened) :]

    def outbox(self) -> Sequence[Effect]:
        return list(self.rows)

    def settle(self, done: Sequence[tuple[str, str]], *, upto: int | None = None) -> None:
        for effect in [e for e, seq in self.rows.items() if (e.kind, e.key) in done and (upto is None or seq <= upto)]:
            del self.rows[effect]


@dataclass(frozen=True)
class _Stored:
    at: datetime
    event: ev.Event


class QuickMinds:
    """Plans and reads at once.

    Attributes:
        asked: rounds and images, in order.
        fails: how often it fails before it answers.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = 0
        self.temperatures = iter(range(1000, 2000, 100))

    def _trouble(self, what: str) -> None:
        self.asked.append(what)
        if self.fails:
            self.fails -= 1
            raise InstrumentError("the worker died")

    async def plan(self, campaign: str, request: PlanRequest) -> PlanAnswer:
        await asyncio.sleep(1.0)
        self._trouble(f"{campaign} {request.round}")
        made = [
            ev.DesignRecord(
                crystal="mp-1", formula="TiB2", process={"temperature": float(next(self.temperatures)), "hold": 1.0}
            )
            for _ in range(request.n)
        ]
        return PlanAnswer([Suggestion(d, "random") for d in made], {"random": len(made)})

    async def preview(self, campaign: str, request: PreviewRequest) -> PreviewAnswer:
        """Nothing is expected of any design: there are no models."""
        del campaign
        return PreviewAnswer(tuple(Outlook() for _ in request.designs), ("there are no models",))

    async def read_image(
        self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, store: Path
    ) -> ev.ImageRead:
        await asyncio.sleep(1.0)
        self._trouble(f"{experiment} {attempt}")
        return ev.ImageRead(
            experiment=experiment, attempt=attempt, image=image, accepted=True, reason="", pixel_size=pixel_size,
            next_pixel_size=None, grain_size=(1.0, 0.1), porosity=(0.02, 0.01), n_grains=100, overlay=None,
        )  # fmt: skip


class Floor:
    """The instruments, and what they have done."""

    def __init__(self) -> None:
        self.bus = LocalBus()
        self.acts = Acts()
        self.ids = ids()
        self.transports: dict[str, LocalTransport] = {}
        self._journals: dict[str, JobJournal] = {iid: MemoryJournal() for iid in MACHINES}
        self._beats: dict[str, asyncio.Task[None]] = {}
        self._machines: dict[str, _Machine] = {}

    @property
    def present(self) -> list[str]:
        """Those that are on."""
        return list(self._machines)

    async def switch_on(self, iid: str, *, forgetful: bool = False) -> None:
        """Start an instrument; a forgetful one has lost its journal."""
        if forgetful:
            self._journals[iid] = MemoryJournal()
        self.transports[iid] = self.bus.transport()
        machine = MACHINES[iid](
            iid, self.transports[iid], lab=LAB, clock=LoopClock(), ids=self.ids, journal=self._journals[iid]
        )
        machine.acts = self.acts
        self._machines[iid] = machine
        await machine.start()
        self._beats[iid] = asyncio.create_task(machine.run(), name=iid)

    async def switch_off(self, iid: str) -> None:
        """Pull its plug: it says nothing any more, and its will is published."""
        await self.transports[iid].drop()
        beat = self._beats.pop(iid)
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        await self._machines.pop(iid).stop()

    async def close(self) -> None:
        """Switch everything off."""
        for iid in list(self._machines):
            await self.switch_off(iid)


class Life:
    """One life of the agent: a desk over what is kept, its runner and its conduct."""

    def __init__(self, floor: Floor, kept: Kept, rules: core.LabRules, store: Path, minds: QuickMinds) -> None:
        self.transport = floor.bus.transport()
        self.client = InstrumentClient(self.transport, lab=LAB, agent="agent", clock=LoopClock(), ids=floor.ids)
        self.desk = Desk(kept, rules, LoopClock())
        self.minds = minds
        artefacts = ArtefactStore(store)
        self.jobs = Jobs(self.client, store=artefacts, sources=Sources(), clock=LoopClock(), strict=False)
        planning = Planning(self.desk, minds, artefacts, Offline())
        self.runner = Runner(
            self.desk, self.jobs, planning, minds, store=artefacts, ids=floor.ids,
            world=lambda: world_of(self.client, None), conduct=Patient(LoopClock(), asyncio.sleep, lost_after=SOON),
        )  # fmt: skip

    async def until(self, true: Callable[[core.LabState], bool], *, within_s: float = 3600.0) -> None:
        """Work until something is so."""
        async with asyncio.timeout(within_s):
            work = asyncio.create_task(self._tick(), name="tick")
            try:
                await self.runner.run(true)
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.runner.wake()

    @property
    def events(self) -> list[ev.Event]:
        return [stored.event for stored in self.desk._journal.scan()]


@asynccontextmanager
async def alive(floor: Floor, kept: Kept, rules: core.LabRules, store: Path) -> AsyncIterator[Life]:
    """An agent that is killed at the end of the context: nothing of it is left but what is kept."""
    life = Life(floor, kept, rules, store, QuickMinds())
    await life.client.start()
    await life.client.wait_for(floor.present)
    try:
        yield life
    finally:
        await life.transport.drop()
        await life.client.close()


__all__ = ["HOT_S", "MACHINES", "SOON", "Acts", "Floor", "Furnace", "Kept", "Life", "QuickMinds", "alive"]

"""The loop: do what is due, each thing in a task of its own, journal what came of it, and again.

Offline campaigns and the daemon run the same one. They differ in what a failure means: a simulation ends with it, and
goes on when it is resumed; a daemon waits and tries again, and asks a person where only a person can know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from agent import core
from agent import events as ev
from agent.core.messages import Effect
from agent.desk import Desk
from agent.jobs import Jobs
from agent.minds import Minds
from agent.planning import Planning
from agent.store import ArtefactStore
from envs.errors import InstrumentError, JournalError
from instruments.ids import Ids

Until = Callable[[core.LabState], bool]


class Conduct(Protocol):
    """What is done about a failure; it may try the work again."""

    async def mend(self, error: JournalError) -> None:
        """Wait before the journal is tried again, or raise."""
        ...

    def idle(self, reason: str) -> None:
        """Nothing is under way, and this is why: nothing where something may still come, else raise."""
        ...

    async def send(self, jobs: Jobs, command: core.SendOrder, desk: Desk) -> None:
        """Carry out an order whose intent is journaled, and tell the desk what came of it."""
        ...

    async def plan(self, planning: Planning, command: core.PlanRound, desk: Desk) -> None:
        """Have a round planned, and tell the desk."""
        ...

    async def read(self, minds: Minds, command: core.ReadImage, store: ArtefactStore, desk: Desk) -> None:
        """Have an image read, and tell the desk."""
        ...


class Straight:
    """Failures end the run: what is in the journal is whole, and a later run does again what was due.

    Args:
        spend: told how long each job took, s: moves a simulated clock.
    """

    def __init__(self, spend: Callable[[float], None]) -> None:
        self._spend = spend

    def wakes(self, wake: Callable[[], None]) -> None:
        """It waits for nothing that somebody would have to be woken for."""

    async def close(self) -> None:
        """It leaves nothing behind."""

    async def mend(self, error: JournalError) -> None:
        """Not here: free space, and resume."""
        raise error

    def idle(self, reason: str) -> None:
        """Nobody else would ever set a simulation going again."""
        raise InstrumentError(reason)

    async def send(self, jobs: Jobs, command: core.SendOrder, desk: Desk) -> None:
        """Carry out an order."""
        ended = await jobs.carry_out(command)
        self._spend(ended.elapsed_s)
        desk.tell(ended)
        jobs.forget(command.job)

    async def plan(self, planning: Planning, command: core.PlanRound, desk: Desk) -> None:
        """Have a round planned."""
        desk.tell(await planning.plan(command))

    async def read(self, minds: Minds, command: core.ReadImage, store: ArtefactStore, desk: Desk) -> None:
        """Have an image read."""
        read = await minds.read_image(
            command.experiment, command.attempt, command.image, command.pixel_size, store.directory
        )
        desk.tell(read)


class Runner:
    """Does what is due.

    Args:
        desk: decides and remembers.
        jobs: carries out orders.
        planning: asks the planner.
        minds: read images.
        store: of artefacts.
        ids: of jobs.
        world: the instruments in sight.
        conduct: what is done about failures.
    """

    def __init__(
        self,
        desk: Desk,
        jobs: Jobs,
        planning: Planning,
        minds: Minds,
        *,
        store: ArtefactStore,
        ids: Ids,
        world: Callable[[], core.World],
        conduct: Conduct,
    ) -> None:
        self._desk = desk
        self._jobs = jobs
        self._planning = planning
        self._minds = minds
        self._store = store
        self._ids = ids
        self._world = world
        self._conduct = conduct
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._bell = asyncio.Event()
        self.ordering = True
        """Whether new orders are sent: not while the agent is still asking after old ones, or takes its leave."""
        desk.on_change(self._on_change)

    def wake(self) -> None:
        """Look again at what is due: an instrument came or went, or time went by."""
        self._bell.set()

    @property
    def in_hand(self) -> int:
        """Number of things that are being done."""
        return len(self._tasks)

    def has(self, experiment: str) -> bool:
        """Whether something is being done for an experiment."""
        return experiment in self._tasks

    async def run(self, until: Until) -> None:
        """Do what is due until a condition on the state holds; what is in hand then is left.

        Raises:
            LabwrightError: something failed that the conduct does not mend.
        """
        try:
            while not until(self._desk.state):
                self._bell.clear()
                try:
                    held = self.start_due()
                except JournalError as error:
                    await self._conduct.mend(error)
                    continue
                if until(self._desk.state):
                    break
                await self._wait(held)
        finally:
            await self._leave()

    def start_due(self) -> core.Holding | None:
        """Begin everything that is due; returns why something waits, if anything does."""
        held: core.Holding | None = None
        again = True
        while again:
            again = False
            for command in self._desk.due(self._world()):
                if isinstance(command, core.Holding):
                    held = command if command.code else held
                    self._desk.tell(command)
                elif isinstance(command, core.SendOrder) and not command.job:
                    again = (self.ordering and self._intend(command)) or again
                else:
                    self._start(command)
        return held

    def _intend(self, command: core.SendOrder) -> bool:
        """Journal an intent; the next thing due is to send it."""
        job = self._ids.new()
        decided = self._desk.tell(
            core.Dispatching(
                command.experiment, command.step, command.attempt, command.tries, command.order, command.instrument, job
            )
        )
        if any(isinstance(e, ev.StepDispatched) for e in decided.events):
            self._jobs.intend(job)
        return bool(decided.events)

    def _start(self, command: core.PlanRound | core.ReadImage | core.SendOrder) -> None:
        key = f"plan {command.campaign}" if isinstance(command, core.PlanRound) else command.experiment
        if key in self._tasks:
            return
        if isinstance(command, core.PlanRound):
            if not self.ordering:
                return
            work = self._conduct.plan(self._planning, command, self._desk)
        elif isinstance(command, core.ReadImage):
            work = self._conduct.read(self._minds, command, self._store, self._desk)
        else:
            work = self._conduct.send(self._jobs, command, self._desk)
        self._tasks[key] = asyncio.create_task(work, name=f"doing {key}")

    def _on_change(self, _effects: Sequence[Effect]) -> None:
        self._bell.set()

    async def _wait(self, held: core.Holding | None) -> None:
        if not self._tasks and not self._bell.is_set():
            self._conduct.idle(held.reason if held else "nothing is due and nothing is under way")
        rung = asyncio.create_task(self._bell.wait(), name="bell")
        try:
            await asyncio.wait([rung, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        finally:
            rung.cancel()
        done = [key for key, task in self._tasks.items() if task.done()]
        for key in done:
            self._tasks.pop(key).result()

    async def _leave(self) -> None:
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""One life of the agent: its real parts on the simulated world."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from agent import events as ev
from agent.daemon.beat import Beat
from agent.daemon.conduct import Patient
from agent.daemon.hear import Ears
from agent.daemon.lab_clock import LabClock
from agent.daemon.lab_terms import LabTerms
from agent.daemon.publish import Mouth
from agent.daemon.reconcile import Reconcile
from agent.daemon.shelf import JournalShelf
from agent.desk import Desk
from agent.jobs import Jobs
from agent.planning import Planning
from agent.runner import Runner
from agent.world import world_of
from envs.objective import FLAGSHIP
from instruments.bulk.fetch import Sources
from instruments.client import InstrumentClient
from instruments.ids import SeededIds
from instruments.topics import Lab as Topics
from tests.faults.simulation.fixed import rules
from tests.faults.simulation.host import Process
from tests.faults.simulation.lab import Lab
from tests.faults.simulation.machines import LAB
from tests.faults.simulation.minds import ChanceMinds, MemoryStore

AGENT = "agent"


async def run_agent(lab: Lab, process: Process) -> None:
    """From the start of the process to its orderly end."""
    journal = lab.disk.open(process.wire.touch)
    wall = lab.agent_clock.now
    last = journal.read()[-1].at if journal.seq else wall()
    clock = LabClock.system(wall=wall, monotonic=lab.loop.time)
    if last > clock.now():
        clock = LabClock(1.0, anchor_real=wall(), anchor_lab=last, wall=wall, monotonic=lab.loop.time)
    ids = SeededIds(lab.agent_clock, lab.rng)
    life = Life(lab, process, journal, clock, ids, wall)
    await life.run()


class Life:
    """The parts, put together."""

    def __init__(
        self, lab: Lab, process: Process, journal: Any, clock: LabClock, ids: SeededIds, wall: Callable[[], datetime]
    ) -> None:
        self._lab, self._clock, self._journal = lab, clock, journal
        self._boot = ids.new()
        link = process.link(lab.broker, AGENT)
        topics = Topics("labwright", LAB)
        store = lab.store
        self._desk = desk = Desk(journal, rules(lab.plan, lab.limits[-1][1]), clock)
        self._client = client = InstrumentClient(link, lab=LAB, agent=AGENT, clock=clock, ids=ids, judge_clocks=False)
        self._link = link
        jobs = Jobs(client, store=store, sources=Sources(), clock=clock, strict=False)
        minds = ChanceMinds(lab.plan)
        planning = Planning(desk, minds, store, LabTerms(desk, clock, lambda _cid: FLAGSHIP))
        self._runner = runner = Runner(
            desk,
            jobs,
            planning,
            minds,
            store=store,
            ids=ids,
            world=lambda: world_of(client, None),
            conduct=Patient(clock, asyncio.sleep),
        )
        shelf = JournalShelf(journal)
        self._mouth = mouth = Mouth(
            desk, journal, shelf, link, topics, agent=AGENT, boot=self._boot, clock=clock, sleeper=asyncio.sleep
        )
        self._ears = Ears(desk, topics, body_of=shelf.body, wall=wall, answer=mouth.answer, on_reload=lambda: None)
        self._reconcile = Reconcile(runner, jobs, desk.state)
        self._beat = Beat(desk, runner, clock, asyncio.sleep, announce=self._announce)

    async def _announce(self) -> None:
        self._reconcile.look()

    async def run(self) -> None:
        """Until the laboratory tells it to stop."""
        lab, desk = self._lab, self._desk
        stop = lab.stopping
        await self._tell(lambda: desk.tell(ev.AgentStarted(software="sim", mode="live", boot=self._boot)))
        for campaign in lab.plan.campaigns:
            if campaign.id not in desk.state.campaigns:
                created = ev.CampaignCreated(
                    campaign=campaign.id, name=campaign.id, config={}, space_version="0", software="sim"
                )
                await self._tell(lambda created=created: desk.tell(created))
        await self._ears.listen(self._link)
        while True:
            try:
                await self._client.start()
                break
            except Exception:
                await asyncio.sleep(2.0)
        self._mouth.everything()
        self._link.on_reconnect(self._again)
        work = [
            asyncio.create_task(self._runner.run(lambda _state: False)),
            asyncio.create_task(self._mouth.run()),
            asyncio.create_task(self._beat.run()),
            asyncio.create_task(stop.wait()),
        ]
        done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        self._runner.ordering = False
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        for task in done:
            task.result()
        await self._tell(lambda: desk.tell(ev.AgentStopped(boot=self._boot, reason="told to")))
        await self._client.close()
        self._journal.close()

    async def _again(self) -> None:
        self._mouth.everything()

    async def _tell(self, tell: Callable[[], object]) -> None:
        from envs.errors import JournalError

        while True:
            try:
                tell()
                return
            except JournalError:
                await asyncio.sleep(1.0)


__all__ = ["AGENT", "Awaitable", "MemoryStore", "Path", "run_agent"]

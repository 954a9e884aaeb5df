"""One life of the agent: its real office in a house without walls, on the simulated world."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agent import core
from agent.daemon.config import LabSection
from agent.daemon.disk import DiskWatch
from agent.daemon.house import Timed
from agent.daemon.lab_clock import LabClock
from agent.daemon.office import Office
from agent.daemon.shelf import JournalShelf
from agent.desk import Desk
from envs.objective import FLAGSHIP
from instruments.bulk.fetch import Sources
from instruments.client import InstrumentClient
from instruments.ids import SeededIds
from instruments.topics import Lab as Topics

from .fixed import CRYSTALS, FACTORS, rules
from .host import Process
from .lab import Lab
from .machines import LAB
from .minds import ChanceMinds

AGENT = "agent"
RESERVE = 1000
TOPICS = Topics("labwright", LAB)


class _Measures:
    """Where the daemon's figures go: nowhere."""

    @staticmethod
    def timing(_name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_words, **_named: None


class _Campaign(SimpleNamespace):
    def model_dump(self, **_how: Any) -> dict[str, Any]:
        return {}  # nothing that a later start could find changed


class _Config:
    """The laboratory's file, as far as the office reads it."""

    def __init__(self, lab: Lab) -> None:
        self.topics = TOPICS
        self.lab = LabSection(name=LAB, agent=AGENT)
        self.campaign = [_Campaign(id=c.id, name=c.id, objective=FLAGSHIP.to_dict()) for c in lab.plan.campaigns]

    def entry(self, campaign: str) -> _Campaign:
        """A campaign by its id."""
        return next(c for c in self.campaign if c.id == campaign)


class _Notifier:
    """What would tell systemd."""

    @asynccontextmanager
    async def waiting(self, _words: str) -> AsyncIterator[None]:
        yield


async def run_agent(lab: Lab, process: Process) -> None:
    """From the start of the process to its orderly end.

    Raises:
        LabwrightError: it cannot go on: the process ends, and whoever watches over it starts it again.
    """
    stop = lab.stopping
    house = _house(lab, process)
    bus = _bus(lab, process, house)

    def reload() -> None:
        lab.adopt_limits()
        house.desk.rules = rules(lab.plan, lab.hottest)

    def later() -> None:
        lab.loop.call_soon(reload)

    office = Office(house, bus, on_reload=later)
    try:
        await office.open()
        await _work(office, stop)
    finally:
        await bus.client.close()
    _compare(lab, house)
    house.journal.close()


def _compare(lab: Lab, house: Any) -> None:
    """What the next process will make of the journal's bytes is what this one has in its memory."""
    state = core.LabState()
    for stored in house.journal.read():
        core.evolve(state, stored.event, stored.at)
    for field in fields(state):
        if getattr(state, field.name) != getattr(house.desk.state, field.name):
            lab.problems.append(f"folded: {field.name} of the state is not what the journal says")


class _NoHistories:
    """What boards are made of, without histories: nothing here is decided by them, and nobody looks at them."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal

    @property
    def tip(self) -> tuple[int, str]:
        return self._journal.seq, self._journal.hash

    def experiment(self, eid: str) -> None:
        del eid

    def ended(self, newest: int) -> list[str]:
        del newest
        return []

    def lab(self) -> dict[str, Any]:
        return {}

    def out_of_service(self) -> list[dict[str, Any]]:
        return []

    def planned(self, cid: str) -> None:
        del cid


def _house(lab: Lab, process: Process) -> Any:
    journal, measures = lab.disk.open(process.wire.touch), _Measures()
    record = Timed(journal, measures)  # type: ignore[arg-type]
    wall = lab.agent_clock.now
    clock = LabClock.system(wall=wall, monotonic=lab.loop.time)
    lab.adopt_limits()
    ids = SeededIds(lab.agent_clock, lab.rng)
    return SimpleNamespace(
        launch=SimpleNamespace(mode="live"),
        config=_Config(lab),
        journal=journal,
        record=record,
        shelf=JournalShelf(journal),
        board_shelf=_NoHistories(journal),
        clock=clock,
        keep_time=lambda: None,
        desk=Desk(record, rules(lab.plan, lab.hottest), clock),
        facts={
            c.id: SimpleNamespace(
                name=c.id, version="0", space_version="0", crystals=CRYSTALS, factors=FACTORS, n_feasible=1.0
            )
            for c in lab.plan.campaigns
        },
        minds=ChanceMinds(lab.plan),
        configs={},
        store=lab.store,
        disk=DiskWatch(Path("/nowhere"), RESERVE, free=lambda _path: 0 if lab.warned_of_full_disk else 10 * RESERVE),
        metrics=measures,
        log=measures,
        ids=ids,
        boot=ids.new(),
    )


def _bus(lab: Lab, process: Process, house: Any) -> Any:
    link = process.link(lab.broker, AGENT)
    client = InstrumentClient(link, lab=LAB, agent=AGENT, clock=house.clock, ids=house.ids, judge_clocks=True)
    return SimpleNamespace(
        transport=link,
        client=client,
        sources=Sources(),
        allowed=frozenset(lab.plan.machines),
        server=SimpleNamespace(ticket=lambda _job, **_limits: None),
        broker=None,
        virtual=None,
    )


async def _work(office: Office, stop: asyncio.Event) -> None:
    """As the daemon's own main function does it, without an HTTP port and signals."""
    tasks = [asyncio.create_task(work, name=f"office {n}") for n, work in enumerate(office.run())]
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            ended.result()
        at_once = SimpleNamespace(at_once=asyncio.Event())
        await office.take_leave(at_once, _Notifier())  # type: ignore[arg-type]
    finally:
        for task in (stopping, *tasks):
            task.cancel()
        await asyncio.gather(stopping, *tasks, return_exceptions=True)

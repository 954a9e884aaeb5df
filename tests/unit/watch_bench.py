"""A broker, a watch of the dashboard at it, and what the watch tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from dashboard_samples import (
    AGENT,
    CAMPAIGN,
    LAB,
    sample_campaign,
    sample_experiment,
    sample_instruments,
    sample_laboratory,
    sample_model,
    sample_outcome,
    sample_proposal,
    sample_space,
    sample_status,
)
from quick_time import LoopClock, in_a_moment

from agent.dashboard.live.picture import Change
from agent.dashboard.live.watch import Watch
from instruments.local import LocalBus, LocalTransport
from instruments.messages import Payload
from instruments.topics import Lab

TOPICS = Lab("labwright", LAB)
FURNACE = "furnace-1"


class Bench:
    """A broker, a watch at it, and what the watch told."""

    def __init__(self) -> None:
        self.bus = LocalBus()
        self.transport: LocalTransport = self.bus.transport()
        self.watch = Watch(self.transport, TOPICS, clock=LoopClock())
        self.told: list[tuple[float, frozenset[Change]]] = []

    def keep(self, topic: str, message: Payload | bytes) -> None:
        """Publish with the retained flag."""
        self.bus.route(topic, message if isinstance(message, bytes) else message.to_bytes(), retain=True)

    def say(self, topic: str, message: Payload) -> None:
        self.bus.route(topic, message.to_bytes(), retain=False)

    def sign_of_life(self, seq: int = 500, **changes: Any) -> None:
        self.keep(TOPICS.agent_status(AGENT), sample_status(seq=seq, **changes))

    def fill(self) -> None:
        """What a broker keeps of a laboratory at work."""
        self.sign_of_life()
        self.keep(TOPICS.agent_lab(AGENT), sample_laboratory())
        for i in (1, 2, 3):
            self.keep(TOPICS.proposal(f"{CAMPAIGN}-P{i:03d}"), sample_proposal(i))
            self.keep(TOPICS.experiment(f"{CAMPAIGN}-E{i:03d}"), sample_experiment(i))
        self.keep(TOPICS.outcome(f"{CAMPAIGN}-P901"), sample_outcome(901))
        self.keep(TOPICS.campaign_state(CAMPAIGN), sample_campaign())
        self.keep(TOPICS.campaign_space(CAMPAIGN), sample_space())
        self.keep(TOPICS.campaign_model(CAMPAIGN), sample_model())
        furnace = sample_instruments()[FURNACE]
        assert furnace.description
        assert furnace.status
        self.keep(TOPICS.desc(FURNACE), furnace.description)
        self.keep(TOPICS.status(FURNACE), furnace.status)
        for job in furnace.jobs.values():
            self.keep(TOPICS.job(FURNACE, job.job), job)

    @property
    def standing(self) -> str:
        return self.watch.freshness().standing


@asynccontextmanager
async def watching(bench: Bench) -> AsyncIterator[None]:
    def note(changes: frozenset[Change]) -> None:
        bench.told.append((asyncio.get_running_loop().time(), changes))

    async with bench.watch.running():
        with bench.watch.listening(note):
            await asyncio.sleep(0.01)
            yield


def during(act: Callable[[Bench], Awaitable[None]], *, full: bool = True) -> Bench:
    """Run a test while a watch is at a broker that keeps much, or nothing."""

    async def run() -> Bench:
        bench = Bench()
        if full:
            bench.fill()
        async with watching(bench):
            await act(bench)
        return bench

    return in_a_moment(run())

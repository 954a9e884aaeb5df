"""One schedule from its seed to its outcome, with the real code adjusted to a world without threads."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from agent import crash_points
from instruments.bulk import fetch as fetching
from instruments.messages import ArtefactRef

from .lab import Lab
from .life import run_agent
from .loop import StalledError, VirtualLoop, run
from .plan import Plan, draw
from .ports import Outcome

SWEEP = 40
"""Schedules between two collections of garbage."""
PULSE = {"TICK_S": 8.0, "POLICIES_EVERY": 3, "ANNOUNCE_EVERY": 3}
"""The agent's pulse: slower than in life, for the speed of the simulation."""


async def _fetch(ref: ArtefactRef, sources: fetching.Sources | None = None) -> bytes:
    await asyncio.sleep(0.01)
    return fetching.read(ref, sources)


async def _beside(function: Callable[[], Any], *, name: str) -> Any:
    return function()


@contextmanager
def without_threads() -> Iterator[None]:
    """The real code, with the few places replaced that would use a thread or tell a log."""
    logging.disable(logging.CRITICAL)
    with ExitStack() as stack:
        stack.enter_context(patch("agent.jobs.fetch", _fetch))
        stack.enter_context(patch("agent.jobs.beside", _beside))
        stack.enter_context(patch("agent.daemon.office.version", lambda _name: "simulated"))
        for name, value in PULSE.items():
            stack.enter_context(patch(f"agent.daemon.beat.{name}", value))
        gc.disable()  # a schedule is short; what it leaves is collected after some of them
        try:
            yield
        finally:
            gc.enable()
            logging.disable(logging.NOTSET)


class _Trap:
    """Where the daemon says that it is at one of its named moments, its process may die."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def reached(self, name: str) -> None:
        self._lab.touch_agent(name)


def play(
    seed: int,
    *,
    plan: Plan | None = None,
    tell: Callable[[str], None] | None = None,
    disk: Callable[..., Any] | None = None,
) -> Outcome:
    """One schedule."""
    chosen = plan or draw(seed)

    async def work(loop: VirtualLoop) -> Outcome:
        lab = Lab(chosen, loop, run_agent, tell=tell, disk=disk(loop.time) if disk else None)
        wall = SimpleNamespace(now=lambda _zone: lab.agent_clock.now())
        with patch.object(crash_points, "_trap", _Trap(lab)), patch("agent.daemon.office.datetime", wall):
            return await lab.play()

    if seed % SWEEP == 0:
        gc.collect()
    try:
        return run(work, limit_s=2 * 86_400.0)
    except StalledError as error:
        return Outcome(seed, [f"one end: {error}"], "", 0.0, {})

"""Processes: begun, killed at any moment, begun again; what they leave behind is only what they wrote or sent."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

from envs.errors import LabwrightError

from .bus import Broker, SimTransport
from .loop import Killed, VirtualLoop, owner
from .tripwire import Tripwire

_STUBBORN = 50
"""Rounds of cancellation after which a task counts as one that does not end."""


class Process:
    """One life of one process.

    Args:
        name: unique among all lives.
        loop: on which it runs.
        on_death: called when it was killed.
    """

    def __init__(self, name: str, loop: VirtualLoop, on_death: Callable[[str], None]) -> None:
        self.name = name
        self.wire = Tripwire(self._died)
        self._loop = loop
        self._on_death = on_death
        self._links: list[SimTransport] = []
        self._context = contextvars.copy_context()
        self._context.run(owner.set, name)
        self.main: asyncio.Task[None] | None = None
        self.will_in_s = 0.5

    def link(self, broker: Broker, client_id: str) -> SimTransport:
        """A connection that dies with it."""
        link = broker.transport(client_id, touch=self.wire.touch)
        self._links.append(link)
        return link

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run its main function."""
        self.main = self._loop.create_task(work, name=f"{self.name} main", context=self._context)
        self.main.add_done_callback(self._ended)

    def kill(self, where: str = "killed") -> None:
        """End it as a power cut would."""
        self.wire.cut(where)

    def lose_links(self, back_in_s: float, will_in_s: float = 1.0) -> None:
        """Pull its network cable."""
        for link in self._links:
            link.lose(back_in_s=back_in_s, will_in_s=will_in_s)

    def _died(self, where: str) -> None:
        for link in self._links:
            link.die(will_in_s=self.will_in_s)
        self._on_death(where)
        self._loop.call_soon(self._reap, 0)

    def _reap(self, count: int) -> None:
        left = self._loop.tasks_of(self.name)
        if not left:
            return
        if count > _STUBBORN:
            self._loop.failures.append(f"{self.name} is dead, and {left[0].get_name()} goes on")
            return
        for task in left:
            task.cancel()
        self._loop.call_soon(self._reap, count + 1)

    def _ended(self, main: asyncio.Task[None]) -> None:
        if main.cancelled() or self.wire.dead:
            if not main.cancelled():
                main.exception()
            return
        error = main.exception()
        if error is not None and not isinstance(error, LabwrightError | Killed):
            self._loop.failures.append(f"{self.name} ended by {error!r}")
        if error is not None:
            self.wire.cut(f"ended by {type(error).__name__}: {error}")

"""Orders that shall end: after a stop the instruments are asked to cancel what they do, until they have answered.

A stop over a bus is a request. What an instrument does then is its driver's business, and what must never fail belongs
in hardware.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.core.messages import Effect
from agent.daemon import logs
from agent.desk import Desk, Record
from envs.errors import InstrumentError
from instruments.client import InstrumentClient
from instruments.clock import Sleeper

_log = logs.get("recall")
AGAIN_S = 5.0


class Recall:
    """Asks again and again, until the job has ended.

    Args:
        desk: knows which jobs are open.
        journal: what was to be cancelled when an earlier run ended is in its outbox.
        client: asks.
        sleeper: waits, in real time.
    """

    def __init__(self, desk: Desk, journal: Record, client: InstrumentClient, sleeper: Sleeper) -> None:
        self._desk = desk
        self._client = client
        self._sleeper = sleeper
        self._wanted: dict[str, None] = {e.key: None for e in journal.outbox() if e.kind == "cancel"}
        self._bell = asyncio.Event()
        desk.on_change(self._take)
        if self._wanted:
            self._bell.set()

    def _take(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if effect.kind == "cancel":
                self._wanted[effect.key] = None
                self._bell.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._wanted:
                for job in list(self._wanted):
                    await self._ask(job)
                if self._wanted:
                    await self._sleeper(AGAIN_S)

    async def _ask(self, job: str) -> None:
        experiment = self._desk.state.experiments.get(self._desk.state.jobs.get(job, ""))
        if experiment is None or not self._desk.state.stopped:
            self._wanted.pop(job, None)  # it has ended, or a person cleared the stop that asked for it
            return
        if not self._client.connected:
            return  # it would wait in a queue, once for every time that it is asked
        try:
            await self._client.cancel(experiment.instrument, job)
            _log.warning("asked to cancel", instrument=experiment.instrument, job=job)
        except InstrumentError as error:
            _log.warning("not asked to cancel yet", instrument=experiment.instrument, job=job, reason=str(error))

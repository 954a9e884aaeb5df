"""Keeping an instrument's lease while jobs run on it, so that it goes to its safe state only when the agent dies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from envs.errors import InstrumentError
from instruments.clock import Sleeper

_log = logging.getLogger(__name__)


class LeaseKeeper:
    """Renews leases, one task an instrument however many jobs it does.

    Args:
        renew: promises an instrument that the agent is alive for so many seconds.
        sleeper: waits between two renewals, a third of the lease.
    """

    def __init__(self, renew: Callable[[str, float], Awaitable[None]], *, sleeper: Sleeper) -> None:
        self._renew = renew
        self._sleeper = sleeper
        self._n_jobs: dict[str, int] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def hold(self, iid: str, lease_s: float) -> AsyncIterator[None]:
        """Renew while the context lasts."""
        self._n_jobs[iid] = self._n_jobs.get(iid, 0) + 1
        if iid not in self._tasks:
            self._tasks[iid] = asyncio.create_task(self._keep(iid, lease_s), name=f"lease of {iid}")
        try:
            yield
        finally:
            self._n_jobs[iid] -= 1
            if not self._n_jobs[iid]:
                del self._n_jobs[iid]
                task = self._tasks.pop(iid)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _keep(self, iid: str, lease_s: float) -> None:
        while True:
            await self._sleeper(lease_s / 3.0)
            try:
                await self._renew(iid, lease_s)
            except InstrumentError as error:
                _log.warning("the lease of %s could not be renewed: %s", iid, error)

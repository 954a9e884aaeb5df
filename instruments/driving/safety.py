"""How a device gets into its safe state: tried until it is there, and nothing begins while it is on its way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from instruments.clock import Sleeper
from instruments.driving.job_desk import JobDesk
from instruments.messages import JobError

_log = logging.getLogger(__name__)

GRACE_S = 5.0
"""How long a job that was told to end may keep the hardware before it is made safe under the job's hands."""


class Safety:
    """The safe state of one device.

    Args:
        iid: the device's id, for the log.
        desk: its jobs.
        make_safe: puts the hardware into its safe state.
        sleeper: waits.

    Attributes:
        owed: whether the device has to reach its safe state and has not, yet.
        fault: why the last try failed, empty when it did not.
    """

    def __init__(self, iid: str, desk: JobDesk, make_safe: Callable[[], Awaitable[None]], *, sleeper: Sleeper) -> None:
        self.owed = False
        self.fault = ""
        self._iid = iid
        self._desk = desk
        self._make_safe = make_safe
        self._sleeper = sleeper
        self._trying = asyncio.Lock()

    @property
    def on_its_way(self) -> bool:
        """Whether it will soon be there: what arrives meanwhile can wait."""
        return self.owed and not self.fault and not self._desk.busy

    async def end_all(self, why: JobError) -> bool:
        """End every job and make safe; returns whether a job was running.

        A worker thread that does not stop ends its job late; the hardware is made safe before and after.
        """
        self.owed = True
        found = self._desk.busy
        ending = asyncio.create_task(self._desk.end_all(why), name=f"{self._iid} ends its jobs")
        grace = asyncio.ensure_future(self._sleeper(GRACE_S))
        try:
            await asyncio.wait({ending, grace}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                _log.error("%s: a job does not let go of the hardware, which is made safe nevertheless", self._iid)
                await self.reach()
                self.owed = True
                await ending
        finally:
            for task in (ending, grace):
                task.cancel()
            await asyncio.gather(ending, grace, return_exceptions=True)
        await self.reach()
        return found

    async def reach(self) -> None:
        """Try it; one that fails is owed, to be tried again."""
        async with self._trying:
            self.owed = True
            try:
                await self._make_safe()
            except Exception as error:  # noqa: BLE001 - whatever a driver raises, the heater is on still
                if not self.fault:
                    _log.exception("%s: the safe state could not be reached and is tried again", self._iid)
                self.fault = f"its safe state could not be reached: {error!r}"
            else:
                self.owed, self.fault = False, ""

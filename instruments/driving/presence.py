"""How a device tells that it is online, busy or in error: soon after each change, and whenever it is asked to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from instruments.clock import Clock
from instruments.errors import TransportError
from instruments.messages import Presence, Status
from instruments.transport import Transport

_log = logging.getLogger(__name__)


RIVAL_S = 30.0
"""How long another driver's word counts: it repeats itself every ten seconds."""


class Rival:
    """Another driver of the same instrument, as its statuses betray it.

    Two of them keep two journals, so a job could be carried out by each: while both are there, neither takes orders.

    Args:
        clock: the device's clocks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._own = self._other = ""
        self._began = clock.now()
        self._heard = 0.0

    def begin(self, boot_id: str) -> None:
        """Say which boot is one's own; what was said before it may be a predecessor's."""
        self._own, self._began = boot_id, self._clock.now()

    def hear(self, status: Status) -> None:
        """Take in a status of this instrument that was just published."""
        if status.boot_id == self._own or status.ts <= self._began:
            return
        if status.state == "offline":
            self._other = "" if status.boot_id == self._other else self._other
            return
        if status.boot_id != self._other:
            _log.error(
                "another driver of this instrument is on the bus (boot %s): neither takes orders", status.boot_id
            )
        self._other, self._heard = status.boot_id, self._clock.elapsed()

    @property
    def fault(self) -> str:
        """What to tell people, empty when this driver is alone."""
        if not self._other or self._clock.elapsed() - self._heard > RIVAL_S:
            return ""
        return f"another driver of this instrument is on the bus (boot {self._other}): end one of the two"


class Teller:
    """Publishes one device's status, retained.

    Args:
        iid: the device's id, for the log.
        transport: its connection.
        topic: of its status.
        present: how it is present now, with the reason.
        status: makes the message.
    """

    def __init__(
        self,
        iid: str,
        transport: Transport,
        topic: str,
        *,
        present: Callable[[], tuple[Presence, str]],
        status: Callable[[Presence, str], Status],
    ) -> None:
        self._iid = iid
        self._transport = transport
        self._topic = topic
        self._present = present
        self._status = status
        self._told: tuple[Presence, str] | None = None
        self._telling: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """Tell it soon: many short jobs in a row need not be told one by one."""
        if self._present() != self._told and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell_changes(), name=f"{self._iid} presence")

    async def tell(self) -> None:
        """Publish it; while the bus is away nobody is helped by old statuses, and coming back tells the present one."""
        if not self._transport.connected:
            return
        self._told = self._present()
        try:
            await self._transport.publish(self._topic, self._status(*self._told).to_bytes(), retain=True)
        except TransportError as error:  # the next heartbeat tells it
            _log.warning("%s: its status could not be told: %s", self._iid, error)

    async def finished(self) -> None:
        """Wait until what has changed is told."""
        if self._telling is not None:
            await asyncio.gather(self._telling, return_exceptions=True)

    async def _tell_changes(self) -> None:
        while self._present() != self._told and self._transport.connected:
            await self.tell()

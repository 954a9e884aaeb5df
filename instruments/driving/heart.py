"""What beats in a device while it stands in a laboratory: its heartbeat, the watch over its lease, its channels."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from instruments.commands import Channel
from instruments.messages import Quantity

if TYPE_CHECKING:
    from instruments.device import Device

_log = logging.getLogger(__name__)

BEAT_S = 10.0
"""Time between two heartbeats."""


class Lease:
    """How long a device goes on without hearing of the agent, on the device's own clock."""

    def __init__(self) -> None:
        self._until: float | None = None

    def set(self, now: float, seconds: float) -> None:
        """The agent says for how long it will be there."""
        self._until = now + seconds

    def extend(self, now: float, seconds: float) -> None:
        """An order says so, too, but takes nothing back that the agent has said."""
        self._until = max(now + seconds, self._until or 0.0)

    def runs_out(self, now: float) -> bool:
        """Whether it has run out since it was last asked."""
        if self._until is None or now <= self._until:
            return False
        self._until = None
        return True


async def beat_for(device: Device) -> None:
    """Keep a device alive until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_every(device, BEAT_S, device.heartbeat), name=f"{device.iid} heartbeat")
        if device.lease_s is not None:
            look = min(1.0, device.lease_s / 10.0)
            group.create_task(_every(device, look, device.check_lease), name=f"{device.iid} lease")
        for name, channel in device.channels.items():
            if channel.read is not None and channel.period_s is not None:
                group.create_task(_read(device, name, channel, channel.period_s), name=f"{device.iid} {name}")


async def _every(device: Device, period_s: float, act: Callable[[], Awaitable[None]]) -> None:
    while True:
        await device.sleeper(period_s)
        await act()


async def _read(device: Device, name: str, channel: Channel, period_s: float) -> None:
    """Publish a channel's readings; that it cannot be read is told once, and goes into the log."""
    function, failing = getattr(device, channel.read or ""), False
    while True:
        await device.sleeper(period_s)
        try:
            value = await (function() if inspect.iscoroutinefunction(function) else asyncio.to_thread(function))
            await device.telemetry(name, Quantity(value=value, unit=channel.unit))
            failing = False
        except Exception as error:  # noqa: BLE001 - one bad reading must not stop the instrument
            if not failing:
                _log.warning("%s: channel %s cannot be read: %s", device.iid, name, error)
            failing = True

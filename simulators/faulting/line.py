"""The connection of one instrument, with the troubles of its orders upon it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from envs.errors import LabwrightError
from instruments.clock import Sleeper
from instruments.messages import Command, Control, JobState, MalformedMessageError, Status
from instruments.transport import Handler, Hook, Message, Mirror, Transport
from simulators.faulting.mishaps import PlannedMishaps
from simulators.faulting.plan import FaultPlan
from simulators.faulting.troubles import Post, Trouble, read, trouble

_log = logging.getLogger(__name__)
_EARLIER_BOOT = "00000000-0000-7000-8000-000000000000"
"""Smaller than any boot id that a laboratory gives."""
_CHANNEL, _NAME = 5, 6
"""Levels of an instrument's topics."""


class Restart(Protocol):
    """Switches an instrument off, forgets its jobs, and switches it on again."""

    async def __call__(self, iid: str, down_s: float) -> None:
        """It is off for so many seconds."""
        ...


class Desk:
    """What the lines of one laboratory share: it outlives the restart of an instrument.

    Args:
        plan: which order meets which fault.
        mishaps: those inside the instruments.
        sleeper: waits.
    """

    def __init__(self, plan: FaultPlan, mishaps: PlannedMishaps, sleeper: Sleeper) -> None:
        self.plan = plan
        self.mishaps = mishaps
        self.sleeper = sleeper
        self.restart: Restart | None = None
        self.troubles: dict[str, Trouble] = {}
        self.old_status: dict[str, bytes] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take_up(self, iid: str, order: Command, line: Line) -> Trouble:
        """The trouble of an order, the same however often it comes, on the line on which it comes now."""
        found = self.troubles.get(order.job)
        if found is None:
            case = self.plan.case(iid, order)
            self.mishaps.arm(case, order)
            found = self.troubles[order.job] = trouble(case, line)
        found.wire = line
        return found

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Do something beside; ``close`` ends it."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed: %s", task.get_name(), error)

    async def close(self) -> None:
        """End everything that is still to come."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Line:
    """A transport that loses, delays, doubles and forgets; implements ``instruments.transport.Transport``.

    Args:
        inner: the connection.
        iid: whose.
        desk: shared with the other lines.
    """

    def __init__(self, inner: Transport, iid: str, desk: Desk) -> None:
        self._inner = inner
        self._iid = iid
        self._desk = desk
        self._will: tuple[str, bytes, int, bool] | None = None
        self._hooks: list[Hook] = []
        self._handlers: dict[tuple[str, Handler], Handler] = {}
        self._away: list[tuple[str, bytes, bool]] | None = None
        self._dead = False
        self._later: set[asyncio.Task[None]] = set()

    # The port ---------------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the bus can be reached now."""
        return self._inner.connected and self._away is None and not self._dead

    def set_will(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = True) -> None:
        """Say what the bus shall publish when this connection is lost."""
        self._will = (topic, payload, qos, retain)
        self._inner.set_will(topic, payload, qos=qos, retain=retain)

    def on_reconnect(self, hook: Hook) -> None:
        """Have a function called each time that a lost connection is back."""
        self._hooks.append(hook)
        self._inner.on_reconnect(hook)

    async def connect(self) -> None:
        """Connect."""
        await self._inner.connect()

    async def close(self) -> None:
        """Take leave; what was to come later does not come."""
        for task in list(self._later):
            task.cancel()
        await self._inner.close()

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, mirror: Mirror | None = None
    ) -> None:
        """Hand a message over to the trouble of its job, or to the bus."""
        levels = topic.split("/")
        found = self._desk.troubles.get(levels[_NAME]) if levels[_CHANNEL:_NAME] == ["job"] else None
        send = partial(self._send, topic, qos=qos, retain=retain, mirror=mirror)
        if found is None:
            await send(payload)
            return
        post = Post(payload, read(payload), send)
        if post.terminal:
            self._desk.mishaps.disarm(found.case)
        if not self._dead:
            found.wire = self
            await found.answer(post)

    async def subscribe(self, pattern: str, handler: Handler) -> None:
        """Have a handler called for what gets through."""
        self._handlers[pattern, handler] = heard = partial(self._heard, handler)
        await self._inner.subscribe(pattern, heard)

    async def unsubscribe(self, pattern: str, handler: Handler) -> None:
        """Call a handler no more."""
        if (heard := self._handlers.pop((pattern, handler), None)) is not None:
            await self._inner.unsubscribe(pattern, heard)

    # What troubles do -------------------------------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        """Do something after a while, where the connection still stands."""
        task = self._desk.spawn(self._wait(seconds, act), f"{self._iid} later")
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def cut(self, seconds: float) -> None:
        """Lose the connection for a while; the last will is published."""
        if self._away is None and not self._dead:
            await self._publish_will()
            self._away = []
            self.later(seconds, self._back)

    async def die(self, seconds: float) -> None:
        """Have the instrument restart after a while, with no memory of its jobs."""
        if not self._dead:
            self._dead = True
            self._desk.spawn(self._restarted(seconds), f"{self._iid} restarts")

    async def haunt(self, state: JobState | None) -> str:
        """Bring something old back onto the bus, retained; says what."""
        if self._will is None:
            return "nothing"
        topic, will, *_ = self._will
        if state is not None:
            old = state.model_copy(update={"boot_id": _EARLIER_BOOT})
            topic = f"{topic.removesuffix('/status')}/job/{state.job}"
            await self._send(topic, old.to_bytes(), qos=1, retain=True, mirror=None)
            return f"{old.state} of an earlier boot was on the bus again"
        status = self._desk.old_status.get(self._iid)
        if status is None:
            status = Status.parse(will).model_copy(update={"boot_id": _EARLIER_BOOT}).to_bytes()
        await self._send(topic, status, qos=1, retain=True, mirror=None)
        return "the status of an earlier boot was on the bus again"

    # Parts ------------------------------------------------------------------------------------------------------------

    async def _send(self, topic: str, payload: bytes, *, qos: int, retain: bool, mirror: Mirror | None) -> None:
        if self._dead:
            return
        if self._away is None:
            await self._inner.publish(topic, payload, qos=qos, retain=retain, mirror=mirror)
        elif qos:
            self._away.append((topic, payload, retain))

    async def _heard(self, handler: Handler, message: Message) -> None:
        if self._dead or self._away is not None:
            return
        levels = message.topic.split("/")
        channel = levels[_CHANNEL] if len(levels) > _CHANNEL else ""
        if channel == "cmd" and message.payload and not message.retained:
            await self._ordered(handler, message)
            return
        if channel == "ctl":
            self._asked(message)
        await handler(message)

    async def _ordered(self, handler: Handler, message: Message) -> None:
        try:
            order = Command.parse(message.payload)
        except MalformedMessageError:
            await handler(message)
            return
        await self._desk.take_up(self._iid, order, self).order(partial(handler, message))

    def _asked(self, message: Message) -> None:
        try:
            control = Control.parse(message.payload)
        except MalformedMessageError:
            return
        if control.op == "query" and control.job in self._desk.troubles:
            self._desk.troubles[control.job].asked()

    async def _wait(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        await self._desk.sleeper(seconds)
        if self._dead:
            return
        try:
            await act()
        except LabwrightError as error:  # what comes too late for whoever it was for is lost
            _log.info("%s: what came late was lost: %s", self._iid, error)

    async def _back(self) -> None:
        queued, self._away = self._away or [], None
        for topic, payload, retain in queued:
            await self._inner.publish(topic, payload, retain=retain)
        for hook in self._hooks:
            await hook()

    async def _publish_will(self) -> None:
        if self._will is not None and self._inner.connected:
            topic, payload, qos, retain = self._will
            await self._inner.publish(topic, payload, qos=qos, retain=retain)

    async def _restarted(self, seconds: float) -> None:
        await self._publish_will()
        if self._will is not None:
            self._desk.old_status.setdefault(self._iid, self._will[1])
        await self._inner.close()
        if self._desk.restart is not None:
            await self._desk.restart(self._iid, seconds)

"""How a transport hands what arrived to its handlers: one after the other, and not past one that could not commit."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from instruments.bus.inbox import Arrival, Inbox
from instruments.bus.routing import Router
from instruments.clock import Sleeper
from instruments.errors import NotCommittedError, SetAsideError, TopicError, TransportError
from instruments.transport import Handler, Message

_log = logging.getLogger(__name__)

PAYLOAD_LIMIT = 1_000_000
"""Most bytes of one message, either way; whatever is larger goes by reference."""
QOS0_LIMIT = 10_000
"""Most readings that wait to be handled."""
OFFLINE_LIMIT = 10_000
"""Most messages that wait for a lost connection."""

ASIDE_LIMIT = 1_000
"""Most messages that are set aside; beyond it nothing is delivered until one of them could be handled."""

_FIRST_S, _LONGEST_S = 0.1, 30.0
_BATCH = 50
_WARNINGS = 100


@dataclass(slots=True)
class _Lane:
    """What waits for a handler that could not commit, with the handlers that each goes to then."""

    waiting: deque[tuple[Arrival, Sequence[Handler]]]
    task: asyncio.Task[None] | None = None


class Delivery:
    """Subscriptions, inbox and the one task that empties it.

    Args:
        acknowledge: called with each arrival when all of its handlers have returned.
        sleeper: waits before a handler that could not commit is called again, 0.1 to 30 s.
        qos0_limit: most waiting messages of QoS 0.
        payload_limit: most bytes of one message.
    """

    def __init__(
        self,
        acknowledge: Callable[[Arrival], None],
        *,
        sleeper: Sleeper = asyncio.sleep,
        qos0_limit: int = QOS0_LIMIT,
        payload_limit: int = PAYLOAD_LIMIT,
    ) -> None:
        self.router = Router()
        self.inbox = Inbox(qos0_limit)
        self._acknowledge = acknowledge
        self._sleeper = sleeper
        self._payload_limit = payload_limit
        self._warned: set[str] = set()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lanes: dict[Handler, _Lane] = {}
        self._forgotten = 0
        # Of the loop in which it runs, made when it starts.
        self._turn = asyncio.Lock()
        self._room = asyncio.Event()

    @property
    def running(self) -> bool:
        """Whether anything is delivered."""
        return self._task is not None

    def start(self, name: str) -> None:
        """Begin to deliver what arrives from now on."""
        if self._task is None:
            self._news.set()
            self._turn, self._room, self._lanes = asyncio.Lock(), asyncio.Event(), {}
            self._task = asyncio.create_task(self._run(), name=name)

    async def stop(self) -> None:
        """Deliver nothing more; what waits is gone."""
        task, self._task = self._task, None
        lanes, self._lanes = self._lanes, {}
        self.inbox.clear()
        # A handler that stops it ends its own task by returning.
        tasks = {task, *(lane.task for lane in lanes.values())} - {None, asyncio.current_task()}
        ending = [task for task in tasks if task is not None]
        for each in ending:
            each.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def wake(self) -> None:
        """Look into the inbox again; in the event loop."""
        self._news.set()

    async def _run(self) -> None:
        n_handled, task = 0, asyncio.current_task()
        while self._task is task:
            if self._n_aside >= ASIDE_LIMIT:
                self._room.clear()
                await self._room.wait()
                continue
            arrival = self.inbox.take()
            if arrival is None:
                self._news.clear()
                if not len(self.inbox):
                    await self._news.wait()
                continue
            async with self._turn:
                self._forget()
                await self._deliver(arrival, self._handlers_of(arrival))
            n_handled += 1
            if n_handled % _BATCH == 0:
                await asyncio.sleep(0)  # a flood must not keep everybody else from the event loop

    def fits(self, topic: str, size: int) -> bool:
        """Whether a message may be read; one warning for each topic (the first hundred) that sends too much."""
        if size <= self._payload_limit:
            return True
        if topic not in self._warned and len(self._warned) < _WARNINGS:
            self._warned.add(topic)
            _log.warning("dropped %d bytes on %s unread: the limit is %d", size, topic, self._payload_limit)
        return False

    def offer(self, arrival: Arrival) -> None:
        """Queue a message; in the event loop."""
        if self.inbox.put(arrival):
            self._news.set()

    def _handlers_of(self, arrival: Arrival) -> Sequence[Handler]:
        if arrival.message is None:
            return ()
        return self.router.find(arrival.message.topic) if arrival.handlers is None else arrival.handlers

    async def _deliver(self, arrival: Arrival, handlers: Sequence[Handler]) -> None:
        """Hand it to each, and acknowledge it; or set it aside with those that have not had it yet."""
        for n, handler in enumerate(handlers):
            if handler in self._lanes:
                self._lanes[handler].waiting.append((arrival, handlers[n:]))
                return
            try:
                await self._hand_over(handler, arrival.message)
            except SetAsideError as error:
                self._set_aside(arrival, handlers[n:], error)
                return
        self._acknowledge(arrival)

    # What is set aside ------------------------------------------------------------------------------------------------

    @property
    def _n_aside(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def _set_aside(self, arrival: Arrival, handlers: Sequence[Handler], error: SetAsideError) -> None:
        _warn(arrival, _FIRST_S, error)
        if self._task is not None:  # else the handler has stopped it
            lane = self._lanes[handlers[0]] = _Lane(deque([(arrival, handlers)]))
            lane.task = asyncio.create_task(self._retry(handlers[0], lane), name="set aside")

    async def _retry(self, handler: Handler, lane: _Lane) -> None:
        """Hand a handler what waits for it, in its order, until nothing waits."""
        pause = _FIRST_S
        while self._lanes.get(handler) is lane:
            await self._sleeper(pause)
            pause = min(2.0 * pause, _LONGEST_S)
            async with self._turn:
                self._forget()
                while lane.waiting and self._lanes.get(handler) is lane:
                    arrival, handlers = lane.waiting[0]
                    try:
                        await self._hand_over(handler, arrival.message)
                    except SetAsideError as error:
                        _warn(arrival, pause, error)
                        break
                    lane.waiting.popleft()
                    self._room.set()
                    await self._deliver(arrival, handlers[1:])
                    pause = _FIRST_S
                if not lane.waiting and self._lanes.get(handler) is lane:
                    del self._lanes[handler]

    def _forget(self) -> None:
        """Drop what the broker is going to deliver again, before the first of it is handled."""
        if self._forgotten != self.inbox.forgotten:
            self._forgotten = self.inbox.forgotten
            for lane in self._lanes.values():
                lane.waiting = deque(entry for entry in lane.waiting if entry[0].qos == 0)
            self._room.set()

    async def _hand_over(self, handler: Handler, message: Message | None) -> None:
        pause = _FIRST_S
        while message is not None:
            try:
                await handler(message)
            except SetAsideError:
                raise
            except NotCommittedError as error:
                _log.warning("%s is delivered again in %g s: %s", message.topic, pause, error)
                await self._sleeper(pause)
                pause = min(2.0 * pause, _LONGEST_S)
            except Exception:  # noqa: BLE001 - one handler's mistake must not stop the bus for all others
                _log.exception("a handler failed on %s", message.topic)
                return
            else:
                return


def _warn(arrival: Arrival, pause: float, error: Exception) -> None:
    if arrival.message is not None:
        _log.warning("%s is set aside for %g s: %s", arrival.message.topic, pause, error)


def check_outgoing(topic: str, payload: bytes, limit: int) -> None:
    """Refuse what cannot be published.

    Raises:
        TopicError: when the topic is empty or holds a wildcard.
        TransportError: when the payload is too large.
    """
    if not topic or "+" in topic or "#" in topic:
        raise TopicError(f"{topic!r} cannot be published to: it is empty or holds a wildcard")
    if len(payload) > limit:
        raise TransportError(
            f"cannot publish {len(payload)} bytes to {topic}: a message has at most {limit}, bulk data go by reference"
        )

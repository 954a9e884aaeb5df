"""How a transport hands what arrived to its handlers: one after the other, and not past one that could not commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from instruments.bus.inbox import Arrival, Inbox
from instruments.bus.routing import Router
from instruments.clock import Sleeper
from instruments.errors import NotCommittedError, TopicError, TransportError
from instruments.transport import Handler, Message

_log = logging.getLogger(__name__)

PAYLOAD_LIMIT = 1_000_000
"""Most bytes of one message, either way; whatever is larger goes by reference."""
QOS0_LIMIT = 10_000
"""Most readings that wait to be handled."""
OFFLINE_LIMIT = 10_000
"""Most messages that wait for a lost connection."""

_FIRST_S, _LONGEST_S = 0.1, 30.0
_BATCH = 50
_WARNINGS = 100


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

    @property
    def running(self) -> bool:
        """Whether anything is delivered."""
        return self._task is not None

    def start(self, name: str) -> None:
        """Begin to deliver what arrives from now on."""
        if self._task is None:
            self._news.set()
            self._task = asyncio.create_task(self._run(), name=name)

    async def stop(self) -> None:
        """Deliver nothing more; what waits is gone."""
        task, self._task = self._task, None
        self.inbox.clear()
        if task is not None and task is not asyncio.current_task():  # a handler that stops it ends it by returning
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def wake(self) -> None:
        """Look into the inbox again; in the event loop."""
        self._news.set()

    async def _run(self) -> None:
        n_handled, task = 0, asyncio.current_task()
        while self._task is task:
            arrival = self.inbox.take()
            if arrival is None:
                self._news.clear()
                if not len(self.inbox):
                    await self._news.wait()
                continue
            if (message := arrival.message) is not None:
                handlers = self.router.find(message.topic) if arrival.handlers is None else arrival.handlers
                for handler in handlers:
                    await self._hand_over(handler, message)
            self._acknowledge(arrival)
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

    async def _hand_over(self, handler: Handler, message: Message) -> None:
        pause = _FIRST_S
        while True:
            try:
                await handler(message)
            except NotCommittedError as error:
                _log.warning("%s is delivered again in %g s: %s", message.topic, pause, error)
                await self._sleeper(pause)
                pause = min(2.0 * pause, _LONGEST_S)
            except Exception:  # noqa: BLE001 - one handler's mistake must not stop the bus for all others
                _log.exception("a handler failed on %s", message.topic)
                return
            else:
                return


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

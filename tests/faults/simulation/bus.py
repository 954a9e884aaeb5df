"""A broker and its connections in virtual time: what MQTT promises is kept, and everything that it does not goes wrong.

At least once, in order for each topic: so messages come late, twice, after those of other topics, and again after a
connection was lost; a broker restarts with its memory or without; a weak one forgets what is not acknowledged.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from envs.errors import InstrumentError
from instruments.bus.delivery import PAYLOAD_LIMIT, Delivery, check_outgoing
from instruments.bus.inbox import Arrival
from instruments.errors import TransportError
from instruments.topics import check_pattern, matches
from instruments.transport import Handler, Hook, Message, Mirror

from .weather import Weather

_log = logging.getLogger(__name__)
CONNECT_S = 10.0
"""How long a connection may take before it counts as failed."""


@dataclass
class _Session:
    """What the broker keeps of one client."""

    persistent: bool
    patterns: dict[str, None] = field(default_factory=dict)
    unacked: dict[int, Arrival] = field(default_factory=dict)
    link: SimTransport | None = None


class Broker:
    """Routes messages, keeps retained ones, and publishes wills.

    Args:
        rng: draws what goes wrong.
        weather: how much of it; the caller may change it at any time.
    """

    def __init__(self, rng: random.Random, weather: Weather | None = None) -> None:
        self.rng = rng
        self.weather = weather or Weather()
        self.up = asyncio.Event()
        self.up.set()
        self.n_routed = 0
        self._n_down = 0
        self._sessions: dict[str, _Session] = {}
        self._retained: dict[str, bytes] = {}
        self._wanting: dict[str, list[_Session]] = {}
        self._mid = 0

    def transport(
        self, name: str, *, persistent: bool = True, touch: Callable[[str], None] | None = None
    ) -> SimTransport:
        """A new connection, not yet connected.

        Args:
            name: its client id.
            persistent: whether the broker keeps messages for it while it is away.
            touch: called before and after everything that leaves the process; may raise ``Killed``.
        """
        return SimTransport(self, name, persistent=persistent, touch=touch)

    def latency(self) -> float:
        """How long one message is on its way, in seconds."""
        weather, base = self.weather, self.rng.uniform(0.001, 0.01)
        if weather.late and self.rng.random() < weather.late:
            return base + self.rng.uniform(0.0, weather.late_s)
        return base

    # Sessions ---------------------------------------------------------------------------------------------------------

    def attach(self, link: SimTransport, patterns: list[str]) -> None:
        """A client came: it gets what waits for it and what is retained under its subscriptions."""
        session = self._sessions.get(link.name)
        if session is None or not (session.persistent and link.persistent):
            session = self._sessions[link.name] = _Session(link.persistent)
        if session.link is not None and session.link is not link:
            session.link.lose()  # MQTT 3.1.1, section 3.1.4: the older of two connections goes
        session.link = link
        self._wanting.clear()
        for arrival in list(session.unacked.values()):
            self._send(session, arrival.message, arrival.mid)
        for pattern in patterns:
            self.subscribe(link, pattern)

    def detach(self, link: SimTransport) -> None:
        """A client went."""
        session = self._sessions.get(link.name)
        if session is not None and session.link is link:
            session.link = None
            if not session.persistent:
                del self._sessions[link.name]
            self._wanting.clear()

    def subscribe(self, link: SimTransport, pattern: str) -> None:
        """A client wants to hear."""
        session = self._sessions[link.name]
        session.patterns[pattern] = None
        self._wanting.clear()
        for topic, payload in list(self._retained.items()):
            if matches(pattern, topic):
                self._post(session, Message(topic, payload, retained=True), 1)

    def acknowledge(self, link: SimTransport, mid: int) -> None:
        """A client has taken a message in."""
        session = self._sessions.get(link.name)
        if session is not None and session.link is link:
            session.unacked.pop(mid, None)

    # Messages ---------------------------------------------------------------------------------------------------------

    def route(self, topic: str, payload: bytes, *, retain: bool, qos: int = 1) -> None:
        """Keep and deliver a message."""
        self.n_routed += 1
        if retain and payload:
            self._retained[topic] = payload
        elif retain:
            self._retained.pop(topic, None)
        sessions = self._wanting.get(topic)
        if sessions is None:
            sessions = [s for s in self._sessions.values() if any(matches(p, topic) for p in s.patterns)]
            self._wanting[topic] = sessions
        message = Message(topic, payload)
        for session in sessions:
            self._post(session, message, qos)

    def retained(self, topic: str) -> bytes | None:
        """What is kept on a topic."""
        return self._retained.get(topic)

    def all_retained(self, pattern: str) -> dict[str, bytes]:
        """What a new subscription would get."""
        return {topic: payload for topic, payload in self._retained.items() if matches(pattern, topic)}

    def _post(self, session: _Session, message: Message, qos: int) -> None:
        if qos == 0:
            if session.link is not None:
                self._send(session, message, 0)
            return
        if self.weather.lose and self.rng.random() < self.weather.lose:
            return
        self._mid += 1
        session.unacked[self._mid] = Arrival(message, 1, self._mid)
        self._send(session, message, self._mid)
        if self.weather.double and self.rng.random() < self.weather.double:
            self._send(session, message, self._mid)

    def _send(self, session: _Session, message: Message | None, mid: int) -> None:
        if session.link is not None and message is not None:
            session.link.arrive_in(self.latency(), message, mid)

    # Troubles ---------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Go down: every connection is lost, without a word about it."""
        self._n_down += 1
        self.up.clear()
        for session in list(self._sessions.values()):
            if session.link is not None:
                session.link.lose()

    def begin(self, *, remember: bool) -> None:
        """Come back, with the retained messages and the sessions or without; after two troubles when both are over."""
        self._n_down -= 1
        if not remember:
            self._retained.clear()
            self._sessions.clear()
            self._wanting.clear()
        if not self._n_down:
            self.up.set()


class SimTransport:
    """One connection; implements ``instruments.transport.Transport`` with the real delivery to handlers."""

    def __init__(
        self, broker: Broker, name: str, *, persistent: bool = True, touch: Callable[[str], None] | None = None
    ) -> None:
        self.name = name
        self.persistent = persistent
        self._broker = broker
        self._touch = touch or (lambda _where: None)
        self._delivery = Delivery(self._acknowledge)
        self._hooks: list[Hook] = []
        self._will: tuple[str, bytes, bool] | None = None
        self._connected = self._begun = self._over = False
        self._connection = 0
        self._sent: deque[tuple[int, str, bytes, bool]] = deque()
        self._n_sent = 0
        self._leaves_at = 0.0
        self._due: dict[str, float] = {}
        self._context = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()

    # The port ---------------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the broker can be reached now."""
        return self._connected

    def set_will(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = True) -> None:
        """Say what the broker shall publish when this connection is lost."""
        self._will = (topic, payload, retain)

    def on_reconnect(self, hook: Hook) -> None:
        """Have a function called each time that a lost connection is back."""
        self._hooks.append(hook)

    async def connect(self) -> None:
        """Connect; afterwards a lost connection is retried for ever.

        Raises:
            TransportError: the broker is down, or the transport was closed.
        """
        self._touch("connect")
        if self._over:
            raise TransportError("the transport was closed: make a new one")
        if self._begun:
            return
        self._context = contextvars.copy_context()
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._broker.up.wait()
                await asyncio.sleep(min(self._broker.latency(), 1.0))
                while not self._broker.up.is_set():  # it went down again while the connection was made
                    await self._broker.up.wait()
                    await asyncio.sleep(min(self._broker.latency(), 1.0))
        except TimeoutError:
            raise TransportError("no MQTT broker there") from None
        self._begun = True
        self._delivery.start(f"{self.name} transport")
        self._stand()

    async def close(self) -> None:
        """Take leave without the will."""
        if self._over:
            return
        self._over = True
        if self._connected:
            self._touch("close")
            await asyncio.sleep(max(0.0, self._leaves_at - asyncio.get_running_loop().time()))
            self._connected = False
            self._connection += 1
            self._broker.detach(self)
        for task in list(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
        await self._delivery.stop()

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, mirror: Mirror | None = None
    ) -> None:
        """Send it now, or for QoS 1 when the broker is back.

        Raises:
            TopicError: the topic is empty or holds a wildcard.
            TransportError: never connected or closed, or the payload is too large.
        """
        check_outgoing(topic, payload, PAYLOAD_LIMIT)
        if not self._begun or self._over:
            raise TransportError(f"cannot publish to {topic}: the transport is not connected")
        self._touch("before sending")
        if qos:
            self._n_sent += 1
            self._sent.append((self._n_sent, topic, payload, retain))
        if self._connected:
            self._go(self._n_sent if qos else 0, topic, payload, retain, qos)
        self._touch("after sending")

    async def subscribe(self, pattern: str, handler: Handler) -> None:
        """Subscribe, now and after every reconnection."""
        check_pattern(pattern)
        if self._over:
            raise TransportError(f"cannot subscribe to {pattern}: the transport is not connected")
        known = pattern in self._delivery.router.patterns
        self._delivery.router.add(pattern, handler)
        if self._connected:
            self._broker.subscribe(self, pattern)
            if not known:
                await asyncio.sleep(self._broker.latency())

    async def unsubscribe(self, pattern: str, handler: Handler) -> None:
        """Call a handler no more."""
        self._delivery.router.remove(pattern, handler)

    # The broker's side ------------------------------------------------------------------------------------------------

    def arrive_in(self, seconds: float, message: Message, mid: int) -> None:
        """A message is on its way to this client; those of one topic stay in their order."""
        loop = asyncio.get_running_loop()
        lane = message.topic if self._broker.weather.reorder else ""
        when = max(loop.time() + seconds, self._due.get(lane, 0.0), self._due.get("", 0.0) if not lane else 0.0)
        self._due[lane] = when
        if not lane:
            self._due = {"": max(self._due.values())}
        loop.call_at(when, self._arrive, self._connection, message, mid)

    def _arrive(self, connection: int, message: Message, mid: int) -> None:
        if connection == self._connection and self._connected:
            self._delivery.offer(Arrival(message, 1 if mid else 0, mid, connection))

    def _acknowledge(self, arrival: Arrival) -> None:
        if arrival.qos and arrival.connection == self._connection:
            self._touch("before acknowledging")
            self._broker.acknowledge(self, arrival.mid)

    def _stand(self) -> None:
        self._connected = True
        self._connection += 1
        self._due.clear()
        self._delivery.inbox.forget_unacknowledged()
        self._broker.attach(self, self._delivery.router.patterns)

    def _go(self, number: int, topic: str, payload: bytes, retain: bool, qos: int) -> None:
        loop = asyncio.get_running_loop()
        self._leaves_at = max(self._leaves_at, loop.time() + self._broker.latency())
        loop.call_at(self._leaves_at, self._reach, self._connection, number, topic, payload, retain, qos)

    def _reach(self, connection: int, number: int, topic: str, payload: bytes, retain: bool, qos: int) -> None:
        if connection != self._connection:
            return
        if self._sent and self._sent[0][0] == number:
            self._sent.popleft()
        self._broker.route(topic, payload, retain=retain, qos=qos)

    # Troubles ---------------------------------------------------------------------------------------------------------

    def lose(self, *, back_in_s: float | None = None, will_in_s: float = 0.0) -> None:
        """Lose the connection without a word; it is tried again, and what was not sent yet is kept and sent then."""
        if not self._connected:
            return
        loop, rng = asyncio.get_running_loop(), self._broker.rng
        arrived = rng.randint(0, len(self._sent))  # the broker has them, but its acknowledgements are lost
        for _, topic, payload, retain in list(self._sent)[:arrived]:
            self._broker.route(topic, payload, retain=retain)
        self._fall(will_in_s)
        wait = rng.uniform(1.0, 5.0) if back_in_s is None else back_in_s
        loop.call_later(wait, self._try_again)

    def die(self, *, will_in_s: float) -> None:
        """The process of this end is gone: what it had sent a moment ago may have arrived or not."""
        if self._connected:
            arrived = self._broker.rng.randint(0, len(self._sent))
            for _, topic, payload, retain in list(self._sent)[:arrived]:
                self._broker.route(topic, payload, retain=retain)
            self._fall(will_in_s)
        self._over = True
        self._delivery.inbox.clear()

    def _fall(self, will_in_s: float) -> None:
        self._connected = False
        self._connection += 1
        self._broker.detach(self)
        if self._will is not None and self._broker.up.is_set():
            topic, payload, retain = self._will
            loop = asyncio.get_running_loop()
            loop.call_later(will_in_s, self._testament, topic, payload, retain)

    def _testament(self, topic: str, payload: bytes, retain: bool) -> None:
        if self._broker.up.is_set():
            self._broker.route(topic, payload, retain=retain)

    def _try_again(self) -> None:
        if self._over or self._connected:
            return
        loop = asyncio.get_running_loop()
        if not self._broker.up.is_set():
            loop.call_later(self._broker.rng.uniform(1.0, 5.0), self._try_again)
            return
        self._stand()
        again, self._sent = list(self._sent), deque()
        for number, topic, payload, retain in again:
            self._sent.append((number, topic, payload, retain))
            self._go(number, topic, payload, retain, 1)
        task = loop.create_task(self._welcome(), name=f"{self.name} is back", context=self._context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _welcome(self) -> None:
        await asyncio.sleep(self._broker.latency())
        for hook in self._hooks:
            try:
                await hook()
            except InstrumentError:
                _log.exception("a reconnection hook failed")

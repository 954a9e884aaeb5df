"""The bus inside one process: the contract of MQTT without a network, threads or chance, for offline campaigns."""

from __future__ import annotations

import asyncio

from instruments.bus.delivery import OFFLINE_LIMIT, PAYLOAD_LIMIT, QOS0_LIMIT, Delivery, check_outgoing
from instruments.bus.inbox import Arrival
from instruments.clock import Sleeper
from instruments.errors import TransportError
from instruments.topics import matches
from instruments.transport import Handler, Hook, Message, Mirror


class LocalBus:
    """Routes messages among its transports in the order of publication and keeps retained ones."""

    def __init__(self) -> None:
        self._members: list[LocalTransport] = []
        self._retained: dict[str, bytes] = {}

    def transport(self) -> LocalTransport:
        """A new connection to this bus, not yet connected."""
        return LocalTransport(self)

    def attach(self, member: LocalTransport) -> None:
        """Let a connection receive."""
        self._members.append(member)

    def detach(self, member: LocalTransport) -> None:
        """Let a connection receive no more."""
        self._members = [m for m in self._members if m is not member]

    def route(self, topic: str, payload: bytes, *, retain: bool, qos: int = 1) -> None:
        """Keep and deliver one message; an empty retained payload clears the topic, as in MQTT."""
        if retain and payload:
            self._retained[topic] = payload
        elif retain:
            self._retained.pop(topic, None)
        message = Message(topic, payload)
        for member in self._members:
            member.offer(message, qos)

    def retained(self, pattern: str) -> list[Message]:
        """The kept messages under a pattern, in the order in which their topics first appeared."""
        return [Message(t, p, retained=True) for t, p in self._retained.items() if matches(pattern, t)]


class LocalTransport:
    """One connection to a ``LocalBus``; implements ``instruments.transport.Transport``.

    Args:
        bus: what it connects to.
        sleeper: waits before a handler that could not commit is called again.
        payload_limit: most bytes of one message.
        qos0_limit: most messages of QoS 0 that wait to be handled; the oldest are dropped.
        offline_limit: most messages that wait for a lost connection.
    """

    def __init__(
        self,
        bus: LocalBus,
        *,
        sleeper: Sleeper = asyncio.sleep,
        payload_limit: int = PAYLOAD_LIMIT,
        qos0_limit: int = QOS0_LIMIT,
        offline_limit: int = OFFLINE_LIMIT,
    ) -> None:
        self._bus = bus
        self._payload_limit = payload_limit
        self._offline_limit = offline_limit
        self._delivery = Delivery(
            lambda _arrival: None, sleeper=sleeper, qos0_limit=qos0_limit, payload_limit=payload_limit
        )
        self._hooks: list[Hook] = []
        self._will: tuple[str, bytes, bool] | None = None
        self._subscribed: list[tuple[str, Handler]] = []
        self._outbox: list[tuple[str, bytes, bool]] | None = None

    @property
    def connected(self) -> bool:
        """Whether this connection receives."""
        return self._delivery.running

    @property
    def dropped(self) -> int:
        """How many messages of QoS 0 were dropped because the handlers were too slow."""
        return self._delivery.inbox.dropped

    def set_will(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = True) -> None:  # noqa: ARG002
        """Remember what ``drop`` publishes."""
        self._will = (topic, payload, retain)

    def on_reconnect(self, hook: Hook) -> None:
        """Have a function called by ``reconnect``."""
        self._hooks.append(hook)

    async def connect(self) -> None:
        """Start to receive."""
        if not self._delivery.running:
            self._delivery.start("local transport")
            self._bus.attach(self)
            for pattern, handler in self._subscribed:
                self._offer_retained(pattern, handler)

    async def close(self) -> None:
        """Deliver nothing more and take leave without the will."""
        self._outbox = None
        await self._leave()

    async def _leave(self) -> None:
        if self._delivery.running:
            self._bus.detach(self)
            await self._delivery.stop()

    async def drop(self) -> None:
        """Lose the connection as a cable would: undelivered messages are gone and the will is published."""
        await self._leave()
        self._outbox = []
        if self._will is not None:
            topic, payload, retain = self._will
            self._bus.route(topic, payload, retain=retain)

    async def reconnect(self) -> None:
        """Come back after ``drop`` with the same subscriptions and send what was queued."""
        await self.connect()
        queued, self._outbox = self._outbox or [], None
        for topic, payload, retain in queued:
            self._bus.route(topic, payload, retain=retain)
        for hook in self._hooks:
            await hook()

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        mirror: Mirror | None = None,  # noqa: ARG002 - the payload says it too
    ) -> None:
        """Route a message.

        Raises:
            TopicError: when the topic holds a wildcard or is empty.
            TransportError: when never connected or closed, when the payload is too large, or when too many messages
                wait already.
        """
        check_outgoing(topic, payload, self._payload_limit)
        if self._delivery.running:
            self._bus.route(topic, payload, retain=retain, qos=qos)
        elif self._outbox is None:
            raise TransportError(f"cannot publish to {topic}: the in-process transport is not connected")
        elif qos and len(self._outbox) >= self._offline_limit:
            raise TransportError(f"cannot publish to {topic}: {self._offline_limit} messages wait for the bus already")
        elif qos:
            self._outbox.append((topic, payload, retain))

    async def subscribe(self, pattern: str, handler: Handler) -> None:
        """Receive what falls under a pattern, retained messages first."""
        self._delivery.router.add(pattern, handler)
        self._subscribed.append((pattern, handler))
        if self._delivery.running:
            self._offer_retained(pattern, handler)

    async def unsubscribe(self, pattern: str, handler: Handler) -> None:
        """Call a handler no more."""
        self._delivery.router.remove(pattern, handler)
        self._subscribed = [entry for entry in self._subscribed if entry != (pattern, handler)]

    def _offer_retained(self, pattern: str, handler: Handler) -> None:
        for message in self._bus.retained(pattern):
            self._delivery.offer(Arrival(message, handlers=(handler,)))

    def offer(self, message: Message, qos: int = 1) -> None:
        """Queue a message when a handler wants it; called by the bus."""
        handlers = self._delivery.router.find(message.topic)
        if handlers and self._delivery.fits(message.topic, len(message.payload)):
            self._delivery.offer(Arrival(message, qos, handlers=tuple(handlers)))

"""The bus inside one process: the contract of MQTT without a network, threads or chance, for offline campaigns."""

from __future__ import annotations

import asyncio
import logging

from instruments.errors import TopicError, TransportError
from instruments.topics import check_pattern, matches
from instruments.transport import Handler, Hook, Message

_log = logging.getLogger(__name__)


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

    def route(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Keep and deliver one message; an empty retained payload clears the topic, as in MQTT."""
        if retain and payload:
            self._retained[topic] = payload
        elif retain:
            self._retained.pop(topic, None)
        for member in self._members:
            member.offer(Message(topic, payload))

    def retained(self, pattern: str) -> list[Message]:
        """The kept messages under a pattern, in the order in which their topics first appeared."""
        return [Message(t, p, retained=True) for t, p in self._retained.items() if matches(pattern, t)]


class LocalTransport:
    """One connection to a ``LocalBus``; implements ``instruments.transport.Transport``."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus
        self._handlers: list[tuple[str, Handler]] = []
        self._hooks: list[Hook] = []
        self._will: tuple[str, bytes, bool] | None = None
        self._inbox: asyncio.Queue[tuple[Message, tuple[Handler, ...]]] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None
        self._outbox: list[tuple[str, bytes, bool]] | None = None

    @property
    def connected(self) -> bool:
        """Whether this connection receives."""
        return self._pump is not None

    def set_will(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = True) -> None:  # noqa: ARG002
        """Remember what ``drop`` publishes."""
        self._will = (topic, payload, retain)

    def on_reconnect(self, hook: Hook) -> None:
        """Have a function called by ``reconnect``."""
        self._hooks.append(hook)

    async def connect(self) -> None:
        """Start to receive."""
        if self._pump is None:
            self._inbox = asyncio.Queue()
            self._pump = asyncio.create_task(self._deliver(), name="local transport")
            self._bus.attach(self)

    async def close(self) -> None:
        """Deliver nothing more and take leave without the will."""
        self._outbox = None
        await self._leave()

    async def _leave(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None:
            self._bus.detach(self)
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

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
        for pattern, handler in self._handlers:
            self._offer_retained(pattern, handler)
        for hook in self._hooks:
            await hook()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Route a message.

        Raises:
            TopicError: when the topic holds a wildcard or is empty.
            TransportError: when never connected, or closed.
        """
        if not topic or "+" in topic or "#" in topic:
            raise TopicError(f"{topic!r} cannot be published to: it is empty or holds a wildcard")
        if self._pump is not None:
            self._bus.route(topic, payload, retain=retain)
        elif self._outbox is not None:
            self._outbox += [(topic, payload, retain)] if qos else []
        else:
            raise TransportError(f"cannot publish to {topic}: the in-process transport is not connected")

    async def subscribe(self, pattern: str, handler: Handler) -> None:
        """Receive what falls under a pattern, retained messages first."""
        self._handlers.append((check_pattern(pattern), handler))
        self._offer_retained(pattern, handler)

    def _offer_retained(self, pattern: str, handler: Handler) -> None:
        for message in self._bus.retained(pattern):
            self._inbox.put_nowait((message, (handler,)))

    def offer(self, message: Message) -> None:
        """Queue a message for the handlers that want it; called by the bus."""
        wanted = tuple(handler for pattern, handler in self._handlers if matches(pattern, message.topic))
        if wanted:
            self._inbox.put_nowait((message, wanted))

    async def _deliver(self) -> None:
        while True:
            message, handlers = await self._inbox.get()
            for handler in handlers:
                try:
                    await handler(message)
                except Exception:  # noqa: BLE001 - one handler's mistake must not stop the bus for all others
                    _log.exception("a handler failed on %s", message.topic)

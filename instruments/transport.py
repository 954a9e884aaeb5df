"""The port to a message bus: what the client and the device side need, met in process and by MQTT.

Delivery is at least once and in order for each connection; handlers of one connection run one after the other, and a
message counts as received only when its handlers have returned. A handler therefore must not wait for other messages.
One that cannot commit yet what it was given raises ``NotCommittedError``: it is called again, later and later, nothing
else is delivered meanwhile, and a process that dies over it gets the message again where its session is persistent.
After a ``SetAsideError`` other handlers go on getting theirs, while this one gets everything in its order still.
Any other exception is logged and the message counts as received.

Nothing grows without limit: what comes at QoS 1 is held back by the broker until earlier messages are acknowledged,
what comes at QoS 0 pushes the oldest out, ``publish`` waits while too much is on its way, and raises when too much
waits for a lost connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Message:
    """One message as it arrived; ``retained`` says that it was kept by the broker from before the subscription."""

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(frozen=True)
class Mirror:
    """What MQTT 5 can say beside a message whose payload says it too; other buses pass over it.

    Attributes:
        response_topic: where answers go.
        correlation: tells whose answer it is.
        expiry_s: when the broker may drop a message that it could not deliver; None for never.
    """

    response_topic: str = ""
    correlation: bytes = b""
    expiry_s: float | None = None


Handler = Callable[[Message], Awaitable[None]]
Hook = Callable[[], Awaitable[None]]


class Transport(Protocol):
    """One connection to a bus."""

    @property
    def connected(self) -> bool:
        """Whether the bus can be reached now."""
        ...

    def set_will(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = True) -> None:
        """Say what the bus shall publish when this connection is lost without ``close``; before ``connect``."""
        ...

    def on_reconnect(self, hook: Hook) -> None:
        """Have a function called each time that a lost connection is back and its subscriptions stand."""
        ...

    async def connect(self) -> None:
        """Connect; returns when the bus has answered.

        Raises:
            TransportError: when it does not, or refuses.
        """
        ...

    async def close(self) -> None:
        """Send what is queued, take leave without the will, and stop. May be called twice."""
        ...

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, mirror: Mirror | None = None
    ) -> None:
        """Hand a message over; while the bus is away QoS 1 is queued and sent later, so never retry on this level.

        Waits while too many messages are on their way over a connection that stands.

        Raises:
            TopicError: when the topic is empty or holds a wildcard.
            TransportError: when never connected or closed, when the payload is too large, or when too many messages
                wait for a lost connection.
        """
        ...

    async def subscribe(self, pattern: str, handler: Handler) -> None:
        """Have a handler called for every message under a pattern; retained ones come first.

        Before ``connect`` it only takes note, so that not even the first message of a persistent session is missed.

        Raises:
            TopicError: when the pattern is malformed.
            TransportError: when the bus refuses it.
        """
        ...

    async def unsubscribe(self, pattern: str, handler: Handler) -> None:
        """Call a handler no more; nothing happens when it was not subscribed."""
        ...

"""The port to a message bus: what the client and the device side need, met in process and by MQTT.

Delivery is at least once and in order for each connection; handlers of one connection run one after the other, and a
message counts as received only when its handlers have returned. A handler therefore must not wait for other messages.
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

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Hand a message over; while the bus is away QoS 1 is queued and sent later, so never retry on this level."""
        ...

    async def subscribe(self, pattern: str, handler: Handler) -> None:
        """Have a handler called for every message under a pattern; retained ones come first.

        Raises:
            TopicError: when the pattern is malformed.
            TransportError: when the bus refuses it.
        """
        ...

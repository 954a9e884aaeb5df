"""A connection that never gives up, also where the broker was not there when it began."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from instruments.clock import Sleeper
from instruments.errors import TransportError
from instruments.transport import Handler, Hook, Mirror, Transport

_FIRST_S, _LONGEST_S = 1.0, 30.0
_log = logging.getLogger(__name__)


class PatientTransport:
    """Implements ``instruments.transport.Transport`` over transports that give up when nobody answers at first.

    Args:
        make: a new transport to the same broker.
        sleeper: waits between two attempts.

    Attributes:
        trouble: why it is not connected yet, in words; empty once it was.
    """

    def __init__(self, make: Callable[[], Transport], *, sleeper: Sleeper = asyncio.sleep) -> None:
        self._make = make
        self._sleeper = sleeper
        self._inner = make()
        self._will: tuple[str, bytes, int, bool] | None = None
        self._hooks: list[Hook] = []
        self._wanted: list[tuple[str, Handler]] = []
        self._stands = self._closed = False
        self.trouble = ""

    @property
    def connected(self) -> bool:
        """Whether the bus can be reached now."""
        return self._inner.connected

    def set_will(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = True) -> None:
        """Say what the bus shall publish when this connection is lost; before ``connect``."""
        self._will = (topic, payload, qos, retain)

    def on_reconnect(self, hook: Hook) -> None:
        """Have a function called each time that a lost connection is back."""
        self._hooks.append(hook)
        if self._stands:
            self._inner.on_reconnect(hook)

    async def connect(self) -> None:
        """Connect, however long it takes; afterwards the transport itself never gives up."""
        wait_s = _FIRST_S
        while not self._stands and not self._closed:
            try:
                await self._attempt()
            except Exception as error:  # noqa: BLE001 - whatever it is: people are told, and it is tried again
                self._complain(error)
                await self._inner.close()
                await self._sleeper(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_S)
                if not self._closed:
                    self._inner = self._make()
            else:
                self._stands, self.trouble = True, ""

    def _complain(self, error: Exception) -> None:
        said = str(error) or type(error).__name__
        if said != self.trouble:  # one line for each trouble, not for each attempt
            known = isinstance(error, TransportError)
            _log.warning("the dashboard cannot reach its broker: %s", said, exc_info=None if known else error)
        self.trouble = said

    async def _attempt(self) -> None:
        inner = self._inner
        if self._will is not None:
            topic, payload, qos, retain = self._will
            inner.set_will(topic, payload, qos=qos, retain=retain)
        for hook in self._hooks:
            inner.on_reconnect(hook)
        wanted = list(self._wanted)
        for pattern, handler in wanted:
            await inner.subscribe(pattern, handler)
        await inner.connect()
        for entry in [entry for entry in self._wanted if entry not in wanted]:
            await inner.subscribe(*entry)  # somebody asked for it meanwhile

    async def close(self) -> None:
        """Take leave; may be called twice."""
        self._closed = True
        await self._inner.close()

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, mirror: Mirror | None = None
    ) -> None:
        """Hand a message over.

        Raises:
            TopicError: when the topic is empty or holds a wildcard.
            TransportError: as of any transport, and while the first connection has not come about.
        """
        await self._inner.publish(topic, payload, qos=qos, retain=retain, mirror=mirror)

    async def subscribe(self, pattern: str, handler: Handler) -> None:
        """Have a handler called for every message under a pattern.

        Raises:
            TopicError: when the pattern is malformed.
            TransportError: when the bus refuses it.
        """
        if self._stands:
            await self._inner.subscribe(pattern, handler)
        self._wanted.append((pattern, handler))

    async def unsubscribe(self, pattern: str, handler: Handler) -> None:
        """Call a handler no more."""
        self._wanted = [entry for entry in self._wanted if entry != (pattern, handler)]
        if self._stands:
            await self._inner.unsubscribe(pattern, handler)

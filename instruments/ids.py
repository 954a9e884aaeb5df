"""Identifiers: UUID version 7 (RFC 9562), ordered by time, from an injected clock and random source."""

from __future__ import annotations

import random
from typing import Protocol
from uuid import UUID

import uuid6

from instruments.clock import Clock

_COUNTER_LIMIT = 1 << 12


class Ids(Protocol):
    """A source of fresh identifiers, each greater than the one before."""

    def new(self) -> str:
        """A fresh UUIDv7 in its 36-character form."""
        ...


def uuid7(milliseconds: int, counter: int, rng: random.Random) -> UUID:
    """Build a UUIDv7 after RFC 9562, section 5.7, with a 12-bit counter in ``rand_a`` (section 6.2, method 1).

    Args:
        milliseconds: Unix time in milliseconds, 48 bits.
        counter: orders ids of one millisecond, 0 to 4095.
        rng: gives the remaining 62 bits.

    Raises:
        ValueError: when the time or the counter does not fit.
    """
    if not 0 <= milliseconds < 1 << 48:
        raise ValueError(f"milliseconds must fit 48 bits, not {milliseconds}")
    if not 0 <= counter < _COUNTER_LIMIT:
        raise ValueError(f"counter must fit 12 bits, not {counter}")
    return UUID(int=milliseconds << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | rng.getrandbits(62))


class SystemIds:
    """Ids from the system's clock and random source, for live use."""

    def new(self) -> str:
        """A fresh UUIDv7."""
        return str(uuid6.uuid7())


class SeededIds:
    """Ids that repeat with the clock and the seed, for simulations.

    Share one instance among everything that must agree on an order: a counter orders ids of one
    millisecond.
    """

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self._last = -1
        self._counter = 0

    def new(self) -> str:
        """A fresh UUIDv7, greater than every earlier one of this source."""
        milliseconds = max(int(self._clock.now().timestamp() * 1000), self._last)
        self._counter = self._counter + 1 if milliseconds == self._last else 0
        if self._counter == _COUNTER_LIMIT:
            milliseconds, self._counter = milliseconds + 1, 0
        self._last = milliseconds
        return str(uuid7(milliseconds, self._counter, self._rng))

"""What the tests of uploads share: an artefact, tickets for it, and a sleeper that only notes."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from instruments.bulk.tickets import Tickets
from instruments.clock import SimClock

SECRET = bytes(range(32))
PIXELS = b"II*\x00" + bytes(range(256)) * 4000
SHA = hashlib.sha256(PIXELS).hexdigest()


def tickets() -> Tickets:
    return Tickets(SECRET, SimClock(datetime(2026, 5, 4, tzinfo=UTC)))


class Sleeps:
    """Notes how long it should have slept, and may do something meanwhile."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.seconds: list[float] = []
        self._meanwhile = meanwhile

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._meanwhile()
        await asyncio.sleep(0)

"""What has arrived and is not yet handled: bounded, filled by any thread, emptied by the event loop."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from instruments.transport import Handler, Message


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message on its way to the handlers.

    Attributes:
        message: None when it was dropped unread and is only to be acknowledged in its turn.
        qos: 0 may be dropped, 1 may not.
        mid: the broker's number of it, for the acknowledgement.
        connection: number of the connection over which it came: on another one its acknowledgement means nothing.
        handlers: who gets it, where that is not everybody who subscribed.
    """

    message: Message | None
    qos: int = 1
    mid: int = 0
    connection: int = 0
    handlers: tuple[Handler, ...] | None = None


class Inbox:
    """A queue in the order of arrival that holds a limited number of messages of QoS 0.

    Those of QoS 1 are limited by whoever sends them: a broker has a few dozen unacknowledged at most.

    Args:
        limit: most messages of QoS 0; beyond it the oldest of them are dropped.

    Attributes:
        dropped: how many messages of QoS 0 were dropped so far.
        forgotten: how often the broker was going to deliver again what was not acknowledged.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: deque[Arrival] = deque()
        self._n_droppable = 0
        self._asleep = True
        self.dropped = 0
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, arrival: Arrival) -> bool:
        """Queue a message; True when the reader sleeps and has to be woken."""
        with self._lock:
            if arrival.qos == 0:
                if self._n_droppable >= self._limit:
                    self._drop_oldest()
                self._n_droppable += 1
            self._waiting.append(arrival)
            asleep, self._asleep = self._asleep, False
            return asleep

    def take(self) -> Arrival | None:
        """The next message; None when there is none, after which ``put`` asks to wake the reader."""
        with self._lock:
            if not self._waiting:
                self._asleep = True
                return None
            arrival = self._waiting.popleft()
            self._n_droppable -= arrival.qos == 0
            return arrival

    def forget_unacknowledged(self) -> None:
        """Drop what is of QoS 1, because the broker is going to deliver it again."""
        with self._lock:
            self._waiting = deque(arrival for arrival in self._waiting if arrival.qos == 0)
            self.forgotten += 1

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._waiting.clear()
            self._n_droppable = 0

    def _drop_oldest(self) -> None:
        # Few messages of QoS 1 can stand before it.
        for index, arrival in enumerate(self._waiting):
            if arrival.qos == 0:
                del self._waiting[index]
                self._n_droppable -= 1
                self.dropped += 1
                return

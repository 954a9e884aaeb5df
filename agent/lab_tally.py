"""What ``labwright lab run`` shows while it runs: how many jobs its instruments have done, and what hinders them."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from rich.console import Console
from rich.status import Status as Line
from typing_extensions import override

from instruments.address import BrokerAddress
from instruments.device import Device
from instruments.errors import TopicError
from instruments.messages import JobState, MalformedMessageError
from instruments.mqtt import MqttTransport
from instruments.topics import Lab
from instruments.transport import Mirror

LOOK_S = 1.0
_ENDS = ("succeeded", "failed", "cancelled", "rejected")
_REMEMBERED = 10_000
"""Ended jobs whose states, told once more, are known to be old."""
_WELL = frozenset({"online", "busy"})


class Tally:
    """Counts the jobs of one run by what the instruments say of them; a state told twice counts once.

    Args:
        topics: the laboratory.
    """

    def __init__(self, topics: Lab) -> None:
        self._topics = topics
        self._begun = False
        self._running: set[str] = set()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._done: Counter[tuple[str, str]] = Counter()

    def begin(self) -> None:
        """From here on it counts: before it instruments tell how the jobs of their last run ended."""
        self._begun = True

    def note(self, topic: str, payload: bytes) -> None:
        """Take in what an instrument publishes, whatever it is."""
        if not self._begun or "/job/" not in topic:
            return
        try:
            iid, state = self._topics.parse(topic).iid, JobState.parse(payload)
        except (TopicError, MalformedMessageError):
            return
        if state.job in self._ended:
            return
        if state.state not in _ENDS:
            self._running.add(state.job)
            return
        self._running.discard(state.job)
        self._done[iid, state.state] += 1
        self._ended[state.job] = None
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)

    def words(self) -> str:
        """One line: how many were done, by which instruments, and how the others ended."""
        by = {iid: n for (iid, end), n in self._done.items() if end == "succeeded"}
        n = sum(by.values())
        words = f"{n} job{'' if n == 1 else 's'} done"
        if by:
            words += f" ({', '.join(f'{iid} {by[iid]}' for iid in sorted(by))})"
        ends = {end: sum(n for (_, how), n in self._done.items() if how == end) for end in _ENDS[1:]}
        others = [f"{n} {end}" for end, n in ends.items() if n]
        running = [f"{len(self._running)} running"] if self._running else []
        return ", ".join([words, *others, *running])


class CountedTransport(MqttTransport):
    """A connection whose instrument's jobs are counted.

    Args:
        tally: counts them.
        address: the broker.
        client_id: of this connection.
    """

    def __init__(self, tally: Tally, address: BrokerAddress, *, client_id: str) -> None:
        super().__init__(address, client_id=client_id)
        self._tally = tally

    @override
    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, mirror: Mirror | None = None
    ) -> None:
        await super().publish(topic, payload, qos=qos, retain=retain, mirror=mirror)
        self._tally.note(topic, payload)


async def show(
    tally: Tally,
    devices: Callable[[], Sequence[Device]],
    console: Console,
    *,
    sleeper: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Keep a line at a terminal's foot up to date, and tell what hinders an instrument, until cancelled.

    Args:
        tally: counts.
        devices: gives those that run now; one that restarts is another.
        console: where no terminal is there is no line, and what hinders is told all the same.
        sleeper: waits.
    """
    line = console.status(tally.words()) if console.is_terminal else None
    if line is not None:
        line.start()
    try:
        await _watch(tally, devices, console, line, sleeper)
    finally:
        if line is not None:
            line.stop()


async def _watch(
    tally: Tally,
    devices: Callable[[], Sequence[Device]],
    console: Console,
    line: Line | None,
    sleeper: Callable[[float], Awaitable[object]],
) -> None:
    told: dict[str, tuple[str, str]] = {}
    while True:
        await sleeper(LOOK_S)
        if line is not None:
            line.update(tally.words())
        for device in devices():
            now = device.presence
            before = told.get(device.iid, ("online", ""))
            if now[0] not in _WELL and now != before:
                words = f"{device.iid} is in {now[0]} and takes no orders: {now[1]}"
                console.print(words, style="yellow", markup=False, highlight=False, soft_wrap=True)
            elif now[0] in _WELL and before[0] not in _WELL:
                console.print(f"{device.iid} is online again", markup=False, highlight=False)
            told[device.iid] = now

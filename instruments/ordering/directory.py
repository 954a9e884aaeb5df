"""What an agent knows of a lab's instruments from the bus alone: descriptions, presence, clocks, jobs that run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol, TypeVar

from instruments.bus.waiting import Bell, Stream
from instruments.clock import Clock, Sleeper
from instruments.errors import NoAnswerError, TopicError
from instruments.messages import (
    MAX_SKEW_S,
    Description,
    JobState,
    MalformedMessageError,
    Payload,
    Presence,
    Status,
)
from instruments.profile.legibility import Complaints
from instruments.session import is_aside
from instruments.topics import Lab
from instruments.transport import Message

_log = logging.getLogger(__name__)

STALE_S = 30.0
"""A status older than this says nothing any more."""
_SIGHTINGS = 10_000
_OPEN_JOBS = 1_000
"""Most jobs of one instrument that are remembered as running: those of which was heard longest ago go first."""
_INSTRUMENTS = 10_000
"""Most instruments of which anything is remembered: made-up ones must not fill the memory."""
_APART_S = 5.0
"""Two statuses this far apart were not queued together: a broker hands out what it kept in one go."""

AgentsView = Presence | Literal["stale", "unknown"]
_Model = TypeVar("_Model", bound=Payload)


class OnStatus(Protocol):
    """Called with an instrument's new status; ``back`` when it has restarted or returned."""

    def __call__(self, iid: str, status: Status, *, back: bool) -> None:
        """Act on it."""
        ...


@dataclass(frozen=True)
class Sighting:
    """Something new about an instrument.

    Attributes:
        iid: the instrument.
        what: it is described for the first time, described differently, or present in another way.
        presence: how it is present now.
        description: what it is now; None while it has not told.
    """

    iid: str
    what: Literal["appeared", "changed", "presence"]
    presence: AgentsView
    description: Description | None


class Directory:
    """Collects descriptions, statuses and job states.

    Args:
        topics: the lab.
        clock: gives the age of statuses and the agent's time.
        sleeper: waits for timeouts.
        on_status: called with every new status.
        judge_clocks: whether instruments' clocks are compared with ``clock``.
    """

    def __init__(
        self, topics: Lab, *, clock: Clock, sleeper: Sleeper, on_status: OnStatus, judge_clocks: bool = True
    ) -> None:
        self._topics = topics
        self._clock = clock
        self._sleeper = sleeper
        self._on_status = on_status
        self._descriptions: dict[str, Description] = {}
        self._statuses: dict[str, tuple[Status, float]] = {}
        self._told: dict[str, AgentsView] = {}
        self._skews: dict[str, float] = {}
        self._skewed: set[str] = set()
        self._late: dict[str, tuple[float, float]] = {}
        self._judge_clocks = judge_clocks
        self._running: dict[str, dict[str, JobState]] = {}
        self._bell = Bell(sleeper)
        self._watchers: list[Stream[Sighting]] = []
        self._ageing: asyncio.Task[None] | None = None
        self._complaints = Complaints(_log)
        self._heard_of: set[str] = set()

    @property
    def descriptions(self) -> Mapping[str, Description]:
        """What has been discovered so far, by instrument id."""
        return MappingProxyType(self._descriptions)

    def presence(self, iid: str) -> AgentsView:
        """An instrument's last status; ``stale`` after 30 s without one, ``unknown`` when never described."""
        if iid not in self._descriptions or iid not in self._statuses:
            return "unknown"
        status, heard = self._statuses[iid]
        if status.state != "offline" and self._clock.elapsed() - heard > STALE_S:
            return "stale"
        return status.state

    def undescribed(self) -> list[str]:
        """Instruments that are there and of which nobody knows what they are."""
        return [
            iid
            for iid, (status, _) in self._statuses.items()
            if iid not in self._descriptions and status.state != "offline"
        ]

    def skew(self, iid: str) -> float:
        """By how many seconds an instrument's clock is ahead of the agent's; 0 where that is no more than 2 s."""
        return self._skews.get(iid, 0.0)

    def open_jobs(self, iid: str) -> Mapping[str, JobState]:
        """The jobs of an instrument that have not ended, as last heard, by job id; the bus retains them."""
        return MappingProxyType(dict(self._running.get(iid, {})))

    async def wait_for(self, iids: Iterable[str], seconds: float) -> None:
        """Wait until instruments are described and present.

        Raises:
            NoAnswerError: when one is not there after ``seconds`` of the sleeper.
        """
        wanted = list(iids)

        def missing() -> list[str]:
            return [iid for iid in wanted if self.presence(iid) in {"unknown", "offline"}]

        if not await self._bell.until(lambda: not missing(), seconds):
            raise NoAnswerError(", ".join(missing()), "", f"not on the bus within {seconds:g} s; is it switched on?")

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[Stream[Sighting]]:
        """Everything new about instruments, beginning with those that are known."""
        watcher: Stream[Sighting] = Stream(_SIGHTINGS)
        for iid, described in self._descriptions.items():
            watcher.put(Sighting(iid, "appeared", self.presence(iid), described))
        self._watchers.append(watcher)
        if self._ageing is None:
            self._ageing = asyncio.create_task(self._age(), name="stale instruments")
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)
            if not self._watchers:
                await self._stop_ageing()

    async def close(self) -> None:
        """End every watch."""
        for watcher in self._watchers:
            watcher.close()
        await self._stop_ageing()

    async def _stop_ageing(self) -> None:
        ageing, self._ageing = self._ageing, None
        if ageing is not None:
            ageing.cancel()
            await asyncio.gather(ageing, return_exceptions=True)

    async def _age(self) -> None:
        """Notice those that fall silent: nothing arrives to tell."""
        while True:
            await self._sleeper(STALE_S / 6.0)
            for iid in list(self._statuses):
                self._tell_presence(iid)

    def _tell_presence(self, iid: str) -> None:
        presence = self.presence(iid)
        if presence != self._told.get(iid) and presence != "unknown":
            self._told[iid] = presence
            self._tell(iid, "presence")

    def _tell(self, iid: str, what: Literal["appeared", "changed", "presence"]) -> None:
        for watcher in self._watchers:
            watcher.put(Sighting(iid, what, self.presence(iid), self._descriptions.get(iid)))

    # Incoming ---------------------------------------------------------------------------------------------------------

    async def on_status(self, message: Message) -> None:
        """Take in a status."""
        if (read := self.read(Status, message)) is None:
            return
        iid, status = read
        known = self._statuses[iid][0] if iid in self._statuses else None
        # A last will was written when the connection began, so an offline of this boot is news whatever its number.
        if known is not None and (status.boot_id, status.seq) < (known.boot_id, known.seq):
            if status.state != "offline" or status.boot_id != known.boot_id:
                return
            status = status.model_copy(update={"seq": known.seq})
        self._statuses[iid] = (status, self._clock.elapsed())
        if not message.retained and status.state != "offline":  # a will and a retained status are old by nature
            self._compare_clocks(iid, status)
        restarted = known is not None and known.boot_id != status.boot_id
        returned = known is not None and known.state == "offline" and status.state != "offline"
        self._on_status(iid, status, back=restarted or returned)
        self._tell_presence(iid)
        self._bell.ring()

    def _compare_clocks(self, iid: str, status: Status) -> None:
        if not self._judge_clocks:
            return
        skew = (status.ts - self._clock.now()).total_seconds()
        if abs(skew) <= MAX_SKEW_S:
            self._late.pop(iid, None)
            self._skews.pop(iid, None)
        elif skew > 0.0 or self._late_again(iid, skew):  # nothing comes from the future, however long it was kept
            self._flag(iid, skew)

    def _late_again(self, iid: str, skew: float) -> bool:
        """Whether an earlier status was as late: one alone may have waited for us at the broker, or on the way."""
        now = self._clock.elapsed()
        before = self._late.get(iid)
        if before is not None and abs(before[0] - skew) <= MAX_SKEW_S:
            return now - before[1] >= _APART_S
        self._late[iid] = (skew, now)
        return False

    def _flag(self, iid: str, skew: float) -> None:
        self._skews[iid] = skew
        if iid not in self._skewed:
            self._skewed.add(iid)
            side = "ahead of" if skew > 0 else "behind"
            self._complaints.add(
                f"{iid}: its clock is {abs(skew):.1f} s {side} the agent's: "
                "set one of them, or have both follow a time server"
            )

    async def on_description(self, message: Message) -> None:
        """Take in a description; an empty one takes an instrument off the list."""
        if not message.payload:
            self._forget(message.topic)
        elif (read := self.read(Description, message)) is not None:
            iid, described = read
            if described.iid != iid:
                self._complaints.add(f"ignored a description on {message.topic}: it is of instrument {described.iid}")
                return
            known = self._descriptions.get(iid)
            self._descriptions[iid] = described
            if known != described:
                self._told.setdefault(iid, self.presence(iid))
                self._tell(iid, "appeared" if known is None else "changed")
            self._bell.ring()

    def _forget(self, topic: str) -> None:
        try:
            iid = self._topics.parse(topic).iid
        except TopicError:
            return
        if self._descriptions.pop(iid, None) is not None:
            self._told.pop(iid, None)
            self._tell(iid, "changed")

    def note_job(self, iid: str, state: JobState) -> None:
        """Remember what runs."""
        if is_aside(state):
            return
        running = self._running.setdefault(iid, {})
        known = running.get(state.job)
        if known is not None and (state.boot_id, state.seq) < (known.boot_id, known.seq):
            return
        running.pop(state.job, None)
        if state.terminal:
            return
        running[state.job] = state  # as the last
        if len(running) > _OPEN_JOBS:
            del running[next(iter(running))]

    def read(self, model: type[_Model], message: Message) -> tuple[str, _Model] | None:
        """The instrument and its message, or None (with a warning) for what is not of the profile."""
        if not message.payload:
            return None
        try:
            iid, payload = self._topics.parse(message.topic).iid, model.parse(message.payload)
        except (TopicError, MalformedMessageError) as error:
            self._complaints.add(f"ignored a message on {message.topic}: {error}")
            return None
        if iid not in self._heard_of and len(self._heard_of) >= _INSTRUMENTS:
            self._complaints.add(f"ignored a message on {message.topic}: it is of one instrument too many")
            return None
        self._heard_of.add(iid)
        return iid, payload

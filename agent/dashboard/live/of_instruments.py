"""What instruments say, put into the picture."""

from __future__ import annotations

from collections import deque
from typing import Any

from agent.dashboard.live.lab_time import STALE_S, LabTime
from agent.dashboard.live.order import is_older
from agent.dashboard.live.picture import MAX_JOBS, MAX_READINGS, Change, InstrumentPicture
from envs.errors import UserError
from instruments.clock import Clock
from instruments.messages import Description, JobState, Status, Telemetry
from instruments.session import is_aside
from instruments.topics import InstrumentTopic
from instruments.transport import Message

MAX_INSTRUMENTS = 256
MAX_CHANNELS = 32
"""Channels of one instrument whose readings are remembered."""
MAX_WORDS = 2_000
"""Characters of what an instrument says of a job in words that are remembered."""
_NONE: frozenset[Change] = frozenset()


class InstrumentFold:
    """Keeps the instruments of a picture up to date.

    Args:
        instruments: that are kept.
        time: the laboratory's.
        clock: the machine's.
    """

    def __init__(self, instruments: dict[str, InstrumentPicture], time: LabTime, clock: Clock) -> None:
        self._instruments = instruments
        self._time = time
        self._clock = clock

    def take(self, topic: InstrumentTopic, message: Message) -> frozenset[Change]:
        """Put one message in its place.

        Raises:
            MalformedMessageError: it cannot be read.
            UserError: it is another's than its topic says, or there are too many.
        """
        iid = topic.iid
        if iid not in self._instruments and not message.payload:
            return _NONE
        one = self._instruments.get(iid) or InstrumentPicture()
        match topic.channel:
            case "desc":
                changed = self._description(one, iid, message)
            case "status":
                changed = self._status(one, message)
            case "job":
                changed = self._job(one, topic.name, message)
            case "telemetry":
                return self._telemetry(one, topic, message)
            case _:
                return _NONE
        if one.description is None and one.status is None and not one.jobs:
            self._instruments.pop(iid, None)
        else:
            self._keep(iid, one)
        return frozenset({Change("instrument", iid)}) if changed else _NONE

    def vouch(self) -> None:
        """Statuses that the broker had kept count as heard where they are young."""
        for one in self._instruments.values():
            if one.heard_s is None and one.status is not None and one.status.state != "offline":
                age = self._time.age(one.status.ts)
                if age is not None and age <= STALE_S:
                    one.heard_s = self._clock.elapsed() - age

    def _keep(self, iid: str, one: InstrumentPicture) -> None:
        if iid not in self._instruments and len(self._instruments) >= MAX_INSTRUMENTS:
            raise UserError(f"{iid} is one instrument too many: {MAX_INSTRUMENTS} are shown")
        self._instruments[iid] = one

    def _description(self, one: InstrumentPicture, iid: str, message: Message) -> bool:
        read = Description.parse(message.payload) if message.payload else None
        if read is not None and read.iid != iid:
            raise UserError(f"on {message.topic} there is the description of {read.iid}")
        changed, one.description = read != one.description, read
        return changed

    def _status(self, one: InstrumentPicture, message: Message) -> bool:
        if not message.payload:
            one.status, one.heard_s = None, None
            return True
        read, known = Status.parse(message.payload), one.status
        # A last will was written when the connection began: its number is old, and yet it is news.
        gone = read.state == "offline" and known is not None and read.boot_id == known.boot_id
        if is_older(read, known) and not gone and not message.retained:
            return False
        one.status = read
        if message.retained:
            one.heard_s = None
            self.vouch()
        else:
            one.heard_s = self._clock.elapsed()
        return known is None or (read.state, read.message) != (known.state, known.message)

    def _job(self, one: InstrumentPicture, job: str, message: Message) -> bool:
        if not message.payload:
            return one.jobs.pop(job, None) is not None
        read = JobState.parse(message.payload)
        if read.job != job:
            raise UserError(f"on {message.topic} there is a state of {read.job}")
        if is_aside(read) or (is_older(read, one.jobs.get(job)) and not message.retained):
            return False
        read = _short(read)
        one.jobs.pop(job, None)
        last = next(reversed(one.jobs.values()), None)
        one.jobs[job] = read
        if last is not None and read.ts < last.ts:  # the broker brings what it kept in any order
            one.jobs = dict(sorted(one.jobs.items(), key=lambda entry: entry[1].ts))
        while len(one.jobs) > MAX_JOBS:
            del one.jobs[next(iter(one.jobs))]
        return True

    def _telemetry(self, one: InstrumentPicture, topic: InstrumentTopic, message: Message) -> frozenset[Change]:
        if message.retained or not message.payload:
            return _NONE
        read = Telemetry.parse(message.payload)
        if read.quality == "bad":
            return _NONE
        if topic.name not in one.telemetry and len(one.telemetry) >= MAX_CHANNELS:
            raise UserError(f"{topic.name} is one channel too many of {topic.iid}: {MAX_CHANNELS} are shown")
        readings = one.telemetry.setdefault(topic.name, deque(maxlen=MAX_READINGS))
        readings.append((read.ts, read.value))
        self._keep(topic.iid, one)
        return frozenset({Change("telemetry", topic.iid)})


def _short(job: JobState) -> JobState:
    """What is held of a job: its words have no bound of their own, and one instrument has many."""
    changes: dict[str, Any] = {}
    if job.error is not None:
        changes["error"] = job.error.model_copy(update={"message": _cut(job.error.message)})
    if job.result is not None:
        values = {name: _cut(value) if isinstance(value, str) else value for name, value in job.result.values.items()}
        changes["result"] = job.result.model_copy(update={"values": values})
    return job.model_copy(update=changes)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_WORDS else f"{text[: MAX_WORDS - 2]} …"

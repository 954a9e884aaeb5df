"""What the page of the instruments shows: of each its presence, work, queue, readings and limits."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from agent.dashboard.views import shares, words
from agent.dashboard.views.instrument_jobs import Book, JobLine, Queued, Work, last_jobs, queue_of, work_of
from agent.dashboard.views.instrument_limits import CommandLimits, limits_of
from agent.words import NO_VALUE

if TYPE_CHECKING:
    from agent.dashboard.live.picture import InstrumentPicture, LabPicture
    from instruments.messages import Description, Presence
    from instruments.profile.laboratory import Laboratory

STALE_S = 30.0
"""Since its status was heard, s: an instrument says it every ten."""
Tone = Literal["good", "info", "warn", "bad", ""]
_PRESENCE: dict[Presence, tuple[str, Tone, str]] = {
    "online": ("Ready", "good", "\N{CHECK MARK}"),
    "busy": ("Busy", "info", "\N{BLACK RIGHT-POINTING TRIANGLE}"),
    "error": ("Error", "bad", "!"),
    "maintenance": ("Out of service", "warn", "\N{BLACK SQUARE}"),
    "offline": ("Offline", "bad", "\N{MULTIPLICATION SIGN}"),
}


@dataclass(frozen=True)
class Standing:
    """Whether an instrument is there.

    Args:
        word: in a word.
        tone: of it.
        sign: beside it, for who sees no colours.
        text: why, for people; may be empty.
        stale: whether it was not heard of in time.
    """

    word: str
    tone: Tone
    sign: str
    text: str = ""
    stale: bool = False


@dataclass(frozen=True)
class Service:
    """Whether people have taken an instrument out of service.

    Args:
        out: whether.
        text: who, when and why; may be empty.
    """

    out: bool
    text: str = ""


@dataclass(frozen=True)
class Reading:
    """The course of one channel of telemetry.

    Args:
        channel: its name.
        title: for people.
        summary: what it reads; may be empty.
        value: the present value with its unit.
        span: lowest and highest with unit, and over how long; empty where there is nothing.
        age: since the last reading, where that is long; empty otherwise.
        points: times (s before the last reading, negative) and values.
    """

    channel: str
    title: str
    summary: str
    value: str
    span: str
    age: str
    points: tuple[tuple[float, float], ...]

    @property
    def spoken(self) -> str:
        """All of it in words."""
        parts = (f"{self.title}: {self.value}", self.age, self.span)
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class InstrumentView:
    """One instrument.

    Args:
        iid: its id.
        identity: kind, serial number and driver, where they are known.
        standing: whether it is there.
        service: whether people have taken it out of service.
        work: what it does now.
        queue: experiments that wait for it.
        jobs: the last ones, the newest first.
        abilities: what it can do, by command.
        limits: of its orders, by command.
        notes: limits that only words can say.
        safety: what it does when nobody answers for it.
        channels: names of its telemetry.
    """

    iid: str
    identity: tuple[str, ...]
    standing: Standing
    service: Service
    work: tuple[Work, ...]
    queue: tuple[Queued, ...]
    jobs: tuple[JobLine, ...]
    abilities: tuple[tuple[str, str], ...]
    limits: tuple[CommandLimits, ...]
    notes: tuple[str, ...]
    safety: str
    channels: tuple[str, ...]


def instruments_view(picture: LabPicture, now: datetime, heard_now_s: float) -> tuple[InstrumentView, ...]:
    """All instruments, by name.

    Args:
        picture: all that the broker has said.
        now: the laboratory's time.
        heard_now_s: the present on the monotonic clock of ``heard_s``, s.
    """
    book = Book.of(picture)
    known = {*picture.instruments, *(picture.lab.limits if picture.lab else ()), *_in_maintenance(picture.lab)}
    return tuple(_instrument(iid, picture, book, now, heard_now_s) for iid in sorted(known))


def readings_view(
    instrument: InstrumentPicture, now: datetime, speed: float = 1.0, heard_now_s: float | None = None
) -> tuple[Reading, ...]:
    """The telemetry of one instrument, in the order of its description.

    Args:
        instrument: what is known of it.
        now: the laboratory's time.
        speed: seconds of that in a second: a reading grows old by people's time.
        heard_now_s: the present on the monotonic clock of ``heard_s``, s: what a silent instrument told last is old,
            whenever that was.
    """
    gone = heard_now_s is not None and is_gone(instrument, heard_now_s)
    described = instrument.description.channels if instrument.description else {}
    names = [*described, *sorted(set(instrument.telemetry) - set(described))]
    return tuple(_reading(name, instrument, now, speed, gone=gone) for name in names)


def summary_of(views: tuple[InstrumentView, ...]) -> str:
    """How many there are in which state, in a line."""
    counts: dict[str, int] = {}
    for view in views:
        counts[view.standing.word] = counts.get(view.standing.word, 0) + 1
    parts = [f"{n} {word.lower()}" for word, n in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]
    return f"{words.counted(len(views), 'instrument')}: {', '.join(parts)}" if views else ""


def _instrument(iid: str, picture: LabPicture, book: Book, now: datetime, heard_now_s: float) -> InstrumentView:
    instrument = picture.instruments.get(iid)
    told = instrument.description if instrument else None
    lab = picture.lab
    gone = instrument is not None and is_gone(instrument, heard_now_s)
    service, work = _service(iid, lab, now), work_of(instrument, book, now, gone=gone)
    commands, notes = limits_of(told, lab.limits.get(iid) if lab else None, limited=bool(lab and lab.limits))
    return InstrumentView(
        iid=iid,
        identity=_identity(told),
        standing=_said_once(_standing(instrument, heard_now_s), service, work),
        service=service,
        work=work,
        queue=queue_of(iid, told, book, now),
        jobs=last_jobs(iid, instrument, book, now),
        abilities=tuple((name, command.summary) for name, command in told.commands.items()) if told else (),
        limits=commands,
        notes=notes,
        safety=_safety(told),
        channels=tuple(told.channels) if told else (),
    )


def _identity(told: Description | None) -> tuple[str, ...]:
    if told is None:
        return ("it has not said what it is",)
    serial = f"serial no. {told.serial}" if told.serial else ""
    at_once = f"up to {told.max_concurrency} jobs at once" if told.max_concurrency > 1 else ""
    return tuple(part for part in (words.label(told.kind), serial, told.driver, at_once) if part)


def _standing(instrument: InstrumentPicture | None, heard_now_s: float) -> Standing:
    status = instrument.status if instrument else None
    if instrument is None or status is None:
        return Standing("Never heard of", "bad", "?", "It is in the laboratory's limits, but not on the bus.")
    word, tone, sign = _PRESENCE[status.state]
    if status.state != "offline" and is_gone(instrument, heard_now_s):
        age = heard_now_s - (instrument.heard_s or 0.0)
        last = f"was {word.lower()}{f' ({status.message})' if status.message else ''}"
        text = f"Nothing heard for {words.duration(age)}: it {last}."
        return Standing("Silent", "bad", "?", text, stale=True)
    return Standing(word, tone, sign, status.message)


def is_gone(instrument: InstrumentPicture, heard_now_s: float) -> bool:
    """Whether an instrument is offline, or was not heard of in time: what it told last is no present.

    Args:
        instrument: what is known of it.
        heard_now_s: the present on the monotonic clock of ``heard_s``, s.
    """
    if instrument.status is not None and instrument.status.state == "offline":
        return True
    return instrument.heard_s is not None and heard_now_s - instrument.heard_s > STALE_S


def _said_once(standing: Standing, service: Service, work: tuple[Work, ...]) -> Standing:
    """Without a message that says only what stands beside it."""
    known = {one.experiment for one in work} - {""}
    if standing.stale or standing.text not in {*known, *([standing.text] if standing.text in service.text else [])}:
        return standing
    return replace(standing, text="")


def _service(iid: str, lab: Laboratory | None, now: datetime) -> Service:
    entry = lab.maintenance.get(iid) if lab else None
    if entry is None:
        return Service(out=False)
    since = f", {words.moment(entry.since, now)}" if entry.since else ""
    return Service(True, f"Taken out of service by {entry.by}{since}{f': {entry.reason}' if entry.reason else ''}")


def _in_maintenance(lab: Laboratory | None) -> tuple[str, ...]:
    return tuple(lab.maintenance) if lab else ()


def _safety(told: Description | None) -> str:
    if told is None:
        return ""
    if not told.safe_state:
        return "none needed: it neither heats nor moves."
    lease = f"for {words.duration(told.lease_s)}" if told.lease_s else "for too long"
    return f"{told.safe_state}; it goes there by itself when the agent is silent {lease}."


def _reading(name: str, instrument: InstrumentPicture, now: datetime, speed: float, *, gone: bool) -> Reading:
    told = instrument.description.channels.get(name) if instrument.description else None
    unit = told.unit if told else "1"
    title = shares.title(name, unit)
    readings = instrument.telemetry.get(name)
    summary = told.summary if told else ""
    if not readings:
        return Reading(name, title, summary, NO_VALUE, "nothing read yet", "", ())
    if shares.is_share(name, unit):
        unit, readings = "%", deque((at, 100.0 * one) for at, one in readings)
    last, value = readings[-1]
    usual = told.period_s if told and told.period_s else 0.0
    age = (now - last).total_seconds()
    low, high = min(point[1] for point in readings), max(point[1] for point in readings)
    length = words.duration((last - readings[0][0]).total_seconds())
    span = (
        f"{words.number(low)} to {words.with_unit(words.number(high), unit)} in {length}" if len(readings) > 1 else ""
    )
    return Reading(
        channel=name,
        title=title,
        summary=summary,
        value=words.with_unit(words.number(value), unit),
        span=span,
        age=f"read {words.duration(age)} ago" if gone or age > max(STALE_S * speed, 5.0 * usual) else "",
        points=tuple(((at - last).total_seconds(), one) for at, one in readings),
    )

"""Who decided what and when, and whether the record of it is whole, as the page of the people shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from agent.dashboard.views import words
from agent.dashboard.views.addresses import page_of
from agent.words import who

if TYPE_CHECKING:
    from agent.dashboard.live.picture import LabPicture
    from instruments.profile.agent_messages import Outcome
    from instruments.profile.laboratory import Laboratory
    from instruments.profile.questions import Entry, Verification

HASH_DIGITS = 12
Tone = Literal["good", "warn", "bad", "info", ""]
_VERDICTS: dict[str, tuple[str, Tone]] = {
    "approved": ("approved", "good"),
    "rejected": ("rejected", "bad"),
    "edited": ("edited", "info"),
    "expired": ("expired", "warn"),
    "withdrawn": ("taken back", ""),
}


@dataclass(frozen=True)
class DecisionLine:
    """What became of one proposal.

    Args:
        proposal: its id, with the revision where that is not the first.
        pid: its id.
        verdict: the end of it.
        tone: of that.
        by: who decided; empty where nobody did.
        at: when, by the laboratory's time.
        stamp: the same, whole.
        reason: why; may be empty.
        experiment: that it became; may be empty.
        page: of that; empty where it is not told any more.
        audit: hash of the record's entry.
    """

    proposal: str
    pid: str
    verdict: str
    tone: Tone
    by: str
    at: str
    stamp: str
    reason: str
    experiment: str
    page: str
    audit: str


@dataclass(frozen=True)
class EntryLine:
    """One entry of the record.

    Args:
        seq: its number.
        at: when it was written.
        stamp: the same, whole.
        kind: what happened, as programs call it.
        text: the same for people.
        by: who did it; may be empty.
        subject: what it is about; may be empty.
        page: of the dashboard about that; empty where there is none.
        hash: of the entry.
        signed: whether it holds a person's signed words.
    """

    seq: int
    at: str
    stamp: str
    kind: str
    text: str
    by: str
    subject: str
    page: str
    hash: str
    signed: bool


@dataclass(frozen=True)
class RecordView:
    """How the record stands.

    Args:
        entries: how many there are, for people.
        tip: hash of the last one; empty where there is none.
        word: whether it is whole.
        tone: of that.
        text: how that is known, when, and how far.
    """

    entries: str
    tip: str
    word: str
    tone: Tone
    text: str


@dataclass(frozen=True)
class Decisions:
    """Some decisions out of many, the latest first.

    Args:
        lines: those of one page.
        first: how many later ones there are.
        n: how many there are in all.
    """

    lines: tuple[DecisionLine, ...]
    first: int
    n: int


def decisions_view(picture: LabPicture, now: datetime, about: str = "", first: int = 0, most: int = 12) -> Decisions:
    """What became of proposals, the latest first.

    Args:
        picture: all that the broker has said.
        now: the laboratory's time.
        about: a person, a rule, a proposal or an experiment, whose decisions alone are wanted; empty for all.
        first: how many of the latest are passed over; the last page is given where there are not so many.
        most: of one page.
    """
    found = [outcome for outcome in picture.outcomes.values() if not about or about in _names(outcome)]
    found.sort(key=lambda outcome: (outcome.ts, outcome.proposal), reverse=True)
    first = max(min(first, len(found) - 1), 0) // most * most
    return Decisions(
        tuple(_decision(outcome, picture, now) for outcome in found[first : first + most]), first, len(found)
    )


def entries_view(entries: Iterable[Entry], picture: LabPicture, now: datetime) -> tuple[EntryLine, ...]:
    """Entries of the record as they came.

    Args:
        entries: of an answer.
        picture: all that the broker has said: what it knows of has a page.
        now: the laboratory's time.
    """
    return tuple(
        EntryLine(
            seq=entry.seq,
            at=words.clock(entry.at, now),
            stamp=words.stamp(entry.at),
            kind=entry.kind,
            text=entry.text,
            by=who(entry.by),
            subject=entry.subject,
            page=page_of(entry.subject, picture),
            hash=entry.hash,
            signed=entry.signed,
        )
        for entry in entries
    )


def record_view(lab: Laboratory | None, now: datetime) -> RecordView:
    """How the record stands, as the agent says.

    Args:
        lab: as it is told.
        now: the laboratory's time.
    """
    if lab is None:
        return RecordView("", "", "Not known", "", "The agent has not spoken of its record yet.")
    record = lab.record
    when = f"at {words.moment(record.verified_at, now)}" if record.verified_at else "at the agent's start"
    known: dict[bool | None, tuple[str, Tone, str]] = {
        None: ("Not checked yet", "warn", "Nobody has read it since the agent began."),
        True: ("Whole", "good", f"{_checked(record.verified_to)} {when}."),
        False: ("Damaged", "bad", f"Read {when}, and found not to be whole."),
    }
    word, tone, text = known[record.whole]
    entries = words.grouped(str(record.entries))
    more = record.text.strip().rstrip(".")
    told = f" {more[:1].upper()}{more[1:]}." if more and (record.verified_to or not record.whole) else ""
    return RecordView(entries, record.tip or "", word, tone, text + told)


def _checked(to: int) -> str:
    """How far the record was read; one that has only just begun has nothing to read."""
    return f"Read and checked up to entry {words.grouped(str(to))}" if to else "It began empty"


def verification_view(found: Verification) -> tuple[str, Tone, tuple[str, ...]]:
    """What reading the whole record gave: in a line, its tone, and what is wrong."""
    entries = words.counted(found.entries, "entry", "entries")
    signatures = words.counted(found.signatures, "signature")
    read = f"{entries} read, {signatures} judged again, in {words.duration(found.took_s)}"
    if found.whole:
        return f"The whole chain holds: {read}.", "good", found.faults
    return f"The record is not whole: {read}.", "bad", found.faults or ("The agent does not say where.",)


def _names(outcome: Outcome) -> frozenset[str]:
    rules = {name.removeprefix("policy:") for name in outcome.by}
    return frozenset({*outcome.by, *rules, outcome.proposal, outcome.experiment or ""}) - {""}


def _decision(outcome: Outcome, picture: LabPicture, now: datetime) -> DecisionLine:
    verdict, tone = _VERDICTS[outcome.verdict]
    revision = f", revision {outcome.revision}" if outcome.revision > 1 else ""
    return DecisionLine(
        proposal=f"{outcome.proposal}{revision}",
        pid=outcome.proposal,
        verdict=verdict,
        tone=tone,
        by=who(",".join(outcome.by)),
        at=words.clock(outcome.ts, now),
        stamp=words.stamp(outcome.ts),
        reason=outcome.reason,
        experiment=outcome.experiment or "",
        page=page_of(outcome.experiment or "", picture),
        audit=outcome.audit,
    )

"""What there is to say of a laboratory, whichever way it was found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

STALE_S = 30.0
"""Seconds after which a status counts as old (the instrument profile)."""

Life = Literal["running", "not running", "left", "unknown"]


@dataclass(frozen=True)
class AgentAnswer:
    """The agent.

    Args:
        life: ``left`` when it said goodbye, ``not running`` when it did not and is not there.
        evidence: how that is known, for people.
        mode: as it was started last.
        software: likewise.
        heard: lab time of the last that was heard of it; RFC 3339.
        age_s: how long that was ago, s, where the laboratory keeps people's time.
    """

    life: Life = "unknown"
    evidence: str = ""
    mode: str = ""
    software: str = ""
    heard: str = ""
    age_s: float | None = None


@dataclass(frozen=True)
class StopAnswer:
    """The laboratory's latching stop, while it holds."""

    by: str
    reason: str
    at: str


@dataclass(frozen=True)
class BestAnswer:
    """The best sample of a campaign: what was measured and its standard uncertainty, in ``unit``."""

    experiment: str
    what: str
    value: float
    std: float | None
    unit: str
    made_of: str = ""


@dataclass(frozen=True)
class CampaignAnswer:
    """Where a campaign stands.

    Args:
        used: experiments begun.
        budget: at most so many; None where it is not told.
        counts: proposals and experiments by state.
        age_s: of what is told here, s; None where it is read from the journal itself.
    """

    id: str
    name: str
    phase: str
    reason: str = ""
    by: str = ""
    used: int = 0
    budget: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    best: BestAnswer | None = None
    notes: tuple[str, ...] = ()
    age_s: float | None = None


@dataclass(frozen=True)
class InstrumentAnswer:
    """An instrument as it was last heard of; ``state`` is ``unknown`` where only the journal speaks of it."""

    id: str
    state: str = "unknown"
    kind: str = ""
    message: str = ""
    open_jobs: int = 0
    maintenance: str = ""
    heard: str = ""
    age_s: float | None = None


def together(recorded: InstrumentAnswer | None, heard: InstrumentAnswer | None) -> InstrumentAnswer | None:
    """What the record (people's word on it) and the broker (its own) say of one instrument, in one."""
    if recorded is None or heard is None:
        return recorded or heard
    state = recorded.state if recorded.maintenance else heard.state
    return replace(heard, state=state, maintenance=recorded.maintenance, open_jobs=recorded.open_jobs)


@dataclass(frozen=True)
class WaitingAnswer:
    """Something that waits for a person, and the command by which it goes on."""

    kind: Literal["proposal", "reconcile", "stop", "campaign", "maintenance"]
    id: str
    text: str
    command: str
    since: str = ""
    until: str = ""


@dataclass(frozen=True)
class LabAnswer:
    """Everything that ``labwright status`` says.

    Args:
        source: where it was read.
        lab: its name, where it is known.
        agent: whether it runs.
        stop: the stop, while it holds.
    """

    source: str
    lab: str
    agent: AgentAnswer
    stop: StopAnswer | None = None
    campaigns: tuple[CampaignAnswer, ...] = ()
    instruments: tuple[InstrumentAnswer, ...] = ()
    waiting: tuple[WaitingAnswer, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain form for ``--json``."""
        return asdict(self)


def ago(moment: datetime, now: datetime) -> float | None:
    """How long ago something was, s; None where it is in the future: another clock runs there."""
    seconds = (now - moment).total_seconds()
    return round(seconds, 1) if seconds >= -2.0 else None


def ahead_words(moment: datetime, now: datetime) -> str:
    """That something is said to come from the future, for people; empty where clocks agree well enough."""
    seconds = (moment - now).total_seconds()
    if seconds <= STALE_S:
        return ""
    lead = age_words(seconds).removesuffix(" ago")
    return f"its clock is {lead} ahead of this machine's"


def age_words(age_s: float | None) -> str:
    """An age for people, such as ``3 min ago``; empty where there is none."""
    if age_s is None:
        return ""
    seconds = max(age_s, 0.0)
    for limit, size, unit in ((90.0, 1.0, "s"), (5400.0, 60.0, "min"), (129_600.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds / 86_400:.0f} days ago"

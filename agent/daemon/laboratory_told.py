"""The laboratory as a whole, as the bus retains it: people, stop, maintenance, limits, record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent import core
from agent.daemon.steps_told import LINE, TEXT
from agent.identity import People
from agent.rules.bounds import Bound, Combination, numbered
from agent.rules.limits import Limits
from agent.rules.policy import ApprovalPolicy, AutoApprove
from agent.words import in_print
from instruments.profile.laboratory import (
    MAX_LIMITS,
    MAX_PEOPLE,
    InstrumentLimits,
    Laboratory,
    LimitLine,
    Maintenance,
    PersonEntry,
    RecordState,
    Stop,
)
from instruments.profile.questions import Verification

MAX_INSTRUMENTS = 256


@dataclass(frozen=True)
class Verified:
    """When the record was last followed entry by entry, and how far.

    Args:
        to: number of the last entry that was.
        at: lab time.
        whole: whether it was found whole.
        text: what was done and found, for people.
    """

    to: int
    at: datetime
    whole: bool = True
    text: str = "its chain of hashes was followed from the first entry to this one when the agent began to run"

    def then(self, found: Verification, at: datetime) -> Verified:
        """After a later look at all of it; where that found a fault, what was followed before stays said."""
        if not found.whole:
            return Verified(self.to, at, whole=False, text="; ".join(found.faults))
        words = f"every entry was read, and {found.signatures} signatures were judged again"
        return Verified(found.entries, at, text="; ".join((words, *found.faults)))


@dataclass(frozen=True)
class Record:
    """The journal as it stands: number and hash of its last entry, and how far it was followed."""

    entries: int
    tip: str
    verified: Verified

    def told(self) -> RecordState:
        """The same in a message."""
        seen = self.verified
        return RecordState(
            entries=self.entries, tip=self.tip if self.entries else None, verified_to=min(seen.to, self.entries),
            verified_at=seen.at, whole=seen.whole, text=seen.text[:TEXT],
        )  # fmt: skip


@dataclass(frozen=True)
class About:
    """Who tells.

    Args:
        agent: the agent's id.
        boot: of this run.
        software: name and version.
        speed: seconds of lab time in a second.
    """

    agent: str
    boot: str
    software: str
    speed: float = 1.0


def laboratory(
    about: About,
    rules: core.LabRules,
    lab: Mapping[str, Any],
    out: Iterable[Mapping[str, Any]],
    record: Record,
    *,
    seq: int,
    now: datetime,
    wall: datetime,
) -> Laboratory:
    """The message of the laboratory.

    Args:
        about: who tells.
        rules: what people fixed: keys, limits, policies.
        lab: the projection's one row of the laboratory; empty where there is none.
        out: rows of the instruments that somebody took out of service or put back.
        record: the journal.
        seq: orders the messages.
        now: the laboratory's time.
        wall: the machine's own time.

    Raises:
        ValueError: something of it cannot be said in a message.
    """
    return Laboratory(
        lab=rules.lab, agent=about.agent, boot_id=about.boot, seq=seq, ts=now, wall=wall, mode=rules.mode,
        software=about.software[:LINE], speed=about.speed, stop=_stop(lab), people=_people(rules.people),
        maintenance=_maintenance(out), limits_version=rules.limits.version[:LINE], limits=limits_told(rules.limits),
        record=record.told(), decided_by=_deciders(rules),
    )  # fmt: skip


def _stop(lab: Mapping[str, Any]) -> Stop | None:
    if not lab.get("stopped"):
        return None
    return Stop(by=_line(lab["stopped_by"]), reason=str(lab["stop_reason"] or "")[:TEXT], at=_time(lab["stopped_at"]))


def _people(people: object) -> tuple[PersonEntry, ...]:
    """Everybody, those whose keys were given up included: what they signed before stays theirs."""
    known = people if isinstance(people, People) else ()
    told = [
        PersonEntry(name=p.name, role=p.role.value, kid=p.key.kid, x=p.key.x, revoked=p.revoked) for p in known
    ]  # fmt: skip
    return tuple(sorted(told, key=lambda one: (one.name, one.revoked is not None, one.kid))[:MAX_PEOPLE])


def _maintenance(out: Iterable[Mapping[str, Any]]) -> dict[str, Maintenance]:
    told = {
        str(row["instrument"]): Maintenance(
            by=_line(row["by"]), reason=str(row["reason"] or "")[:TEXT], since=_time(row["since"])
        )
        for row in out
        if row["maintenance"]
    }
    return dict(sorted(told.items())[:MAX_INSTRUMENTS])


def _deciders(rules: core.LabRules) -> tuple[str, ...]:
    """Rules that approve in nobody's stead, of all campaigns."""
    found: dict[str, None] = {}
    for own in rules.campaigns.values():
        if isinstance(own.policy, AutoApprove):
            found[own.policy.by] = None
        elif isinstance(own.policy, ApprovalPolicy) and own.policy.auto is not None:
            found[f"policy:{own.policy.auto.name}"] = None
    return tuple(found)[:64]


def _time(stored: object) -> datetime | None:
    return datetime.fromisoformat(str(stored)) if stored else None


def _line(words: object) -> str:
    return str(words or "")[:LINE]


# ---- Limits


def limits_told(limits: Limits) -> dict[str, InstrumentLimits]:
    """What may be ordered of each instrument, as people read it; nothing where there are no limits at all."""
    return {iid: _of_instrument(limits, iid) for iid in sorted(limits.instruments)[:MAX_INSTRUMENTS]}


def _of_instrument(limits: Limits, iid: str) -> InstrumentLimits:
    allowed = limits.instruments[iid]
    tables = [table for table in (limits.kinds.get(allowed.kind), allowed.commands) if table]
    commands = [c for c in (tables[0] if tables else ()) if all(c in table for table in tables)]
    lines: dict[LimitLine, None] = {}
    for command in commands:
        bounds = (pair for table in tables for pair in table[command].items())
        lines |= {_bounded(command, name, bound): None for name, bound in bounds}
        rules = (rule for rule in limits.rules if rule.concerns(allowed.kind, iid, command))
        lines |= {_combined(rule): None for rule in rules}
    told = tuple(lines)
    if len(told) > MAX_LIMITS:
        more = LimitLine(text=f"and {len(told) - MAX_LIMITS + 1} more limits: see the laboratory's file")
        told = (*told[: MAX_LIMITS - 1], more)
    return InstrumentLimits(commands=tuple(commands[:MAX_LIMITS]), limits=told)


def _bounded(command: str, name: str, bound: Bound) -> LimitLine:
    return LimitLine(
        command=command, parameter=name, low=_finite(bound.low), high=_finite(bound.high), unit=bound.unit or "1",
        text=in_print(f"{name} {_bound_words(bound)}")[:LINE],
    )  # fmt: skip


def _combined(rule: Combination) -> LimitLine:
    line = _bounded(rule.command, rule.parameter, rule.bound)
    return line.model_copy(update={"text": f"{line.text} for {in_print(rule.words)}"[:LINE]})


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _bound_words(bound: Bound) -> str:
    return ", ".join(_words(bound)) or "any"


def _words(bound: Bound) -> Iterator[str]:
    low, high = _finite(bound.low), _finite(bound.high)
    if bound.options:
        yield f"one of {', '.join(bound.options)}"
    elif low is not None and high is not None:
        yield f"{low:.10g} to {numbered(high, bound.unit)}"
    elif low is not None:
        yield f"at least {numbered(low, bound.unit)}"
    elif high is not None:
        yield f"at most {numbered(high, bound.unit)}"
    elif bound.unit:
        yield f"any value in {bound.unit}"
    if bound.optional:
        yield "may be left out"

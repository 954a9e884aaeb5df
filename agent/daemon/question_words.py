"""Every entry of the record in words, with who did it and what it is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from agent import core
from agent import events as ev
from agent.daemon.telling import told
from agent.journal import Stored
from agent.words import in_print
from instruments.profile.questions import Entry

_TEXT, _LINE = 2000, 200
_NAMING = ("campaign", "proposal", "experiment", "sample", "instrument", "subject")
"""Fields of events that say what they are about."""
_FIRST = ("experiment", "proposal", "sample", "instrument", "subject", "campaign")
"""Likewise, the closest first."""
_NOTHING = core.LabState()
_UNPRINTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_E = TypeVar("_E")
_WORDS: dict[type, Callable[[Any], str]] = {}


def entry_of(stored: Stored) -> Entry:
    """An entry as it is told to people."""
    event = stored.event
    return Entry(
        seq=stored.seq, at=stored.at, kind=event.kind, text=_UNPRINTED.sub(_UNKNOWN, words_of(event))[:_TEXT],
        by=by_of(event)[:_LINE], subject=subject_of(event)[:_LINE], hash=stored.hash, signed=signed(event),
    )  # fmt: skip


def words_of(event: ev.Event) -> str:
    """What happened, for people."""
    words = _WORDS.get(type(event))
    if words is not None:
        return in_print(words(event))
    of_the_bus = told(event, _NOTHING)
    return of_the_bus.text if of_the_bus is not None else event.kind.replace(".", " ")


def by_of(event: ev.Event) -> str:
    """Who did it; empty where nobody did, or where it is only pretended, as of what was refused."""
    return str(getattr(event, "by", ""))


def subject_of(event: ev.Event) -> str:
    """What it is about; empty where that is the laboratory."""
    return next((str(value) for name in _FIRST if (value := getattr(event, name, ""))), "")


def names_of(event: ev.Event) -> frozenset[str]:
    """Everything and everybody that an event names: who asks after one of them is shown it."""
    things = {str(value) for name in _NAMING if (value := getattr(event, name, ""))}
    people = {*by_of(event).split(","), str(getattr(event, "user", ""))}
    return frozenset(things | people) - {""}


def signed(event: ev.Event) -> bool:
    """Whether a person's signed words are in it; those that were refused prove nothing."""
    return bool(getattr(event, "envelope", "")) and not isinstance(event, ev.EnvelopeRefused)


def _of(kind: type[_E]) -> Callable[[Callable[[_E], str]], None]:
    def register(words: Callable[[_E], str]) -> None:
        _WORDS[kind] = words

    return register


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


# ---- What nobody is told on the bus, or is told in other words there


@_of(ev.AgentStopped)
def _(event: ev.AgentStopped) -> str:
    return f"the agent took its leave: {event.reason}"


@_of(ev.RequestAccepted)
def _(event: ev.RequestAccepted) -> str:
    about = f" {event.subject}" if event.subject else ""
    return f"{event.by} asked to {event.action.replace('_', ' ').replace('.', ' ')}{about}{_because(event.comment)}"


@_of(ev.RefusalsSkipped)
def _(event: ev.RefusalsSkipped) -> str:
    whose = "nobody that is known here" if event.user == "?" else event.user
    return f"{event.count} more envelopes of {whose} were refused, and only counted"


@_of(ev.ProposalMade)
def _(event: ev.ProposalMade) -> str:
    waits = "waits for a decision" if event.terms is not None else "is proposed"
    return f"{event.proposal} {waits}: {event.design.formula}, from {event.pool}, round {event.round}"


@_of(ev.VoteCast)
def _(event: ev.VoteCast) -> str:
    said = f"{event.by} approved {event.proposal}, revision {event.revision}; more have to"
    return f"{said}{_because(event.comment)}"


@_of(ev.ProposalRevised)
def _(event: ev.ProposalRevised) -> str:
    changes = ", ".join(f"{path} = {_value(value)}" for path, value in event.changes.items())
    return (
        f"{event.by} edited {event.proposal}, now revision {event.terms.revision}: {changes}{_because(event.comment)}"
    )


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"


@_of(ev.StepAccepted)
def _(event: ev.StepAccepted) -> str:
    return f"{event.experiment}: the instrument took the order"


@_of(ev.StepShadowed)
def _(event: ev.StepShadowed) -> str:
    return f"{event.experiment}: {event.command} would have been ordered from {event.instrument}"


@_of(ev.StepEnded)
def _(event: ev.StepEnded) -> str:
    because = _listed(event.found) if event.state == "succeeded" else event.error
    return f"{event.experiment}: {event.step} {event.state}{_because(because)}"


def _listed(found: Mapping[str, ev.Reading]) -> str:
    return ", ".join(_found(name, *reading) for name, reading in sorted(found.items()))


def _found(name: str, value: float, std: float) -> str:
    return f"{name.replace('_', ' ')} {value:.4g} ± {std:.2g}"


@_of(ev.DispatchHeld)
def _(event: ev.DispatchHeld) -> str:
    return f"{event.experiment} waits: {event.reason}" if event.code else f"{event.experiment} waits no longer"


@_of(ev.ImageRead)
def _(event: ev.ImageRead) -> str:
    if not event.accepted:
        return f"{event.experiment}: image refused, {event.reason}"
    grains = f", {_found('grain size', *event.grain_size)} um" if event.grain_size else ""
    classed = f", {event.microstructure}" if event.microstructure else ""
    return f"{event.experiment}: image read, {event.n_grains} grains{grains}{classed}"


@_of(ev.SampleMoved)
def _(event: ev.SampleMoved) -> str:
    return f"{event.by} put the sample {event.sample} to {event.place}{_because(event.reason)}"


@_of(ev.ResultAmended)
def _(event: ev.ResultAmended) -> str:
    return f"{event.by} corrected the result of {event.experiment} to {_listed(event.found)}{_because(event.reason)}"


@_of(ev.ResultRetracted)
def _(event: ev.ResultRetracted) -> str:
    return f"{event.by} took back the result of {event.experiment}{_because(event.reason)}"


@_of(ev.LabCleared)
def _(event: ev.LabCleared) -> str:
    return f"the stop was cleared by {event.by}{_because(event.reason)}"


@_of(ev.MaintenanceSet)
def _(event: ev.MaintenanceSet) -> str:
    state = "out of service" if event.on else "back in service"
    return f"{event.instrument} is {state}, by {event.by}{_because(event.reason)}"

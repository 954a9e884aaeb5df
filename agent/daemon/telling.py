"""Events in words, for whoever watches the agent on the bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from agent import core
from agent import events as ev
from agent.words import in_print, who
from instruments.profile.agent_messages import Reference

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Told:
    """One event for people: how much attention it needs, words, what it is about."""

    level: Level
    text: str
    reference: Reference | None = None


_E = TypeVar("_E")
_Words = Callable[[Any, core.LabState], Told | None]
_WORDS: dict[type, _Words] = {}


def told(event: ev.Event, state: core.LabState) -> Told | None:
    """What is said of an event; None for what nobody watches for."""
    words = _WORDS.get(type(event))
    said = words(event, state) if words is not None else None
    return said and replace(said, text=in_print(said.text))


def _of(kind: type[_E]) -> Callable[[Callable[[_E, core.LabState], Told | None]], None]:
    def register(words: Callable[[_E, core.LabState], Told | None]) -> None:
        _WORDS[kind] = words

    return register


# ---- Experiments


@_of(ev.ExperimentQueued)
def _(event: ev.ExperimentQueued, _state: core.LabState) -> Told:
    return Told("info", f"{event.experiment} is queued, from {event.proposal}", _experiment(event.experiment))


@_of(ev.StepDispatched)
def _(event: ev.StepDispatched, _state: core.LabState) -> Told:
    words = f"{event.experiment}: {event.command} ordered from {event.instrument}"
    return Told("info", words, _experiment(event.experiment))


@_of(ev.StepEnded)
def _(event: ev.StepEnded, _state: core.LabState) -> Told | None:
    if event.state == "succeeded":
        return None
    words = f"{event.experiment}: {event.step} {event.state}, {event.error}"
    return Told("warning", words, _experiment(event.experiment))


@_of(ev.ImageRead)
def _(event: ev.ImageRead, _state: core.LabState) -> Told | None:
    if event.accepted:
        return None
    return Told("warning", f"{event.experiment}: image refused, {event.reason}", _experiment(event.experiment))


@_of(ev.ReconcileNeeded)
def _(event: ev.ReconcileNeeded, _state: core.LabState) -> Told:
    words = f"{event.experiment}: nobody knows what became of an order at {event.instrument}; a person must look"
    return Told("error", words, _experiment(event.experiment))


@_of(ev.Reconciled)
def _(event: ev.Reconciled, _state: core.LabState) -> Told:
    return Told("info", f"{event.experiment}: {event.by} looked: {event.verdict}", _experiment(event.experiment))


@_of(ev.DispatchRefused)
def _(event: ev.DispatchRefused, _state: core.LabState) -> Told:
    return Told("error", f"{event.experiment}: refused: {'; '.join(event.reasons)}", _experiment(event.experiment))


@_of(ev.DispatchHeld)
def _(event: ev.DispatchHeld, _state: core.LabState) -> Told | None:
    if not event.code:
        return None
    # An instrument that works on something else is the rule, not a trouble.
    level: Level = "info" if event.code == "instrument_busy" else "warning"
    return Told(level, f"{event.experiment} waits: {event.reason}", _experiment(event.experiment))


@_of(ev.ResultAmended)
def _(event: ev.ResultAmended, _state: core.LabState) -> Told:
    words = f"{event.by} corrected the result of {event.experiment}"
    return Told("warning", words, _experiment(event.experiment))


@_of(ev.ResultRetracted)
def _(event: ev.ResultRetracted, _state: core.LabState) -> Told:
    words = f"{event.by} took back the result of {event.experiment}"
    return Told("warning", words, _experiment(event.experiment))


@_of(ev.ExperimentEnded)
def _(event: ev.ExperimentEnded, state: core.LabState) -> Told:
    found = ", ".join(f"{name} {value:.3g} ± {std:.2g}" for name, (value, std) in sorted(event.found.items()))
    words = f"{event.experiment} {event.outcome.replace('_', ' ')}: {found or event.reason}"
    experiment = state.experiments.get(event.experiment)
    if experiment is not None:
        words += f" ({state.proposals[experiment.proposal].formula})"
    return Told("info" if event.outcome == "completed" else "warning", words, _experiment(event.experiment))


# ---- Proposals


@_of(ev.ProposalMade)
def _(event: ev.ProposalMade, _state: core.LabState) -> Told | None:
    if event.terms is None:
        return None
    words = f"{event.proposal} waits for a decision: {event.design.formula}"
    return Told("info", words, _proposal(event.proposal))


@_of(ev.ProposalRefused)
def _(event: ev.ProposalRefused, _state: core.LabState) -> Told:
    words = f"the limits refused a design: {event.design.formula}: {'; '.join(event.reasons)}"
    return Told("warning", words, _campaign(event.campaign))


@_of(ev.VoteCast)
def _(event: ev.VoteCast, _state: core.LabState) -> Told:
    return Told("info", f"{event.by} approved {event.proposal}; more have to", _proposal(event.proposal))


@_of(ev.ProposalRevised)
def _(event: ev.ProposalRevised, _state: core.LabState) -> Told:
    words = f"{event.by} edited {event.proposal}: revision {event.terms.revision}"
    return Told("info", words, _proposal(event.proposal))


@_of(ev.ProposalDecided)
def _(event: ev.ProposalDecided, _state: core.LabState) -> Told:
    by = f" by {who(event.by)}" if event.by else ""
    words = f"{event.proposal} {event.verdict}{by}: {event.reason}".rstrip(": ")
    return Told("info", words, _proposal(event.proposal))


# ---- Campaigns


@_of(ev.CampaignCreated)
def _(event: ev.CampaignCreated, _state: core.LabState) -> Told:
    return Told("info", f"{event.campaign} began: {event.name}", _campaign(event.campaign))


@_of(ev.CampaignPhaseChanged)
def _(event: ev.CampaignPhaseChanged, _state: core.LabState) -> Told:
    words = f"{event.campaign} is {event.phase}, by {who(event.by)}: {event.reason}".rstrip(": ")
    return Told("warning" if event.phase != "running" else "info", words, _campaign(event.campaign))


@_of(ev.CampaignChanged)
def _(event: ev.CampaignChanged, _state: core.LabState) -> Told:
    return Told("info", f"{event.campaign} was changed by {who(event.by)}: {event.reason}", _campaign(event.campaign))


@_of(ev.RoundPlanned)
def _(event: ev.RoundPlanned, _state: core.LabState) -> Told:
    words = f"{event.campaign}: round {event.round} is planned, of {sum(event.candidates.values())} candidates"
    return Told("info", words, _campaign(event.campaign))


@_of(ev.PlanFailed)
def _(event: ev.PlanFailed, _state: core.LabState) -> Told:
    return Told("error", f"{event.campaign}: the planner failed: {event.reason}", _campaign(event.campaign))


@_of(ev.CampaignEnded)
def _(event: ev.CampaignEnded, _state: core.LabState) -> Told:
    return Told("info", f"{event.campaign} is over: {event.reason}", _campaign(event.campaign))


# ---- The laboratory


@_of(ev.LabStopped)
def _(event: ev.LabStopped, _state: core.LabState) -> Told:
    return Told("error", f"the laboratory was stopped by {who(event.by)}: {event.reason}")


@_of(ev.LabCleared)
def _(event: ev.LabCleared, _state: core.LabState) -> Told:
    return Told("warning", f"the stop was cleared by {event.by}")


@_of(ev.LabChanged)
def _(event: ev.LabChanged, _state: core.LabState) -> Told:
    return Told("warning", f"the laboratory's rules were changed by {who(event.by)}: {event.words}")


@_of(ev.MaintenanceSet)
def _(event: ev.MaintenanceSet, _state: core.LabState) -> Told:
    words = f"{event.instrument} is {'out of service' if event.on else 'back in service'}, by {event.by}"
    return Told("warning", words, Reference(kind="instrument", id=event.instrument))


@_of(ev.EnvelopeRefused)
def _(event: ev.EnvelopeRefused, _state: core.LabState) -> Told:
    words = f"a {event.what} of {event.user} on {event.subject} was refused: {event.code}: {event.message}"
    return Told("warning", words)


@_of(ev.AgentStarted)
def _(event: ev.AgentStarted, _state: core.LabState) -> Told:
    return Told("info", f"the agent began to run, {event.mode}: {event.software}")


def _experiment(eid: str) -> Reference:
    return Reference(kind="experiment", id=eid)


def _proposal(pid: str) -> Reference:
    return Reference(kind="proposal", id=pid)


def _campaign(cid: str) -> Reference:
    return Reference(kind="campaign", id=cid)

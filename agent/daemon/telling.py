"""Events in words, for whoever watches the agent on the bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent import core
from agent import events as ev
from instruments.profile.agent_messages import Reference

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Told:
    """One event for people: how much attention it needs, words, what it is about."""

    level: Level
    text: str
    reference: Reference | None = None


def told(event: ev.Event, state: core.LabState) -> Told | None:
    """What is said of an event; None for what nobody watches for."""
    return _of_experiments(event, state) or _of_proposals(event) or _of_campaigns(event) or _of_lab(event)


def _of_experiments(event: ev.Event, state: core.LabState) -> Told | None:
    if isinstance(event, ev.ExperimentQueued):
        return Told("info", f"{event.experiment} is queued, from {event.proposal}", _experiment(event.experiment))
    if isinstance(event, ev.StepDispatched):
        words = f"{event.experiment}: {event.command} ordered from {event.instrument}"
        return Told("info", words, _experiment(event.experiment))
    if isinstance(event, ev.StepEnded) and event.state != "succeeded":
        return Told(
            "warning", f"{event.experiment}: {event.step} {event.state}, {event.error}", _experiment(event.experiment)
        )
    if isinstance(event, ev.ImageRead) and not event.accepted:
        return Told("warning", f"{event.experiment}: image refused, {event.reason}", _experiment(event.experiment))
    if isinstance(event, ev.ReconcileNeeded):
        words = f"{event.experiment}: nobody knows what became of an order at {event.instrument}; a person must look"
        return Told("error", words, _experiment(event.experiment))
    if isinstance(event, ev.Reconciled):
        return Told("info", f"{event.experiment}: {event.by} looked: {event.verdict}", _experiment(event.experiment))
    if isinstance(event, ev.DispatchRefused):
        return Told("error", f"{event.experiment}: refused: {'; '.join(event.reasons)}", _experiment(event.experiment))
    if isinstance(event, ev.DispatchHeld) and event.code:
        return Told("warning", f"{event.experiment} waits: {event.reason}", _experiment(event.experiment))
    if isinstance(event, ev.ExperimentEnded):
        return _ended(event, state)
    if isinstance(event, ev.ResultAmended | ev.ResultRetracted):
        verb = "corrected" if isinstance(event, ev.ResultAmended) else "took back"
        return Told("warning", f"{event.by} {verb} the result of {event.experiment}", _experiment(event.experiment))
    return None


def _ended(event: ev.ExperimentEnded, state: core.LabState) -> Told:
    found = ", ".join(f"{name} {value:.3g} ± {std:.2g}" for name, (value, std) in sorted(event.found.items()))
    words = f"{event.experiment} {event.outcome.replace('_', ' ')}: {found or event.reason}"
    experiment = state.experiments.get(event.experiment)
    if experiment is not None:
        words += f" ({state.proposals[experiment.proposal].formula})"
    return Told("info" if event.outcome == "completed" else "warning", words, _experiment(event.experiment))


def _of_proposals(event: ev.Event) -> Told | None:
    if isinstance(event, ev.ProposalMade) and event.terms is not None:
        words = f"{event.proposal} waits for a decision: {event.design.formula}"
        return Told("info", words, _proposal(event.proposal))
    if isinstance(event, ev.ProposalRefused):
        words = f"the limits refused a design: {event.design.formula}: {'; '.join(event.reasons)}"
        return Told("warning", words, Reference(kind="campaign", id=event.campaign))
    if isinstance(event, ev.VoteCast):
        return Told("info", f"{event.by} approved {event.proposal}; more have to", _proposal(event.proposal))
    if isinstance(event, ev.ProposalRevised):
        words = f"{event.by} edited {event.proposal}: revision {event.terms.revision}"
        return Told("info", words, _proposal(event.proposal))
    if isinstance(event, ev.ProposalDecided):
        by = f" by {event.by}" if event.by else ""
        return Told(
            "info", f"{event.proposal} {event.verdict}{by}: {event.reason}".rstrip(": "), _proposal(event.proposal)
        )
    return None


def _of_campaigns(event: ev.Event) -> Told | None:
    if isinstance(event, ev.CampaignCreated):
        return Told("info", f"{event.campaign} began: {event.name}", _campaign(event.campaign))
    if isinstance(event, ev.CampaignPhaseChanged):
        words = f"{event.campaign} is {event.phase}, by {event.by}: {event.reason}".rstrip(": ")
        return Told("warning" if event.phase != "running" else "info", words, _campaign(event.campaign))
    if isinstance(event, ev.CampaignChanged):
        return Told("info", f"{event.campaign} was changed by {event.by}: {event.reason}", _campaign(event.campaign))
    if isinstance(event, ev.RoundPlanned):
        words = f"{event.campaign}: round {event.round} is planned, of {sum(event.candidates.values())} candidates"
        return Told("info", words, _campaign(event.campaign))
    if isinstance(event, ev.PlanFailed):
        return Told("error", f"{event.campaign}: the planner failed: {event.reason}", _campaign(event.campaign))
    if isinstance(event, ev.CampaignEnded):
        return Told("info", f"{event.campaign} is over: {event.reason}", _campaign(event.campaign))
    return None


def _of_lab(event: ev.Event) -> Told | None:
    if isinstance(event, ev.LabStopped):
        return Told("error", f"the laboratory was stopped by {event.by}: {event.reason}")
    if isinstance(event, ev.LabCleared):
        return Told("warning", f"the stop was cleared by {event.by}")
    if isinstance(event, ev.LabChanged):
        return Told("warning", f"the laboratory's rules were changed by {event.by}: {event.words}")
    if isinstance(event, ev.MaintenanceSet):
        state = "out of service" if event.on else "back in service"
        words = f"{event.instrument} is {state}, by {event.by}"
        return Told("warning", words, Reference(kind="instrument", id=event.instrument))
    if isinstance(event, ev.EnvelopeRefused):
        words = f"a {event.what} of {event.user} on {event.subject} was refused: {event.code}: {event.message}"
        return Told("warning", words)
    if isinstance(event, ev.AgentStarted):
        return Told("info", f"the agent began to run, {event.mode}: {event.software}")
    return None


def _experiment(eid: str) -> Reference:
    return Reference(kind="experiment", id=eid)


def _proposal(pid: str) -> Reference:
    return Reference(kind="proposal", id=pid)


def _campaign(cid: str) -> Reference:
    return Reference(kind="campaign", id=cid)

"""What a person who decided or asked for something is answered: what happened, in words."""

from __future__ import annotations

from agent import core
from agent import events as ev
from agent.words import who

_SHOWN = 8
"""Most sentences of an answer."""


def in_words(decided: core.Decided) -> str:
    """What came of a decision or a request that counted."""
    found: list[str] = []
    asked = ""
    for event in decided.events:
        if isinstance(event, ev.RequestAccepted):
            asked = f"{event.action} {event.subject}".strip()
        elif isinstance(event, ev.LabStopped):
            found.append(_stopped(decided))
        elif words := _of_asking(event) or _of_deciding(event):
            found.append(words)
    return "; ".join(found[:_SHOWN]) or asked or "nothing had to be changed"


def _stopped(decided: core.Decided) -> str:
    jobs = sum(effect.kind == "cancel" for effect in decided.effects)
    ended = {0: "", 1: ", and an instrument is asked to end the one job under way"}.get(
        jobs, f", and instruments are asked to end the {jobs} jobs under way"
    )
    return f"everything is stopped: nothing is ordered until somebody says labwright clear{ended}"


def _of_deciding(event: ev.Event) -> str:
    match event:
        case ev.VoteCast():
            return f"{event.proposal}: {event.by} approved; further approval is needed"
        case ev.ProposalDecided():
            return f"{event.proposal} {event.verdict} by {who(event.by)}"
        case ev.ProposalRevised():
            return f"{event.proposal} is now revision {event.terms.revision}: it waits for a decision"
        case ev.ExperimentQueued():
            return f"experiment {event.experiment} is queued"
    return ""


def _of_asking(event: ev.Event) -> str:
    words = ""
    match event:
        case ev.LabCleared():
            words = "the stop is cleared: the laboratory goes on"
        case ev.CampaignPhaseChanged():
            words = f"{event.campaign} is {event.phase}"
        case ev.MaintenanceSet():
            service = "out of service: nothing is ordered of it" if event.on else "in service again"
            words = f"{event.instrument} is {service}"
        case ev.Reconciled(verdict="again"):
            words = f"{event.experiment} goes on: its step is ordered again"
        case ev.Reconciled():
            words = f"{event.experiment} is given up"
        case ev.ResultAmended():
            values = ", ".join(f"{name} {value:.4g} ± {std:.2g}" for name, (value, std) in event.found.items())
            words = f"the result of {event.experiment} is {values} now"
        case ev.ResultRetracted():
            words = f"the result of {event.experiment} is taken back: the models no longer learn from it"
        case ev.SampleMoved():
            words = f"{event.sample} is at {event.place} now"
    return words

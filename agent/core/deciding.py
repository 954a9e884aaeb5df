"""The way in: each message goes to the part of the core that it is about. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from agent import events as ev
from agent.core import approving, asking, experimenting, proposing
from agent.core.messages import (
    Decided,
    DecisionArrived,
    Dispatching,
    Effect,
    Holding,
    Lost,
    Message,
    Planned,
    RequestArrived,
    Settled,
    Tick,
)
from agent.core.state import LabRules, LabState


def decide(state: LabState, message: Message, rules: LabRules, now: datetime) -> Decided:
    """What follows from a message; nothing when it is late, repeated or for something that is not open.

    Args:
        state: as the journal tells it.
        message: what came.
        rules: what people fixed.
        now: the laboratory's time.
    """
    known = _known_campaign(state, message, rules)
    if not known:
        return Decided()
    return _of_people(state, message, rules, now) or _of_work(state, message, rules, now) or _of_lab(state, message)


def _known_campaign(state: LabState, message: Message, rules: LabRules) -> bool:
    """Whether the rules of the campaign that a message is about are at hand: without them nothing of it moves."""
    if isinstance(message, Planned):
        return message.round.campaign in rules.campaigns
    experiment = getattr(message, "experiment", None)
    if experiment is not None:
        found = state.experiments.get(experiment)
        # That nobody knows of a job can be said all the same: a person must look.
        return found is not None and (found.campaign in rules.campaigns or isinstance(message, Lost))
    if isinstance(message, DecisionArrived) and message.proposal in state.proposals:
        return state.proposals[message.proposal].campaign in rules.campaigns
    return True


def _of_people(state: LabState, message: Message, rules: LabRules, now: datetime) -> Decided | None:
    if isinstance(message, DecisionArrived):
        return approving.on_decision(state, message, rules, now)
    if isinstance(message, RequestArrived):
        return asking.on_request(state, message, rules, now)
    if isinstance(message, Tick):
        return proposing.on_tick(state, message, rules, now)
    return None


def _of_work(state: LabState, message: Message, rules: LabRules, now: datetime) -> Decided | None:
    part = _WORK.get(type(message))
    return part(state, message, rules, now) if part is not None else None


_Part = Callable[[LabState, Any, LabRules, datetime], Decided]
_WORK: dict[type, _Part] = {
    Planned: proposing.on_planned,
    Dispatching: experimenting.on_dispatching,
    ev.StepAccepted: lambda state, message, _rules, _now: experimenting.on_step_accepted(state, message),
    ev.StepEnded: lambda state, message, rules, _now: experimenting.on_step_ended(state, message, rules),
    ev.ImageRead: lambda state, message, rules, _now: experimenting.on_image_read(state, message, rules),
    Holding: lambda state, message, _rules, _now: experimenting.on_holding(state, message),
    Lost: lambda state, message, _rules, _now: experimenting.on_lost(state, message),
    Settled: lambda state, message, rules, _now: experimenting.on_settled(state, message, rules),
    ev.PlanFailed: lambda state, message, _rules, _now: proposing.on_plan_failed(state, message),
    ev.CampaignChanged: lambda state, message, rules, _now: proposing.on_changed(state, message, rules),
}


def _of_lab(state: LabState, message: Message) -> Decided:
    if isinstance(message, ev.CampaignCreated):
        new = message.campaign not in state.campaigns
        return Decided([message], [Effect("campaign", message.campaign)]) if new else Decided()
    if isinstance(message, ev.CampaignPhaseChanged):
        known = message.campaign in state.campaigns
        return Decided([message], [Effect("campaign", message.campaign)]) if known else Decided()
    if isinstance(message, ev.LabStopped):
        cancels = [Effect("cancel", job) for job in state.jobs]
        return Decided([message], [*cancels, *(Effect("campaign", c) for c in state.campaigns)])
    if isinstance(message, ev.AgentStarted | ev.AgentStopped | ev.LabChanged):
        return Decided([message])
    return Decided()

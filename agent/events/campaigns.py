"""Events of a campaign's own life."""

from __future__ import annotations

from typing import Literal

from agent.events.base import CAMPAIGN, EventModel


class CampaignCreated(EventModel):
    """A campaign began, with everything that defines it."""

    kind: Literal["campaign.created"] = "campaign.created"
    campaign: str = CAMPAIGN
    name: str
    config: dict[str, object]
    space_version: str
    software: str


class CampaignChanged(EventModel):
    """What a person fixed about a campaign was changed by a person: budget, priority, policy."""

    kind: Literal["campaign.changed"] = "campaign.changed"
    campaign: str
    config: dict[str, object]
    by: str
    reason: str


class CampaignPhaseChanged(EventModel):
    """A campaign was paused, resumed or stopped; ``stopped`` latches until a named person clears it."""

    kind: Literal["campaign.phase"] = "campaign.phase"
    campaign: str
    phase: Literal["running", "paused", "stopping", "stopped"]
    by: str
    reason: str


class RoundPlanned(EventModel):
    """The planner answered: how many candidates each pool gave, and where the learning policy's state is kept.

    ``notes`` say what went worse than it should, such as a model that could not be fitted. ``effects`` are those of
    each factor on the objective by the models, averaged over what was made, each in the plain form of
    ``instruments.profile.model_messages.FactorEffect``; events from before there were any hold none.
    """

    kind: Literal["round.planned"] = "round.planned"
    campaign: str = CAMPAIGN
    round: int
    candidates: dict[str, int]
    checkpoint: str = ""
    notes: tuple[str, ...] = ()
    effects: tuple[dict[str, object], ...] = ()


class PlanFailed(EventModel):
    """The planner could not answer."""

    kind: Literal["plan.failed"] = "plan.failed"
    campaign: str
    round: int
    reason: str


class CampaignEnded(EventModel):
    """The campaign is over, and why."""

    kind: Literal["campaign.ended"] = "campaign.ended"
    campaign: str = CAMPAIGN
    reason: str

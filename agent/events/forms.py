"""How stored events are read: all kinds of one type, and older forms brought to this release's.

A stored event carries the version of its form (``v``); ``LIFTS`` make the next version's form of an older one. A new
field with a default needs no new version: what was written before it reads as the default.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from agent.events import campaigns, experiments, lab, proposals

Event = Annotated[
    lab.AgentStarted
    | lab.AgentStopped
    | lab.LabStopped
    | lab.LabCleared
    | lab.LabChanged
    | lab.MaintenanceSet
    | lab.RequestAccepted
    | lab.EnvelopeRefused
    | lab.RefusalsSkipped
    | campaigns.CampaignCreated
    | campaigns.CampaignChanged
    | campaigns.CampaignPhaseChanged
    | campaigns.RoundPlanned
    | campaigns.PlanFailed
    | campaigns.CampaignEnded
    | proposals.ProposalMade
    | proposals.ProposalRefused
    | proposals.VoteCast
    | proposals.ProposalRevised
    | proposals.ProposalDecided
    | experiments.ExperimentQueued
    | experiments.StepDispatched
    | experiments.StepAccepted
    | experiments.StepShadowed
    | experiments.DispatchHeld
    | experiments.DispatchRefused
    | experiments.StepEnded
    | experiments.ReconcileNeeded
    | experiments.Reconciled
    | experiments.ImageRead
    | experiments.ExperimentEnded
    | experiments.ResultAmended
    | experiments.ResultRetracted
    | experiments.SampleMoved,
    Field(discriminator="kind"),
]

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)

Lift = Callable[[dict[str, Any]], dict[str, Any]]
LIFTS: dict[tuple[str, int], Lift] = {
    ("step.ended", 1): experiments.lift_step,
    ("image.read", 1): experiments.lift_reading,
    ("experiment.ended", 1): experiments.lift_ended,
}
"""By kind and version."""


def parse_event(payload: str) -> Event:
    """Read a stored event, of whatever version.

    Raises:
        pydantic.ValidationError: the payload is no event of this release.
    """
    return _ADAPTER.validate_json(_lifted(payload))


def _lifted(payload: str) -> str:
    if not any(f'"kind":"{kind}"' in payload and f'"v":{v}' in payload for kind, v in LIFTS):
        return payload  # nearly all: reading them twice would cost a restart its time
    try:
        fields = json.loads(payload)
        while (lift := LIFTS.get((fields["kind"], fields["v"]))) is not None:
            fields = lift(fields)
        return json.dumps(fields)
    except (ValueError, KeyError, TypeError):
        return payload  # no event at all, which the validation says better

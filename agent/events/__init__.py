"""What happened: the append-only record of a laboratory, one small model an event.

Read ``base`` (what all share), ``lab`` (the agent, the stop, people), ``campaigns``, ``proposals``, ``experiments``, then
``forms`` (how stored events are read, older ones too). Everything is used as ``events.Name``.
"""

from agent.events.base import ArtefactRecord, Factor, Reading
from agent.events.campaigns import (
    CampaignChanged,
    CampaignCreated,
    CampaignEnded,
    CampaignPhaseChanged,
    PlanFailed,
    RoundPlanned,
)
from agent.events.experiments import (
    DispatchHeld,
    DispatchRefused,
    ExperimentEnded,
    ExperimentQueued,
    ImageRead,
    Outcome,
    Reconciled,
    ReconcileNeeded,
    ResultAmended,
    ResultRetracted,
    SampleMoved,
    StepDispatched,
    StepEnded,
    StepShadowed,
)
from agent.events.forms import LIFTS, Event, parse_event
from agent.events.lab import (
    AgentStarted,
    AgentStopped,
    EnvelopeRefused,
    LabChanged,
    LabCleared,
    LabStopped,
    MaintenanceSet,
    RefusalsSkipped,
    RequestAccepted,
)
from agent.events.proposals import (
    DesignRecord,
    ForecastRecord,
    ProposalDecided,
    ProposalMade,
    ProposalRefused,
    ProposalRevised,
    Terms,
    VoteCast,
)

__all__ = [
    "LIFTS",
    "AgentStarted",
    "AgentStopped",
    "ArtefactRecord",
    "CampaignChanged",
    "CampaignCreated",
    "CampaignEnded",
    "CampaignPhaseChanged",
    "DesignRecord",
    "DispatchHeld",
    "DispatchRefused",
    "EnvelopeRefused",
    "Event",
    "ExperimentEnded",
    "ExperimentQueued",
    "Factor",
    "ForecastRecord",
    "ImageRead",
    "LabChanged",
    "LabCleared",
    "LabStopped",
    "MaintenanceSet",
    "Outcome",
    "PlanFailed",
    "ProposalDecided",
    "ProposalMade",
    "ProposalRefused",
    "ProposalRevised",
    "Reading",
    "ReconcileNeeded",
    "Reconciled",
    "RefusalsSkipped",
    "RequestAccepted",
    "ResultAmended",
    "ResultRetracted",
    "RoundPlanned",
    "SampleMoved",
    "StepDispatched",
    "StepEnded",
    "StepShadowed",
    "Terms",
    "VoteCast",
    "parse_event",
]

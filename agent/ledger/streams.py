"""Which stream an event belongs to: the laboratory's, or a campaign's."""

from __future__ import annotations

from collections.abc import MutableMapping

from agent import events as ev

LAB = "lab"
_OF_THE_LAB = (
    ev.AgentStarted,
    ev.AgentStopped,
    ev.LabStopped,
    ev.LabCleared,
    ev.MaintenanceSet,
    ev.RequestAccepted,
    ev.EnvelopeRefused,
    ev.RefusalsSkipped,
    ev.SampleMoved,
)


def stream_of(event: ev.Event, homes: MutableMapping[str, str]) -> str:
    """The event's stream.

    Args:
        event: to be written or read.
        homes: campaign by id of proposal and of experiment; learns what this event makes known.

    Raises:
        KeyError: it names a proposal or an experiment that was never made.
    """
    if isinstance(event, _OF_THE_LAB):
        return LAB
    if isinstance(event, ev.ProposalMade):
        homes[event.proposal] = event.campaign
    elif isinstance(event, ev.ExperimentQueued):
        homes[event.experiment] = homes[event.proposal]
    named = getattr(event, "campaign", None)
    if named is not None:
        return str(named)
    about = getattr(event, "proposal", None) or getattr(event, "experiment", None)
    return homes[str(about)]

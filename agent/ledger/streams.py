"""Which stream an event belongs to: the laboratory's, or a campaign's."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import sqlalchemy as sa

from agent import events as ev
from agent.events.base import LAB
from agent.ledger import chain
from agent.ledger import tables as t

_OF_THE_LAB = (
    ev.AgentStarted,
    ev.AgentStopped,
    ev.LabStopped,
    ev.LabCleared,
    ev.LabChanged,
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


def linked(
    tip: chain.Tip, happened: Sequence[ev.Event], stamp: str, homes: MutableMapping[str, str]
) -> tuple[list[chain.Row], chain.Tip]:
    """The rows of events that follow a tip, which stays as it is, and the tip after them.

    Args:
        tip: where the chain ends.
        happened: events, in order.
        stamp: when, RFC 3339 in UTC.
        homes: campaign by id of proposal and of experiment; learns what these events make known.

    Raises:
        KeyError: an event names a proposal or an experiment that was never made.
    """
    after, rows = chain.Tip(tip.seq, tip.hash, dict(tip.versions)), []
    for event in happened:
        stream, payload = stream_of(event, homes), event.model_dump_json()
        version = after.versions.get(stream, 0) + 1
        after.hash = chain.link(after.hash, stream, version, stamp, payload)
        after.seq, after.versions[stream] = after.seq + 1, version
        rows.append(chain.Row(after.seq, stream, version, event.kind, stamp, payload, after.hash))
    return rows, after


class Homes(dict[str, str]):
    """Campaign by id of proposal and of experiment; what is not known yet is looked up in the projections.

    Args:
        table: rows of a query.
    """

    def __init__(self, table: Callable[[sa.Select[Any]], list[dict[str, object]]]) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, key: str) -> str:
        for table, column in ((t.experiments, t.experiments.c.experiment), (t.proposals, t.proposals.c.proposal)):
            if rows := self._table(sa.select(table.c.campaign).where(column == key)):
                self[key] = str(rows[0]["campaign"])
                return self[key]
        raise KeyError(key)

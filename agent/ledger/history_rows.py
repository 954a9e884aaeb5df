"""Which events are about which experiment, so that one history is read without going through the whole journal."""

from __future__ import annotations

from agent import events as ev
from agent.ledger import tables as t
from agent.ledger.rows import Rows


def project_history(rows: Rows, event: ev.Event, seq: int) -> None:
    """Note an event that is about an experiment, or about its sample, which bears the same id."""
    experiment = event.sample if isinstance(event, ev.SampleMoved) else getattr(event, "experiment", "")
    if experiment:
        rows.put(t.experiment_events, experiment=experiment, seq=seq)

"""The tables of samples: where each is, and where it was.

A sample bears its experiment's id. Its place is the instrument of its last order, or where a person put it since.
States: ``planned`` (nothing was ordered yet), ``in_work``, ``idle`` (at its place, between orders), ``uncertain``
(nobody knows how far its order came), ``done``.
"""

from __future__ import annotations

from agent import events as ev
from agent.ledger import tables as t
from agent.ledger.rows import Rows


def project_sample(rows: Rows, event: ev.Event, seq: int, at: str) -> None:
    """Follow a sample through an event."""
    if isinstance(event, ev.ExperimentQueued):
        proposal = rows.get(t.proposals, event.proposal) or {}
        sample, campaign = event.experiment, proposal.get("campaign")
        rows.put(t.samples, sample=sample, experiment=sample, campaign=campaign, place="", state="planned", since=at)
        _note(rows, sample, seq, at, {"place": "", "state": "planned"})
    elif isinstance(event, ev.SampleMoved):
        _follow(rows, event.sample, seq, at, {"place": event.place}, by=event.by, reason=event.reason)
    elif isinstance(event, ev.StepDispatched):
        _follow(rows, event.experiment, seq, at, {"place": event.instrument, "state": "in_work"}, reason=event.step)
    elif isinstance(event, ev.StepEnded):
        _follow(rows, event.experiment, seq, at, {"state": "idle"}, reason=f"{event.step} {event.state}")
    elif isinstance(event, ev.ReconcileNeeded):
        _follow(rows, event.experiment, seq, at, {"state": "uncertain"}, reason=event.reason)
    elif isinstance(event, ev.Reconciled):
        _follow(rows, event.experiment, seq, at, {"state": "idle"}, by=event.by, reason=event.reason)
    elif isinstance(event, ev.ExperimentEnded):
        _follow(rows, event.experiment, seq, at, {"state": "done"}, reason=event.outcome)


def _follow(
    rows: Rows, sample: str, seq: int, at: str, changed: dict[str, str], *, by: str = "", reason: str = ""
) -> None:
    row = rows.get(t.samples, sample)
    if row is None:
        return
    now = {"place": row["place"], "state": row["state"], **changed}
    rows.change(t.samples, sample, since=at, **now)
    _note(rows, sample, seq, at, now, by=by, reason=reason)


def _note(rows: Rows, sample: str, seq: int, at: str, now: dict[str, str], *, by: str = "", reason: str = "") -> None:
    rows.put(t.sample_history, sample=sample, seq=seq, at=at, by=by, reason=reason, **now)

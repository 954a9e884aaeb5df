"""The tables that people query; each is rebuilt from the events alone. Samples are in ``sample_rows``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent import events as ev
from agent.events.proposals import Terms
from agent.ledger import tables as t
from agent.ledger.decision_rows import project_decision
from agent.ledger.history_rows import project_history
from agent.ledger.rows import MemoryRows, Rows
from agent.ledger.sample_rows import project_sample

LAB = "lab"
"""Key of the laboratory's one row."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event with what the journal knows of it."""

    seq: int
    stream: str
    at: str
    hash: str
    event: ev.Event


def project(rows: Rows, entry: Entry) -> None:
    """Apply one event to the tables."""
    write = _WRITERS.get(type(entry.event))
    if write is not None:
        write(rows, entry, entry.event)
    project_sample(rows, entry.event, entry.seq, entry.at)
    project_history(rows, entry.event, entry.seq)
    project_decision(rows, entry.event, entry.seq, entry.at)


def rebuilt(entries: Iterable[Entry]) -> MemoryRows:
    """All tables from all events, in order."""
    rows = MemoryRows()
    for entry in entries:
        project(rows, entry)
    return rows


# ---- The laboratory


def _agent_started(rows: Rows, entry: Entry, event: ev.AgentStarted) -> None:
    _lab(rows, mode=event.mode, software=event.software, boot=event.boot, limits_version=event.limits_version,
         started_at=entry.at, left_at=None)  # fmt: skip


def _agent_stopped(rows: Rows, entry: Entry, _event: ev.AgentStopped) -> None:
    _lab(rows, left_at=entry.at)


def _lab_stopped(rows: Rows, entry: Entry, event: ev.LabStopped) -> None:
    _lab(rows, stopped=True, stopped_by=event.by, stop_reason=event.reason, stopped_at=entry.at)


def _lab_cleared(rows: Rows, _entry: Entry, _event: ev.LabCleared) -> None:
    _lab(rows, stopped=False, stopped_by=None, stop_reason=None, stopped_at=None)


def _lab_changed(rows: Rows, _entry: Entry, event: ev.LabChanged) -> None:
    _lab(rows, limits_version=event.limits_version)


def _lab(rows: Rows, **values: object) -> None:
    if rows.get(t.lab, LAB) is None:
        rows.put(t.lab, lab=LAB, stopped=False)
    rows.change(t.lab, LAB, **values)


def _maintenance(rows: Rows, entry: Entry, event: ev.MaintenanceSet) -> None:
    if rows.get(t.instruments, event.instrument) is None:
        rows.put(t.instruments, instrument=event.instrument)
    rows.change(t.instruments, event.instrument, maintenance=event.on, by=event.by, reason=event.reason, since=entry.at)


# ---- Campaigns


def _campaign_created(rows: Rows, entry: Entry, event: ev.CampaignCreated) -> None:
    rows.put(
        t.campaigns,
        campaign=event.campaign,
        name=event.name,
        phase="running",
        reason="",
        by="",
        config=json.dumps(event.config),
        space_version=event.space_version,
        software=event.software,
        created_at=entry.at,
    )


def _campaign_changed(rows: Rows, entry: Entry, event: ev.CampaignChanged) -> None:
    config = json.dumps(event.config)
    rows.change(t.campaigns, event.campaign, config=config, changed_at=entry.at)


def _campaign_phase(rows: Rows, entry: Entry, event: ev.CampaignPhaseChanged) -> None:
    rows.change(t.campaigns, event.campaign, phase=event.phase, reason=event.reason, by=event.by, changed_at=entry.at)


def _round(rows: Rows, _entry: Entry, event: ev.RoundPlanned) -> None:
    values: dict[str, object] = {"round": event.round, "notes": json.dumps(event.notes), "plan_error": None}
    if event.checkpoint:
        values["checkpoint"] = event.checkpoint
    rows.change(t.campaigns, event.campaign, **values)


def _plan_failed(rows: Rows, _entry: Entry, event: ev.PlanFailed) -> None:
    rows.change(t.campaigns, event.campaign, plan_error=event.reason)


def _campaign_ended(rows: Rows, entry: Entry, event: ev.CampaignEnded) -> None:
    rows.change(t.campaigns, event.campaign, phase="completed", reason=event.reason, by="", ended_at=entry.at)


# ---- Proposals


def _proposal_made(rows: Rows, entry: Entry, event: ev.ProposalMade) -> None:
    rows.put(
        t.proposals,
        proposal=event.proposal,
        campaign=event.campaign,
        phase="proposed",
        round=event.round,
        pool=event.pool,
        acquisition=event.acquisition,
        expected=event.forecast.median if event.forecast else None,
        **_design(event.design),
        **(_terms(event.terms) if event.terms else {"revision": 1, "created_at": entry.at, "quorum": 1}),
    )


def _design(design: ev.DesignRecord) -> dict[str, object]:
    return {"formula": design.formula, "crystal": design.crystal, "process": json.dumps(design.process)}


def _terms(terms: Terms) -> dict[str, object]:
    return {**terms.model_dump(exclude={"v", "cost"}), "cost": json.dumps(terms.cost), "votes": "[]"}


def _vote(rows: Rows, entry: Entry, event: ev.VoteCast) -> None:
    row = rows.get(t.proposals, event.proposal) or {}
    vote = {"by": event.by, "at": entry.at, "revision": event.revision, "comment": event.comment}
    votes = [*json.loads(row.get("votes") or "[]"), vote]
    rows.change(t.proposals, event.proposal, votes=json.dumps(votes))


def _revised(rows: Rows, _entry: Entry, event: ev.ProposalRevised) -> None:
    rows.change(t.proposals, event.proposal, **_design(event.design), **_terms(event.terms))


def _decided(rows: Rows, entry: Entry, event: ev.ProposalDecided) -> None:
    rows.change(
        t.proposals,
        event.proposal,
        phase=event.verdict,
        verdict=event.verdict,
        decided_by=event.by,
        decided_at=entry.at,
        reason=event.reason,
        audit=entry.hash,
    )


# ---- Experiments and their jobs


def _queued(rows: Rows, entry: Entry, event: ev.ExperimentQueued) -> None:
    rows.put(
        t.experiments,
        experiment=event.experiment,
        campaign=entry.stream,
        proposal=event.proposal,
        phase="queued",
        sample=event.experiment,
        job="",
        queued_at=entry.at,
        amended=False,
        retracted=False,
        held_code="",
        held_reason="",
    )
    rows.change(t.proposals, event.proposal, experiment=event.experiment)


def _dispatched(rows: Rows, entry: Entry, event: ev.StepDispatched) -> None:
    fields = event.model_dump(include={"job", "experiment", "step", "attempt", "tries", "instrument", "command"})
    rows.put(t.jobs, state="open", dispatched_at=entry.at, **fields)
    free = {"held_code": "", "held_reason": ""}
    rows.change(t.experiments, event.experiment, phase="running", step=event.step, job=event.job, **free)


def _accepted(rows: Rows, _entry: Entry, event: ev.StepAccepted) -> None:
    rows.change(t.jobs, event.job, state="accepted")


def _shadowed(rows: Rows, _entry: Entry, event: ev.StepShadowed) -> None:
    rows.change(t.experiments, event.experiment, phase="running", step=event.step, held_code="", held_reason="")


def _held(rows: Rows, _entry: Entry, event: ev.DispatchHeld) -> None:
    rows.change(t.experiments, event.experiment, held_code=event.code, held_reason=event.reason)


def _step_ended(rows: Rows, entry: Entry, event: ev.StepEnded) -> None:
    rows.change(t.jobs, event.job, state=event.state, ended_at=entry.at, elapsed_s=event.elapsed_s, error=event.error)
    # An answer that comes after all ends the doubt about the order.
    rows.change(t.experiments, event.experiment, phase="running", job="", **_next(event.then))


def _next(step: str) -> dict[str, object]:
    return {"step": step} if step else {}


def _reconcile(rows: Rows, _entry: Entry, event: ev.ReconcileNeeded) -> None:
    rows.change(t.experiments, event.experiment, phase="needs_reconcile", reason=event.reason)
    rows.change(t.jobs, event.job, state="unknown", error=event.reason)


def _reconciled(rows: Rows, entry: Entry, event: ev.Reconciled) -> None:
    rows.change(t.experiments, event.experiment, phase="running", job="", reason=event.reason)
    rows.change(t.jobs, event.job, state="abandoned", ended_at=entry.at)


def _image_read(rows: Rows, _entry: Entry, event: ev.ImageRead) -> None:
    found = {"porosity": event.porosity, "grain_size": event.grain_size}
    columns = _columns({k: v or (None, None) for k, v in found.items()})
    rows.change(t.experiments, event.experiment, **columns, **_next(event.then))


def _columns(found: dict[str, tuple[float | None, float | None]]) -> dict[str, object]:
    known = {k: v for k, v in found.items() if k in {"hardness", "porosity", "grain_size"}}
    return {**{k: v[0] for k, v in known.items()}, **{f"{k}_std": v[1] for k, v in known.items()}}


def _ended(rows: Rows, entry: Entry, event: ev.ExperimentEnded) -> None:
    row = rows.get(t.experiments, event.experiment)
    if row and row["job"]:  # nobody waits for its answer any more
        rows.change(t.jobs, row["job"], state="abandoned", ended_at=entry.at)
    rows.change(
        t.experiments,
        event.experiment,
        phase="completed" if event.outcome == "completed" else "failed",
        outcome=event.outcome,
        reason=event.reason,
        job="",
        found=json.dumps(event.found),
        held_code="",
        held_reason="",
        ended_at=entry.at,
        **_columns(dict(event.found)),
    )


def _amended(rows: Rows, _entry: Entry, event: ev.ResultAmended) -> None:
    row = rows.get(t.experiments, event.experiment) or {}
    found = {**json.loads(row.get("found") or "{}"), **event.found}
    values = _columns(dict(event.found))
    rows.change(t.experiments, event.experiment, amended=True, retracted=False, found=json.dumps(found), **values)


def _retracted(rows: Rows, _entry: Entry, event: ev.ResultRetracted) -> None:
    rows.change(t.experiments, event.experiment, retracted=True)


_WRITERS: dict[type, Callable[..., None]] = {
    ev.AgentStarted: _agent_started,
    ev.AgentStopped: _agent_stopped,
    ev.LabStopped: _lab_stopped,
    ev.LabCleared: _lab_cleared,
    ev.LabChanged: _lab_changed,
    ev.MaintenanceSet: _maintenance,
    ev.CampaignCreated: _campaign_created,
    ev.CampaignChanged: _campaign_changed,
    ev.CampaignPhaseChanged: _campaign_phase,
    ev.RoundPlanned: _round,
    ev.PlanFailed: _plan_failed,
    ev.CampaignEnded: _campaign_ended,
    ev.ProposalMade: _proposal_made,
    ev.VoteCast: _vote,
    ev.ProposalRevised: _revised,
    ev.ProposalDecided: _decided,
    ev.ExperimentQueued: _queued,
    ev.StepDispatched: _dispatched,
    ev.StepAccepted: _accepted,
    ev.StepShadowed: _shadowed,
    ev.DispatchHeld: _held,
    ev.StepEnded: _step_ended,
    ev.ReconcileNeeded: _reconcile,
    ev.Reconciled: _reconciled,
    ev.ImageRead: _image_read,
    ev.ExperimentEnded: _ended,
    ev.ResultAmended: _amended,
    ev.ResultRetracted: _retracted,
}
"""The others are about decisions and samples alone."""

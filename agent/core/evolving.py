"""Folding: the state after an event. The only module that changes a ``LabState``; it needs no rules and no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from sys import intern
from typing import Any, TypeVar

from pydantic import TypeAdapter

from agent import events as ev
from agent.core.state import Bond, CampaignState, ExperimentState, LabState, ProposalState
from agent.events.base import Stored
from envs.design import Design
from instruments.messages import Value

FIRST_REST, LONGEST_REST = timedelta(seconds=5), timedelta(minutes=5)
EVERYBODY = "*"
SPAN = timedelta(minutes=10)
"""Refusals of one sender are counted within such spans."""
_VALUE: TypeAdapter[Value] = TypeAdapter(Value)


def evolve(state: LabState, event: ev.Event, at: datetime) -> None:
    """Fold an event that was journaled at ``at`` into the state, in place."""
    fold = _FOLDS.get(type(event))
    if fold is not None:
        fold(state, event, at)


_E = TypeVar("_E")
_Fold = Callable[[LabState, Any, datetime], None]
_FOLDS: dict[type, _Fold] = {}


def _folds(kind: type[_E]) -> Callable[[Callable[[LabState, _E, datetime], None]], None]:
    def register(fold: Callable[[LabState, _E, datetime], None]) -> None:
        _FOLDS[kind] = fold

    return register


def values_of(stored: Stored) -> dict[str, Value]:
    """Quantities and words from their plain form."""
    return {name: _VALUE.validate_python(value) for name, value in stored.items()}


# ---- The laboratory


@_folds(ev.AgentStarted)
def _(state: LabState, event: ev.AgentStarted, _at: datetime) -> None:
    state.boot = event.boot


@_folds(ev.LabStopped)
def _(state: LabState, event: ev.LabStopped, _at: datetime) -> None:
    state.stopped, state.stopped_by = event.reason or "no reason given", event.by


@_folds(ev.LabCleared)
def _(state: LabState, _event: ev.LabCleared, _at: datetime) -> None:
    state.stopped = state.stopped_by = ""
    state.spent = state.spent.resumed()


@_folds(ev.MaintenanceSet)
def _(state: LabState, event: ev.MaintenanceSet, _at: datetime) -> None:
    if event.on:
        state.maintenance[event.instrument] = f"{event.by}: {event.reason}" if event.reason else event.by
    else:
        state.maintenance.pop(event.instrument, None)


@_folds(ev.RequestAccepted)
def _(state: LabState, event: ev.RequestAccepted, _at: datetime) -> None:
    state.requests.add(event.request)
    state.nonces.add(event.nonce)


@_folds(ev.EnvelopeRefused)
def _(state: LabState, event: ev.EnvelopeRefused, at: datetime) -> None:
    for sender in (event.sender or event.user, EVERYBODY):
        since, count = state.refused.get(sender, (at, 0))
        state.refused[sender] = (since, count + 1) if at - since < SPAN else (at, 1)


@_folds(ev.SampleMoved)
def _(state: LabState, event: ev.SampleMoved, _at: datetime) -> None:
    state.places[event.sample] = event.place


# ---- Campaigns


@_folds(ev.CampaignCreated)
def _(state: LabState, event: ev.CampaignCreated, _at: datetime) -> None:
    state.campaigns[event.campaign] = CampaignState(event.campaign, phase="running", name=event.name)


@_folds(ev.CampaignPhaseChanged)
def _(state: LabState, event: ev.CampaignPhaseChanged, _at: datetime) -> None:
    campaign = state.campaigns[event.campaign]
    went_on = campaign.phase == "running"
    campaign.phase, campaign.reason, campaign.by = event.phase, event.reason, event.by
    if event.phase == "running":
        campaign.failed_plans = campaign.empty_rounds = 0
        campaign.spent = campaign.spent.resumed()
        if went_on:  # a person looked, and the campaign was held by the laboratory's own count
            state.spent = state.spent.resumed()


@_folds(ev.CampaignEnded)
def _(state: LabState, event: ev.CampaignEnded, _at: datetime) -> None:
    campaign = state.campaigns[event.campaign]
    campaign.phase, campaign.end, campaign.reason = "completed", event.reason, event.reason


@_folds(ev.RoundPlanned)
def _(state: LabState, event: ev.RoundPlanned, _at: datetime) -> None:
    campaign = state.campaigns[event.campaign]
    campaign.round, campaign.checkpoint, campaign.failed_plans = event.round, event.checkpoint, 0
    campaign.empty_rounds += 1


@_folds(ev.PlanFailed)
def _(state: LabState, event: ev.PlanFailed, _at: datetime) -> None:
    state.campaigns[event.campaign].failed_plans += 1


# ---- Proposals


@_folds(ev.ProposalMade)
def _(state: LabState, event: ev.ProposalMade, _at: datetime) -> None:
    campaign = state.campaigns[event.campaign]
    design = _design(event.design)
    campaign.designs[design] = None
    campaign.n_proposals += 1
    campaign.empty_rounds = 0
    if event.terms is not None:
        campaign.waiting[event.proposal] = None
    state.proposals[event.proposal] = ProposalState(
        event.proposal, intern(event.campaign), design, intern(event.design.formula), _bond(event.terms)
    )


@_folds(ev.ProposalRefused)
def _(state: LabState, event: ev.ProposalRefused, _at: datetime) -> None:
    state.campaigns[event.campaign].designs[_design(event.design)] = None


@_folds(ev.VoteCast)
def _(state: LabState, event: ev.VoteCast, _at: datetime) -> None:
    proposal = state.proposals[event.proposal]
    state.proposals[event.proposal] = replace(proposal, votes=(*proposal.votes, event.by))
    state.nonces.add(event.nonce)


@_folds(ev.ProposalRevised)
def _(state: LabState, event: ev.ProposalRevised, _at: datetime) -> None:
    proposal = state.proposals[event.proposal]
    design = _design(event.design)
    state.campaigns[proposal.campaign].designs[design] = None
    state.campaigns[proposal.campaign].counted["edited"] += 1
    state.proposals[event.proposal] = replace(
        proposal, design=design, formula=event.design.formula, terms=_bond(event.terms), votes=(),
        edited_by=event.by,
    )  # fmt: skip
    state.nonces.add(event.nonce)


@_folds(ev.ProposalDecided)
def _(state: LabState, event: ev.ProposalDecided, _at: datetime) -> None:
    proposal = state.proposals[event.proposal]
    state.proposals[event.proposal] = replace(proposal, phase=event.verdict)
    campaign = state.campaigns[proposal.campaign]
    campaign.waiting.pop(event.proposal, None)
    campaign.counted[event.verdict] += 1
    if event.nonce:
        state.nonces.add(event.nonce)


# ---- Experiments


@_folds(ev.ExperimentQueued)
def _(state: LabState, event: ev.ExperimentQueued, _at: datetime) -> None:
    proposal = state.proposals[event.proposal]
    campaign = state.campaigns[proposal.campaign]
    state.experiments[event.experiment] = ExperimentState(
        event.experiment, event.proposal, proposal.campaign, proposal.design, len(state.experiments), step=event.first,
        recipe_hash=proposal.terms.recipe_hash if proposal.terms else "",
    )  # fmt: skip
    campaign.experiments[event.experiment] = None
    campaign.queue[event.experiment] = None


@_folds(ev.StepDispatched)
def _(state: LabState, event: ev.StepDispatched, at: datetime) -> None:
    experiment = state.experiments[event.experiment]
    campaign = state.campaigns[experiment.campaign]
    if not experiment.begun:
        campaign.queue.pop(event.experiment, None)
        campaign.begun[event.experiment] = None
        proposal = state.proposals[experiment.proposal]
        cost = proposal.terms.cost if proposal.terms else {}
        campaign.spent = campaign.spent.started(at, cost)
        state.spent = state.spent.started(at, cost)
    _put(
        state,
        replace(
            experiment,
            job=event.job,
            instrument=event.instrument,
            capability=event.capability,
            begun=True,
            accepted=False,
            lost="",
        ),
    )
    state.jobs[event.job] = event.experiment
    state.busy[event.instrument] = state.busy.get(event.instrument, 0) + 1
    state.places[event.experiment] = event.instrument


@_folds(ev.StepAccepted)
def _(state: LabState, event: ev.StepAccepted, _at: datetime) -> None:
    _put(state, replace(state.experiments[event.experiment], accepted=True))


@_folds(ev.StepEnded)
def _(state: LabState, event: ev.StepEnded, at: datetime) -> None:
    experiment = state.experiments[event.experiment]
    _close_job(state, experiment)
    hours = event.elapsed_s / 3600.0
    campaign = state.campaigns[experiment.campaign]
    campaign.spent = campaign.spent.worked(experiment.capability, hours, at)
    state.spent = state.spent.worked(experiment.capability, hours, at)
    kind = experiment.capability
    experiment = replace(experiment, worked={**experiment.worked, kind: experiment.worked.get(kind, 0.0) + hours})
    if event.state != "succeeded":
        passing = event.interrupted or event.turned_away
        changed = replace(
            experiment, job="", instrument="", accepted=False, lost="", tries=experiment.tries + 1,
            interruptions=experiment.interruptions + passing,
            rests_until=at + _rest(experiment.tries) if event.turned_away else None,
        )  # fmt: skip
    else:
        changed = replace(
            experiment, job="", instrument="", accepted=False, lost="", tries=0, interruptions=0, rests_until=None,
            step=event.then or experiment.step,
            kept={**experiment.kept, **values_of(event.kept)}, found={**experiment.found, **event.found},
        )  # fmt: skip
        if event.then == "read":
            changed = replace(changed, image_step=event.step, image=event.artefacts[event.reads])
    _put(state, changed)


@_folds(ev.ReconcileNeeded)
def _(state: LabState, event: ev.ReconcileNeeded, _at: datetime) -> None:
    _put(state, replace(state.experiments[event.experiment], lost=event.reason))


@_folds(ev.Reconciled)
def _(state: LabState, event: ev.Reconciled, _at: datetime) -> None:
    experiment = state.experiments[event.experiment]
    _close_job(state, experiment)
    _put(state, replace(experiment, job="", instrument="", accepted=False, lost="", tries=experiment.tries + 1))


@_folds(ev.ImageRead)
def _(state: LabState, event: ev.ImageRead, _at: datetime) -> None:
    experiment = state.experiments[event.experiment]
    kept = {**experiment.kept, **values_of(event.kept)}
    if event.accepted:
        changed = replace(
            experiment, step=event.then, attempt=0, image=None, reading=event, kept=kept, refusals=()
        )  # fmt: skip
    else:
        refusals = (*experiment.refusals, event.reason)
        changed = replace(
            experiment, step=event.then, attempt=event.attempt + 1, image=None, kept=kept, refusals=refusals
        )
    _put(state, changed)


@_folds(ev.ExperimentEnded)
def _(state: LabState, event: ev.ExperimentEnded, _at: datetime) -> None:
    experiment = state.experiments[event.experiment]
    _close_job(state, experiment)
    state.held.pop(event.experiment, None)
    campaign = state.campaigns[experiment.campaign]
    campaign.queue.pop(event.experiment, None)
    campaign.begun.pop(event.experiment, None)
    campaign.counted["completed" if event.outcome == "completed" else "failed"] += 1
    # A synthesis that cannot work is knowledge, not a laboratory that fails; nor is what was never begun.
    if experiment.begun and event.outcome != "superseded":
        ok = event.outcome in {"completed", "infeasible"}
        campaign.spent, state.spent = campaign.spent.ended(ok=ok), state.spent.ended(ok=ok)
    _put(
        state,
        replace(
            experiment, step="done", job="", instrument="", accepted=False, lost="", image=None, outcome=event.outcome,
            reason=event.reason, found=event.found,
        ),
    )  # fmt: skip


@_folds(ev.ResultAmended)
def _(state: LabState, event: ev.ResultAmended, _at: datetime) -> None:
    experiment = state.experiments[event.experiment]
    _put(state, replace(experiment, found={**experiment.found, **event.found}, retracted=False))


@_folds(ev.ResultRetracted)
def _(state: LabState, event: ev.ResultRetracted, _at: datetime) -> None:
    _put(state, replace(state.experiments[event.experiment], retracted=True))


@_folds(ev.DispatchHeld)
def _(state: LabState, event: ev.DispatchHeld, _at: datetime) -> None:
    if event.code:
        state.held[event.experiment] = (event.step, event.code)
    else:
        state.held.pop(event.experiment, None)


# ---- Parts


def _put(state: LabState, experiment: ExperimentState) -> None:
    state.experiments[experiment.id] = experiment


def _rest(tries: int) -> timedelta:
    return min(FIRST_REST * (1 << min(tries, 10)), LONGEST_REST)


def _close_job(state: LabState, experiment: ExperimentState) -> None:
    if not experiment.job:
        return
    state.jobs.pop(experiment.job, None)
    left = state.busy.get(experiment.instrument, 0) - 1
    if left > 0:
        state.busy[experiment.instrument] = left
    else:
        state.busy.pop(experiment.instrument, None)


def _design(record: ev.DesignRecord) -> Design:
    return Design(record.crystal, record.process)


def _bond(terms: ev.Terms | None) -> Bond | None:
    # Ten thousand bodies are not kept in memory: the projections have them.
    if terms is None:
        return None
    return Bond(
        terms.revision, terms.digest, intern(terms.expires_at), terms.quorum, intern(terms.recipe_hash),
        intern(terms.limits_version), terms.cost,
    )  # fmt: skip


def kept_of(values: Mapping[str, Value]) -> Stored:
    """Quantities and words in their plain form."""
    return {k: v if isinstance(v, str) else v.model_dump(exclude_none=True) for k, v in values.items()}

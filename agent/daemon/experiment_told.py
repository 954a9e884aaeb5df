"""One experiment as the bus retains it: made of its rows and its history, the same after any restart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from agent import core
from agent import events as ev
from agent.core.state import CampaignRules
from agent.daemon.images_told import images_of
from agent.daemon.steps_told import LINE, TEXT, Happened, steps_of
from agent.rules.terms import UNITS, design_of
from agent.words import in_print
from envs.design import Design
from envs.factors import Factor
from instruments.messages import Quantity
from instruments.profile.agent_messages import MAX_PROPERTIES, Estimate, Proposal
from instruments.profile.experiment_messages import Correction, ExperimentPhase, ExperimentState

MAX_CORRECTIONS = 32
_PHASES: Mapping[str, ExperimentPhase] = {
    "queued": "queued", "running": "running", "needs_reconcile": "needs_reconcile", "completed": "ended",
    "failed": "ended",
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What is known of one experiment.

    Args:
        row: of the projection ``experiments``.
        proposal: its proposal's row; empty where there is none.
        history: all that happened to it, in order.
        state: in the core; None where the core does not know it.
        rules: of its campaign; None where the laboratory's file does not have it any more.
        place: where its sample is.
        units: UCUM codes of what its campaign measures, over those that are known anyway.
    """

    row: Mapping[str, Any]
    proposal: Mapping[str, Any]
    history: Sequence[Happened]
    state: core.ExperimentState | None = None
    rules: CampaignRules | None = None
    place: str = ""
    units: Mapping[str, str] = field(default_factory=dict)


def experiment_state(known: Told, *, boot: str, seq: int, now: datetime) -> ExperimentState:
    """The message of an experiment.

    Args:
        known: of it.
        boot: of this run of the agent.
        seq: orders its messages.
        now: the laboratory's time.

    Raises:
        ValueError: something of it cannot be said in a message.
    """
    row, proposal = known.row, known.proposal
    units = _units(known)
    factors = known.rules.factors if known.rules else ()
    body = _body(proposal)
    phase = _PHASES[str(row["phase"])]
    begun = [one.at for one in known.history if isinstance(one.event, ev.StepDispatched | ev.StepShadowed)]
    return ExperimentState(
        experiment=str(row["experiment"]), campaign=str(row["campaign"]), proposal=str(row["proposal"]),
        revision=int(proposal.get("revision") or 1), boot_id=boot, seq=seq, ts=now, phase=phase,
        step="" if phase == "ended" else str(row["step"] or (known.state.step if known.state else ""))[:LINE],
        outcome=row["outcome"] or None, reason=in_print(_reason(row))[:TEXT], design=_design(proposal, body, factors),
        round=int(proposal.get("round") or 0), pool=str(proposal.get("pool") or "")[:LINE],
        prediction=_prediction(body), feasibility=body.feasibility if body else None,
        model_version=body.model_version if body else None,
        approved_by=tuple(filter(None, str(proposal.get("decided_by") or "").split(",")))[:9],
        place=known.place[:LINE], queued_at=_time(row["queued_at"]), begun_at=min(begun, default=None),
        ended_at=_time(row["ended_at"]) if row["ended_at"] else None,
        steps=steps_of(known.history, known.state, known.rules.recipe if known.rules else None, factors),
        images=images_of(known.history), found=_found(known, units),
        corrections=_corrections(known.history, units), audit=known.history[-1].hash if known.history else None,
    )  # fmt: skip


def _time(stored: object) -> datetime:
    return datetime.fromisoformat(str(stored))


def _reason(row: Mapping[str, Any]) -> str:
    """Why it ended so, or why a person must look, or why its order waits."""
    if row["outcome"] or row["phase"] == "needs_reconcile":
        return str(row["reason"] or "")
    return str(row["held_reason"] or "")


def _body(proposal: Mapping[str, Any]) -> Proposal | None:
    """What people approved, as it was published."""
    if not proposal.get("body"):
        return None
    try:
        return Proposal.model_validate_json(str(proposal["body"]), extra="ignore")
    except ValidationError:
        return None  # of a release that published otherwise: the rows say enough


def _prediction(body: Proposal | None) -> dict[str, Estimate]:
    return dict(body.prediction) if body else {}


def _design(
    proposal: Mapping[str, Any], body: Proposal | None, factors: tuple[Factor, ...]
) -> dict[str, Quantity | str]:
    if body is not None:
        return dict(body.design)
    process = json.loads(str(proposal.get("process") or "{}"))
    known = {factor.name for factor in factors}
    design = Design(str(proposal.get("crystal") or ""), {k: v for k, v in process.items() if k in known})
    return design_of(design, str(proposal.get("formula") or ""), factors) or {"design": "not known any more"}


# ---- What was found


def _units(known: Told) -> dict[str, str]:
    """Unit of each property: what instruments said it in counts."""
    units = {**UNITS, **known.units}
    steps = known.rules.recipe.steps if known.rules else ()
    measured = {result: name for step in steps for name, result in step.measures.items()}
    for one in known.history:
        for result, value in one.event.values.items() if isinstance(one.event, ev.StepEnded) else ():
            if result in measured and isinstance(value, dict) and value.get("unit"):
                units[measured[result]] = str(value["unit"])
    return units


def _found(known: Told, units: Mapping[str, str]) -> dict[str, Quantity]:
    """What counts: of an experiment under way what was measured so far, with what was read in its image."""
    readings: dict[str, ev.Reading] = {}
    for one in known.history:
        event = one.event
        if isinstance(event, ev.StepEnded | ev.ExperimentEnded | ev.ResultAmended):
            readings |= event.found
        elif isinstance(event, ev.ImageRead) and event.accepted:
            read = {"grain_size": event.grain_size, "porosity": event.porosity}
            readings |= {name: value for name, value in read.items() if value}
    return _quantities(readings, units)


def _quantities(readings: Mapping[str, ev.Reading], units: Mapping[str, str]) -> dict[str, Quantity]:
    told = list(readings.items())[:MAX_PROPERTIES]
    return {
        name: Quantity(value=value, unit=units.get(name) or "1", std=std if std > 0.0 else None)
        for name, (value, std) in told
    }


def _corrections(history: Sequence[Happened], units: Mapping[str, str]) -> tuple[Correction, ...]:
    """What people changed, with what stood there before."""
    stood: dict[str, ev.Reading] = {}
    told: list[Correction] = []
    for one in history:
        event = one.event
        if isinstance(event, ev.ExperimentEnded | ev.StepEnded):
            stood |= event.found
        elif isinstance(event, ev.ImageRead):
            read = {"grain_size": event.grain_size, "porosity": event.porosity}
            stood |= {name: value for name, value in read.items() if value and event.accepted}
        elif isinstance(event, ev.ResultAmended):
            before = _quantities({name: stood[name] for name in event.found if name in stood}, units)
            told.append(Correction(kind="amended", by=event.by, at=one.at, reason=event.reason[:TEXT], before=before))
            stood |= event.found
        elif isinstance(event, ev.ResultRetracted):
            before = _quantities(stood, units)
            told.append(Correction(kind="retracted", by=event.by, at=one.at, reason=event.reason[:TEXT], before=before))
    return tuple(told[-MAX_CORRECTIONS:])

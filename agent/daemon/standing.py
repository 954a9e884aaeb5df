"""How a campaign stands, as the bus retains it."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from agent import core
from agent.history import best
from envs.objective import FLAGSHIP
from instruments.messages import Quantity
from instruments.profile.agent_messages import MAX_PROPERTIES, Design
from instruments.profile.campaign_messages import Best, BudgetLine, CampaignPhase, CampaignState, Counts

MAX_KIND = 58
"""Characters of a kind of instrument that fit into the name of its budget, with ``_hours``."""


def campaign_state(
    state: core.LabState, rules: core.LabRules, cid: str, *, boot: str, seq: int, now: datetime
) -> CampaignState:
    """The message of a campaign.

    Args:
        state: of the laboratory.
        rules: give the budget; a campaign without rules is told without one.
        cid: the campaign.
        boot: of this run of the agent.
        seq: orders its messages.
        now: the laboratory's time.
    """
    campaign = state.campaigns[cid]
    own = rules.campaigns.get(cid)
    budget = {"experiments": BudgetLine(used=len(campaign.experiments), limit=own.experiments if own else None)}
    for kind, hours in sorted(campaign.spent.hours.items()):
        budget[f"{kind[:MAX_KIND]}_hours"] = BudgetLine(used=round(hours, 3), unit="h")
    return CampaignState(
        campaign=cid, boot_id=boot, seq=seq, ts=now, phase=_phase(state, campaign), reason=_reason(state, campaign),
        goal=campaign.name[:200], budget=budget, best=_best(state, rules, cid), counts=_counts(state, campaign),
        votes=_votes(state, campaign),
    )  # fmt: skip


def _votes(state: core.LabState, campaign: core.CampaignState) -> dict[str, tuple[str, ...]]:
    """Who has approved so far, of what waits for more."""
    begun = [state.proposals[p] for p in campaign.waiting if state.proposals[p].votes]
    return {proposal.id: proposal.votes for proposal in begun[:MAX_PROPERTIES]}


def _phase(state: core.LabState, campaign: core.CampaignState) -> CampaignPhase:
    stopped = state.stopped and campaign.phase in {"running", "paused", "stopping"}
    return "stopped" if stopped else cast("CampaignPhase", campaign.phase)


def _reason(state: core.LabState, campaign: core.CampaignState) -> str:
    if state.stopped:
        return f"the laboratory was stopped by {state.stopped_by}: {state.stopped}"[:2000]
    by = f"{campaign.by}: " if campaign.by else ""
    return f"{by}{campaign.reason}"[:2000]


def _counts(state: core.LabState, campaign: core.CampaignState) -> Counts:
    n = campaign.counted
    lost = sum(bool(state.experiments[e].lost) for e in campaign.begun)
    return Counts(
        proposed=len(campaign.waiting), approved=n["approved"], rejected=n["rejected"], edited=n["edited"],
        expired=n["expired"], withdrawn=n["withdrawn"], queued=len(campaign.queue), running=len(campaign.begun) - lost,
        needs_reconcile=lost, completed=n["completed"], failed=n["failed"],
    )  # fmt: skip


def _best(state: core.LabState, rules: core.LabRules, cid: str) -> Best | None:
    top = best(state, cid)
    if top is None:
        return None
    own = rules.campaigns.get(cid)
    units = {f.name: f.unit for f in own.factors} if own else {}
    proposal = state.proposals[state.experiments[top[0]].proposal]
    design: Design = {
        name: value if isinstance(value, str) else Quantity(value=value, unit=units.get(name, "1") or "1")
        for name, value in top[1].process.items()
    }
    if top[1].crystal:
        design |= {"crystal": top[1].crystal, "formula": proposal.formula}
    value, std = top[2]
    return Best(
        experiment=top[0], design=design, found={"hardness": Quantity(value=value, unit=FLAGSHIP.unit, std=std)}
    )

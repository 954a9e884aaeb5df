"""How a campaign stands, as the bus retains it."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import cast

from agent import core
from agent.history import best
from agent.rules.budgets import HOURS, Budgets
from envs.objective import FLAGSHIP
from instruments.messages import Quantity
from instruments.profile.agent_messages import MAX_PROPERTIES, Design
from instruments.profile.campaign_messages import Best, BudgetLine, CampaignPhase, CampaignState, Counts

MAX_LINE = 64
"""Characters of a budget line's name."""
MAX_KIND = MAX_LINE - len(HOURS)
"""Characters of a kind of instrument that fit into it."""
COST = "cost."
"""Begins the name of a line that counts estimates of what experiments cost."""


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
    return CampaignState(
        campaign=cid, boot_id=boot, seq=seq, ts=now, phase=_phase(state, campaign), reason=_reason(state, campaign),
        goal=campaign.name[:200], budget=_budget(campaign, own), best=_best(state, rules, cid),
        counts=_counts(state, campaign), votes=_votes(state, campaign),
    )  # fmt: skip


def _budget(campaign: core.CampaignState, own: core.CampaignRules | None) -> dict[str, BudgetLine]:
    """Everything that is counted, with its limit where there is one: what is spent first ends the campaign."""
    spent, limits = campaign.spent, own.budgets if own else Budgets()
    lines = {"experiments": BudgetLine(used=len(campaign.experiments), limit=own.experiments if own else None)}
    for kind in sorted({*spent.hours, *limits.hours}):
        used = round(spent.hours.get(kind, 0.0), 3)
        lines[f"{kind[:MAX_KIND]}{HOURS}"] = BudgetLine(used=used, limit=limits.hours.get(kind), unit="h")
    for name, limit in sorted(limits.cost.items()):
        used = round(spent.cost.get(name, 0.0), 6)
        lines.setdefault(f"{COST}{name}"[:MAX_LINE], BudgetLine(used=used, limit=limit))
    return dict(islice(lines.items(), MAX_PROPERTIES))


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
        experiment=top[0], design=design, found={FLAGSHIP.name: Quantity(value=value, unit=FLAGSHIP.unit, std=std)}
    )

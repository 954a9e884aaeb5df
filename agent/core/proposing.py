"""Campaigns and their rounds: what was planned becomes proposals, and what is approved becomes experiments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent import events as ev
from agent.core.experimenting import after_end
from agent.core.messages import Decided, Effect, Planned, Tick
from agent.core.state import Bond, CampaignRules, CampaignState, LabRules, LabState, ProposalState
from agent.rules.limits import refusals_of
from agent.rules.policy import Automatic
from envs.design import Design

MAX_FAILED_PLANS = 3
"""Failures of the planner in a row before its campaign waits for a person."""
MAX_EMPTY_ROUNDS = 3
"""Rounds in a row of which the limits let nothing through, likewise."""
LIMITS = "policy:limits"
PLANNER = "policy:planner"


def on_planned(state: LabState, message: Planned, rules: LabRules, now: datetime) -> Decided:
    """A round's proposals: a rule approves them, or they wait for people."""
    campaign = state.campaigns.get(message.round.campaign)
    if campaign is None or not _awaited(campaign, message.round.round):
        return Decided()
    if not message.proposals and not message.refused:
        end = ev.CampaignEnded(campaign=campaign.id, reason="no feasible design is left to propose")
        return Decided([message.round, end], [Effect("campaign", campaign.id)])
    own = rules.campaigns[campaign.id]
    caused: list[ev.Event] = [message.round, *message.refused]
    effects = [Effect("campaign", campaign.id)]
    n = len(campaign.experiments)
    for made in message.proposals:
        caused.append(made)
        rule = _automatic(own, Design(made.design.crystal, made.design.process), made.terms, now)
        if rule is not None:
            n += 1
            caused += _approved(campaign, made.proposal, made.terms, rule, n, own)
        if made.terms is not None:
            effects.append(Effect("proposal", made.proposal))
            effects += [Effect("outcome", made.proposal)] if rule else []
    if not message.proposals and campaign.empty_rounds + 1 >= MAX_EMPTY_ROUNDS:
        reason = f"the limits refused every design of {MAX_EMPTY_ROUNDS} rounds: look at them, or at the design space"
        caused.append(ev.CampaignPhaseChanged(campaign=campaign.id, phase="paused", by=LIMITS, reason=reason))
    return Decided(caused, effects)


def _awaited(campaign: CampaignState, index: int) -> bool:
    return campaign.phase in {"running", "paused"} and campaign.idle and index == campaign.round + 1


def _automatic(own: CampaignRules, design: Design, terms: ev.Terms | Bond | None, now: datetime) -> Automatic | None:
    return own.policy.automatic(design, terms.cost if terms else {}, now)


def _approved(
    campaign: CampaignState, proposal: str, terms: ev.Terms | Bond | None, rule: Automatic, n: int, own: CampaignRules
) -> list[ev.Event]:
    revision = terms.revision if terms else 1
    decided = ev.ProposalDecided(
        proposal=proposal, revision=revision, verdict="approved", by=rule.by, reason=rule.reason
    )
    return [decided, queued(campaign, proposal, n, own)]


def queued(campaign: CampaignState, proposal: str, n: int, own: CampaignRules) -> ev.ExperimentQueued:
    """The ``n``-th experiment of a campaign."""
    return ev.ExperimentQueued(experiment=f"{campaign.prefix}E{n:03d}", proposal=proposal, first=own.recipe.first)


def on_plan_failed(state: LabState, message: ev.PlanFailed) -> Decided:
    """The planner could not answer; after a few times its campaign waits for a person."""
    campaign = state.campaigns.get(message.campaign)
    if campaign is None or not _awaited(campaign, message.round):
        return Decided()
    caused: list[ev.Event] = [message]
    if campaign.failed_plans + 1 >= MAX_FAILED_PLANS:
        reason = f"the planner failed {MAX_FAILED_PLANS} times: {message.reason}"
        caused.append(ev.CampaignPhaseChanged(campaign=campaign.id, phase="paused", by=PLANNER, reason=reason))
    return Decided(caused, [Effect("campaign", campaign.id)])


def on_changed(state: LabState, message: ev.CampaignChanged, rules: LabRules) -> Decided:
    """People changed what a campaign may spend: one that had spent it all goes on where there is more now, or ends."""
    campaign = state.campaigns.get(message.campaign)
    if campaign is None:
        return Decided()
    caused: list[ev.Event] = [message]
    more = campaign.phase == "completed" and len(campaign.experiments) < rules.campaigns[campaign.id].experiments
    if more:
        caused.append(
            ev.CampaignPhaseChanged(
                campaign=campaign.id, phase="running", by=message.by, reason="its budget is larger now"
            )
        )
    caused += after_end(campaign, "", rules)
    return Decided(caused, [Effect("campaign", campaign.id)])


def on_tick(state: LabState, message: Tick, rules: LabRules, now: datetime) -> Decided:
    """Time went by: proposals expire, and rules look again where quiet hours are over."""
    caused: list[ev.Event] = [ev.RefusalsSkipped(user=u, count=n) for u, n in sorted(message.skipped.items())]
    effects: list[Effect] = []
    for campaign in state.campaigns.values():
        own = rules.campaigns.get(campaign.id)
        if own is not None and campaign.idle and campaign.phase == "running":
            # Nothing of it will end any more: it was resumed, or its budget made smaller, when all was done.
            over = after_end(campaign, "", rules, waiting=0)
            caused += over
            effects += [Effect("campaign", campaign.id)] if over else []
        if own is None or not campaign.waiting:
            continue
        n, left = len(campaign.experiments), len(campaign.waiting)
        for pid in campaign.waiting:
            proposal = state.proposals[pid]
            look = message.policies and not state.stopped
            decided = _by_itself(campaign, proposal, rules, n + 1, now, look=look)
            if decided:
                caused += decided
                left -= 1
                n += isinstance(decided[-1], ev.ExperimentQueued)
                effects += closed(proposal)
        if left == 0 and n == len(campaign.experiments) and not (campaign.queue or campaign.begun):
            caused += after_end(campaign, "", rules, waiting=0)
    return Decided(caused, effects)


def _by_itself(
    campaign: CampaignState, proposal: ProposalState, rules: LabRules, n: int, now: datetime, *, look: bool
) -> list[ev.Event]:
    terms, own = proposal.terms, rules.campaigns[campaign.id]
    if terms is not None and datetime.fromisoformat(terms.expires_at) <= now:
        reason = f"nobody decided before {terms.expires_at}"
        return [
            ev.ProposalDecided(proposal=proposal.id, revision=terms.revision, verdict="expired", by="", reason=reason)
        ]
    # What a person changed waits for a person.
    rule = _automatic(own, proposal.design, terms, now) if look and not proposal.edited_by else None
    if rule is None:
        return []
    if against := stale(campaign, proposal, rules, n - 1):
        return withdrawn([proposal], LIMITS, "; ".join(against))
    return _approved(campaign, proposal.id, terms, rule, n, own)


def stale(
    campaign: CampaignState, proposal: ProposalState, rules: LabRules, made: int | None = None
) -> tuple[str, ...]:
    """Why a revision may not be made as things stand now: what is looked at when it is approved, by whomever.

    Args:
        campaign: of the proposal.
        proposal: that waits.
        rules: of today.
        made: experiments of the campaign; None for as many as there are.
    """
    own, terms = rules.campaigns[proposal.campaign], proposal.terms
    if (len(campaign.experiments) if made is None else made) >= own.experiments:
        return (f"the campaign's budget of {own.experiments} experiments is spent",)
    if terms is not None and terms.limits_version != rules.limits.version:
        return ("the limits were changed after this was proposed",)
    if terms is not None and terms.recipe_hash != own.recipe.digest(proposal.design, own.factors):
        return ("the recipe was changed after this was proposed",)
    return refusals_of(rules.limits, own.recipe, proposal.design, own.factors)


def withdrawn(proposals: Sequence[ProposalState], by: str, reason: str) -> list[ev.Event]:
    """Proposals are taken back."""
    return [
        ev.ProposalDecided(
            proposal=p.id, revision=p.terms.revision if p.terms else 1, verdict="withdrawn", by=by, reason=reason
        )
        for p in proposals
    ]


def closed(proposal: ProposalState) -> list[Effect]:
    """What has to be told when a proposal reaches its end."""
    return [Effect("outcome", proposal.id), Effect("proposal", proposal.id), Effect("campaign", proposal.campaign)]

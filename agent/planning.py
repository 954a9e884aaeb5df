"""A round of a campaign: what the planner is asked, and how its answer becomes proposals for the core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agent import core
from agent import events as ev
from agent.crash_points import reached
from agent.desk import Desk
from agent.history import observations
from agent.minds import Minds, PlanAnswer, PlanRequest, Suggestion
from agent.store import ArtefactStore


class TermsMaker(Protocol):
    """Makes what people decide on; None where nobody is asked."""

    def __call__(self, campaign: str, proposal: str, suggestion: Suggestion, answer: PlanAnswer) -> ev.Terms | None:
        """The terms of a suggestion that becomes a proposal."""
        ...

    def refusals(self, campaign: str, suggestion: Suggestion) -> Sequence[str]:
        """Why the limits forbid it; empty when they do not."""
        ...


class Offline:
    """Terms of an offline campaign: there are none, and no limits but the simulators' own."""

    def __call__(self, campaign: str, proposal: str, suggestion: Suggestion, answer: PlanAnswer) -> None:
        """None."""
        del campaign, proposal, suggestion, answer

    def refusals(self, campaign: str, suggestion: Suggestion) -> Sequence[str]:
        """None."""
        del campaign, suggestion
        return ()


class Planning:
    """Asks the planner for rounds.

    Args:
        desk: knows the state.
        minds: plan.
        store: keeps the learning policy between rounds.
        terms: makes what people decide on.
    """

    def __init__(self, desk: Desk, minds: Minds, store: ArtefactStore, terms: TermsMaker) -> None:
        self._desk = desk
        self._minds = minds
        self._store = store
        self._terms = terms

    async def plan(self, command: core.PlanRound) -> core.Planned:
        """One round; it may take minutes."""
        campaign = self._desk.state.campaigns[command.campaign]
        checkpoint = self._store.get(campaign.checkpoint) if campaign.checkpoint else b""
        request = PlanRequest(
            command.round, command.n, observations(self._desk.state, campaign.id), tuple(campaign.designs), checkpoint
        )
        reached("before-plan")
        answer = await self._minds.plan(campaign.id, request)
        reached("after-plan")
        return self._planned(command, answer)

    def _planned(self, command: core.PlanRound, answer: PlanAnswer) -> core.Planned:
        campaign = self._desk.state.campaigns[command.campaign]
        kept = self._store.put(answer.checkpoint, "application/safetensors") if answer.checkpoint else ""
        planned = ev.RoundPlanned(
            campaign=campaign.id, round=command.round, candidates=dict(answer.candidates), checkpoint=kept,
            notes=answer.notes, effects=tuple(effect.model_dump(mode="json") for effect in answer.effects),
        )  # fmt: skip
        made: list[ev.ProposalMade] = []
        refused: list[ev.ProposalRefused] = []
        for suggestion in answer.suggestions:
            reasons = tuple(self._terms.refusals(campaign.id, suggestion))
            if reasons:
                refused.append(
                    ev.ProposalRefused(
                        campaign=campaign.id, round=command.round, design=suggestion.design, pool=suggestion.pool,
                        reasons=reasons,
                    )
                )  # fmt: skip
                continue
            pid = f"{campaign.prefix}P{campaign.n_proposals + len(made) + 1:03d}"
            terms = self._terms(campaign.id, pid, suggestion, answer)
            made.append(_made(campaign.id, pid, command.round, suggestion, terms))
        return core.Planned(planned, made, refused)


def _made(campaign: str, pid: str, index: int, suggestion: Suggestion, terms: ev.Terms | None) -> ev.ProposalMade:
    return ev.ProposalMade(
        campaign=campaign,
        proposal=pid,
        round=index,
        design=suggestion.design,
        pool=suggestion.pool,
        acquisition=suggestion.acquisition,
        forecast=suggestion.forecast,
        nearest=suggestion.nearest,
        terms=terms,
    )

"""What a proposal would be with some changes: judged by the rules as an edit is, and predicted anew by the models."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent import core
from agent import events as ev
from agent.core.state import CampaignRules, ProposalState
from agent.daemon import logs
from agent.desk import Desk
from agent.history import observation, observations
from agent.minds import Minds, PreviewRequest
from agent.rules.checks import checks_of
from agent.rules.limits import refusals_of
from agent.rules.outlook import Outlook
from agent.rules.terms import apply_changes, revised
from agent.words import in_print
from envs.design import Design
from envs.errors import LabwrightError, UserError
from instruments.clock import Clock
from instruments.profile.agent_messages import Proposal
from instruments.profile.questions import Preview, Question
from surrogates.observations import Observation

_log = logs.get("preview")
KEPT = 64
"""Outlooks of a campaign that are kept for the edits that may follow."""
CAMPAIGNS = 8
"""Of which outlooks are kept."""
PATIENCE_S = 100.0
"""How long the models may take, which may be planning at that moment; the rest of the answer goes out without them."""
MAX_REFUSALS, MAX_NOTES, MAX_TEXT = 32, 16, 2000
_CHANGED = (ev.CampaignCreated, ev.CampaignChanged)


@dataclass
class _Kept:
    """What the models said of a campaign, of the designs asked for last, and the history that they said it after."""

    history: Mapping[str, Observation]
    outlooks: OrderedDict[Design, Outlook] = field(default_factory=OrderedDict)

    def keep(self, design: Design, outlook: Outlook) -> None:
        self.outlooks[design] = outlook
        self.outlooks.move_to_end(design)
        while len(self.outlooks) > KEPT:
            self.outlooks.popitem(last=False)


class Previews:
    """Answers, and keeps what the models said for as long as nothing new is measured.

    What is measured is seen as it comes (``note``): a decision is told what is known without going through a history
    of thousands of experiments.

    Args:
        desk: knows state and rules.
        minds: predict.
        body_of: gives the bodies of proposals, as they were published.
        clock: the laboratory's time.
        patience_s: how long the models may take, s.
    """

    def __init__(
        self, desk: Desk, minds: Minds, body_of: Callable[[str], str], clock: Clock, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._desk = desk
        self._minds = minds
        self._body_of = body_of
        self._clock = clock
        self._patience_s = patience_s
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        desk.observe(self.note)

    def note(self, event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        """Observes the desk: forgets what the models said of a campaign that has something new to learn from."""
        if replayed or not self._kept:
            return
        if isinstance(event, _CHANGED):
            self._kept.pop(event.campaign, None)
        eid = str(getattr(event, "experiment", ""))
        for campaign, kept in list(self._kept.items()):
            if eid in state.campaigns[campaign].experiments:
                if observation(state.experiments[eid]) != kept.history.get(eid):
                    del self._kept[campaign]
                return

    def known(self, proposal: str) -> Mapping[Design, Outlook]:
        """What the models said of designs of a proposal's campaign, as far as it still holds."""
        waiting = self._desk.state.proposals.get(proposal)
        kept = self._kept.get(waiting.campaign) if waiting is not None else None
        return dict(kept.outlooks) if kept is not None else {}

    async def answer(self, question: Question) -> Mapping[str, Any]:
        """What the proposal would be.

        Raises:
            UserError: it does not wait any more, or the changes are none that an edit can make.
            LabwrightError: it cannot be worked out.
        """
        pid = str(question.proposal)
        proposal, own = self._waiting(pid)
        design = proposal.design
        if question.changes:
            design = apply_changes(design, question.changes, own.factors, own.crystals)
        outside = tuple(own.admits(design))
        against = (*outside, *refusals_of(self._desk.rules.limits, own.recipe, design, own.factors))
        outlook: Outlook | None = None
        notes: Sequence[str]
        if outside:
            notes = ("the models are not asked about what is outside the design space",)
        else:
            outlook, notes = await self._outlook(proposal.campaign, design)
        proposal, own = self._waiting(pid)  # the models take their time, and people decide meanwhile
        seen = self._revision(proposal, own, design, question, outlook)
        return {"preview": _preview(seen, proposal, against, notes)}

    def _waiting(self, pid: str) -> tuple[ProposalState, CampaignRules]:
        proposal = self._desk.state.proposals.get(pid)
        if proposal is None or proposal.terms is None:
            raise UserError(f"there is no proposal {pid}")
        if proposal.phase != "proposed":
            raise UserError(f"{pid} waits no longer: it is {proposal.phase}")
        own = self._desk.rules.campaigns.get(proposal.campaign)
        if own is None:
            raise UserError(f"the campaign {proposal.campaign} is not in the laboratory's file")
        return proposal, own

    async def _outlook(self, campaign: str, design: Design) -> tuple[Outlook | None, Sequence[str]]:
        """What the models expect; None, and why, where they cannot be asked."""
        kept = self._of(campaign)
        known = kept.outlooks.get(design)
        if known is not None:
            return known, ()
        try:
            async with asyncio.timeout(self._patience_s):
                said = await self._minds.preview(campaign, PreviewRequest([design], kept.history))
        except TimeoutError:
            return None, ("the models are busy: ask again in a minute for a prediction",)
        except LabwrightError as error:
            _log.warning("the models could not be asked", campaign=campaign, reason=str(error))
            return None, (f"the models could not be asked: {error}",)
        if not said.outlooks:
            return None, said.notes or ("the models say nothing of this design",)
        kept.keep(design, said.outlooks[0])  # in vain where something was measured meanwhile: it is forgotten then
        return said.outlooks[0], said.notes

    def _of(self, campaign: str) -> _Kept:
        kept = self._kept.get(campaign)
        if kept is None:
            kept = self._kept[campaign] = _Kept(observations(self._desk.state, campaign))
        self._kept.move_to_end(campaign)
        while len(self._kept) > CAMPAIGNS:
            self._kept.popitem(last=False)
        return kept

    def _revision(
        self, proposal: ProposalState, own: CampaignRules, design: Design, question: Question, outlook: Outlook | None
    ) -> Proposal:
        """The proposal as an edit would leave it: made by the same function, so that what is seen is what is signed."""
        terms = revised(
            self._body_of(proposal.id), design, question.changes, by="preview", comment="", now=self._clock.now(),
            factors=own.factors, crystals=own.crystals, policy=own.policy, costs=own.costs,
            recipe_hash=own.recipe.digest(design, own.factors), limits_version=self._desk.rules.limits.version,
            hazards=own.hazards, outlook=outlook,
            checks=checks_of(self._desk.rules.limits, own.recipe, design, own.factors),
        )  # fmt: skip
        return Proposal.model_validate_json(terms.body, extra="ignore")


def _preview(seen: Proposal, proposal: ProposalState, against: Sequence[str], notes: Sequence[str]) -> Preview:
    revision = proposal.terms.revision if proposal.terms else 1
    return Preview(
        proposal=seen.proposal,
        revision=revision,
        design=seen.design,
        refusals=tuple(in_print(words)[:MAX_TEXT] for words in against[:MAX_REFUSALS]),
        prediction=seen.prediction,
        feasibility=seen.feasibility,
        domain=seen.domain,
        effects=seen.effects,
        structure=seen.structure,
        cost=seen.cost,
        duration=seen.duration,
        quorum=seen.quorum,
        hazards=seen.hazards,
        checks=seen.checks,
        nearest=seen.nearest,
        notes=tuple(words[:MAX_TEXT] for words in notes[:MAX_NOTES]),
    )

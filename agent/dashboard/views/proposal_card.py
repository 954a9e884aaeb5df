"""One proposal as its card and its page show it."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent.dashboard.views import proposal_parts as parts
from agent.dashboard.views import words
from agent.dashboard.views.proposal_limits import Limit, limits_of
from agent.dashboard.views.proposal_rights import Quorum, Rights, quorum_of, rights_of
from instruments.messages import Quantity

if TYPE_CHECKING:
    from agent.dashboard.door.visitor import Visitor
    from agent.dashboard.live.picture import LabPicture, Waiting
    from instruments.profile.agent_messages import Acquisition, Proposal
    from instruments.profile.decisions import PublishedProposal
    from instruments.profile.model_messages import Goal, Structure

Ranks = Mapping[tuple[str, str], Sequence[float]]
"""Acquisition values in ascending order, by campaign and function."""
_MAX_FACTS = 512
_POOLS: Mapping[str, str] = {
    "start": "one of the starting designs, spread over the design space",
    "ppo": "designed by the reinforcement-learning policy",
    "genetic": "bred from the best designs so far",
    "library": "from the library of known compounds",
    "random": "drawn at random from the design space",
}
_ACQUISITIONS: Mapping[str, str] = {
    "log_expected_improvement": "how much better than the best so far it promises to be, with the chance of failure "
    "weighed in; logarithm, higher is better",
    "expected_improvement": "how much better than the best so far it promises to be; higher is better",
    "upper_confidence_bound": "the best that it may reasonably turn out to be; higher is better",
    "probability_of_improvement": "the chance that it is better than the best so far",
}


@dataclass(frozen=True)
class Why:
    """Why this design before others.

    Args:
        pool: source of candidates, with what it is.
        policy: the strategy that chose it.
        function: name of the acquisition function; empty where none was used.
        value: of it.
        meaning: what the value says.
        rank: the same against what else of the campaign waits, such as ``2nd of 5 that wait``; may be empty.
        text: the agent's own words.
    """

    pool: str
    policy: str
    function: str
    value: str
    meaning: str
    rank: str
    text: str


@dataclass(frozen=True)
class ProposalCard:
    """One proposal, whole.

    Args:
        process: names and values with units.
        predictions: what the models expect, what the campaign looks for first.
        why: it was chosen.
        effects: of factors on the objective, the strongest first.
        objective: what the effects are of, with its unit.
        nearest: the most alike sample so far.
        limits: its orders against the limits.
        known: whether the models know designs like it.
        expiry: how long a decision can wait.
        created: when this revision was made, in words.
        quorum: who has approved, and who must.
        changes: what the last edit changed: name, before, after.
        rights: what the visitor may do.
        read: what a signature names.
        proposal: as it came.
    """

    process: tuple[tuple[str, str], ...]
    predictions: tuple[parts.Prediction, ...]
    why: Why
    effects: tuple[parts.Effect, ...]
    objective: str
    nearest: parts.Nearest | None
    limits: tuple[Limit, ...]
    known: parts.Known | None
    expiry: parts.Expiry
    created: str
    quorum: Quorum
    changes: tuple[tuple[str, str, str], ...]
    rights: Rights
    read: PublishedProposal
    proposal: Proposal

    @property
    def id(self) -> str:
        """Of the proposal."""
        return self.proposal.proposal

    @property
    def revision(self) -> int:
        """1 at first."""
        return self.proposal.revision

    @property
    def formula(self) -> str:
        """What is made, with subscripts."""
        return words.formula_of(self.proposal.design)

    @property
    def crystal(self) -> str:
        """Its id in its source; empty where the design names none beside the formula."""
        return words.crystal_of(self.proposal.design)

    @property
    def structure(self) -> Structure | None:
        """To be drawn."""
        return self.proposal.structure

    @property
    def feasibility(self) -> float | None:
        """Probability that it can be made at all."""
        return self.proposal.feasibility

    @property
    def cost(self) -> tuple[tuple[str, str], ...]:
        """Names and amounts."""
        return costs_of(self.proposal.cost)

    @property
    def duration(self) -> str:
        """How long it would take; empty where nobody knows."""
        return words.lasting(self.proposal.duration) if self.proposal.duration is not None else ""

    @property
    def dangers(self) -> tuple[parts.Danger, ...]:
        """The gravest first."""
        return parts.dangers_of(self.proposal.hazards)


@dataclass(frozen=True)
class _Facts:
    """What follows from a proposal's own words, whoever looks and whenever."""

    process: tuple[tuple[str, str], ...]
    predictions: tuple[parts.Prediction, ...]
    effects: tuple[parts.Effect, ...]
    nearest: parts.Nearest | None
    limits: tuple[Limit, ...]
    changes: tuple[tuple[str, str, str], ...]


_FACTS: OrderedDict[Hashable, _Facts] = OrderedDict()
"""The latest, for all browsers: fifty of them look at the same dozen cards."""


def card_of(
    waiting: Waiting,
    picture: LabPicture,
    now: datetime,
    visitor: Visitor,
    *,
    stale: str = "",
    ranks: Ranks | None = None,
) -> ProposalCard:
    """One proposal as a person sees it.

    Args:
        waiting: it.
        picture: the laboratory.
        now: the laboratory's time.
        visitor: who looks.
        stale: why what is shown may be old; empty where it is live.
        ranks: of ``ranks_of``, where it is known already.
    """
    proposal = waiting.proposal
    goals = goals_of(picture, proposal.campaign)
    facts = _facts_of(waiting, picture, goals)
    quorum, lab = quorum_of(proposal, picture), picture.lab
    return ProposalCard(
        process=facts.process,
        predictions=facts.predictions,
        why=_why(proposal, ranks if ranks is not None else ranks_of(picture)),
        effects=facts.effects,
        objective=_objective(goals[0]) if goals else "objective",
        nearest=facts.nearest,
        limits=facts.limits,
        known=parts.known_of(proposal.domain),
        expiry=parts.expiry_of(proposal.created_at, proposal.expires_at, now, lab.speed if lab is not None else 1.0),
        created=words.moment(proposal.created_at, now),
        quorum=quorum,
        changes=facts.changes,
        rights=rights_of(proposal, quorum, picture, now, visitor.name, visitor.role, stale),
        read=waiting.published,
        proposal=proposal,
    )


def _facts_of(waiting: Waiting, picture: LabPicture, goals: tuple[Goal, ...]) -> _Facts:
    proposal = waiting.proposal
    best = best_of(picture, proposal.campaign)
    other = _nearest_design(proposal, picture)
    key = (
        waiting.published.digest,
        tuple((goal.property, goal.unit, goal.direction) for goal in goals),
        tuple((name, value.value, value.unit) for name, value in best.items()),
        other is not None,
    )
    found = _FACTS.get(key)
    if found is None:
        found = _FACTS[key] = _Facts(
            process=words.process_of(proposal.design),
            predictions=parts.predictions_of(proposal.prediction, goals, best),
            effects=parts.effects_of(proposal.effects, proposal.design, goals[0] if goals else None),
            nearest=parts.nearest_of(proposal.nearest, proposal.design, other),
            limits=limits_of(proposal.checks),
            changes=changes_of(proposal),
        )
        if len(_FACTS) > _MAX_FACTS:
            _FACTS.popitem(last=False)
    _FACTS.move_to_end(key)
    return found


def ranks_of(picture: LabPicture) -> Ranks:
    """Acquisition values of what waits, ascending, by campaign and function."""
    found: dict[tuple[str, str], list[float]] = {}
    for waiting in picture.proposals.values():
        chosen = waiting.proposal.acquisition
        if chosen is not None:
            found.setdefault((waiting.proposal.campaign, chosen.function), []).append(chosen.value)
    for values in found.values():
        values.sort()
    return found


def _objective(goal: Goal) -> str:
    unit = words.pretty_unit(goal.unit)
    return f"{words.label(goal.property)} ({unit})" if unit else words.label(goal.property)


def goals_of(picture: LabPicture, cid: str) -> tuple[Goal, ...]:
    """What a campaign looks for; nothing where it has not said so yet."""
    campaign = picture.campaigns.get(cid)
    return campaign.space.goals if campaign is not None and campaign.space is not None else ()


def best_of(picture: LabPicture, cid: str) -> Mapping[str, Quantity]:
    """What was measured of a campaign's best sample."""
    campaign = picture.campaigns.get(cid)
    best = campaign.state.best if campaign is not None and campaign.state is not None else None
    return best.found if best is not None else {}


def costs_of(cost: Mapping[str, Quantity]) -> tuple[tuple[str, str], ...]:
    """What something would spend: names without the unit that stands behind the number anyway."""
    return tuple((_cost_name(name, value.unit), words.quantity(value, 3)) for name, value in cost.items())


def _cost_name(name: str, unit: str) -> str:
    label = words.label(name)
    return label.removesuffix(" hours") if unit == "h" else label


def changes_of(proposal: Proposal) -> tuple[tuple[str, str, str], ...]:
    """What the last edit changed: name, before, after."""
    before = {**proposal.design, **proposal.changes}
    return parts.differences({k: v for k, v in before.items() if k in proposal.design}, proposal.design)


def _nearest_design(proposal: Proposal, picture: LabPicture) -> Mapping[str, Quantity | str] | None:
    if proposal.nearest is None:
        return None
    experiment = picture.experiments.get(proposal.nearest.experiment)
    return None if experiment is None else experiment.design


def _why(proposal: Proposal, ranks: Ranks) -> Why:
    chosen, pool = proposal.acquisition, proposal.proposed_by.pool
    meaning = _POOLS.get(pool, "")
    return Why(
        pool=f"{pool}: {meaning}" if meaning else pool,
        policy=proposal.proposed_by.policy,
        function=words.label(chosen.function) if chosen is not None else "",
        value=words.number(chosen.value, 3) if chosen is not None else "",
        meaning=_ACQUISITIONS.get(chosen.function, "higher is better") if chosen is not None else "",
        rank=_rank(chosen, ranks.get((proposal.campaign, chosen.function), ())) if chosen is not None else "",
        text=proposal.rationale,
    )


def _rank(chosen: Acquisition, values: Sequence[float]) -> str:
    if len(values) < 2:
        return ""
    place = 1 + len(values) - bisect.bisect_right(values, chosen.value)
    return f"{ordinal(place)} of the {len(values)} that wait"


def ordinal(n: int) -> str:
    """A place in an order, such as ``2nd``."""
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"

"""What people decide on, made of what the planner suggests: the terms of each proposal, and the limits' first look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agent import events as ev
from agent.desk import Desk
from agent.minds import PlanAnswer, Suggestion
from agent.rules.checks import checks_of
from agent.rules.costs import Costs
from agent.rules.limits import refusals_of
from agent.rules.terms import nearest_sample, published, terms_of
from envs.design import Design
from envs.objective import Objective
from instruments.clock import Clock


class LabTerms:
    """Makes terms.

    Args:
        desk: knows state and rules.
        clock: the laboratory's time.
        objective: of each campaign, by id.
    """

    def __init__(self, desk: Desk, clock: Clock, objective: Callable[[str], Objective]) -> None:
        self._desk = desk
        self._clock = clock
        self._objective = objective

    def __call__(self, campaign: str, proposal: str, suggestion: Suggestion, answer: PlanAnswer) -> ev.Terms:
        """The terms of a suggestion that becomes a proposal."""
        own, design, now = self._desk.rules.campaigns[campaign], _design(suggestion), self._clock.now()
        cost = own.costs(design)
        message = published(
            lab=self._desk.rules.lab,
            campaign=campaign,
            proposal=proposal,
            design=design,
            formula=suggestion.design.formula,
            factors=own.factors,
            objective=self._objective(campaign),
            strategy=answer.strategy,
            pool=suggestion.pool,
            now=now,
            expires_at=own.policy.expires_at(now),
            quorum=own.policy.quorum(design, cost),
            recipe_hash=own.recipe.digest(design, own.factors),
            limits_version=self._desk.rules.limits.version,
            model_version=answer.model_version,
            cost=cost,
            forecast=suggestion.forecast,
            acquisition=suggestion.acquisition,
            nearest=nearest_sample(suggestion.nearest, self._found(suggestion.nearest), distance=suggestion.distance),
            hazards=own.hazards(design),
            outlook=suggestion.outlook(answer.model_version),
            duration=own.costs.duration(design) if isinstance(own.costs, Costs) else None,
            checks=checks_of(self._desk.rules.limits, own.recipe, design, own.factors),
        )
        return terms_of(message)

    def refusals(self, campaign: str, suggestion: Suggestion) -> Sequence[str]:
        """Why the limits forbid it, before anybody is asked."""
        own = self._desk.rules.campaigns[campaign]
        return refusals_of(self._desk.rules.limits, own.recipe, _design(suggestion), own.factors)

    def _found(self, experiment: str) -> Mapping[str, ev.Reading]:
        known = self._desk.state.experiments.get(experiment)
        return known.found if known is not None else {}


def _design(suggestion: Suggestion) -> Design:
    return Design(suggestion.design.crystal, suggestion.design.process)

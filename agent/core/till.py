"""Budgets at the moment of ordering: several experiments that begin at once must not spend the same money."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from agent.core.state import ExperimentState, LabRules, LabState
from agent.rules.budgets import Held, Spent


class Till:
    """What would be spent, while beginnings are handed out.

    Args:
        state: of the laboratory: what has been spent.
        rules: what may be.
    """

    def __init__(self, state: LabState, rules: LabRules) -> None:
        self._state = state
        self._rules = rules
        self._lab = state.spent
        self._campaigns: dict[str, Spent] = {}

    def holds(self, experiment: ExperimentState, now: datetime) -> Held | None:
        """Why an experiment may not begin now; None when it may."""
        own, cost = self._rules.campaigns[experiment.campaign], self._cost(experiment)
        spent = self._campaigns.get(experiment.campaign, self._state.campaigns[experiment.campaign].spent)
        return own.budgets.holds(spent, now, cost) or self._rules.budgets.holds(self._lab, now, cost)

    def spend(self, experiment: ExperimentState, now: datetime) -> None:
        """An experiment begins."""
        cost = self._cost(experiment)
        spent = self._campaigns.get(experiment.campaign, self._state.campaigns[experiment.campaign].spent)
        self._campaigns[experiment.campaign] = spent.started(now, cost)
        self._lab = self._lab.started(now, cost)

    def _cost(self, experiment: ExperimentState) -> Mapping[str, float]:
        terms = self._state.proposals[experiment.proposal].terms
        return terms.cost if terms is not None else {}

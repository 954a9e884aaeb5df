"""Budgets at the moment of ordering: what is under way is as good as spent, and no two beginnings spend the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from agent.core.state import ExperimentState, LabRules, LabState
from agent.rules.budgets import HOURS, Held, Spent


class Till:
    """What would be spent, while beginnings are handed out.

    Args:
        state: of the laboratory: what has been spent.
        rules: what may be.
    """

    def __init__(self, state: LabState, rules: LabRules) -> None:
        self._state = state
        self._rules = rules
        self._lab: Spent | None = None
        self._campaigns: dict[str, Spent] = {}

    def holds(self, experiment: ExperimentState, now: datetime) -> Held | None:
        """Why an experiment may not begin now; None when it may."""
        own, cost = self._rules.campaigns[experiment.campaign], self._cost(experiment)
        spent = self._campaign(experiment.campaign, now)
        return own.budgets.holds(spent, now, cost) or self._rules.budgets.holds(self._laboratory(now), now, cost)

    def spend(self, experiment: ExperimentState, now: datetime) -> None:
        """An experiment begins."""
        cost = self._cost(experiment)
        spent = self._campaign(experiment.campaign, now)
        self._campaigns[experiment.campaign] = _reserved(spent.started(now, cost), cost, {}, now)
        self._lab = _reserved(self._laboratory(now).started(now, cost), cost, {}, now)

    def _campaign(self, campaign: str, now: datetime) -> Spent:
        if campaign not in self._campaigns:
            known = self._state.campaigns[campaign]
            self._campaigns[campaign] = self._under_way(known.spent, known.begun, now)
        return self._campaigns[campaign]

    def _laboratory(self, now: datetime) -> Spent:
        if self._lab is None:
            begun = [e for c in self._state.campaigns.values() for e in c.begun]
            self._lab = self._under_way(self._state.spent, dict.fromkeys(begun), now)
        return self._lab

    def _under_way(self, spent: Spent, begun: Mapping[str, None], now: datetime) -> Spent:
        """With the hours that experiments under way have still before them."""
        for eid in begun:
            experiment = self._state.experiments[eid]
            spent = _reserved(spent, self._cost(experiment), experiment.worked, now)
        return spent

    def _cost(self, experiment: ExperimentState) -> Mapping[str, float]:
        terms = self._state.proposals[experiment.proposal].terms
        return terms.cost if terms is not None else {}


def _reserved(spent: Spent, cost: Mapping[str, float], worked: Mapping[str, float], now: datetime) -> Spent:
    for name, hours in cost.items():
        kind = name.removesuffix(HOURS)
        left = hours - worked.get(kind, 0.0)
        if kind != name and left > 0.0:
            spent = spent.worked(kind, left, now)
    return spent

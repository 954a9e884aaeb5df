"""All that the page of a campaign shows, out of what the broker says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.dashboard.live.picture import CampaignPicture, LabPicture
from agent.dashboard.views import shares, words
from agent.dashboard.views.addresses import page_of
from agent.dashboard.views.campaign_curve import BestSoFar, Curve, curve_of
from agent.dashboard.views.campaign_parity import Parity, parity_of
from agent.dashboard.views.campaign_pools import PoolOutcomes, pools_of
from agent.dashboard.views.campaign_spending import Spending, TimeLeft, spending_of, time_left
from agent.words import in_print, who
from instruments.profile.campaign_messages import Best
from instruments.profile.experiment_messages import ExperimentState
from instruments.profile.model_messages import FactorEffect, Goal

_PHASES = {
    "draft": "info", "running": "good", "paused": "warn", "stopping": "warn", "completed": "info", "stopped": "bad",
}  # fmt: skip
_GOES_ON = frozenset({"draft", "running", "paused"})
_RUNS = frozenset({"running", "stopping"})


@dataclass(frozen=True)
class BestView:
    """The best sample so far.

    Args:
        experiment: that made it.
        value: of the first goal, with uncertainty and unit; empty where it is not known.
        formula: what it is made of.
        process: how it was made: names and values.
        found: everything else that was measured of it: names and values.
        page: of the experiment; empty where it is not told any more.
    """

    experiment: str
    value: str
    formula: str
    process: tuple[tuple[str, str], ...] = ()
    found: tuple[tuple[str, str], ...] = ()
    page: str = ""


@dataclass(frozen=True)
class CampaignView:
    """One campaign, for its page.

    Args:
        id: its id.
        phase: of its life, as a word.
        tone: how the phase looks: ``good``, ``warn``, ``bad`` or ``info``.
        reason: why it is in that phase.
        goal: what it looks for, for people.
        goals: the same, by property.
        best: the best sample.
        counts: proposals and experiments by state, those that occur: names and numbers.
        curve: the best so far.
        parity: predicted against measured.
        pools: outcomes by pool.
        effects: of factors, the strongest first.
        learned: what the effects are from, for people.
        notes: what went worse than it should in planning.
        spending: budget lines.
        left: time left.
    """

    id: str
    phase: str
    tone: str
    reason: str
    goal: str
    goals: tuple[Goal, ...]
    best: BestView | None
    counts: tuple[tuple[str, int], ...]
    curve: Curve | None
    parity: Parity | None
    pools: PoolOutcomes
    effects: tuple[FactorEffect, ...]
    learned: str
    notes: tuple[str, ...]
    spending: tuple[Spending, ...]
    left: TimeLeft


def campaign_view(picture: LabPicture, cid: str, now: datetime) -> CampaignView | None:
    """What the page of a campaign shows; None where no such campaign is known.

    Args:
        picture: what the broker says.
        cid: the campaign.
        now: the laboratory's present.
    """
    campaign = picture.campaigns.get(cid)
    if campaign is None:
        return None
    experiments = list(picture.of_campaign(cid))
    goals = goals_of(campaign, experiments)
    state, model = campaign.state, campaign.model
    phase = state.phase if state is not None else "draft"
    curve = curve_of(experiments, goals[0]) if goals else None
    return CampaignView(
        id=cid,
        phase=phase if state is not None else "not told yet",
        tone=_PHASES[phase],
        reason=_reason(state.reason) if state is not None else "",
        goal=state.goal if state is not None else "",
        goals=goals,
        best=_best(campaign, goals, picture, curve),
        counts=_counts(campaign),
        curve=curve,
        parity=parity_of(experiments, goals[0]) if goals else None,
        pools=pools_of(experiments),
        effects=tuple(sorted(model.effects, key=lambda one: -one.share)) if model is not None else (),
        learned=_learned(campaign),
        notes=model.notes if model is not None else (),
        spending=spending_of(state.budget) if state is not None else (),
        left=time_left(
            experiments,
            state.budget if state is not None else {},
            now,
            goes_on=phase in _GOES_ON,
            runs=phase in _RUNS,
        ),
    )


def _reason(told: str) -> str:
    """Why it stands so; where a rule has said so, ``policy:`` and its name stand before it."""
    by, colon, why = told.partition(": ")
    return in_print(f"{who(by)}{colon}{why}") if by.startswith("policy:") else in_print(told)


def goals_of(campaign: CampaignPicture, experiments: Sequence[ExperimentState]) -> tuple[Goal, ...]:
    """What a campaign looks for; where its space has not come yet, the first property that was measured."""
    if campaign.space is not None:
        return campaign.space.goals
    for one in experiments:
        for name, quantity in one.found.items():
            return (Goal(property=name, unit=quantity.unit),)
    return ()


def _best(
    campaign: CampaignPicture, goals: Sequence[Goal], picture: LabPicture, curve: Curve | None
) -> BestView | None:
    told = campaign.state.best if campaign.state is not None else None
    last = curve.last if curve is not None else None
    if last is not None and (told is None or _is_better(last, told, goals[0])):
        one = picture.experiments[last.experiment]
        eid, design, found = one.experiment, one.design, one.found
    elif told is not None:
        eid, design, found = told.experiment, told.design, told.found
    else:
        return None
    first = goals[0].property if goals else ""
    process = tuple((name, words.formula(text)) for name, text in words.process_of(design))
    value = shares.quantity(first, found[first]) if first in found else ""
    rest = tuple(
        (shares.title(name, q.unit), shares.quantity(name, q))
        for name, q in found.items()
        if name != first or not value
    )
    return BestView(eid, value, words.formula_of(design), process, rest, page_of(eid, picture))


def _is_better(seen: BestSoFar, told: Best, goal: Goal) -> bool:
    """Whether what is seen is better than what the agent says is the best; its history may be the longer one."""
    value = told.found.get(goal.property)
    if value is None or value.unit != goal.unit:
        return True
    return seen.value > value.value if goal.direction == "maximize" else seen.value < value.value


def _counts(campaign: CampaignPicture) -> tuple[tuple[str, int], ...]:
    if campaign.state is None:
        return ()
    said = campaign.state.counts.model_dump()
    return tuple((words.label(name), n) for name, n in said.items() if n)


def _learned(campaign: CampaignPicture) -> str:
    model = campaign.model
    if model is None:
        return "The models have not learned anything yet."
    version = f", models {model.model_version}" if model.model_version else ""
    return f"From {words.counted(model.observed, 'experiment')}, round {model.round + 1}{version}"


def campaign_ids(picture: LabPicture) -> tuple[str, ...]:
    """All campaigns, those under way first."""
    order = ("running", "paused", "stopping", "draft", "stopped", "completed")

    def place(cid: str) -> tuple[int, str]:
        state = picture.campaigns[cid].state
        return (order.index(state.phase) if state is not None else len(order), cid)

    return tuple(sorted(picture.campaigns, key=place))

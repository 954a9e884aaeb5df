"""What is due: derived from the state, the rules and the instruments in sight. It changes nothing.

Experiments under way come before new ones, campaigns by their priority, experiments by their number. A place at an
instrument is taken by an open job in the record, whatever the instrument says of itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from agent.core.experimenting import ORDERING, may_order
from agent.core.messages import Command, Holding, InstrumentView, PlanRound, ReadImage, SendOrder, World
from agent.core.state import CampaignState, ExperimentState, LabRules, LabState
from agent.core.till import Till
from agent.rules.recipe import PIXEL_SIZE, Order, Recipe
from instruments.messages import Quantity


def due(state: LabState, rules: LabRules, world: World, now: datetime) -> list[Command]:
    """Everything to do next, the most urgent first; none when nothing is due or everything waits."""
    known = [c for c in state.campaigns.values() if c.id in rules.campaigns]
    known.sort(key=lambda c: -rules.campaigns[c.id].priority)
    found: list[Command] = []
    places = _Places(state, rules, world, now)
    for campaign in known:
        for eid in campaign.begun:
            found += _next_of(state, state.experiments[eid], rules, places)
    for campaign in known:
        if campaign.phase == "running":
            found += _beginnings(state, campaign, rules, places, now)
            found += _plan(campaign, rules)
    return found


def _plan(campaign: CampaignState, rules: LabRules) -> list[Command]:
    own = rules.campaigns[campaign.id]
    left = own.experiments - len(campaign.experiments)
    if not campaign.idle or left <= 0:
        return []
    return [PlanRound(campaign.id, campaign.round + 1, min(left, own.initial if campaign.round < 0 else own.batch))]


@dataclass
class _Places:
    """Free places at instruments while commands are handed out."""

    state: LabState
    rules: LabRules
    world: World
    now: datetime
    taken: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.taken = dict(self.state.busy)
        self.till = Till(self.state, self.rules)

    def find(self, order: Order, own: frozenset[str] | None) -> str | Holding:
        """An instrument with a free place that may take an order; the place then is taken. Or why there is none."""
        kind = order.instrument
        able = [i for i, v in self.world.items() if v.kind == kind and not self.rules.limits.refusals(order, i)]
        why = ("no_instrument", f"no instrument of kind {kind!r} is in sight: start one, or look at the broker")
        for iid, view in sorted(self.world.items()):
            if view.kind != kind or (own is not None and iid not in own):
                continue
            if able and iid not in able:
                continue  # where none may take it the last look says so
            code, reason = self._hindrance(iid, view)
            if not code:
                self.taken[iid] = self.taken.get(iid, 0) + 1
                return iid
            why = (code, reason)
        return Holding("", "", *why)

    def _hindrance(self, iid: str, view: InstrumentView) -> tuple[str, str]:
        if iid in self.state.maintenance:
            return "maintenance", f"{iid} is out of service: {self.state.maintenance[iid]}"
        if view.code:
            return view.code, view.reason
        if self.taken.get(iid, 0) >= view.places:
            return "instrument_busy", f"{iid} has work"
        return "", ""


def _next_of(state: LabState, experiment: ExperimentState, rules: LabRules, places: _Places) -> Iterator[Command]:
    """What an experiment that is under way needs next."""
    recipe = rules.campaigns[experiment.campaign].recipe
    if experiment.step == "read" and experiment.image is not None:
        yield ReadImage(experiment.id, experiment.attempt, experiment.image, _pixel_size(experiment))
        return
    if experiment.lost and not experiment.job:
        return  # its end is known, and what it means for the sample is for a person to say
    if not experiment.job and (state.stopped or not may_order(state.campaigns[experiment.campaign], experiment)):
        return
    yield from _order(state, experiment, recipe, rules, places)


def _order(
    state: LabState, experiment: ExperimentState, recipe: Recipe, rules: LabRules, places: _Places
) -> Iterator[Command]:
    own = rules.campaigns[experiment.campaign]
    try:
        order = recipe.order(
            experiment.step, sample=experiment.id, design=experiment.design, factors=own.factors,
            attempt=experiment.attempt, kept=experiment.kept,
        )  # fmt: skip
    except KeyError as missing:
        if experiment.job:  # what became of it can still be asked; it is never sent
            asked = Order(experiment.capability, "", {})
            yield SendOrder(
                experiment.id, experiment.step, experiment.attempt, experiment.tries, asked, experiment.instrument,
                experiment.job, experiment.accepted,
            )  # fmt: skip
            return
        yield Holding(experiment.id, experiment.step, "recipe", f"the recipe has no {missing} any more")
        return
    iid: str | Holding = experiment.instrument
    if experiment.rests_until is not None and not experiment.job and places.now < experiment.rests_until:
        reason = f"an instrument had no room for it: again at {experiment.rests_until.isoformat()}"
        yield Holding(experiment.id, experiment.step, "instrument_busy", reason)
        return
    if experiment.begun and not experiment.job and rules.mode not in ORDERING:
        reason = f"{rules.mode}: it was begun with orders, and goes on with them"
        yield Holding(experiment.id, experiment.step, rules.mode, reason)
        return
    if not experiment.job:
        iid = places.find(order, own.instruments)
    if isinstance(iid, Holding):
        yield Holding(experiment.id, experiment.step, iid.code, iid.reason)
        return
    if experiment.id in state.held and not experiment.job:
        yield Holding(experiment.id, experiment.step, "", "")
    yield SendOrder(
        experiment.id, experiment.step, experiment.attempt, experiment.tries, order, iid, experiment.job,
        experiment.accepted,
    )  # fmt: skip


def _beginnings(
    state: LabState, campaign: CampaignState, rules: LabRules, places: _Places, now: datetime
) -> Iterator[Command]:
    """New experiments of a campaign, from the head of its queue, as long as there is room for them."""
    own = rules.campaigns[campaign.id]
    room = own.at_once - len(campaign.begun)
    if room <= 0 or not campaign.queue or state.stopped:
        return
    for eid in campaign.queue:
        experiment = state.experiments[eid]
        held = places.till.holds(experiment, now)
        if held is not None:
            yield Holding(eid, experiment.step, held.code, held.reason)
            return
        wanted = list(_order(state, experiment, own.recipe, rules, places))
        yield from wanted
        room -= 1
        if room <= 0 or not any(isinstance(c, SendOrder) for c in wanted):
            return
        places.till.spend(experiment, now)


def _pixel_size(experiment: ExperimentState) -> float:
    kept = experiment.kept.get(PIXEL_SIZE)
    return kept.value if isinstance(kept, Quantity) else 0.0

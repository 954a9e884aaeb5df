"""Trade-offs: which samples no other one beats in both of two quantities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agent.dashboard.live.picture import LabPicture
from agent.dashboard.views.campaign_curve import counts, in_order
from instruments.profile.agent_messages import Proposal
from instruments.profile.experiment_messages import ExperimentState
from instruments.profile.model_messages import Goal

Direction = Literal["maximize", "minimize"]
DURATION = "duration"
HOURS = "_hours"
"""What instruments' time is named by, after their kind, as in a campaign's budget."""


@dataclass(frozen=True)
class Axis:
    """A quantity that samples are compared in.

    Args:
        name: a measured property, ``duration``, or an instrument's kind and ``_hours``.
        unit: UCUM code.
        direction: which values are better.
        goal: whether the campaign looks for it.
    """

    name: str
    unit: str
    direction: Direction
    goal: bool = False


@dataclass(frozen=True)
class FrontPoint:
    """One sample, or one proposal with what is expected of it.

    Args:
        id: of the experiment or the proposal.
        x: in the first axis' unit.
        y: in the second's.
        x_std: standard uncertainty; 0 where none is known.
        y_std: likewise.
        front: whether no other sample is better in both.
    """

    id: str
    x: float
    y: float
    x_std: float = 0.0
    y_std: float = 0.0
    front: bool = False


@dataclass(frozen=True)
class Front:
    """Samples in two quantities.

    Args:
        x: the first quantity.
        y: the second.
        points: that were measured.
        expected: proposals that wait, by what the models expect.
    """

    x: Axis
    y: Axis
    points: tuple[FrontPoint, ...] = ()
    expected: tuple[FrontPoint, ...] = ()

    @property
    def best(self) -> tuple[FrontPoint, ...]:
        """The front, by its first quantity."""
        return tuple(sorted((point for point in self.points if point.front), key=lambda one: (one.x, one.y)))


def undominated(values: Sequence[tuple[float, float]], directions: tuple[Direction, Direction]) -> list[bool]:
    """Which pairs no other pair beats: none is as good in both and better in one.

    Sorted by the first quantity, a pair is undominated if it is better in the second than every pair before it; so it
    takes O(n log n). Equal pairs do not beat each other.

    Args:
        values: first and second quantity, in any order.
        directions: which values are better.
    """
    signs = [1.0 if direction == "maximize" else -1.0 for direction in directions]
    best = [(-signs[0] * first, -signs[1] * second) for first, second in values]
    kept, lowest = [False] * len(values), float("inf")
    order = sorted(range(len(values)), key=best.__getitem__)
    before: tuple[float, float] | None = None
    for i in order:
        if best[i][1] < lowest or best[i] == before:
            kept[i], lowest, before = True, best[i][1], best[i]
    return kept


def axes_of(picture: LabPicture, experiments: Iterable[ExperimentState], goals: Sequence[Goal]) -> tuple[Axis, ...]:
    """What samples can be compared in: goals first, then other properties, then what they cost.

    A property that is no goal counts as better where it is lower; the page lets people turn that round.
    """
    counted = [one for one in experiments if counts(one)]
    axes = {goal.property: Axis(goal.property, goal.unit, goal.direction, goal=True) for goal in goals}
    for one in counted:
        for name, quantity in one.found.items():
            axes.setdefault(name, Axis(name, quantity.unit, "minimize"))
    if any(one.begun_at and one.ended_at for one in counted):
        axes.setdefault(DURATION, Axis(DURATION, "h", "minimize"))
    for name in sorted({name for one in counted for name in hours_of(one, picture)}):
        axes.setdefault(name, Axis(name, "h", "minimize"))
    return tuple(axes.values())


def hours_of(one: ExperimentState, picture: LabPicture) -> Mapping[str, float]:
    """How long each kind of instrument worked on an experiment, in hours, by their names in budgets."""
    hours: dict[str, float] = {}
    for step in one.steps:
        if step.instrument is None or step.elapsed_s is None:
            continue
        instrument = picture.instruments.get(step.instrument)
        told = instrument.description if instrument is not None else None
        kind = told.kind if told is not None else step.instrument
        hours[kind + HOURS] = hours.get(kind + HOURS, 0.0) + step.elapsed_s / 3600.0
    return hours


def front_of(
    picture: LabPicture, experiments: Iterable[ExperimentState], x: Axis, y: Axis, waiting: Iterable[Proposal] = ()
) -> Front:
    """Samples by two quantities.

    Args:
        picture: for the kinds of instruments.
        experiments: of one campaign.
        x: the first quantity.
        y: the second.
        waiting: proposals whose expectations are shown beside.
    """
    found = []
    for one in in_order(experiments):
        first, second = _value(one, x, picture), _value(one, y, picture)
        if counts(one) and first is not None and second is not None:
            found.append((one.experiment, first, second))
    kept = undominated([(first[0], second[0]) for _, first, second in found], (x.direction, y.direction))
    points = [
        FrontPoint(eid, first[0], second[0], first[1], second[1], front)
        for (eid, first, second), front in zip(found, kept, strict=True)
    ]
    return Front(x, y, tuple(points), tuple(_expected(waiting, x, y)))


def _value(one: ExperimentState, axis: Axis, picture: LabPicture) -> tuple[float, float] | None:
    quantity = one.found.get(axis.name)
    if quantity is not None:
        return (quantity.value, quantity.std or 0.0) if quantity.unit == axis.unit else None
    if axis.name == DURATION:
        return _hours(one.begun_at, one.ended_at)
    hours = hours_of(one, picture).get(axis.name)
    return None if hours is None else (hours, 0.0)


def _hours(begun: datetime | None, ended: datetime | None) -> tuple[float, float] | None:
    return None if begun is None or ended is None else ((ended - begun).total_seconds() / 3600.0, 0.0)


def _expected(waiting: Iterable[Proposal], x: Axis, y: Axis) -> Iterable[FrontPoint]:
    for proposal in waiting:
        first, second = _foreseen(proposal, x), _foreseen(proposal, y)
        if first is not None and second is not None:
            yield FrontPoint(proposal.proposal, first[0], second[0], first[1], second[1])


def _foreseen(proposal: Proposal, axis: Axis) -> tuple[float, float] | None:
    estimate = proposal.prediction.get(axis.name)
    if estimate is not None:
        return (estimate.value, estimate.std) if estimate.unit == axis.unit else None
    quantity = proposal.duration if axis.name == DURATION else proposal.cost.get(axis.name)
    return (quantity.value, quantity.std or 0.0) if quantity is not None and quantity.unit == axis.unit else None

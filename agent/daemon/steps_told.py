"""An experiment's orders one after the other, as the bus retains them: what was ordered, and what is still to come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent import core
from agent import events as ev
from agent.core.evolving import values_of
from agent.events.base import Stored as Plain
from agent.rules.recipe import Recipe, Step
from envs.factors import Factor
from instruments.messages import Value
from instruments.profile.agent_messages import MAX_PROPERTIES
from instruments.profile.experiment_messages import MAX_STEPS, StepState

LINE, TEXT = 200, 2000
"""Most characters of a line and of a text in a message."""
READ, DONE = "read", "done"


@dataclass(frozen=True)
class Happened:
    """One event of an experiment, with what the journal knows of it.

    Args:
        at: when.
        event: what happened.
        hash: of the entry.
    """

    at: datetime
    event: ev.Event
    hash: str = ""


def steps_of(
    history: Sequence[Happened],
    experiment: core.ExperimentState | None,
    recipe: Recipe | None,
    factors: tuple[Factor, ...] = (),
) -> tuple[StepState, ...]:
    """Orders in their sequence, then the steps to come; the latest orders where there are many.

    Args:
        history: all that happened to the experiment.
        experiment: as it stands; None where only its history is known.
        recipe: of its campaign; None where the campaign has no rules any more.
        factors: give the units of the design's process.
    """
    ordered = _Orders()
    for one in history:
        ordered.note(one)
    told = list(ordered.steps.values())
    waiting = [] if experiment is None or recipe is None else list(_to_come(experiment, recipe, factors))
    return (*told[max(0, len(told) - (MAX_STEPS - len(waiting))) :], *waiting[:MAX_STEPS])


# ---- What was ordered


@dataclass
class _Orders:
    """Orders by job, folded event by event."""

    steps: dict[str, StepState] = field(default_factory=dict)
    reading: str = ""
    """The job whose image the network reads."""

    def note(self, one: Happened) -> None:
        fold = _FOLDS.get(type(one.event))
        if fold is not None:
            fold(self, one.event, one.at)

    def change(self, job: str, **changes: object) -> None:
        if job in self.steps:
            self.steps[job] = self.steps[job].model_copy(update=changes)

    def dispatched(self, event: ev.StepDispatched, at: datetime) -> None:
        self.steps[event.job] = StepState(
            step=event.step, state="ordered", attempt=event.attempt, tries=event.tries, command=event.command,
            instrument=event.instrument, job=event.job, parameters=values_told(event.parameters), begun_at=at,
        )  # fmt: skip

    def accepted(self, event: ev.StepAccepted, _at: datetime) -> None:
        self.change(event.job, state="accepted")

    def shadowed(self, event: ev.StepShadowed, at: datetime) -> None:
        self.steps[f"{event.step} {at.isoformat()}"] = StepState(
            step=event.step, state="waiting", command=event.command, instrument=event.instrument,
            parameters=values_told(event.parameters), begun_at=at, error="shadow mode: nothing is ordered",
        )  # fmt: skip

    def ended(self, event: ev.StepEnded, at: datetime) -> None:
        reads = event.state == "succeeded" and event.then == READ
        self.reading = event.job if reads else self.reading
        self.change(
            event.job, state="reading" if reads else event.state, ended_at=at, elapsed_s=max(event.elapsed_s, 0.0),
            found=values_told(event.values), error=event.error[:TEXT],
        )  # fmt: skip

    def read(self, _event: ev.ImageRead, _at: datetime) -> None:
        self.change(self.reading, state="succeeded")
        self.reading = ""

    def lost(self, event: ev.ReconcileNeeded, _at: datetime) -> None:
        self.change(event.job, state="lost", error=event.reason[:TEXT])

    def reconciled(self, event: ev.Reconciled, at: datetime) -> None:
        words = "the order may be given again" if event.verdict == "again" else "the experiment ends"
        reason = f": {event.reason}" if event.reason else ""
        self.change(event.job, state="lost", ended_at=at, error=f"{event.by} looked: {words}{reason}"[:TEXT])

    def over(self, _event: ev.ExperimentEnded, at: datetime) -> None:
        for job, step in self.steps.items():
            if step.state in {"ordered", "accepted"}:
                error = "the experiment ended before the instrument answered"
                self.change(job, state="lost", ended_at=at, error=error)
        self.change(self.reading, state="succeeded")


_FOLDS: Mapping[type, Callable[[_Orders, Any, datetime], None]] = {
    ev.StepDispatched: _Orders.dispatched,
    ev.StepAccepted: _Orders.accepted,
    ev.StepShadowed: _Orders.shadowed,
    ev.StepEnded: _Orders.ended,
    ev.ImageRead: _Orders.read,
    ev.ReconcileNeeded: _Orders.lost,
    ev.Reconciled: _Orders.reconciled,
    ev.ExperimentEnded: _Orders.over,
}


def values_told(plain: Plain) -> dict[str, Value]:
    """Quantities and words as a message may bear them: so many, and words no longer than a line."""
    values = list(values_of(plain).items())[:MAX_PROPERTIES]
    return {name: value[:LINE] if isinstance(value, str) else value for name, value in values}


# ---- What is still to come


def _to_come(experiment: core.ExperimentState, recipe: Recipe, factors: tuple[Factor, ...]) -> Iterable[StepState]:
    for step in _left(experiment, recipe):
        attempt = experiment.attempt if step.reads else 0
        yield StepState(
            step=step.name, state="waiting", attempt=attempt, command=step.command,
            parameters=_foreseen(experiment, recipe, step, factors),
        )  # fmt: skip


def _left(experiment: core.ExperimentState, recipe: Recipe) -> Sequence[Step]:
    """Steps of which nothing is under way or done; an order that failed for a passing reason is one of them again."""
    names = [step.name for step in recipe.steps]
    read = experiment.step == READ
    at = experiment.image_step if read else experiment.step
    if experiment.outcome or at not in names:
        return ()
    return recipe.steps[names.index(at) + bool(read or experiment.job) :]


def _foreseen(
    experiment: core.ExperimentState, recipe: Recipe, step: Step, factors: tuple[Factor, ...]
) -> dict[str, Value]:
    """What would be ordered, where all of it is known already."""
    try:
        order = recipe.order(
            step.name, sample=experiment.id, design=experiment.design, factors=factors,
            attempt=experiment.attempt if step.reads else 0, kept=experiment.kept,
        )  # fmt: skip
    except KeyError:
        return {}
    known = list(order.parameters.items())[:MAX_PROPERTIES]
    return {name: value[:LINE] if isinstance(value, str) else value for name, value in known}

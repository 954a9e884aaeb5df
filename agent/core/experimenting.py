"""Experiments: from the intent of an order to its end, and from the last end to the experiment's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from agent import events as ev
from agent.core.evolving import kept_of
from agent.core.messages import Decided, Dispatching, Effect, Holding, Lost, SendOrder, Settled
from agent.core.state import CampaignState, ExperimentState, LabRules, LabState
from agent.core.till import Till
from agent.events.base import Stored
from agent.rules.recipe import PIXEL_SIZE, Recipe, Step
from instruments.messages import Quantity
from instruments.units import UnitError, convert

MAX_INTERRUPTIONS = 30
"""Restarts of an instrument amid one order before the order is given up: people stop campaigns, faults stop orders."""
WRONG_UNIT = "wrong_unit"
"""Error code of a result that cannot be told in the record's unit."""
ORDERING = {"live", "virtual"}
"""Modes in which orders reach instruments."""


def on_dispatching(state: LabState, message: Dispatching, rules: LabRules, now: datetime) -> Decided:
    """The last moment before an order: everything is looked at once more."""
    experiment = state.experiments.get(message.experiment)
    if experiment is None or not _is_due(state, experiment, message):
        return Decided()
    if experiment.begun and rules.mode not in ORDERING:
        return Decided()  # what was begun with real orders is not ended by a look from aside
    if not experiment.begun and Till(state, rules).holds(experiment, now) is not None:
        return Decided()
    reasons = [*_not_as_approved(state, experiment, rules), *rules.limits.refusals(message.order, message.instrument)]
    if reasons:
        refused = ev.DispatchRefused(
            experiment=experiment.id, step=message.step, instrument=message.instrument, reasons=tuple(reasons)
        )
        return _ending(state, [refused], _end(experiment, "aborted", "; ".join(reasons)), rules)
    parameters = kept_of(message.order.parameters)
    if rules.mode not in ORDERING:
        shadowed = ev.StepShadowed(
            experiment=experiment.id, step=message.step, instrument=message.instrument,
            command=message.order.command, parameters=parameters,
        )  # fmt: skip
        return _ending(state, [shadowed], _end(experiment, "superseded", f"{rules.mode}: nothing is ordered"), rules)
    dispatched = ev.StepDispatched(
        experiment=experiment.id, step=message.step, attempt=message.attempt, tries=message.tries, job=message.job,
        instrument=message.instrument, capability=message.order.instrument, command=message.order.command,
        parameters=parameters,
    )  # fmt: skip
    return Decided([dispatched], [Effect("order", message.job), Effect("campaign", experiment.campaign)])


def _not_as_approved(state: LabState, experiment: ExperimentState, rules: LabRules) -> list[str]:
    """An approval is of one recipe under one version of the limits; what is under way is judged by those of today."""
    own, terms = rules.campaigns[experiment.campaign], state.proposals[experiment.proposal].terms
    if terms is None:
        return []
    reasons = []
    if terms.recipe_hash != own.recipe.digest(experiment.design, own.factors):
        reasons.append("the recipe is not the one that was approved: propose it anew")
    if not experiment.begun and terms.limits_version != rules.limits.version:
        reasons.append("the limits are not those that it was approved under: propose it anew")
    return reasons


def _is_due(state: LabState, experiment: ExperimentState, message: Dispatching) -> bool:
    meant = (message.step, message.attempt, message.tries) == (experiment.step, experiment.attempt, experiment.tries)
    campaign = state.campaigns[experiment.campaign]
    allowed = not state.stopped and may_order(campaign, experiment)
    free = (
        not experiment.job
        and not experiment.lost
        and experiment.step not in {"read", "done"}
        and message.job not in state.jobs
    )
    approved = state.proposals[experiment.proposal].phase == "approved"
    return meant and allowed and free and approved and message.instrument not in state.maintenance


def hindrance(state: LabState, command: SendOrder, rules: LabRules) -> tuple[Literal["", "wait", "refuse"], str]:
    """Whether an order whose intent is journaled may still be sent, as after a restart, and why not.

    ``wait``: not now, such as while a stop holds. ``refuse``: never, such as when the limits were changed.
    """
    experiment = state.experiments[command.experiment]
    if state.stopped:
        return "wait", f"the laboratory is stopped: {state.stopped}"
    if command.instrument in state.maintenance:
        return "wait", f"{command.instrument} is out of service"
    if not command.order.command:
        return "refuse", f"the recipe has no step {command.step!r} any more: propose it anew"
    if rules.mode not in ORDERING:
        return "wait", f"{rules.mode}: nothing is ordered"
    against = [*_not_as_approved(state, experiment, rules), *rules.limits.refusals(command.order, command.instrument)]
    return ("refuse", "; ".join(against)) if against else ("", "")


def may_order(campaign: CampaignState, experiment: ExperimentState) -> bool:
    """Whether the campaign's phase lets an experiment be ordered for: what is under way goes on while it pauses."""
    return campaign.phase == "running" or (experiment.begun and campaign.phase in {"paused", "stopping"})


def on_holding(state: LabState, message: Holding) -> Decided:
    """Say why an order waits, once for each reason: of those under way, and of the head of a queue."""
    experiment = state.experiments.get(message.experiment)
    if experiment is None:
        return Decided()
    before = state.held.get(experiment.id)
    if (before == (message.step, message.code)) or (not message.code and before is None):
        return Decided()
    held = ev.DispatchHeld(experiment=experiment.id, step=message.step, code=message.code, reason=message.reason)
    return Decided([held], [Effect("campaign", experiment.campaign)])


def on_lost(state: LabState, message: Lost) -> Decided:
    """Nobody knows what became of a job: a person must look."""
    experiment = state.experiments.get(message.experiment)
    if experiment is None or experiment.job != message.job or experiment.lost:
        return Decided()
    needed = ev.ReconcileNeeded(
        experiment=experiment.id, job=message.job, instrument=experiment.instrument, reason=message.reason
    )
    return Decided([needed], [Effect("campaign", experiment.campaign)])


def on_settled(state: LabState, message: Settled, rules: LabRules) -> Decided:
    """A policy says what becomes of a lost order, where there are no people to say it."""
    experiment = state.experiments.get(message.experiment)
    if experiment is None or experiment.job != message.job or not experiment.lost or rules.people is not None:
        return Decided()
    reconciled = ev.Reconciled(
        experiment=experiment.id, job=experiment.job, verdict=message.verdict, by=message.by, reason=message.reason
    )
    caused: list[ev.Event] = [reconciled]
    if message.verdict == "aborted":
        caused += abort(state, experiment, f"given up by {message.by}: {message.reason}", rules)
    return Decided(caused, [Effect("campaign", experiment.campaign)])


def on_step_accepted(state: LabState, message: ev.StepAccepted) -> Decided:
    """An instrument confirmed an order."""
    experiment = state.experiments.get(message.experiment)
    if experiment is None or experiment.job != message.job or experiment.accepted:
        return Decided()
    return Decided([message])


def on_step_ended(state: LabState, message: ev.StepEnded, rules: LabRules) -> Decided:
    """An instrument answered."""
    experiment = state.experiments.get(message.experiment)
    if experiment is None or not message.job or message.job != experiment.job:
        return Decided()
    recipe = rules.campaigns[experiment.campaign].recipe
    try:
        step = recipe.step(experiment.step)
    except KeyError:
        reason = f"the recipe has no step {experiment.step!r} any more: propose it anew"
        return _ending(state, [message], _end(experiment, "aborted", reason), rules)
    if message.state == "succeeded":
        return _succeeded(state, experiment, message, recipe, rules)
    if message.interrupted and not step.repeatable:
        return _for_a_person(experiment, message)
    if (message.error_kind == "retryable" or message.turned_away) and _may_try_again(experiment, message, step):
        return Decided([message], [Effect("campaign", experiment.campaign)])
    outcome: ev.Outcome = "aborted"
    if message.error_kind == "infeasible":
        outcome = "infeasible"
    elif message.error_kind == "retryable" or message.turned_away:
        outcome = "retryable"
    return _ending(state, [message], _end(experiment, outcome, message.error or message.state), rules)


def _for_a_person(experiment: ExperimentState, message: ev.StepEnded) -> Decided:
    """What was cut short amid it may have changed the sample: doing it again is a person's word."""
    reason = f"{message.error or message.state}; the sample may be another one now: look at it"
    needed = ev.ReconcileNeeded(
        experiment=experiment.id, job=message.job, instrument=experiment.instrument, reason=reason
    )
    return Decided([message, needed], [Effect("campaign", experiment.campaign)])


def _may_try_again(experiment: ExperimentState, message: ev.StepEnded, step: Step) -> bool:
    if message.interrupted or message.turned_away:
        return experiment.interruptions + 1 < MAX_INTERRUPTIONS
    return experiment.tries - experiment.interruptions + 1 < step.max_tries


def _succeeded(
    state: LabState, experiment: ExperimentState, message: ev.StepEnded, recipe: Recipe, rules: LabRules
) -> Decided:
    step = recipe.step(experiment.step)
    missing = _missing(step, message)
    if missing:
        reason = f"job {message.job} succeeded without {missing}: check the {step.capability}'s driver"
        return _ending(state, [message], _end(experiment, "aborted", reason), rules)
    try:
        found, kept = _found(step, message.values), _kept(step, message.values)
    except UnitError as error:
        return _unusable(state, experiment, message, step, f"job {message.job}: {error}", rules)
    for name, (value, std) in found.items():
        if value <= 0 or std <= 0:
            told = f"{name} {value} +- {std} {_unit_of(step, message, name)}"
            reason = f"{told} is no measurement: check the {step.capability}'s calibration"
            return _ending(state, [message], _end(experiment, "invalid_measurement", reason), rules)
    then = "read" if step.reads else recipe.after(step.name)
    ended = message.model_copy(update={"then": then, "reads": step.reads, "kept": kept, "found": found})
    if then == "done":
        return _ending(state, [ended], _completed(experiment, {**experiment.found, **found}), rules)
    return Decided([ended], [Effect("campaign", experiment.campaign)])


def _missing(step: Step, message: ev.StepEnded) -> str:
    if step.reads and step.reads not in message.artefacts:
        return f"an {step.reads}"
    wanted = [k.result for k in step.keep.values()] + list(step.measures.values())
    for name in wanted:
        if not isinstance(message.values.get(name), dict):
            return f"a {name.replace('_', ' ')}"
    return ""


def _unit_of(step: Step, message: ev.StepEnded, name: str) -> str:
    value = message.values[step.measures[name]]
    return step.units.get(name) or (str(value.get("unit", "")) if isinstance(value, dict) else "")


def _unusable(
    state: LabState, experiment: ExperimentState, message: ev.StepEnded, step: Step, reason: str, rules: LabRules
) -> Decided:
    """What cannot be told in the record's unit is no measurement: it is made again, where that harms nothing."""
    advice = f"{reason}: check the {step.capability}'s driver"
    failed = message.model_copy(
        update={"state": "failed", "error_kind": "retryable", "error_code": WRONG_UNIT, "error": advice}
    )
    if step.repeatable and not step.process and _may_try_again(experiment, failed, step):
        return Decided([failed], [Effect("campaign", experiment.campaign)])
    return _ending(state, [failed], _end(experiment, "invalid_measurement", advice), rules)


def _found(step: Step, values: Stored) -> dict[str, ev.Reading]:
    found: dict[str, ev.Reading] = {}
    for name, result in step.measures.items():
        value = values[result]
        if isinstance(value, dict):
            number, std, _ = _told_in(step.units.get(name, ""), value)
            found[name] = (number, std)
    return found


def _kept(step: Step, values: Stored) -> Stored:
    kept: Stored = {}
    for name, keep in step.keep.items():
        value = values[keep.result]
        if isinstance(value, dict):
            number, _, unit = _told_in(keep.unit, value)
            kept[name] = {"value": keep.bounded(number), "unit": unit}
    return kept


def _told_in(wanted: str, value: Mapping[str, object]) -> tuple[float, float, str]:
    """A stored quantity with its standard uncertainty, in the unit that is wanted; in its own where none is.

    Raises:
        UnitError: it is a quantity of something else.
    """
    number, std, unit = float(str(value["value"])), float(str(value.get("std") or 0.0)), str(value["unit"])
    if not wanted or unit == wanted:
        return number, std, unit
    told = convert(number, unit, wanted)
    return told, abs(convert(number + std, unit, wanted) - told), wanted


def on_image_read(state: LabState, message: ev.ImageRead, rules: LabRules) -> Decided:
    """The network read an image, or refused it."""
    experiment = state.experiments.get(message.experiment)
    if experiment is None or experiment.step != "read" or message.attempt != experiment.attempt:
        return Decided()
    recipe = rules.campaigns[experiment.campaign].recipe
    try:
        step = recipe.step(experiment.image_step)
    except KeyError:
        reason = f"the recipe has no step {experiment.image_step!r} any more: propose it anew"
        return _ending(state, [message], _end(experiment, "aborted", reason), rules)
    if message.accepted:
        read = message.model_copy(update={"then": recipe.after(step.name)})
        if read.then == "done":
            return _ending(state, [read], _completed(experiment, experiment.found), rules)
        return Decided([read], [Effect("campaign", experiment.campaign)])
    if message.attempt + 1 >= step.max_images:
        reason = _refused((*experiment.refusals, message.reason))
        return _ending(state, [message], _end(experiment, "invalid_measurement", reason), rules)
    read = message.model_copy(update={"then": step.name, "kept": _advised(recipe, message)})
    return Decided([read], [Effect("campaign", experiment.campaign)])


def _refused(reasons: Sequence[str]) -> str:
    """Every reason once, with how often it was met: images that are refused alike differ in their numbers alone."""
    latest: dict[str, str] = {}
    times: Counter[str] = Counter()
    for reason in reasons:
        kind = "".join(c for c in reason.partition(":")[0] if not c.isdigit())
        latest[kind] = reason
        times[kind] += 1
    said = (f"{reason} ({times[kind]} times)" if times[kind] > 1 else reason for kind, reason in latest.items())
    images = "the only image was" if len(reasons) == 1 else f"all {len(reasons)} images were"
    return f"{images} refused: {'; '.join(said)}"


def _advised(recipe: Recipe, message: ev.ImageRead) -> Stored:
    """The pixel size of the next image, within what the step that found it allows."""
    if not message.next_pixel_size:
        return {}
    keep = next((s.keep[PIXEL_SIZE] for s in recipe.steps if PIXEL_SIZE in s.keep), None)
    if keep is None:
        return {}
    return kept_of({PIXEL_SIZE: Quantity(value=keep.bounded(message.next_pixel_size), unit="um")})


def _completed(experiment: ExperimentState, found: Mapping[str, ev.Reading]) -> ev.ExperimentEnded:
    return ev.ExperimentEnded(experiment=experiment.id, outcome="completed", reason="", found=dict(found))


def _end(experiment: ExperimentState, outcome: ev.Outcome, reason: str) -> ev.ExperimentEnded:
    return ev.ExperimentEnded(experiment=experiment.id, outcome=outcome, reason=reason)


def _ending(state: LabState, before: Sequence[ev.Event], end: ev.ExperimentEnded, rules: LabRules) -> Decided:
    """An experiment's end, and what it means for its campaign."""
    experiment = state.experiments[end.experiment]
    campaign = state.campaigns[experiment.campaign]
    caused: list[ev.Event] = [*before, end]
    caused += after_end(campaign, experiment.id, rules)
    return Decided(caused, [Effect("campaign", campaign.id), Effect("outcome", experiment.proposal)])


def after_end(
    campaign: CampaignState, experiment: str, rules: LabRules, *, waiting: int | None = None
) -> list[ev.Event]:
    """The campaign's own end, where this experiment was the last that it waited for.

    Args:
        campaign: before the end is folded.
        experiment: that ends; empty for none.
        rules: give the budget.
        waiting: proposals that wait then; None for as many as now.
    """
    last = len(campaign.queue) + len(campaign.begun) == (1 if experiment else 0)
    if not last or campaign.phase in {"completed", "stopped"}:
        return []
    if campaign.phase == "stopping":
        return [ev.CampaignPhaseChanged(campaign=campaign.id, phase="stopped", by=campaign.by, reason=campaign.reason)]
    if campaign.id not in rules.campaigns:
        return []
    budget = rules.campaigns[campaign.id].experiments
    if len(campaign.experiments) >= budget and not (len(campaign.waiting) if waiting is None else waiting):
        return [ev.CampaignEnded(campaign=campaign.id, reason=f"budget: {budget} experiments made")]
    return []


def abort(state: LabState, experiment: ExperimentState, reason: str, rules: LabRules) -> list[ev.Event]:
    """End an experiment that has no open job."""
    campaign = state.campaigns[experiment.campaign]
    return [_end(experiment, "aborted", reason), *after_end(campaign, experiment.id, rules)]


__all__ = [
    "MAX_INTERRUPTIONS", "abort", "after_end", "hindrance", "may_order", "on_dispatching", "on_holding",
    "on_image_read", "on_lost", "on_settled", "on_step_accepted", "on_step_ended",
]  # fmt: skip

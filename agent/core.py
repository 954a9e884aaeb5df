"""The agent's core: what follows from what happened. Pure: no clock, no disk, no network, no random numbers.

``evolve`` folds an event into the state; ``decide`` turns a message from outside into events; ``due`` derives from the
state alone what has to be done next. A restart therefore needs nothing but the journal: fold it, then do what is due.
Nothing is sent that ``due`` does not derive from a journaled intent, and an answer to a job that is not open changes
nothing.

Experiment: queued -> sinter -> survey -> image -> (read: accepted, or image again) -> indent -> completed, or failed
with an outcome at any step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent import events as ev
from agent.recipe import (
    Order,
    RecipeSettings,
    bounded_pixel_size,
    image_order,
    indent_order,
    sinter_order,
    survey_order,
)
from envs.design import Design
from envs.factors import Factor

APPROVER = "policy:auto-approve"
MAX_INTERRUPTIONS = 30
"""Restarts of an instrument amid one order before the order is given up: people stop campaigns, faults stop orders."""


@dataclass(frozen=True)
class Rules:
    """What a campaign fixes beforehand."""

    experiments: int
    batch: int
    initial: int
    recipe: RecipeSettings
    factors: tuple[Factor, ...]


@dataclass(frozen=True)
class ExperimentState:
    """One experiment's life so far.

    Args:
        step: the step it is at; ``read`` while an image waits for the CNN, ``done`` in its final state.
        attempt: image of this sample, from 0: it chooses the field, and only a refused image raises it.
        tries: times that this order was sent and failed for a passing reason, interruptions included.
        interruptions: those of them that a restart of the instrument cut short.
        job: the open job's id, ``""`` between jobs.
        pixel_size: of the next image, um.
        image: the artefact that waits to be read.
    """

    id: str
    proposal: str
    design: Design
    step: str = "sinter"
    attempt: int = 0
    tries: int = 0
    interruptions: int = 0
    job: str = ""
    pixel_size: float = 0.0
    image: ev.ArtefactRecord | None = None
    reading: ev.ImageRead | None = None
    outcome: str = ""
    reason: str = ""
    hardness: ev.Reading | None = None


@dataclass(frozen=True)
class CampaignState:
    """Everything the core knows."""

    phase: str = "draft"
    round: int = -1
    checkpoint: str = ""
    designs: Mapping[str, Design] = field(default_factory=dict)
    experiments: Mapping[str, ExperimentState] = field(default_factory=dict)
    end: str = ""

    @property
    def open(self) -> ExperimentState | None:
        """The first experiment that is not done: experiments of one campaign run one after another."""
        return next((e for e in self.experiments.values() if e.step != "done"), None)


# ---- What comes in


@dataclass(frozen=True)
class Planned:
    """The planner's answer: a round's proposals, each with what is to be recorded of it."""

    round: ev.RoundPlanned
    proposals: Sequence[ev.ProposalMade]


@dataclass(frozen=True)
class Dispatching:
    """The shell is about to send an order: journal the intent first."""

    experiment: str
    step: str
    attempt: int
    tries: int
    order: Order
    instrument: str
    job: str


Message = ev.CampaignCreated | Planned | Dispatching | ev.StepEnded | ev.ImageRead

# ---- What is due


@dataclass(frozen=True)
class PlanRound:
    """Ask the planner for ``n`` proposals."""

    round: int
    n: int


@dataclass(frozen=True)
class SendOrder:
    """Send an order; ``job`` is set when its intent is journaled, and then the instrument is asked first."""

    experiment: str
    step: str
    attempt: int
    tries: int
    order: Order
    job: str


@dataclass(frozen=True)
class ReadImage:
    """Let the CNN read an image."""

    experiment: str
    attempt: int
    image: ev.ArtefactRecord
    pixel_size: float


Command = PlanRound | SendOrder | ReadImage


def due(state: CampaignState, rules: Rules) -> Command | None:
    """The one thing to do next; ``None`` when the campaign is over."""
    if state.phase != "running":
        return None
    experiment = state.open
    if experiment is None:
        left = rules.experiments - len(state.experiments)
        return PlanRound(state.round + 1, min(left, rules.initial if state.round < 0 else rules.batch))
    if experiment.step == "read" and experiment.image is not None:
        return ReadImage(experiment.id, experiment.attempt, experiment.image, experiment.pixel_size)
    order = _order(experiment, rules)
    return SendOrder(experiment.id, experiment.step, experiment.attempt, experiment.tries, order, experiment.job)


def _order(experiment: ExperimentState, rules: Rules) -> Order:
    sample = experiment.id
    if experiment.step == "sinter":
        return sinter_order(sample, experiment.design, rules.factors)
    if experiment.step == "survey":
        return survey_order(sample)
    if experiment.step == "image":
        return image_order(sample, experiment.pixel_size, experiment.attempt)
    return indent_order(sample, rules.recipe)


def decide(state: CampaignState, message: Message, rules: Rules) -> list[ev.Event]:
    """The events that a message causes; none when it is late, repeated or for something that is not open."""
    if isinstance(message, ev.CampaignCreated):
        return [message] if state.phase == "draft" else []
    if state.phase != "running":
        return []
    if isinstance(message, Planned):
        awaited = state.open is None and message.round.round == state.round + 1
        return _planned(state, message) if awaited else []
    experiment = state.experiments.get(message.experiment)
    if experiment is None:
        return []
    if isinstance(message, Dispatching):
        return _dispatched(experiment, message)
    if isinstance(message, ev.StepEnded):
        caused = _step_ended(experiment, message, rules) if message.job == experiment.job else []
    else:
        waits = experiment.step == "read" and message.attempt == experiment.attempt
        caused = _image_read(message, rules) if waits else []
    ended = any(isinstance(e, ev.ExperimentEnded) for e in caused)
    if ended and len(state.experiments) >= rules.experiments and _is_last(state, experiment):
        caused.append(ev.CampaignEnded(reason=f"budget: {rules.experiments} experiments made"))
    return caused


def _is_last(state: CampaignState, experiment: ExperimentState) -> bool:
    return all(e.step == "done" or e.id == experiment.id for e in state.experiments.values())


def _planned(state: CampaignState, message: Planned) -> list[ev.Event]:
    if not message.proposals:
        return [message.round, ev.CampaignEnded(reason="no feasible design is left to propose")]
    caused: list[ev.Event] = [message.round]
    for n, proposal in enumerate(message.proposals, start=len(state.experiments) + 1):
        verdict = ev.ProposalDecided(
            proposal=proposal.proposal,
            verdict="approved",
            by=APPROVER,
            reason="virtual laboratory: nothing real is made",
        )
        queued = ev.ExperimentQueued(experiment=f"E{n:03d}", proposal=proposal.proposal)
        caused += [proposal, verdict, queued]
    return caused


def _dispatched(experiment: ExperimentState, message: Dispatching) -> list[ev.Event]:
    meant = (message.step, message.attempt, message.tries) == (experiment.step, experiment.attempt, experiment.tries)
    if experiment.job or not meant or experiment.step in {"read", "done"}:
        return []
    parameters: dict[str, dict[str, object] | str] = {
        name: value if isinstance(value, str) else value.model_dump(exclude_none=True)
        for name, value in message.order.parameters.items()
    }
    return [
        ev.StepDispatched(
            experiment=experiment.id,
            step=experiment.step,
            attempt=experiment.attempt,
            tries=experiment.tries,
            job=message.job,
            instrument=message.instrument,
            command=message.order.command,
            parameters=parameters,
        )
    ]


def _step_ended(experiment: ExperimentState, message: ev.StepEnded, rules: Rules) -> list[ev.Event]:
    if message.state == "succeeded":
        if experiment.step == "indent":
            return [message, _completed(experiment, message)]
        if experiment.step == "image" and "image" not in message.artefacts:
            reason = f"job {message.job} succeeded without an image: check the microscope's driver"
            return [message, ev.ExperimentEnded(experiment=experiment.id, outcome="aborted", reason=reason)]
        if experiment.step == "survey" and not isinstance(message.values.get("pixel_size"), dict):
            reason = f"job {message.job} succeeded without a pixel size: check the microscope's driver"
            return [message, ev.ExperimentEnded(experiment=experiment.id, outcome="aborted", reason=reason)]
        return [message]
    if message.error_kind == "retryable" and _may_try_again(experiment, message, rules):
        return [message]
    outcome: ev.Outcome = "aborted"
    if message.error_kind == "infeasible":
        outcome = "infeasible"
    elif message.error_kind == "retryable":
        outcome = "retryable"
    return [message, ev.ExperimentEnded(experiment=experiment.id, outcome=outcome, reason=message.error)]


def _may_try_again(experiment: ExperimentState, message: ev.StepEnded, rules: Rules) -> bool:
    if message.interrupted:
        return experiment.interruptions + 1 < MAX_INTERRUPTIONS
    return experiment.tries - experiment.interruptions + 1 < rules.recipe.max_tries


def _completed(experiment: ExperimentState, message: ev.StepEnded) -> ev.ExperimentEnded:
    hardness = message.values.get("hardness")
    if not isinstance(hardness, dict):
        reason = f"job {message.job} succeeded without a hardness: check the indenter's driver"
        return ev.ExperimentEnded(experiment=experiment.id, outcome="aborted", reason=reason)
    value, std = float(str(hardness["value"])), float(str(hardness.get("std") or 0.0))
    if value <= 0 or std <= 0:
        reason = f"hardness {value} +- {std} GPa is no measurement: check the indenter's calibration"
        return ev.ExperimentEnded(experiment=experiment.id, outcome="invalid_measurement", reason=reason)
    return ev.ExperimentEnded(experiment=experiment.id, outcome="completed", reason="", hardness=(value, std))


def _image_read(message: ev.ImageRead, rules: Rules) -> list[ev.Event]:
    if message.accepted or message.attempt + 1 < rules.recipe.max_images:
        return [message]
    reason = f"{rules.recipe.max_images} images refused, the last one: {message.reason}"
    return [message, ev.ExperimentEnded(experiment=message.experiment, outcome="invalid_measurement", reason=reason)]


# ---- Folding


def evolve(state: CampaignState, event: ev.Event) -> CampaignState:
    """The state after an event."""
    if isinstance(event, ev.CampaignCreated):
        return replace(state, phase="running")
    if isinstance(event, ev.CampaignEnded):
        return replace(state, phase="completed", end=event.reason)
    if isinstance(event, ev.RoundPlanned):
        return replace(state, round=event.round, checkpoint=event.checkpoint)
    if isinstance(event, ev.ProposalMade):
        design = Design(event.design.crystal, event.design.process)
        return replace(state, designs={**state.designs, event.proposal: design})
    if isinstance(event, ev.ProposalDecided):
        return state
    if isinstance(event, ev.ExperimentQueued):
        changed = ExperimentState(event.experiment, event.proposal, state.designs[event.proposal])
    else:
        changed = _evolve_experiment(state.experiments[event.experiment], event)
    return replace(state, experiments={**state.experiments, event.experiment: changed})


def _evolve_experiment(
    experiment: ExperimentState, event: ev.StepDispatched | ev.StepEnded | ev.ImageRead | ev.ExperimentEnded
) -> ExperimentState:
    if isinstance(event, ev.StepDispatched):
        return replace(experiment, job=event.job)
    if isinstance(event, ev.ExperimentEnded):
        return replace(
            experiment, step="done", job="", outcome=event.outcome, reason=event.reason, hardness=event.hardness
        )
    if isinstance(event, ev.ImageRead):
        if event.accepted:
            return replace(experiment, step="indent", attempt=0, image=None, reading=event)
        pixel_size = bounded_pixel_size(event.next_pixel_size or experiment.pixel_size)
        return replace(experiment, step="image", attempt=event.attempt + 1, image=None, pixel_size=pixel_size)
    if event.state != "succeeded":
        interruptions = experiment.interruptions + event.interrupted
        return replace(experiment, job="", tries=experiment.tries + 1, interruptions=interruptions)
    return _next_step(replace(experiment, job="", tries=0, interruptions=0), event)


def _next_step(experiment: ExperimentState, event: ev.StepEnded) -> ExperimentState:
    if event.step == "sinter":
        return replace(experiment, step="survey")
    if event.step == "survey":
        found = event.values.get("pixel_size")
        if not isinstance(found, dict):
            return experiment
        return replace(experiment, step="image", pixel_size=bounded_pixel_size(float(str(found["value"]))))
    if event.step == "image":
        return replace(experiment, step="read", image=event.artefacts.get("image"))
    return experiment

"""A recipe step by step: what was done, what goes on, what waits and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from agent.dashboard.live.picture import LabPicture
from agent.dashboard.views import shares, words
from agent.dashboard.views.instruments import is_gone
from instruments.messages import JobState, Quantity
from instruments.profile.experiment_messages import ExperimentState, StepState

Look = Literal["done", "now", "waiting", "failed", "lost"]
_LOOKS: Mapping[str, Look] = {
    "waiting": "waiting", "ordered": "now", "accepted": "now", "reading": "now", "succeeded": "done",
    "failed": "failed", "rejected": "failed", "cancelled": "failed", "lost": "lost",
}  # fmt: skip
_STATES = {
    "ordered": "ordered, not confirmed yet", "accepted": "at work", "reading": "the network reads its image",
    "succeeded": "done", "lost": "nobody knows what became of it",
}  # fmt: skip


@dataclass(frozen=True)
class StepView:
    """One step, or one order of it.

    Args:
        name: for people.
        look: how it stands.
        state: the same in words.
        what: the command and the instrument.
        times: when, and how long.
        progress: 0 to 1 of a job at work; None where the instrument does not say.
        ends: when it is expected to end; empty where nobody says.
        parameters: names and values.
        found: likewise.
        notes: further tries, images that were taken again.
        error: what went wrong, or why it waits.
        job: id of the order; empty where there is none.
    """

    name: str
    look: Look
    state: str
    what: str = ""
    times: str = ""
    progress: float | None = None
    ends: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    found: tuple[tuple[str, str], ...] = ()
    notes: str = ""
    error: str = ""
    job: str = ""


def steps_of(
    picture: LabPicture, one: ExperimentState, now: datetime, heard_now_s: float = 0.0
) -> tuple[StepView, ...]:
    """All steps of an experiment, in their sequence.

    Args:
        picture: for what instruments say of their jobs.
        one: the experiment.
        now: the laboratory's present.
        heard_now_s: the present on the monotonic clock of ``heard_s``, s: an instrument that is silent tells nothing.
    """
    held = one.reason if one.phase in {"queued", "running"} else ""
    views = []
    for step in one.steps:
        reason = held if step.state == "waiting" else ""
        views.append(_step(step, _present(picture, step, heard_now_s), now, reason))
        held = "" if step.state == "waiting" else held
    return tuple(views)


def job_of(picture: LabPicture, step: StepState) -> JobState | None:
    """What the instrument says of a step's job."""
    instrument = picture.instruments.get(step.instrument or "")
    return instrument.jobs.get(step.job or "") if instrument is not None else None


def _present(picture: LabPicture, step: StepState, heard_now_s: float) -> JobState | None:
    """The same, but nothing of an instrument that has gone: how far it has come since, nobody knows."""
    instrument = picture.instruments.get(step.instrument or "")
    return None if instrument is not None and is_gone(instrument, heard_now_s) else job_of(picture, step)


def current(one: ExperimentState) -> StepState | None:
    """The step at work: the last that an instrument has and has not ended."""
    if one.phase == "ended":
        return None
    return next((step for step in reversed(one.steps) if _LOOKS[step.state] == "now"), None)


def _step(step: StepState, job: JobState | None, now: datetime, held: str) -> StepView:
    look = _LOOKS[step.state]
    working = look == "now" and job is not None and not job.terminal
    where = f" on {step.instrument}" if step.instrument else ""
    return StepView(
        name=words.title(step.step),
        look=look,
        state=_state(step, job),
        what=f"{words.label(step.command)}{where}" if step.command else "",
        times=_times(step, job if working else None, now),
        progress=job.progress if working and job is not None else None,
        ends=words.moment(job.eta, now) if working and job is not None and job.eta is not None else "",
        parameters=shown(step.parameters),
        found=shown(step.found),
        notes=_notes(step),
        error=step.error or held,
        job=step.job or "",
    )


def _state(step: StepState, job: JobState | None) -> str:
    if step.state == "waiting":
        return "waits"
    if step.state == "accepted" and job is not None and job.state == "accepted":
        return "accepted, not begun yet"
    return _STATES.get(step.state, step.state)


def _times(step: StepState, job: JobState | None, now: datetime) -> str:
    if step.begun_at is None:
        return ""
    begun = words.clock(step.begun_at, now)
    if step.ended_at is not None:
        took = step.elapsed_s if step.elapsed_s is not None else (step.ended_at - step.begun_at).total_seconds()
        return f"{begun}, took {words.duration(took)}"
    if _LOOKS[step.state] != "now":
        return begun
    so_far = job.elapsed_s if job is not None and job.elapsed_s else (now - step.begun_at).total_seconds()
    return f"since {begun}, {words.duration(max(so_far, 0.0))} so far"


def _notes(step: StepState) -> str:
    notes = []
    if step.attempt:
        notes.append(f"image {step.attempt + 1}")
    if step.tries:
        notes.append(f"ordered {step.tries + 1} times, {words.counted(step.tries, 'try', 'tries')} in vain")
    return "; ".join(notes)


def shown(values: Mapping[str, Quantity | str]) -> tuple[tuple[str, str], ...]:
    """Parameters or results for people, with their units."""
    return tuple(
        (shares.label(name, value.unit if isinstance(value, Quantity) else ""), shares.quantity(name, value))
        for name, value in values.items()
    )


@dataclass(frozen=True)
class Channel:
    """Readings of one channel within a step's time.

    Args:
        instrument: whose.
        name: of the channel.
        unit: UCUM code.
        period_s: usual time between readings, in seconds; None where it is not told.
        readings: time and value, the oldest first.
    """

    instrument: str
    name: str
    unit: str
    period_s: float | None
    readings: tuple[tuple[datetime, float], ...]


def channels_of(picture: LabPicture, one: ExperimentState) -> tuple[Channel, ...]:
    """What the instrument at work tells while it works on this experiment; else what is left of the last that told.

    Only readings within the time of the step are this experiment's: others are not shown, and none of a step whose end
    nobody knows.
    """
    at_work = current(one)
    over = [step for step in reversed(one.steps) if step.ended_at is not None]
    steps: Sequence[StepState] = [at_work] if at_work is not None else over
    for step in steps:
        found = _channels(picture, step)
        if found or at_work is not None:
            return found
    return ()


def _channels(picture: LabPicture, step: StepState) -> tuple[Channel, ...]:
    instrument = picture.instruments.get(step.instrument or "")
    if instrument is None or step.begun_at is None:
        return ()
    told = instrument.description.channels if instrument.description is not None else {}
    # Its last readings come with its end: the clocks of agent and instrument need not agree to the second.
    until = step.ended_at + timedelta(seconds=5) if step.ended_at is not None else None
    found = []
    for name, readings in instrument.telemetry.items():
        inside = tuple(r for r in readings if r[0] >= step.begun_at and (until is None or r[0] <= until))
        if inside:
            unit, period = (told[name].unit, told[name].period_s) if name in told else ("1", None)
            found.append(Channel(step.instrument or "", name, unit, period, inside))
    return tuple(sorted(found, key=lambda one: (one.name != "temperature", one.name)))

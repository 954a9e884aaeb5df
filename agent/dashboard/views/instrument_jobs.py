"""What an instrument does, did, and is waited for with: its jobs, and the experiments that they belong to."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from agent.dashboard.views import words

if TYPE_CHECKING:
    from agent.dashboard.live.picture import InstrumentPicture, LabPicture
    from instruments.errors import FaultKind
    from instruments.messages import Description, JobState
    from instruments.profile.experiment_messages import ExperimentState, StepState

MOST_JOBS = 5
MOST_VALUES = 3
_VERDICTS: dict[str, tuple[str, Literal["good", "warn", "bad"]]] = {
    "succeeded": ("succeeded", "good"),
    "failed": ("failed", "bad"),
    "rejected": ("refused", "bad"),
    "cancelled": ("cancelled", "warn"),
}
_KINDS: dict[FaultKind, str] = {
    "retryable": "it may work when it is tried again",
    "infeasible": "this design cannot be made",
    "other": "a person must look",
}


@dataclass(frozen=True)
class Work:
    """A job that an instrument has accepted and not ended.

    Args:
        what: command and sample, for people.
        experiment: that it belongs to; empty where none is known.
        progress: 0 to 1; None where the instrument does not say, or said it long ago.
        text: progress, how long it has run, when it should end.
        old: whether that is what it said before it fell silent.
    """

    what: str
    experiment: str
    progress: float | None
    text: str
    old: bool = False


@dataclass(frozen=True)
class Queued:
    """An experiment that waits for an instrument.

    Args:
        experiment: its id.
        made: what its sample is.
        step: that is next.
        reason: why it waits; may be empty.
        since: how long since it was approved.
    """

    experiment: str
    made: str
    step: str
    reason: str
    since: str


@dataclass(frozen=True)
class JobLine:
    """A job that has ended.

    Args:
        what: command and sample, for people.
        experiment: that it belonged to; empty where none is known.
        verdict: how it ended.
        tone: of that.
        found: what it gave, or what went wrong.
        when: it ended, by the laboratory's time.
        took: on the instrument's own clock; empty where it does not say.
    """

    what: str
    experiment: str
    verdict: str
    tone: Literal["good", "warn", "bad"]
    found: str
    when: str
    took: str


@dataclass
class Book:
    """Which job belongs to which experiment, and which step goes to which instrument.

    Attributes:
        jobs: experiment and step by job.
        places: instruments that a step was ordered from, by its name.
        waiting: experiments whose next step is not ordered yet, with that step, the oldest first.
    """

    jobs: dict[str, tuple[ExperimentState, StepState]] = field(default_factory=dict)
    places: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    waiting: list[tuple[ExperimentState, StepState]] = field(default_factory=list)

    @classmethod
    def of(cls, picture: LabPicture) -> Book:
        """Read all experiments once."""
        book = cls()
        for experiment in picture.experiments.values():
            for step in experiment.steps:
                if step.job:
                    book.jobs[step.job] = (experiment, step)
                if step.instrument:
                    book.places[step.step].add(step.instrument)
            following = _next(experiment)
            if following is not None:
                book.waiting.append((experiment, following))
        book.waiting.sort(key=lambda one: (one[0].queued_at, one[0].experiment))
        return book


def _next(experiment: ExperimentState) -> StepState | None:
    """The step that an experiment waits to have ordered."""
    if experiment.phase not in {"queued", "running"}:
        return None
    if any(step.state in {"ordered", "accepted", "reading"} for step in experiment.steps):
        return None
    return next((step for step in experiment.steps if step.state == "waiting"), None)


def work_of(instrument: InstrumentPicture | None, book: Book, now: datetime, *, gone: bool = False) -> tuple[Work, ...]:
    """What an instrument does now, the newest first.

    Args:
        instrument: what is known of it.
        book: of the experiments.
        now: the laboratory's time.
        gone: whether it is silent: nobody knows how far it has come since.
    """
    open_jobs = [job for job in instrument.jobs.values() if not job.terminal] if instrument else []
    return tuple((_told_last if gone else _work)(job, book, now) for job in reversed(open_jobs))


def queue_of(iid: str, told: Description | None, book: Book, now: datetime) -> tuple[Queued, ...]:
    """Experiments that wait for an instrument: those whose next step it has been ordered for, or has a command for.

    Args:
        iid: the instrument.
        told: what it can do.
        book: of the experiments.
        now: the laboratory's time.
    """
    commands = told.commands if told else {}
    mine = [
        (experiment, step)
        for experiment, step in book.waiting
        if (iid == step.instrument if step.instrument else _goes_to(step, iid, book) or _is_for(step, commands))
    ]
    return tuple(
        Queued(
            experiment.experiment,
            words.formula_of(experiment.design),
            words.label(step.step),
            experiment.reason,
            words.duration((now - experiment.queued_at).total_seconds()),
        )
        for experiment, step in mine
    )


def _goes_to(step: StepState, iid: str, book: Book) -> bool:
    return iid in book.places.get(step.step, ())


def _is_for(step: StepState, commands: object) -> bool:
    return isinstance(commands, dict) and (step.command or step.step) in commands


def last_jobs(instrument: InstrumentPicture | None, book: Book, now: datetime) -> tuple[JobLine, ...]:
    """The last jobs that have ended, the newest first; arguments as of ``work_of``."""
    ended = [job for job in instrument.jobs.values() if job.terminal] if instrument else []
    ended.sort(key=lambda job: job.ts, reverse=True)
    return tuple(_ended(job, book, now) for job in ended[:MOST_JOBS])


def _work(job: JobState, book: Book, now: datetime) -> Work:
    what, experiment = _called(job, book)
    parts = [
        words.percent(job.progress) if job.progress is not None else words.title(job.state),
        f"running for {words.duration(job.elapsed_s)}" if job.elapsed_s else "",
        _until(job.eta, now),
    ]
    return Work(what, experiment, job.progress, ", ".join(part for part in parts if part))


def _told_last(job: JobState, book: Book, now: datetime) -> Work:
    what, experiment = _called(job, book)
    done = words.percent(job.progress) if job.progress is not None else words.title(job.state)
    return Work(what, experiment, None, f"{done} when it was last heard of, at {words.clock(job.ts, now)}", old=True)


def _until(eta: datetime | None, now: datetime) -> str:
    if eta is None:
        return ""
    if eta <= now:
        return f"should have ended at {words.clock(eta, now)}"
    return f"until about {words.moment(eta, now)}"


def _ended(job: JobState, book: Book, now: datetime) -> JobLine:
    what, experiment = _called(job, book)
    verdict, tone = _VERDICTS[job.state]
    took = words.duration(job.elapsed_s) if job.elapsed_s else ""
    return JobLine(what, experiment, verdict, tone, _found(job), words.clock(job.ts, now), took)


def _found(job: JobState) -> str:
    if job.error is not None:
        hint = _KINDS.get(job.error.kind, "")
        return f"{job.error.message}{f' ({hint})' if hint else ''}"
    if job.result is None:
        return ""
    values = [f"{words.label(name)} {words.quantity(value)}" for name, value in job.result.values.items()]
    more = [f"and {len(values) - MOST_VALUES} more"] if len(values) > MOST_VALUES else []
    size = sum(artefact.bytes for artefact in job.result.artefacts.values())
    files = [f"{words.counted(len(job.result.artefacts), 'file')}, {words.number(size / 1e6, 2)} MB"] if size else []
    return "; ".join(values[:MOST_VALUES] + more + files)


def _called(job: JobState, book: Book) -> tuple[str, str]:
    """A job for people, and the experiment that it is for."""
    if job.job not in book.jobs:
        return f"job {job.job[-8:]}, of no experiment that is known here", ""
    experiment, step = book.jobs[job.job]
    tries = f", try {step.tries + 1}" if step.tries else ""
    image = f", image {step.attempt + 1}" if step.attempt else ""
    made = words.formula_of(experiment.design)
    return f"{words.title(step.command or step.step)} {made}{image}{tries}", experiment.experiment

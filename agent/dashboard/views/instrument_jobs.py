"""What an instrument does, did, and is waited for with: its jobs, and the experiments that they belong to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from agent.dashboard.views import shares, words

if TYPE_CHECKING:
    from agent.dashboard.live.picture import InstrumentPicture, LabPicture
    from instruments.errors import FaultKind
    from instruments.messages import Description, JobState, Quantity
    from instruments.profile.experiment_messages import ExperimentState, StepState

MOST_JOBS = 5
MOST_VALUES = 3
_VERDICTS: dict[str, tuple[str, Literal["good", "warn", "bad"]]] = {
    "succeeded": ("succeeded", "good"),
    "failed": ("failed", "bad"),
    "rejected": ("refused", "bad"),
    "cancelled": ("cancelled", "warn"),
    "lost": ("end not heard", "warn"),
}
_OVER = frozenset({"reading", "succeeded", "failed", "rejected", "cancelled"})
"""States of a step whose job has ended: an image that is read was taken."""
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
        old: whether that is what it said before it fell silent, or was free.
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

    The end of a job is lost where the broker went before it was kept. The experiment knows it all the same.

    Attributes:
        jobs: experiment and step by job.
        over: jobs that have ended by what their experiments say, by instrument.
        places: instruments that a step was ordered from, by its name.
        waiting: experiments whose next step is not ordered yet, with that step, the oldest first.
    """

    jobs: dict[str, tuple[ExperimentState, StepState]] = field(default_factory=dict)
    over: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
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
                    if step.instrument and (experiment.phase == "ended" or step.state in _OVER):
                        book.over[step.instrument].append(step.job)
                if step.instrument:
                    book.places[step.step].add(step.instrument)
            following = _next(experiment)
            if following is not None:
                book.waiting.append((experiment, following))
        book.waiting.sort(key=lambda one: (one[0].queued_at, one[0].experiment))
        return book

    def is_over(self, job: str) -> bool:
        """Whether a job has ended by what its experiment says."""
        if job not in self.jobs:
            return False
        experiment, step = self.jobs[job]
        return experiment.phase == "ended" or step.state in _OVER


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
    if instrument is None:
        return ()
    open_jobs = [job for job in instrument.jobs.values() if not job.terminal and not book.is_over(job.job)]
    return tuple(
        _told_last(job, book, now, free=free) if (free := _is_free(instrument, job)) or gone else _work(job, book, now)
        for job in reversed(open_jobs)
    )


def _is_free(instrument: InstrumentPicture, job: JobState) -> bool:
    """Whether an instrument has said, later than of a job, that it works on nothing."""
    status = instrument.status
    return status is not None and status.state == "online" and status.ts > job.ts


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


def last_jobs(iid: str, instrument: InstrumentPicture | None, book: Book, now: datetime) -> tuple[JobLine, ...]:
    """The last jobs that have ended, the newest first, also those whose end only the experiment knows.

    Args:
        iid: the instrument.
        instrument: what is known of it.
        book: of the experiments.
        now: the laboratory's time.
    """
    told = [job for job in instrument.jobs.values() if job.terminal] if instrument else []
    ended = [(job.ts, _ended(job, book, now)) for job in sorted(told, key=lambda job: job.ts)[-MOST_JOBS:]]
    heard = {job.job for job in told}
    missed = [(_end_of(*book.jobs[job]), job) for job in book.over.get(iid, ()) if job not in heard]
    ended += [(at, _ended_unheard(job, book, at, now)) for at, job in sorted(missed)[-MOST_JOBS:]]
    ended.sort(key=lambda one: one[0], reverse=True)
    return tuple(line for _, line in ended[:MOST_JOBS])


def _end_of(experiment: ExperimentState, step: StepState) -> datetime:
    return step.ended_at or experiment.ended_at or experiment.ts


def _ended_unheard(job: str, book: Book, at: datetime, now: datetime) -> JobLine:
    """A job that has ended by what its experiment says."""
    what, experiment = _called(job, book)
    step = book.jobs[job][1]
    ending = "succeeded" if step.state == "reading" else step.state if step.state in _OVER else "lost"
    verdict, tone = _VERDICTS[ending]
    took = words.duration(step.elapsed_s) if step.elapsed_s else ""
    return JobLine(what, experiment, verdict, tone, step.error or _values(step.found), words.clock(at, now), took)


def _work(job: JobState, book: Book, now: datetime) -> Work:
    what, experiment = _called(job.job, book)
    parts = [
        words.percent(job.progress) if job.progress is not None else words.title(job.state),
        f"running for {words.duration(job.elapsed_s)}" if job.elapsed_s else "",
        _until(job.eta, now),
    ]
    return Work(what, experiment, job.progress, ", ".join(part for part in parts if part))


def _told_last(job: JobState, book: Book, now: datetime, *, free: bool) -> Work:
    what, experiment = _called(job.job, book)
    done = words.percent(job.progress) if job.progress is not None else words.title(job.state)
    why = "End not heard: the instrument works on nothing now. " if free else ""
    text = f"{why}{done} when it was last heard of, at {words.clock(job.ts, now)}"
    return Work(what, experiment, None, text, old=True)


def _until(eta: datetime | None, now: datetime) -> str:
    if eta is None:
        return ""
    if eta <= now:
        return f"should have ended at {words.clock(eta, now)}"
    return f"until about {words.moment(eta, now)}"


def _ended(job: JobState, book: Book, now: datetime) -> JobLine:
    what, experiment = _called(job.job, book)
    verdict, tone = _VERDICTS[job.state]
    took = words.duration(job.elapsed_s) if job.elapsed_s else ""
    return JobLine(what, experiment, verdict, tone, _found(job), words.clock(job.ts, now), took)


def _found(job: JobState) -> str:
    if job.error is not None:
        hint = _KINDS.get(job.error.kind, "")
        return f"{job.error.message}{f' ({hint})' if hint else ''}"
    if job.result is None:
        return ""
    size = sum(artefact.bytes for artefact in job.result.artefacts.values())
    files = [f"{words.counted(len(job.result.artefacts), 'file')}, {words.number(size / 1e6, 2)} MB"] if size else []
    return "; ".join(part for part in (_values(job.result.values), *files) if part)


def _values(found: Mapping[str, Quantity | str]) -> str:
    values = [
        f"{shares.label(name, '' if isinstance(value, str) else value.unit)} {shares.quantity(name, value)}"
        for name, value in found.items()
    ]
    more = [f"and {len(values) - MOST_VALUES} more"] if len(values) > MOST_VALUES else []
    return "; ".join(values[:MOST_VALUES] + more)


def _called(job: str, book: Book) -> tuple[str, str]:
    """A job for people, and the experiment that it is for."""
    if job not in book.jobs:
        return f"job {job[-8:]}, of no experiment that is known here", ""
    experiment, step = book.jobs[job]
    tries = f", try {step.tries + 1}" if step.tries else ""
    image = f", image {step.attempt + 1}" if step.attempt else ""
    made = words.formula_of(experiment.design)
    return f"{words.title(step.command or step.step)} {made}{image}{tries}", experiment.experiment

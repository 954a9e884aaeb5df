"""Carries a command's steps out, in a worker thread: write, ask, wait, look for errors, keep blocks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from instruments.adapters.text_line import Conversation
from instruments.adapters.text_parameters import NumberSettings
from instruments.adapters.text_settings import CommandSettings, TextInstrumentSettings
from instruments.adapters.text_steps import (
    AnyStep,
    BlockStep,
    CheckStep,
    DelayStep,
    QueryStep,
    WaitStep,
    WriteStep,
)
from instruments.adapters.text_template import ReplyError, Template, shown
from instruments.commands import JobResult
from instruments.errors import DeviceFault
from instruments.messages import ArtefactRef, Value
from instruments.units import convert

_VISIBLE = 0.005
"""Smaller steps of progress are not told."""
_PIECES = 100


class Job(Protocol):
    """What the steps need of the job: ``instruments.driving.job_context.BlockingJob``."""

    def check(self) -> None:
        """Leave here when the job has been cancelled."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; a cancellation ends the wait."""
        ...

    def progress(self, fraction: float, *, remaining_s: float | None = None) -> None:
        """Report how far the job is."""
        ...

    def keep(self, data: bytes, media_type: str) -> ArtefactRef:
        """Put bulk data where the agent finds them."""
        ...


@dataclass(frozen=True)
class TextCommand:
    """One command of an instrument, ready to be carried out any number of times.

    Args:
        talk: the line to the instrument.
        whole: the instrument's settings.
        command: this command's.
        elapsed: monotonic seconds, for the limits of waits.
    """

    talk: Conversation
    whole: TextInstrumentSettings
    command: CommandSettings
    elapsed: Callable[[], float]

    def run(self, job: Job, given: Mapping[str, float | str]) -> JobResult:
        """Carry it out.

        Args:
            job: the job.
            given: numbers in the parameters' units, and words.

        Raises:
            DeviceFault: with what was sent and what came back.
            JobCancelledError: between steps and while waiting.
        """
        return _Run(self, job, given).run()


class _Run:
    """One job of a command."""

    def __init__(self, of: TextCommand, job: Job, given: Mapping[str, float | str]) -> None:
        self._talk, self._whole, self._command, self._elapsed = of.talk, of.whole, of.command, of.elapsed
        self._job = job
        self._given = given
        self._sent = {name: of.command.parameters[name].sent(value) for name, value in given.items()}
        self._values: dict[str, Value] = {}
        self._artefacts: dict[str, ArtefactRef] = {}
        weights = [step.weight for step in of.command.steps]
        total = sum(weights) or 1.0
        self._starts = [0.0, *(done / total for done in accumulate(weights))]
        self._told = 0.0

    def run(self) -> JobResult:
        for i, step in enumerate(self._command.steps):
            self._job.check()
            self._step(i, step)
            self._tell(i, 1.0)
        return JobResult(values=self._values, artefacts=self._artefacts)

    def _step(self, i: int, step: AnyStep) -> None:
        match step:
            case WriteStep():
                expect = step.answer(self._whole.acknowledge)
                self._talk.act(self._line(step.write), expect=expect, timeout_s=step.timeout_s)
            case QueryStep():
                self._values |= self._talk.ask(
                    self._line(step.query),
                    step.read,
                    timeout_s=step.timeout_s,
                    retry=step.retry,
                    between=self._job.check,
                )
            case WaitStep():
                self._wait(i, step)
            case DelayStep():
                self._delay(i, step)
            case CheckStep():
                self._check(step)
            case BlockStep():
                data = self._talk.block(self._line(step.block), timeout_s=step.timeout_s, between=self._job.check)
                self._artefacts[step.artefact] = self._job.keep(data, step.media_type)

    def _line(self, template: str) -> str:
        return Template(template).fill(self._sent)

    def _tell(self, i: int, fraction: float, remaining_s: float | None = None) -> None:
        """Report how far a step is, where that has moved visibly; the end is told by the job's end."""
        done = self._starts[i] + fraction * (self._starts[i + 1] - self._starts[i])
        if self._told + _VISIBLE <= done < 1.0:
            self._told = done
            self._job.progress(done, remaining_s=remaining_s)

    def _wait(self, i: int, step: WaitStep) -> None:
        goal, query = self._goal(step), self._line(step.wait)
        began, slept, row = self._elapsed(), 0.0, 0
        start: float | None = None
        while True:
            text, value = self._talk.ask(query, lambda reply: _observed(step, reply), between=self._job.check)
            start = value if start is None else start
            if goal is not None:
                self._tell(i, _way(start, value, goal))
            met = bool(re.search(step.matches or "", text)) if goal is None else step.met(value, goal)
            row = row + 1 if met else 0
            if row >= step.stable:
                break
            if max(self._elapsed() - began, slept) >= step.timeout_s:
                wanted = " and ".join(f"{name} {value}" for name, value in step.conditions.items())
                raise DeviceFault(
                    "not_reached", f"{query!r} is still {shown(text)} after {step.timeout_s:g} s, not {wanted}"
                )
            self._job.sleep(step.every_s)
            slept += step.every_s
        if step.result is not None:
            self._values[step.result] = step.reading.value(text)

    def _goal(self, step: WaitStep) -> float | None:
        """What the reading goes towards, in the reading's unit."""
        if not isinstance(step.goal, str):
            return step.goal
        return self._number(step.goal, step.reading.unit)

    def _number(self, name: str, unit: str | None) -> float:
        parameter = self._command.parameters[name]
        assert isinstance(parameter, NumberSettings), name  # noqa: S101 - the settings were checked
        return convert(float(self._given[name]), parameter.unit, unit or parameter.unit)

    def _delay(self, i: int, step: DelayStep) -> None:
        seconds = self._seconds(step)
        pieces = min(_PIECES, max(1, math.ceil(seconds)))
        for piece in range(1, pieces + 1):
            self._job.sleep(seconds / pieces)
            self._tell(i, piece / pieces, self._remaining(i, seconds * (1 - piece / pieces)))

    def _seconds(self, step: DelayStep) -> float:
        return self._number(step.delay, "s") if isinstance(step.delay, str) else step.delay

    def _remaining(self, i: int, seconds: float) -> float | None:
        """Seconds to the end of the job, where only delays come after step ``i``; None where nobody knows."""
        later = self._command.steps[i + 1 :]
        if any(isinstance(step, WaitStep) for step in later):
            return None
        return seconds + sum(self._seconds(step) for step in later if isinstance(step, DelayStep))

    def _check(self, step: CheckStep) -> None:
        """Read the queue of errors; never asked twice, because a lost reply may have been the only word of an error."""
        queue = self._whole.error_queue
        assert queue is not None  # noqa: S101 - the settings were checked
        errors: list[str] = []
        for _ in range(queue.most):
            reply = self._talk.query(queue.query, timeout_s=step.timeout_s, retry=False)
            if re.search(queue.empty, reply):
                break
            errors.append(reply.strip())
        if errors:
            raise DeviceFault("instrument_error", f"the instrument reports {'; '.join(errors)}")


def _observed(step: WaitStep, reply: str) -> tuple[str, float]:
    """What a reply says: the text that was picked out of it, and its number where a number is waited for."""
    text = picked(step.pattern, reply)
    if step.result is not None:
        step.reading.value(text)  # a reply that could not be kept as the result is asked for again
    return text, math.nan if step.goal is None else step.reading.number(text)


def picked(pattern: str | None, reply: str) -> str:
    """The reading in a longer reply: the group ``value`` of a pattern, or its first.

    Raises:
        ReplyError: when the reply does not match.
    """
    if pattern is None:
        return reply
    match = re.search(pattern, reply)
    if match is None:
        raise ReplyError(f"something like {pattern} was to be expected", reply)
    return match["value" if "value" in match.groupdict() else 1] or ""


def _way(start: float, value: float, goal: float) -> float:
    """How far a reading has come from where it was at first, 0 to 1."""
    return 0.0 if goal == start else min(1.0, max(0.0, (value - start) / (goal - start)))

"""What rules judge, and what they are told: how to check, orders that may be carried out, and what a job's life was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from instruments.bulk.fetch import Sources
from instruments.conformance.probe import Heard
from instruments.conformance.rules import BrokenRuleError
from instruments.messages import CommandDescription, JobState, Quantity, UploadTicket, Value, digest_of

NOT_A_COMMAND = "conformance.no-such-command"
"""A command that no instrument has: an order of it can do nothing."""
SLOW_S = 0.5
"""A job of this length can be caught while it runs."""
HEARTBEAT_S = 12.0
"""A status comes every 10 s; so much later at the latest."""
RESTART_S = 60.0
"""How long a restart may take when nothing else is said."""


@dataclass(frozen=True)
class Options:
    """How a device is checked.

    Attributes:
        command: the one command to carry out; by default those that declare an example.
        parameters: of that command; by default its example.
        quick: leave out what takes long: the heartbeat.
        job_s: how long a job may take.
        answer_s: how long a device may take to answer.
        settle_s: how long to listen for what must not come.
        restart: restarts the device and returns when that has been ordered; restarts are not tried without it.
        restart_s: how long a device may take to come back.
        ticket: gives the upload ticket of a job's order; orders carry none without it.
        sources: where artefacts may be fetched; any file and any server by default.
    """

    command: str | None = None
    parameters: Mapping[str, Value] | None = None
    quick: bool = False
    job_s: float = 120.0
    answer_s: float = 5.0
    settle_s: float = 0.1
    restart: Callable[[], Awaitable[None]] | None = None
    restart_s: float = RESTART_S
    ticket: Callable[[str], UploadTicket] | None = None
    sources: Sources = field(default_factory=lambda: Sources(origins=None))


@dataclass(frozen=True)
class Trial:
    """An order that may be carried out."""

    command: str
    parameters: Mapping[str, Value]
    described: CommandDescription

    @property
    def digest(self) -> str:
        """Of what is ordered."""
        return digest_of(self.command, self.parameters)


@dataclass
class Life:
    """What a device said about one job that was ordered."""

    trial: Trial
    job: str
    ordered_at: float
    heard: list[Heard[JobState]]
    trouble: BrokenRuleError | None = None

    @property
    def states(self) -> list[JobState]:
        """The well-formed states, in the order of arrival."""
        return [h.said for h in self.heard if h.said is not None]

    @property
    def course(self) -> list[JobState]:
        """The states until the first end, each once: at least once is the bus's promise, so one may come again."""
        found: list[JobState] = []
        for state in self.states:
            if state not in found:
                found.append(state)
            if state.terminal:
                break
        return found

    @property
    def later(self) -> list[JobState]:
        """What was said after the first end, beyond its echoes."""
        course = self.course
        return [s for s in self.states if s not in course]

    @property
    def end(self) -> JobState | None:
        """The first end, None when the job has none."""
        course = self.course
        return course[-1] if course and course[-1].terminal else None


def plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they travel; what is plain already stays as it is, right or wrong."""
    return {k: v.model_dump(exclude_none=True) if isinstance(v, Quantity) else v for k, v in parameters.items()}


def span(seconds: float) -> str:
    """A duration for people."""
    return f"{max(1.0, 1000.0 * seconds):.0f} ms" if seconds < 1.0 else f"{seconds:.1f} s"


def many(n: int, noun: str) -> str:
    """A count with its noun."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def reason(state: JobState) -> str:
    """Why a job was rejected or failed, in short."""
    if state.error is None:
        return state.state
    return f"{state.error.code}: {state.error.message}" if state.error.message else state.error.code

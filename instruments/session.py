"""The life of a job, as pure rules for both sides: no network, no clock, no disk in here.

Why there are rules at all: MQTT delivers at least once. A command may come twice, come late, come from a broker's
memory after the agent died, or come again because the agent restarted and is not sure. A furnace must not fire twice.
So the agent names every job before it sends anything, and the device remembers every name before it acts:

    device:  (new) ──► accepted ──► running ──► succeeded | failed | cancelled
               └─────► rejected        └─ running again, with progress

* The same job with the same digest is an echo: the device tells once more where the job stands and does nothing else.
  The echo is the identical message, with its first ``(boot_id, seq)``, so that nobody takes it for news.
* The same job with another digest is a conflict: rejected, while the first order's life goes on untouched. The
  rejection carries the digest of the offending order, by which the agent tells whose rejection it is.
* A retained command is a ghost and is ignored; one past ``not_after`` is rejected as expired.
* A job that had not ended when the device restarted is failed/interrupted. The device cannot know how far it came.

The agent's side has its own difficulty: states may be lost, doubled, or overtaken. It orders them by ``(boot_id, seq)``
(boot ids are UUIDv7, so a later boot compares greater), passes over whatever is not newer, lets steps be skipped, and
believes the first terminal state for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from envs.errors import InstrumentError
from instruments.messages import Command, JobError, JobPhase, JobState

_ENDS: frozenset[JobPhase] = frozenset({"failed", "cancelled"})
DEVICE_STEPS: Mapping[JobPhase | None, frozenset[JobPhase]] = MappingProxyType(
    {
        None: frozenset({"accepted", "rejected"}),
        "accepted": _ENDS | {"running"},
        "running": _ENDS | {"running", "succeeded"},
        "rejected": frozenset(),
        "succeeded": frozenset(),
        "failed": frozenset(),
        "cancelled": frozenset(),
    }
)
"""What a device may say after what it said last; ``None`` is a job that it has never seen."""

CONFLICT = "conflict"
"""Error code by which a device refuses another order under a used id; not a state of the first order's job."""
UNKNOWN_JOB = "unknown_job"
"""Error code by which a device answers a query for a job that it has never seen; not a state of the job."""

MALFORMED = "malformed"
"""Error code by which a device refuses what it could not read; it cannot say whose order that was."""

INTERRUPTED = JobError(code="interrupted", message="the device restarted before the job had ended", kind="retryable")


class TransitionError(InstrumentError):
    """A device's own code tried a step that a job's life does not have: a mistake in the driver."""


def check_step(last: JobPhase | None, new: JobPhase) -> None:
    """Refuse impossible steps on the device's side.

    Raises:
        TransitionError: when ``new`` cannot follow ``last``.
    """
    if new not in DEVICE_STEPS[last]:
        raise TransitionError(f"a job that is {last or 'new'} cannot become {new}")


class Action(Enum):
    """What a device does about a command that arrived."""

    IGNORE = "ignore"
    ECHO = "echo"
    REFUSE = "refuse"
    CONSIDER = "consider"


@dataclass(frozen=True)
class Verdict:
    """An action, with the reason when it is a refusal."""

    action: Action
    error: JobError | None = None


def judge(command: Command, *, retained: bool, known: JobState | None, now: datetime) -> Verdict:
    """Decide about a command before the device's own limits are asked.

    Args:
        command: what arrived.
        retained: whether it came with the retained flag.
        known: the last state that the device said or journalled about this job.
        now: the device's time.

    Returns:
        ``CONSIDER`` only for a new, timely, live command.
    """
    if retained:
        return Verdict(Action.IGNORE)
    if known is not None and known.digest == command.digest:
        return Verdict(Action.ECHO)
    if known is not None:
        message = f"job {command.job} was ordered before with another command or other parameters"
        return Verdict(Action.REFUSE, JobError(code=CONFLICT, message=message))
    if now > command.not_after:
        message = f"not to be started after {command.not_after.isoformat()}, and it is {now.isoformat()}"
        return Verdict(Action.REFUSE, JobError(code="expired", message=message, kind="retryable"))
    return Verdict(Action.CONSIDER)


class JobTracker:
    """The agent's view of one job.

    Args:
        job: its id.
        digest: of the command that was sent; states that answer another command are not this job's. None for a job
            that is adopted without its command: the first state that tells a digest then settles it.

    Attributes:
        state: the newest state, None before the first.
        unseen: whether the device's latest word is that it has never seen the job.
        illegible: why the device could not read something on this job's topic, None when it has not said so. That may
            have been another's message, so it is no end: the order may still arrive.
    """

    def __init__(self, job: str, digest: str | None) -> None:
        self.job = job
        self.digest = digest
        self.state: JobState | None = None
        self.unseen = False
        self.illegible: str | None = None

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self.state is not None and self.state.terminal

    def offer(self, news: JobState) -> bool:
        """Take in a message about the job.

        Returns:
            True when it is news: newer than everything before, of this order, and before any end.
        """
        if news.job != self.job or self.terminal:
            return False
        if self.state is not None and (news.boot_id, news.seq) <= (self.state.boot_id, self.state.seq):
            return False
        if is_unknown(news):
            self.unseen = True
            return False
        if news.error is not None and is_illegible(news):
            self.illegible = news.error.message
            return False
        if not self._concerns(news):
            return False
        self.state, self.unseen = news, False
        return True

    def _concerns(self, news: JobState) -> bool:
        """Whether it is a state of this order and not of another one under the same id."""
        if self.digest is not None:
            return news.digest in {"", self.digest}
        if news.error is not None and news.error.code == CONFLICT:
            return False
        self.digest = news.digest or None
        return True


def is_unknown(state: JobState) -> bool:
    """Whether a message only says that the device has never seen the job."""
    return state.error is not None and state.error.code == UNKNOWN_JOB


def is_illegible(state: JobState) -> bool:
    """Whether a message only says that the device could not read something on the job's topic."""
    return state.error is not None and state.error.code == MALFORMED and not state.digest


def is_aside(state: JobState) -> bool:
    """Whether a message is no state of the job, but about another message under its id, or about nothing."""
    conflict = state.error is not None and state.error.code == CONFLICT
    return conflict or is_unknown(state) or is_illegible(state)

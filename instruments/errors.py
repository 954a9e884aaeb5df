"""What goes wrong at an instrument, by the outcome that it means for the experiment."""

from __future__ import annotations

from typing import Literal

from envs.errors import InstrumentError, UserError

FaultKind = Literal["retryable", "infeasible", "other"]
"""``retryable``: try again. ``infeasible``: this design cannot be made, which is knowledge. ``other``: for a person."""


class TopicError(UserError):
    """A topic or one of its levels is not of the profile."""


class DeviceFault(InstrumentError):  # noqa: N818 - "fault" is the word of instrument control
    """A device could not finish a job; the job becomes ``failed`` with this code and kind.

    Attributes:
        code: machine-readable reason, such as ``sample_melted``.
        kind: what the failure means for the experiment.
    """

    kind: FaultKind = "other"

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class RetryableFault(DeviceFault):
    """A passing trouble: the same job may well succeed another time."""

    kind: FaultKind = "retryable"


class InfeasibleFault(DeviceFault):
    """The sample cannot be made or measured as asked (it melted, it broke): the model may learn from it."""

    kind: FaultKind = "infeasible"


class NoAnswerError(InstrumentError):
    """A device said nothing about a job in the time allowed.

    Attributes:
        iid: the instrument.
        job: the job; empty where none was asked after.
        seen: False when the device itself says that it has never seen the job, None when it said nothing at all.
        silent_s: for how long nothing was heard of a job that had been heard of, s; 0 where that is not known.
    """

    def __init__(self, iid: str, job: str, message: str, *, seen: bool | None = None, silent_s: float = 0.0) -> None:
        self.iid = iid
        self.job = job
        self.seen = seen
        self.silent_s = silent_s
        super().__init__(f"{iid}, job {job}: {message}" if job else f"{iid}: {message}")


class TransportError(InstrumentError):
    """The connection to the broker could not be made, or the broker refused a subscription."""


class NotCommittedError(InstrumentError):
    """A handler could not commit yet what a message told it: deliver the message again, and do not acknowledge it.

    Nothing else is delivered before it: what comes after a command may ask after it.
    """


class SetAsideError(NotCommittedError):
    """The same, where what other handlers get has nothing to do with it: only what this handler gets waits."""

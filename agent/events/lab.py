"""Events of the laboratory as a whole: the agent's own life, the stop, what people ask for. Stream ``lab``."""

from __future__ import annotations

from typing import Literal

from agent.events.base import EventModel


class AgentStarted(EventModel):
    """The agent began to run."""

    kind: Literal["agent.started"] = "agent.started"
    software: str
    mode: Literal["live", "shadow", "dry-run", "virtual"]
    boot: str
    limits_version: str = ""


class AgentStopped(EventModel):
    """The agent took its leave in order."""

    kind: Literal["agent.stopped"] = "agent.stopped"
    boot: str
    reason: str


class LabStopped(EventModel):
    """The latching stop: nothing is ordered any more until a named person clears it."""

    kind: Literal["lab.stopped"] = "lab.stopped"
    by: str
    reason: str


class LabCleared(EventModel):
    """A named person cleared the stop."""

    kind: Literal["lab.cleared"] = "lab.cleared"
    by: str
    reason: str


class LabChanged(EventModel):
    """What people fix beforehand for the whole laboratory was read again: limits, budgets, policies, keys.

    ``words`` names what changed, ``limits_version`` the limits that hold from now on.
    """

    kind: Literal["lab.changed"] = "lab.changed"
    limits_version: str
    words: str
    by: str


class MaintenanceSet(EventModel):
    """A person took an instrument out of service, or put it back."""

    kind: Literal["maintenance.set"] = "maintenance.set"
    instrument: str
    on: bool
    by: str
    reason: str


class RequestAccepted(EventModel):
    """A person's signed request counted; the events that it caused follow in the same transaction.

    ``request`` is the first 32 hexadecimal digits of the SHA-256 of ``envelope``.
    """

    kind: Literal["request.accepted"] = "request.accepted"
    request: str
    action: str
    subject: str
    by: str
    comment: str
    nonce: str
    envelope: str


class EnvelopeRefused(EventModel):
    """A signed decision or request did not count, and why.

    ``envelope`` is the raw text, at most its first 4096 characters; ``sha256`` is of all of it. ``sender`` is under
    whom it counts where too many come: the user, or ``?`` for all names that nobody here has.
    """

    kind: Literal["envelope.refused"] = "envelope.refused"
    what: Literal["decision", "request"]
    user: str
    subject: str
    code: str
    message: str
    envelope: str
    sha256: str
    sender: str = ""


class RefusalsSkipped(EventModel):
    """So many refusals of one sender came that they were counted instead of recorded one by one."""

    kind: Literal["refusals.skipped"] = "refusals.skipped"
    user: str
    count: int

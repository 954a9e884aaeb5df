"""What the journal says when it is read back from its bytes, arranged for questions about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from agent import events as ev


@dataclass(frozen=True)
class Entry:
    """One event as it stands in the journal.

    Attributes:
        at: lab time of its commit, as stored.
        t: seconds since the schedule began when its transaction was on the disk.
    """

    seq: int
    at: datetime
    t: float
    event: ev.Event


@dataclass
class History:
    """The events of one schedule, by what they are about."""

    entries: Sequence[Entry]
    decided: dict[str, list[Entry]] = field(default_factory=dict)
    made: dict[str, Entry] = field(default_factory=dict)
    revised: dict[str, list[Entry]] = field(default_factory=dict)
    votes: dict[str, list[Entry]] = field(default_factory=dict)
    queued: dict[str, list[Entry]] = field(default_factory=dict)
    ended: dict[str, list[Entry]] = field(default_factory=dict)
    dispatched: dict[str, list[Entry]] = field(default_factory=dict)
    step_ended: dict[str, list[Entry]] = field(default_factory=dict)
    reconciled: dict[str, list[Entry]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in self.entries:
            self._file(entry)

    def _file(self, entry: Entry) -> None:
        match entry.event:
            case ev.ProposalMade(proposal=pid):
                self.made[pid] = entry
            case ev.ProposalRevised(proposal=pid):
                self.revised.setdefault(pid, []).append(entry)
            case ev.VoteCast(proposal=pid):
                self.votes.setdefault(pid, []).append(entry)
            case ev.ProposalDecided(proposal=pid):
                self.decided.setdefault(pid, []).append(entry)
            case ev.ExperimentQueued(proposal=pid):
                self.queued.setdefault(pid, []).append(entry)
            case ev.ExperimentEnded(experiment=eid):
                self.ended.setdefault(eid, []).append(entry)
            case ev.StepDispatched(job=job):
                self.dispatched.setdefault(job, []).append(entry)
            case ev.StepEnded(job=job):
                self.step_ended.setdefault(job, []).append(entry)
            case ev.Reconciled(job=job):
                self.reconciled.setdefault(job, []).append(entry)
            case _:
                pass

    def proposal_of(self, experiment: str) -> str:
        """Of which proposal an experiment is; empty when it was never queued."""
        for pid, entries in self.queued.items():
            if any(e.event.experiment == experiment for e in entries):  # type: ignore[union-attr]
                return pid
        return ""

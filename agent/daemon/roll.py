"""Which experiments stand on the bus: all that are under way, those next in line, and the newest that ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from agent import core
from agent import events as ev

ENDED, QUEUED = 400, 100
"""Experiments that ended, and that wait in line, which stay on the bus: beside those under way 500 altogether."""


@dataclass
class Roll:
    """Follows the experiments, so that ten thousand of them do not all stand on the bus.

    Args:
        ended_at_most: of those that ended.
        queued_at_most: of those of which nothing was ordered yet.

    Attributes:
        ended: that stand there, the newest last.
        queued: that stand there, next in line first.
    """

    ended_at_most: int = ENDED
    queued_at_most: int = QUEUED
    ended: dict[str, None] = field(default_factory=dict)
    queued: dict[str, None] = field(default_factory=dict)

    def read(self, state: core.LabState, ended: Sequence[str]) -> tuple[list[str], list[str]]:
        """Which stand there after a start.

        Args:
            state: of the laboratory.
            ended: ids of those that ended last, newest first; more than may stand there.

        Returns:
            Those that stand there, under way first, and those whose board is to be taken down.
        """
        newest = ended[: self.ended_at_most]
        self.ended, self.queued = dict.fromkeys(reversed(newest)), dict.fromkeys(self._next_in_line(state))
        begun = [eid for campaign in state.campaigns.values() for eid in campaign.begun]
        return [*begun, *self.queued, *newest], list(ended[self.ended_at_most :])

    def note(self, event: ev.Event, state: core.LabState) -> tuple[list[str], list[str]]:
        """Follow an event; returns whose board has changed, and whose is to be taken down."""
        eid = event.sample if isinstance(event, ev.SampleMoved) else str(getattr(event, "experiment", ""))
        experiment = state.experiments.get(eid)
        if experiment is None:
            return [], []
        gone: list[str] = []
        waits = not (experiment.begun or experiment.outcome)
        if not waits:
            self.queued.pop(eid, None)
        if isinstance(event, ev.ExperimentEnded):
            self.ended[eid] = None
            gone = self._too_many()
        came = self._fill(state)
        shown = eid in self.queued if waits else (eid in self.ended or not experiment.outcome)
        return [*([eid] if shown and eid not in came else []), *came], gone

    def _too_many(self) -> list[str]:
        gone = list(islice(self.ended, max(0, len(self.ended) - self.ended_at_most)))
        for eid in gone:
            del self.ended[eid]
        return gone

    def _fill(self, state: core.LabState) -> list[str]:
        """Those that come into line because there is room."""
        if len(self.queued) >= self.queued_at_most:
            return []
        new = [eid for eid in self._next_in_line(state) if eid not in self.queued]
        new = new[: self.queued_at_most - len(self.queued)]
        self.queued |= dict.fromkeys(new)
        return new

    def _next_in_line(self, state: core.LabState) -> Iterable[str]:
        first = [e for c in state.campaigns.values() for e in islice(c.queue, self.queued_at_most)]
        return sorted(first, key=lambda eid: state.experiments[eid].n)[: self.queued_at_most]

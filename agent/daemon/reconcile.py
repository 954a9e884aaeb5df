"""After a start with orders whose end is not known: nothing new is ordered before each of them is accounted for."""

from __future__ import annotations

from collections.abc import Collection

from agent.core.state import LabState
from agent.daemon import logs
from agent.jobs import Jobs
from agent.runner import Runner

_log = logs.get("reconcile")


class Reconcile:
    """Holds new orders back until the instruments have told of the old ones, or a person is asked.

    Args:
        runner: whose new orders wait.
        jobs: know what was answered.
        state: as the journal tells it at the start.
    """

    def __init__(self, runner: Runner, jobs: Jobs, state: LabState) -> None:
        self._runner = runner
        self._jobs = jobs
        self._state = state
        self._open = frozenset(state.jobs)
        runner.ordering = not self._open
        if self._open:
            _log.info("asking the instruments what became of earlier orders", orders=len(self._open))

    @property
    def left(self) -> Collection[str]:
        """Jobs of which nothing is known yet."""
        return [
            job
            for job in self._open
            if (eid := self._state.jobs.get(job))
            and not self._jobs.answered(job)
            and not self._state.experiments[eid].lost
        ]

    def look(self) -> bool:
        """Let new orders go as soon as nothing is left; whether that is so."""
        if self._open and not self.left:
            self._open = frozenset()
            self._runner.ordering = True
            self._runner.wake()
            _log.info("every earlier order is accounted for: new ones may go")
        return not self._open

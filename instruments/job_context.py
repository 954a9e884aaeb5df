"""What a command's function may do with the job that it carries out: report progress and spend simulated time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from instruments.clock import Clock
from instruments.messages import Command, JobPhase


class Reporter(Protocol):
    """Publishes that a job goes on; given by the device."""

    async def __call__(
        self, context: JobContext, phase: JobPhase, *, progress: float, eta: datetime | None = None
    ) -> None:
        """Publish one state of the job."""
        ...


class JobContext:
    """One running job, as a command's function sees it.

    Attributes:
        job: the job's id.
        command: the name of the command.
        digest: of what was ordered.
    """

    def __init__(self, order: Command, clock: Clock, report: Reporter) -> None:
        self.job = order.job
        self.command = order.command
        self.digest = order.digest
        self._clock = clock
        self._report = report
        self._began = clock.elapsed()
        self._spent = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds that this job has taken on the device's own clock, simulated ones included."""
        return max(0.0, self._clock.elapsed() - self._began) + self._spent

    def spend(self, seconds: float) -> None:
        """Let simulated time pass for this job; real time is not touched.

        Raises:
            ValueError: when ``seconds`` is negative or not finite.
        """
        if not 0.0 <= seconds < float("inf"):
            raise ValueError(f"a job spends a finite number of seconds >= 0, not {seconds}")
        self._spent += seconds

    async def progress(self, fraction: float, *, remaining_s: float | None = None) -> None:
        """Report how far the job is, 0 to 1, and how many seconds it will still take."""
        eta = None if remaining_s is None else self._clock.now() + timedelta(seconds=remaining_s)
        await self._report(self, "running", progress=fraction, eta=eta)

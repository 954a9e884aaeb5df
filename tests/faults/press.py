"""The instrument of the fault runs."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from instruments.device import Device, JobContext, JobResult, Parameter, Quantity, command

from .books import Acts
from .roles import N_AT_ONCE


class Press(Device):
    """Presses for a moment; every stroke is written down where no restart forgets it."""

    kind = "press"
    max_concurrency: ClassVar[int] = N_AT_ONCE
    acts: Acts
    step_s = 0.03

    @command(summary="Press once", parameters={"force": Parameter(unit="kN", low=0, high=100)})
    async def press(self, job: JobContext, *, force: float) -> JobResult:
        """One stroke, then some steps of holding."""
        await job.progress(0.1)
        self.acts.act(job.job)
        for step in range(1, 5):
            await asyncio.sleep(self.step_s)
            await job.progress(step / 5)
        return JobResult(values={"force": Quantity(value=force, unit="kN"), "by": self.boot_id})

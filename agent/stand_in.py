"""Who stands in for the person that an offline campaign with faults does not have, and by which rules.

A live laboratory asks people about an order whose end nobody knows. Here a policy says it, and the record tells that it
did: what makes a sample is not ordered again, because nobody knows what became of it, so its experiment ends; what only
looks at a sample is ordered again, as often as the recipe tries an order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from typing_extensions import override

from agent import core
from agent.desk import Desk
from agent.jobs import Jobs
from agent.runner import Straight
from envs.errors import InstrumentError
from instruments.clock import Clock, Sleeper
from instruments.errors import NoAnswerError

POLICY = "offline policy"
"""As which it signs in the record."""
LOST_AFTER_S = 900.0
"""For how long an instrument may leave every question about an order unanswered, in time that is waited for."""
PAUSE_S = 10.0
"""Between two questions, and between two looks at instruments that take nothing."""
IDLE_S = 86_400.0
"""After so long with nothing to do a campaign stops with the reason."""


class StandIn(Straight):
    """Waits, asks again, and settles what nobody knows.

    Args:
        clock: its ``elapsed`` measures patience.
        sleeper: waits.
    """

    def __init__(self, clock: Clock, sleeper: Sleeper = asyncio.sleep) -> None:
        super().__init__(lambda _seconds: None)  # the clock moves as it waits
        self._clock = clock
        self._sleeper = sleeper
        self._wake: Callable[[], None] = lambda: None
        self._idle_since: float | None = None
        self._nap: asyncio.Task[None] | None = None

    @override
    def wakes(self, wake: Callable[[], None]) -> None:
        """Say how the loop is made to look again at what is due."""
        self._wake = wake

    @override
    def idle(self, reason: str) -> None:
        """Look again soon: an instrument that is away comes back.

        Raises:
            InstrumentError: nothing has happened for a day.
        """
        now = self._clock.elapsed()
        self._idle_since = now if self._idle_since is None else self._idle_since
        if now - self._idle_since > IDLE_S:
            raise InstrumentError(f"nothing has happened for {IDLE_S / 3600.0:g} hours: {reason}")
        self._nap = asyncio.create_task(self._look_again(), name="look again")

    @override
    async def close(self) -> None:
        """Look no more."""
        if self._nap is not None:
            self._nap.cancel()
            await asyncio.gather(self._nap, return_exceptions=True)

    @override
    async def send(self, jobs: Jobs, command: core.SendOrder, desk: Desk) -> None:
        """Carry out an order, or settle it where nobody can know its end."""
        self._idle_since = None
        begun = self._clock.elapsed()
        try:
            while not self._is_lost(desk, command):
                try:
                    desk.tell(await jobs.carry_out(command))
                except NoAnswerError as error:
                    silent = jobs.silence(command.job, error, since=begun)
                    if jobs.has_forgotten(command.job, error) or silent >= LOST_AFTER_S:
                        desk.tell(core.Lost(command.experiment, command.job, str(error)))
                        break
                except InstrumentError as error:
                    if self._clock.elapsed() - begun >= LOST_AFTER_S:
                        desk.tell(core.Lost(command.experiment, command.job, str(error)))
                        break
                else:
                    return
                await self._sleeper(PAUSE_S)
            self._settle(command, desk)
        finally:
            jobs.forget(command.job)

    @staticmethod
    def _is_lost(desk: Desk, command: core.SendOrder) -> bool:
        """Whether an earlier run of this campaign was stopped between the two entries of the record."""
        return bool(desk.state.experiments[command.experiment].lost)

    def _settle(self, command: core.SendOrder, desk: Desk) -> None:
        experiment = desk.state.experiments[command.experiment]
        step = desk.rules.campaigns[experiment.campaign].recipe.step(command.step)
        verdict: Literal["again", "aborted"]
        if step.process:
            verdict, why = "aborted", "nobody knows what became of the sample"
        elif experiment.tries + 1 >= step.max_tries:
            verdict, why = "aborted", f"{step.max_tries} orders came to no known end"
        else:
            verdict, why = "again", "it only looks at the sample, so it is ordered again"
        reason = f"{why} ({experiment.lost})"
        desk.tell(core.Settled(command.experiment, command.job, verdict, POLICY, reason))

    async def _look_again(self) -> None:
        await self._sleeper(PAUSE_S)
        self._wake()

"""What the daemon does about failures: it waits and tries again, and asks a person where only a person can know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from agent import core
from agent import events as ev
from agent.core.experimenting import hindrance
from agent.daemon import logs
from agent.desk import Desk
from agent.jobs import Jobs
from agent.minds import Minds
from agent.planning import Planning
from agent.store import ArtefactStore
from envs.errors import InstrumentError, JournalError, LabwrightError
from instruments.bus.waiting import Bell
from instruments.clock import Clock, Sleeper
from instruments.errors import NoAnswerError

_log = logs.get("conduct")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
READINGS = 3
"""How often an image is tried before it counts as one that cannot be read: a worker may have died for itself."""
LOST_AFTER = timedelta(minutes=15)
"""Real time for which an instrument may leave every question about an order unanswered."""

_T = TypeVar("_T")


class _NotAllowedError(Exception):
    """What was approved may not be sent any more, and why."""


class Patient:
    """Waits and tries again.

    Args:
        clock: its ``elapsed`` measures patience.
        sleeper: waits, in real time.
        lost_after: after this a person is asked what became of an order; the instrument goes on being asked too.
        fatal: whether a failure of the journal cannot be mended by waiting.
        observe: told in seconds how long something took, by name.
    """

    def __init__(
        self,
        clock: Clock,
        sleeper: Sleeper,
        *,
        lost_after: timedelta = LOST_AFTER,
        fatal: Callable[[JournalError], bool] = lambda _error: False,
        observe: Callable[[str, float], None] = lambda _name, _seconds: None,
    ) -> None:
        self._clock = clock
        self._sleeper = sleeper
        self._lost_after = lost_after.total_seconds()
        self._fatal = fatal
        self._observe = observe
        self._closings = Bell(sleeper)
        self._desk: Desk | None = None

    # ---- The journal

    def idle(self, reason: str) -> None:
        """People decide and instruments come back: it waits."""

    async def mend(self, error: JournalError) -> None:
        """Wait before the journal is tried again.

        Raises:
            JournalError: waiting does not help.
        """
        if self._fatal(error):
            raise error
        _log.error("the journal cannot be written: trying again", reason=str(error))
        await self._sleeper(FIRST_PAUSE_S)

    async def _tell(self, desk: Desk, message: core.Message) -> core.Decided:
        while True:
            try:
                return desk.tell(message)
            except JournalError as error:
                await self.mend(error)

    # ---- Orders

    async def send(self, jobs: Jobs, command: core.SendOrder, desk: Desk) -> None:
        """Carry out an order, however long its instrument is away."""
        if desk is not self._desk:
            self._desk = desk
            desk.on_change(lambda _effects: self._closings.ring())
        try:
            await self._send(jobs, command, desk)
        finally:
            jobs.forget(command.job)

    async def _send(self, jobs: Jobs, command: core.SendOrder, desk: Desk) -> None:
        if self._is_lost(desk, command):  # since an earlier run of the agent: a person was asked then
            await self._hear_after_all(jobs, command, desk)
            return
        pauses = _Pauses()
        begun = self._clock.elapsed()
        while self._is_open(desk, command):
            try:
                ended = await jobs.carry_out(command, check=lambda: self._check(desk, command))
            except _Wait as wait:
                _log.info("not sent for now", experiment=command.experiment, job=command.job, reason=str(wait))
                begun = self._clock.elapsed()
            except _NotAllowedError as refused:
                await self._tell(desk, _never_sent(command, str(refused)))
                return
            except NoAnswerError as error:
                silent = jobs.silence(command.job, error, since=begun)
                if jobs.has_forgotten(command.job, error) or silent >= self._lost_after:
                    await self._ask_a_person(jobs, command, desk, str(error))
                    return
                _log.warning("no answer yet", instrument=command.instrument, job=command.job, reason=str(error))
            except JournalError as error:  # no room for what it gave: it is kept there, and fetched again
                await self.mend(error)
            except (InstrumentError, OSError) as error:
                _log.warning("an order could not be followed", job=command.job, reason=str(error))
            else:
                await self._tell(desk, ended)
                return
            await self._pause(desk, command, pauses.next())

    def _check(self, desk: Desk, command: core.SendOrder) -> None:
        verdict, reason = hindrance(desk.state, command, desk.rules)
        if verdict == "wait":
            raise _Wait(reason)
        if verdict == "refuse":
            raise _NotAllowedError(reason)

    async def _ask_a_person(self, jobs: Jobs, command: core.SendOrder, desk: Desk, reason: str) -> None:
        """Nobody knows: it waits for a person, or for the instrument to say it after all."""
        await self._tell(desk, core.Lost(command.experiment, command.job, reason))
        _log.error("a person must look", experiment=command.experiment, job=command.job, reason=reason)
        await self._hear_after_all(jobs, command, desk)

    async def _hear_after_all(self, jobs: Jobs, command: core.SendOrder, desk: Desk) -> None:
        while self._is_open(desk, command):
            try:
                ended = await self._ask(jobs, command, desk)
            except JournalError as error:
                await self.mend(error)
            except (InstrumentError, OSError) as error:
                _log.info("no answer yet", instrument=command.instrument, job=command.job, reason=str(error))
            else:
                if ended is not None:
                    await self._tell(desk, ended)
            await self._pause(desk, command, LONGEST_PAUSE_S)

    async def _ask(self, jobs: Jobs, command: core.SendOrder, desk: Desk) -> ev.StepEnded | None:
        """What became of it; None where that is not known, or a person has said meanwhile what shall be."""
        asking = asyncio.create_task(jobs.ask(command), name=f"asking after {command.job}")
        asking.add_done_callback(lambda _task: self._closings.ring())
        try:
            while not asking.done() and self._is_open(desk, command):
                await self._closings.until(lambda: asking.done() or not self._is_open(desk, command), LONGEST_PAUSE_S)
            return asking.result() if asking.done() else None
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _pause(self, desk: Desk, command: core.SendOrder, seconds: float) -> None:
        """Wait, but no longer than anybody waits for the order: its experiment may be due for another one."""
        await self._closings.until(lambda: not self._is_open(desk, command), seconds)

    @staticmethod
    def _is_open(desk: Desk, command: core.SendOrder) -> bool:
        return desk.state.jobs.get(command.job) == command.experiment

    @staticmethod
    def _is_lost(desk: Desk, command: core.SendOrder) -> bool:
        return Patient._is_open(desk, command) and bool(desk.state.experiments[command.experiment].lost)

    # ---- Thinking

    async def plan(self, planning: Planning, command: core.PlanRound, desk: Desk) -> None:
        """Have a round planned; what goes wrong is in the record, and after a few times a person is asked."""
        begun = self._clock.elapsed()
        try:
            message: core.Message = await self._with_room(lambda: planning.plan(command))
        except (LabwrightError, OSError, ValueError, RuntimeError, ArithmeticError) as error:
            _log.error("the planner failed", campaign=command.campaign, round=command.round, exc_info=True)
            words = str(error) or type(error).__name__
            message = ev.PlanFailed(campaign=command.campaign, round=command.round, reason=words[:500])
            await self._sleeper(FIRST_PAUSE_S)
        self._observe("plan", self._clock.elapsed() - begun)
        await self._tell(desk, message)

    async def read(self, minds: Minds, command: core.ReadImage, store: ArtefactStore, desk: Desk) -> None:
        """Have an image read; where that goes wrong again and again the image counts as refused."""
        begun = self._clock.elapsed()
        pauses = _Pauses()
        for left in reversed(range(READINGS)):
            try:
                read = await self._with_room(
                    lambda: minds.read_image(
                        command.experiment, command.attempt, command.image, command.pixel_size, store.directory
                    )
                )
                break
            except (LabwrightError, OSError, ValueError, RuntimeError, ArithmeticError) as error:
                _log.error("an image could not be read", experiment=command.experiment, left=left, exc_info=True)
                read = _unread(command, str(error) or type(error).__name__)
                await self._sleeper(pauses.next())
        self._observe("read", self._clock.elapsed() - begun)
        await self._tell(desk, read)

    async def _with_room(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do something again while there is no room on the disk for what it needs: that is no fault of the work."""
        pauses = _Pauses()
        while True:
            try:
                return await work()
            except JournalError as error:
                await self.mend(error)
                await self._sleeper(pauses.next())


class _Wait(Exception):  # noqa: N818 - no error: it can be sent later
    """It may not be sent now, and may be later."""


class _Pauses:
    """Longer and longer."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_S

    def next(self) -> float:
        now, self._next = self._next, min(2.0 * self._next, LONGEST_PAUSE_S)
        return now


def _never_sent(command: core.SendOrder, reason: str) -> ev.StepEnded:
    return ev.StepEnded(
        experiment=command.experiment, step=command.step, attempt=command.attempt, tries=command.tries,
        job=command.job, state="cancelled", values={}, artefacts={}, error_kind="other", error_code="refused",
        error=f"refused: {reason}",
    )  # fmt: skip


def _unread(command: core.ReadImage, reason: str) -> ev.ImageRead:
    return ev.ImageRead(
        experiment=command.experiment, attempt=command.attempt, image=command.image, accepted=False,
        reason=f"it could not be read: {reason}"[:500], pixel_size=command.pixel_size or 1.0, next_pixel_size=None,
        grain_size=None, porosity=None, n_grains=0, overlay=None,
    )  # fmt: skip

"""The desk of a device: takes orders in, has them carried out, remembers them, and answers for them."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from envs.errors import InstrumentError, JournalError
from instruments.bus.delivery import PAYLOAD_LIMIT
from instruments.clock import Clock
from instruments.commands import CommandSpec, Function, as_result
from instruments.driving.job_context import Host, JobCancelledError, JobContext, run_function
from instruments.errors import DeviceFault
from instruments.journal import JobJournal
from instruments.messages import MAX_SKEW_S, Command, JobError, JobPhase, JobState, Result
from instruments.profile.legibility import clipped
from instruments.session import INTERRUPTED, MALFORMED, UNKNOWN_JOB, Action, check_step, judge

_log = logging.getLogger(__name__)

STORAGE, NO_JOURNAL = "storage", "journal"
"""Error codes by which a device says that it has no room: for what a job gave, or to remember the job."""
TOO_LARGE = "too_large"
"""Error code by which a device says that no message can carry what a job gave."""
LEASE_LOST = JobError(
    code="lease_lost", message="nothing was heard of the agent for too long: the device made itself safe"
)
KEPT_ENDS = 100
"""How many ended jobs, and as many refused ones, stay on the bus as retained states; the journal remembers all."""

_MOST_RESULT = PAYLOAD_LIMIT - 10_000
_MOST_TEXT, _MOST_CODE = 2_000, 64
_NO_CODE = re.compile(r"[^A-Za-z0-9_.\-]")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


class Publisher(Protocol):
    """Publishes a state of a job; None clears what is retained of it."""

    async def __call__(self, job: str, state: JobState | None, *, retain: bool) -> None:
        """Publish it."""
        ...


class JobDesk:
    """The jobs of one device.

    Args:
        iid: the device's id, for the log.
        host: what the device does for its jobs.
        clock: the device's clocks.
        journal: remembers every job before it is acted on.
        next_seq: counts the device's messages.
        publish: sends a job's state.
        changed: called when a job begins or ends.
        slots: jobs at a time.
    """

    def __init__(
        self,
        iid: str,
        *,
        host: Host,
        clock: Clock,
        journal: JobJournal,
        next_seq: Callable[[], int],
        publish: Publisher,
        changed: Callable[[], None],
        slots: int,
    ) -> None:
        self.commands: dict[str, tuple[CommandSpec, Function]] = {}
        self.boot_id = ""
        self.journal_failed = False
        self._iid = iid
        self._host = host
        self._clock = clock
        self._journal = journal
        self._next_seq = next_seq
        self._publish = publish
        self._changed = changed
        self._slots = slots
        self._live: dict[str, JobState] = {}
        self._unsaved: dict[str, JobState] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: dict[str, JobError | None] = {}

    @property
    def busy(self) -> bool:
        """Whether a job is being carried out."""
        return bool(self._tasks)

    def settle_past(self) -> None:
        """End in the journal what a restart interrupted."""
        for state in self._journal.unfinished():
            self._journal.put(self._state("failed", **_identity(state), error=INTERRUPTED))

    async def announce(self) -> None:
        """Tell where the jobs stand that have not ended, as after a reconnection."""
        for job, state in list(self._live.items()):
            await self._publish(job, state, retain=True)

    async def end_all(self, why: JobError) -> bool:
        """End every job that runs, as failed; returns whether there was one."""
        tasks = dict(self._tasks)
        for job, task in tasks.items():
            self._ending.setdefault(job, why)
            task.cancel()
        if tasks:
            await asyncio.wait(tasks.values())  # who gives up to wait for them does not cancel them once more
        return bool(tasks)

    # Orders -----------------------------------------------------------------------------------------------------------

    async def order(self, order: Command, *, unavailable: Callable[[], JobError | None]) -> None:
        """Take in an order that arrived live: echo, refuse, or carry out.

        Args:
            order: it.
            unavailable: the device's own reason to take nothing now.
        """
        known = self._known(order.job)
        verdict = judge(order, retained=False, known=known, now=self._clock.now())
        if verdict.action is Action.ECHO and known is not None:
            await self._publish(order.job, known, retain=True)
        elif verdict.action is Action.REFUSE and known is not None and verdict.error is not None:
            await self.refuse_aside(order.job, verdict.error, digest=order.digest)
        elif verdict.action in {Action.REFUSE, Action.CONSIDER}:
            await self._take(order, verdict.error or unavailable() or self._objection(order))

    async def control(self, op: str, job: str) -> None:
        """Answer a query, or cancel."""
        known = self._known(job)
        if known is None:
            await self.refuse_aside(job, JobError(code=UNKNOWN_JOB, message="this job was never seen here"))
        elif op == "cancel" and job in self._tasks and job not in self._ending and self._cancellable(job):
            self._ending[job] = None
            self._tasks[job].cancel()
        else:
            await self._publish(job, known, retain=True)

    async def refuse_aside(self, job: str, error: JobError, *, digest: str = "") -> None:
        """Answer without a trace: neither journalled nor retained, as the job's own life is not touched by it."""
        await self._publish(job, self._state("rejected", job=job, digest=digest, error=error), retain=False)

    async def refuse_illegible(self, job: str, why: str) -> None:
        """Answer what cannot be read on a job's topic; the life of a job that is known is not touched by it."""
        known = self._known(job)
        if known is not None:
            await self._publish(job, known, retain=True)
        else:
            await self.refuse_aside(job, JobError(code=MALFORMED, message=why))

    def _cancellable(self, job: str) -> bool:
        name = self._tasks[job].get_name()
        return name not in self.commands or self.commands[name][0].cancellable

    def _objection(self, order: Command) -> JobError | None:
        """The device's own reasons against a job, whatever has been approved."""
        if order.command not in self.commands:
            known = ", ".join(self.commands) or "none"
            return JobError(code="unknown_command", message=f"no command {order.command!r}; known: {known}")
        if (fault := self.commands[order.command][0].check(order.parameters)) is not None:
            return fault
        if len(self._tasks) >= self._slots:
            return JobError(code="busy", message=f"{len(self._tasks)} jobs are running already", kind="retryable")
        return None

    async def _take(self, order: Command, objection: JobError | None) -> None:
        phase: JobPhase = "accepted" if objection is None else "rejected"
        ahead = (order.issued_at - self._clock.now()).total_seconds()
        skew = ahead if ahead > MAX_SKEW_S else None
        state = self._state(phase, job=order.job, digest=order.digest, error=objection, clock_skew_s=skew)
        try:
            self._save(state)
        except JournalError as error:
            # Without a memory of the job the device could act twice, so it does not act at all.
            self._journal_fails()
            await asyncio.sleep(0)  # the error is told before anybody can order again
            await self.refuse_aside(order.job, JobError(code=NO_JOURNAL, message=str(error)), digest=order.digest)
            return
        if objection is None:
            self._live[order.job] = state
            # The name says what runs: whether it can be cancelled depends on it.
            self._tasks[order.job] = asyncio.create_task(self._work(order), name=order.command)
            self._changed()
        await self._publish(order.job, state, retain=True)
        if objection is not None:
            await self._forget_old(refused=True)
        # The work begins before the next message is read: a cancellation must find something to cancel.
        await asyncio.sleep(0)

    # Work -------------------------------------------------------------------------------------------------------------

    async def _work(self, order: Command) -> None:
        context = JobContext(order, self._host)
        phase, fields = await self._outcome(order, context)
        # The slot is free before the end is told: who hears of the end may send the next order at once.
        del self._tasks[order.job]
        self._ending.pop(order.job, None)
        await self._settle(self._state(phase, **_identity(self._live[order.job], context.elapsed_s), **fields))
        self._changed()

    async def _outcome(self, order: Command, context: JobContext) -> tuple[JobPhase, dict[str, Any]]:
        """Carry a job out; whatever happens in it becomes an end with a reason."""
        spec, function = self.commands[order.command]
        try:
            await self.report(context, progress=0.0, eta=None)
            found = as_result(await run_function(function, context, spec.plain(order.parameters)))
            result = Result(values=dict(found.values), artefacts=dict(found.artefacts))
        except (asyncio.CancelledError, JobCancelledError):
            # Not ordered by anybody: the process is ending, and the restart will tell.
            why = self._ending.get(order.job, INTERRUPTED)
            return ("cancelled", {}) if why is None else ("failed", {"error": why})
        except Exception as error:  # noqa: BLE001 - a mistake in one command must not silence the whole instrument
            return "failed", {"error": self._reason(order, error)}
        if (size := len(result.to_bytes())) > _MOST_RESULT:
            advice = f"the result has {size} bytes, a message at most {_MOST_RESULT}: keep bulk data by reference"
            return "failed", {"error": JobError(code=TOO_LARGE, message=advice)}
        _compare(self._iid, spec, result)
        return "succeeded", {"result": result, "progress": 1.0}

    def _reason(self, order: Command, error: Exception) -> JobError:
        """What an exception in a command means for the agent."""
        # A driver may say anything, and the job must end all the same: what no message can carry is replaced.
        text = clipped(str(error).encode(errors="replace").decode(), _MOST_TEXT)
        if isinstance(error, DeviceFault):
            code = _NO_CODE.sub("_", error.code)[:_MOST_CODE] or "fault"
            return JobError(code=code, message=text, kind=error.kind)
        if isinstance(error, InstrumentError):
            return JobError(code="instrument", message=text)
        if isinstance(error, JournalError) or (isinstance(error, OSError) and error.errno in _NO_ROOM):
            return JobError(code=STORAGE, message=text, kind="retryable")
        _log.error("%s: job %s failed by a mistake in the driver", self._iid, order.job, exc_info=error)
        return JobError(code="internal", message=clipped(repr(error).encode(errors="replace").decode(), _MOST_TEXT))

    async def report(self, context: JobContext, *, progress: float, eta: datetime | None) -> None:
        """Publish that a job goes on."""
        last = self._live[context.job]
        check_step(last.state, "running")
        state = self._state("running", **_identity(last, context.elapsed_s), progress=progress, eta=eta)
        self._live[context.job] = state
        await self._publish(context.job, state, retain=True)

    async def _settle(self, state: JobState) -> None:
        """Journal and publish the end of a job."""
        check_step(self._live[state.job].state, state.state)
        try:
            self._save(state)
        except JournalError:
            # The work is done and must be told; after a restart the job will read as interrupted, never as new.
            _log.exception("%s: the end of job %s could not be journalled", self._iid, state.job)
            self._unsaved[state.job] = state
            self._journal_fails()
        del self._live[state.job]
        await self._publish(state.job, state, retain=True)
        await self._forget_old()

    async def _forget_old(self, *, refused: bool = False) -> None:
        """Clear the oldest end from the bus, whose memory is not without limits; no refusal pushes a result out."""
        try:
            old = self._journal.ended(skip=KEPT_ENDS, refused=refused)
        except JournalError:
            self._journal_fails()
            return
        if old is not None:
            await self._publish(old, None, retain=True)

    def _save(self, state: JobState) -> None:
        """Journal a state, after the ends for which there was no room before."""
        for job in list(self._unsaved):
            self._journal.put(self._unsaved[job])
            del self._unsaved[job]
        self._journal.put(state)
        if self.journal_failed:
            self.journal_failed = False
            self._changed()

    def _journal_fails(self) -> None:
        self.journal_failed = True
        self._changed()

    # States -----------------------------------------------------------------------------------------------------------

    def _known(self, job: str) -> JobState | None:
        if (state := self._live.get(job) or self._unsaved.get(job)) is not None:
            return state
        try:
            return self._journal.get(job)
        except JournalError:  # no answer would be true: the job may have been done
            self._journal_fails()
            raise

    def _state(self, phase: JobPhase, **fields: Any) -> JobState:
        return JobState(state=phase, boot_id=self.boot_id, seq=self._next_seq(), ts=self._clock.now(), **fields)


def _identity(state: JobState, elapsed_s: float | None = None) -> dict[str, Any]:
    elapsed = state.elapsed_s if elapsed_s is None else elapsed_s
    return {"job": state.job, "digest": state.digest, "elapsed_s": elapsed, "clock_skew_s": state.clock_skew_s}


def _compare(iid: str, spec: CommandSpec, result: Result) -> None:
    """Note where a result is not what the command declares; what was measured counts all the same."""
    found: Mapping[str, object] = {**result.values, **result.artefacts}
    if spec.results and (odd := sorted(found.keys() - spec.results.keys())):
        _log.warning("%s: %s gave what it does not declare: %s", iid, spec.name, ", ".join(odd))

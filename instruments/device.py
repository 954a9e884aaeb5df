"""The device's side of the profile: subclass ``Device``, declare commands, and nothing acts twice.

A furnace in twenty lines::

    class Furnace(Device):
        kind = "furnace"

        @command(
            summary="Sinter one pellet in air",
            parameters={
                "temperature": Parameter(unit="Cel", low=20, high=1700),
                "hold": Parameter(unit="h", low=0.1, high=24),
                "additive": Choice(("none", "MgO")),
            },
        )
        async def sinter(self, job: JobContext, *, temperature: float, hold: float, additive: str) -> JobResult:
            if temperature > 1650 and additive == "none":
                raise InfeasibleFault("sample_melted", "the pellet had melted when the door was opened")
            await job.progress(0.5)
            job.spend(hold * 3600 + temperature / 10 * 60)  # a simulated furnace needs no real time
            return JobResult(values={"peak": Quantity(value=temperature, unit="Cel", std=2.0)})

    bus = LocalBus()
    furnace = Furnace("furnace-1", bus.transport(), lab="demo", clock=clock, ids=ids)
    await furnace.start()

The base class describes the instrument, checks types, units and limits, journals each job before acting, reports its
life, answers queries and echoes, and cancels. It never sleeps and reads no clock but the injected one.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from datetime import datetime
from typing import Any, ClassVar

from envs.errors import InstrumentError, JournalError
from instruments.clock import Clock, Sleeper
from instruments.commands import (
    Choice,
    JobResult,
    Parameter,
    Text,
    command,
    declared_commands,
    plain,
)
from instruments.errors import DeviceFault, InfeasibleFault, RetryableFault
from instruments.ids import Ids
from instruments.job_context import JobContext
from instruments.journal import JobJournal, MemoryJournal
from instruments.messages import (
    Command,
    Control,
    Description,
    JobError,
    JobPhase,
    JobState,
    MalformedMessageError,
    Presence,
    Quantity,
    Result,
    Status,
    Telemetry,
)
from instruments.session import INTERRUPTED, UNKNOWN_JOB, Action, check_step, judge
from instruments.topics import Lab
from instruments.transport import Message, Transport

__all__ = [
    "Choice",
    "Device",
    "DeviceFault",
    "InfeasibleFault",
    "JobContext",
    "JobResult",
    "Parameter",
    "Quantity",
    "RetryableFault",
    "Text",
    "command",
]

_log = logging.getLogger(__name__)

STORAGE, NO_JOURNAL = "storage", "journal"
"""Error codes by which a device says that it has no room: for what a job gave, or to remember the job."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


class Device:
    """An instrument on the bus; subclass it and declare commands.

    Args:
        iid: the instrument's id, one topic level, unique in its lab.
        transport: its own connection, not shared, because the last will belongs to it.
        lab: the laboratory's id.
        clock: the device's clocks.
        ids: gives the boot id.
        journal: durable for a real instrument (``SqliteJournal``); in memory by default.
        root: first level of all topics.
        serial: serial number, for the description.
    """

    kind: ClassVar[str] = "instrument"
    driver: ClassVar[str] = ""
    max_concurrency: ClassVar[int] = 1

    def __init__(
        self,
        iid: str,
        transport: Transport,
        *,
        lab: str,
        clock: Clock,
        ids: Ids,
        journal: JobJournal | None = None,
        root: str = "labwright",
        serial: str = "",
    ) -> None:
        self.iid = iid
        self.clock = clock
        self.journal: JobJournal = journal if journal is not None else MemoryJournal()
        self.boot_id = ""
        self._ids = ids
        self._serial = serial
        self._transport = transport
        self._topics = Lab(root, lab)
        self._commands = declared_commands(type(self))
        self._seq = 0
        self._live: dict[str, JobState] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancelling: set[str] = set()
        self._presence: tuple[Presence, str] = ("online", "")
        self._lease_until: float | None = None
        transport.on_reconnect(self.announce)

    # Life -------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Go on the bus, once in an object's life: settle what a restart interrupted, listen, then announce."""
        self.boot_id, self._seq = self._ids.new(), 0
        self._transport.set_will(self._topics.status(self.iid), self._status("offline", "connection lost").to_bytes())
        await self._transport.connect()
        for state in self.journal.unfinished():
            fields = {"job": state.job, "digest": state.digest, "elapsed_s": state.elapsed_s, "error": INTERRUPTED}
            interrupted = self._state("failed", **fields)
            self.journal.put(interrupted)
            await self._send_state(interrupted)
        await self._transport.subscribe(self._topics.commands_of(self.iid), self._on_command)
        await self._transport.subscribe(self._topics.control(self.iid), self._on_control)
        await self.announce()

    async def stop(self) -> None:
        """Leave the bus: running jobs become failed/interrupted, the presence offline. The journal stays open."""
        for task in (tasks := list(self._tasks.values())):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for state in list(self._live.values()):
            await self._settle(self._state("failed", **_identity(state), error=INTERRUPTED))
        if self._transport.connected:  # else the will has said it already
            goodbye = self._status("offline", "stopped").to_bytes()
            await self._transport.publish(self._topics.status(self.iid), goodbye, retain=True)
        await self._transport.close()

    async def announce(self) -> None:
        """Publish description and status, retained; also after every reconnection."""
        await self._transport.publish(self._topics.desc(self.iid), self.describe().to_bytes(), retain=True)
        await self._publish_status()

    def describe(self) -> Description:
        """What this instrument is and can do."""
        return Description(
            iid=self.iid,
            kind=self.kind,
            serial=self._serial,
            driver=self.driver,
            boot_id=self.boot_id,
            max_concurrency=self.max_concurrency,
            commands={name: spec.describe() for name, spec in self._commands.items()},
        )

    async def heartbeat(self) -> None:
        """Republish the status, and make safe when the agent's lease has run out; due every 10 s in live use."""
        if self._lease_until is not None and self.clock.elapsed() > self._lease_until:
            self._lease_until = None
            await self.make_safe()
        await self._publish_status()

    async def run_heartbeat(self, sleeper: Sleeper = asyncio.sleep, *, period_s: float = 10.0) -> None:
        """Beat until cancelled; for live use."""
        while True:
            await sleeper(period_s)
            await self.heartbeat()

    async def make_safe(self) -> None:
        """Go to the declared safe state; called when the agent's lease runs out. Devices that heat or move override."""

    async def set_presence(self, state: Presence, message: str = "") -> None:
        """Say that the device is in error or maintenance, or online again; commands are taken only when online."""
        self._presence = (state, message)
        await self._publish_status()

    async def telemetry(self, channel: str, reading: Quantity) -> None:
        """Publish one reading; it may be lost."""
        note = Telemetry(ts=self.clock.now(), value=reading.value, unit=reading.unit, seq=self._next_seq())
        await self._transport.publish(self._topics.telemetry(self.iid, channel), note.to_bytes(), qos=0)

    # Commands ---------------------------------------------------------------------------------------------------------

    async def _on_command(self, message: Message) -> None:
        if message.retained:
            _log.warning("%s: ignored a retained command on %s", self.iid, message.topic)
            return
        job = self._topics.parse(message.topic).name
        try:
            order = Command.parse(message.payload)
        except MalformedMessageError as error:
            await self._refuse_aside(job, JobError(code="malformed", message=str(error)))
            return
        if order.job != job:
            text = f"the payload speaks of job {order.job}, its topic of {job}"
            await self._refuse_aside(job, JobError(code="malformed", message=text))
            return
        known = self._known(job)
        verdict = judge(order, retained=message.retained, known=known, now=self.clock.now())
        if verdict.action is Action.ECHO and known is not None:
            await self._send_state(known)
        elif verdict.action is Action.REFUSE and known is not None and verdict.error is not None:
            await self._refuse_aside(job, verdict.error, digest=order.digest)
        elif verdict.action in {Action.REFUSE, Action.CONSIDER}:
            await self._take(order, verdict.error or self._objection(order))

    def _objection(self, order: Command) -> JobError | None:
        """The device's own reasons against a job, whatever has been approved."""
        presence, why = self._presence
        if presence != "online":
            return JobError(code=presence, message=f"the device is in {presence}: {why}", kind="retryable")
        spec = self._commands.get(order.command)
        if spec is None:
            known = ", ".join(self._commands) or "none"
            return JobError(code="unknown_command", message=f"no command {order.command!r}; known: {known}")
        if (fault := spec.check(order.parameters)) is not None:
            return fault
        if len(self._tasks) >= self.max_concurrency:
            return JobError(code="busy", message=f"{len(self._tasks)} jobs are running already", kind="retryable")
        return None

    async def _take(self, order: Command, objection: JobError | None) -> None:
        phase: JobPhase = "accepted" if objection is None else "rejected"
        state = self._state(phase, job=order.job, digest=order.digest, error=objection)
        try:
            self.journal.put(state)
        except JournalError as error:
            # Without a memory of the job the device could act twice, so it does not act at all.
            await self._refuse_aside(order.job, JobError(code=NO_JOURNAL, message=str(error)), digest=order.digest)
            await self.set_presence("error", "the job journal cannot be written")
            return
        if objection is None:
            self._live[order.job] = state
            self._tasks[order.job] = asyncio.create_task(self._work(order), name=f"{self.iid} {order.job}")
        await self._send_state(state)
        # The work begins before the next message is read: a cancellation must find something to cancel.
        await asyncio.sleep(0)

    async def _work(self, order: Command) -> None:
        context = JobContext(order, self.clock, self._report)
        phase, fields = await self._outcome(order, context)
        # The slot is free before the end is told: who hears of the end may send the next order at once.
        del self._tasks[order.job]
        self._cancelling.discard(order.job)
        await self._settle(self._state(phase, **_identity(self._live[order.job], context.elapsed_s), **fields))
        await self._publish_status()

    async def _outcome(self, order: Command, context: JobContext) -> tuple[JobPhase, dict[str, Any]]:
        """Carry a job out; whatever happens in it becomes an end with a reason."""
        try:
            await self._publish_status()
            await self._report(context, "running", progress=0.0)
            method = getattr(self, self._commands[order.command].method)
            found: JobResult = await method(context, **plain(order.parameters))
            result = Result(values=dict(found.values), artefacts=dict(found.artefacts))
        except asyncio.CancelledError:
            if order.job not in self._cancelling:
                raise
            return "cancelled", {}
        except Exception as error:  # noqa: BLE001 - a mistake in one command must not silence the whole instrument
            return "failed", {"error": self._reason(order, error)}
        return "succeeded", {"result": result, "progress": 1.0}

    def _reason(self, order: Command, error: Exception) -> JobError:
        """What an exception in a command means for the agent."""
        if isinstance(error, DeviceFault):
            return JobError(code=error.code, message=str(error), kind=error.kind)
        if isinstance(error, InstrumentError):
            return JobError(code="instrument", message=str(error))
        if isinstance(error, JournalError) or (isinstance(error, OSError) and error.errno in _NO_ROOM):
            return JobError(code=STORAGE, message=str(error), kind="retryable")
        _log.error("%s: job %s failed by a mistake in the driver", self.iid, order.job, exc_info=error)
        return JobError(code="internal", message=repr(error))

    async def _report(
        self, context: JobContext, phase: JobPhase, *, progress: float, eta: datetime | None = None
    ) -> None:
        """Publish that a job goes on; the first time it is journalled as running."""
        last = self._live[context.job]
        check_step(last.state, phase)
        state = self._state(phase, **_identity(last, context.elapsed_s), progress=progress, eta=eta)
        if last.state != phase:
            self.journal.put(state)
        self._live[context.job] = state
        await self._send_state(state)

    async def _settle(self, state: JobState) -> None:
        """Journal and publish the end of a job."""
        check_step(self._live[state.job].state, state.state)
        try:
            self.journal.put(state)
        except JournalError:
            # The work is done and must be told; after a restart the job will read as interrupted, never as new.
            _log.exception("%s: the end of job %s could not be journalled", self.iid, state.job)
            self._presence = ("error", "the job journal cannot be written")
        del self._live[state.job]
        await self._send_state(state)

    # Control ----------------------------------------------------------------------------------------------------------

    async def _on_control(self, message: Message) -> None:
        if message.retained:
            return
        try:
            control = Control.parse(message.payload)
        except MalformedMessageError as error:
            _log.warning("%s: ignored a control message: %s", self.iid, error)
            return
        if control.op == "republish":
            await self.announce()
        elif control.op == "lease" and control.lease_s is not None:
            self._lease_until = self.clock.elapsed() + control.lease_s
        elif control.job is not None:
            await self._on_job_control(control.op, control.job)

    async def _on_job_control(self, op: str, job: str) -> None:
        known = self._known(job)
        if known is None:
            await self._refuse_aside(job, JobError(code=UNKNOWN_JOB, message="this job was never seen here"))
        elif op == "cancel" and job in self._tasks:
            self._cancelling.add(job)
            self._tasks[job].cancel()
        else:
            await self._send_state(known)

    # Messages ---------------------------------------------------------------------------------------------------------

    def _known(self, job: str) -> JobState | None:
        return self._live.get(job) or self.journal.get(job)

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _state(self, phase: JobPhase, **fields: Any) -> JobState:
        return JobState(state=phase, boot_id=self.boot_id, seq=self._next_seq(), ts=self.clock.now(), **fields)

    def _status(self, state: Presence, message: str = "") -> Status:
        return Status(state=state, boot_id=self.boot_id, seq=self._next_seq(), ts=self.clock.now(), message=message)

    async def _publish_status(self) -> None:
        state, message = self._presence
        if state == "online" and self._tasks:
            state = "busy"
        status = self._status(state, message)
        await self._transport.publish(self._topics.status(self.iid), status.to_bytes(), retain=True)

    async def _send_state(self, state: JobState) -> None:
        await self._transport.publish(self._topics.job(self.iid, state.job), state.to_bytes(), retain=True)

    async def _refuse_aside(self, job: str, error: JobError, *, digest: str = "") -> None:
        """Answer without a trace: neither journalled nor retained, as the job's own life is not touched by it."""
        state = self._state("rejected", job=job, digest=digest, error=error)
        await self._transport.publish(self._topics.job(self.iid, job), state.to_bytes())


def _identity(state: JobState, elapsed_s: float | None = None) -> dict[str, Any]:
    elapsed = state.elapsed_s if elapsed_s is None else elapsed_s
    return {"job": state.job, "digest": state.digest, "elapsed_s": elapsed}

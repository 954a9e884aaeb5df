"""The device's side of the profile: subclass ``Device``, declare commands, and nothing acts twice.

The base class describes the instrument, checks types, units and limits, journals each job before acting, reports its
life, answers queries and echoes, cancels, and makes safe when the agent is gone. It reads no clock but the injected
one, and waits only by the injected sleeper.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from instruments.bulk.keeping import keep_artefact
from instruments.clock import Clock, Sleeper
from instruments.commands import (
    Channel,
    Choice,
    CommandSpec,
    Function,
    JobResult,
    Parameter,
    Returns,
    Text,
    command,
    declared_commands,
)
from instruments.driving import hooks
from instruments.driving.driver_check import check_function
from instruments.driving.heart import Lease, beat_for
from instruments.driving.job_context import BlockingJob, JobCancelledError, JobContext
from instruments.driving.job_desk import KEPT_ENDS, LEASE_LOST, JobDesk
from instruments.driving.presence import Rival, Teller
from instruments.driving.safety import Safety
from instruments.errors import (
    DeviceFault,
    InfeasibleFault,
    NotCommittedError,
    RetryableFault,
    TopicError,
    TransportError,
)
from instruments.ids import Ids
from instruments.journal import JobJournal, MemoryJournal
from instruments.messages import (
    ArtefactRef,
    Command,
    Control,
    Description,
    JobError,
    JobState,
    MalformedMessageError,
    Presence,
    Quantity,
    Status,
    Telemetry,
)
from instruments.profile.legibility import Complaints
from instruments.session import INTERRUPTED
from instruments.topics import Lab
from instruments.transport import Message, Transport

__all__ = [
    "BlockingJob",
    "Channel",
    "Choice",
    "Device",
    "DeviceFault",
    "InfeasibleFault",
    "JobCancelledError",
    "JobContext",
    "JobResult",
    "Parameter",
    "Quantity",
    "RetryableFault",
    "Returns",
    "Text",
    "command",
]

_log = logging.getLogger(__name__)


class Device:
    """An instrument on the bus; subclass it and declare commands.

    Class attributes: ``kind``, ``driver`` (name and version), ``max_concurrency``, ``channels`` of telemetry,
    ``safe_state`` (in words) and ``lease_s`` for an instrument that heats or moves.

    Args:
        iid: the instrument's id, one topic level, unique in its lab.
        transport: its own connection, not shared, because the last will belongs to it.
        lab: the laboratory's id.
        clock: the device's clocks.
        ids: gives the boot id.
        journal: durable for a real instrument (``SqliteJournal``); in memory by default.
        root: first level of all topics.
        serial: serial number, for the description.
        artefacts: directory for bulk data when an order brings no upload ticket.
        ca: PEM file of the authority that signed the certificate of the agent's store, instead of the system's.
        sleeper: waits.

    Attributes:
        heard_itself: set once the bus has brought a status of this run back.
    """

    kind: ClassVar[str] = "instrument"
    driver: ClassVar[str] = ""
    max_concurrency: ClassVar[int] = 1
    channels: ClassVar[Mapping[str, Channel]] = MappingProxyType({})
    safe_state: ClassVar[str] = ""
    lease_s: ClassVar[float | None] = None

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
        artefacts: Path | None = None,
        ca: Path | None = None,
        sleeper: Sleeper = asyncio.sleep,
    ) -> None:
        self.iid = iid
        self.clock = clock
        self.sleeper = sleeper
        self.serial = serial
        self.journal: JobJournal = journal if journal is not None else MemoryJournal()
        self._ids = ids
        self._artefacts = artefacts
        self._ca = ca
        self._transport = transport
        self._topics = Lab(root, lab)
        self._seq = 0
        self._presence: tuple[Presence, str] = ("online", "")
        self._lease = Lease()
        self._rival = Rival(clock)
        self._status_topic = self._topics.status(iid)
        self._teller = Teller(iid, transport, self._status_topic, present=lambda: self.presence, status=self._status)
        self._job_topics = self._topics.job(iid, "_").removesuffix("_")
        self._untold: dict[str, JobState] = {}
        self._complaints = Complaints(_log)
        self._desk = JobDesk(
            iid,
            host=self,
            clock=clock,
            journal=self.journal,
            next_seq=self._next_seq,
            publish=self._publish_job,
            changed=self._teller.changed,
            slots=self.max_concurrency,
        )
        self._safety = Safety(iid, self._desk, lambda: hooks.call(self.make_safe), sleeper=sleeper)
        self._leaving = False
        self.heard_itself = asyncio.Event()
        for name, spec in declared_commands(type(self)).items():
            self.register(spec, getattr(self, name))
        transport.on_reconnect(self.announce)

    @property
    def boot_id(self) -> str:
        """UUIDv7 of this run, empty before ``start``."""
        return self._desk.boot_id

    def register(self, spec: CommandSpec, function: Function) -> None:
        """Add a command, before ``start``.

        Args:
            spec: what it takes and gives.
            function: carries it out: ``async def f(job, **parameters)``, or ``def``, which runs in a worker thread.

        Raises:
            ValueError: when there is a command of that name, or the function does not take what the spec says.
        """
        if spec.name in self._desk.commands:
            raise ValueError(f"{self.iid} has two commands {spec.name}")
        check_function(spec.name, function, spec.parameters)
        self._desk.commands[spec.name] = (spec, function)

    # For drivers to override, also by plain def, which then runs in a thread ------------------------------------------

    async def open(self) -> None:
        """Reach the hardware; called by ``start`` before anything is told to anybody."""

    async def shut(self) -> None:
        """Let go of the hardware; called by ``stop``."""

    async def make_safe(self) -> None:
        """Go to the declared safe state: the lease ran out, or a job was interrupted; tried again until it succeeds."""

    # Life -------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Go on the bus, once in an object's life: settle what a restart interrupted, listen, then announce."""
        self._desk.boot_id, self._seq = self.journal.boot(self._ids.new()), 0
        self._rival.begin(self.boot_id)
        await hooks.call(self.open)
        try:
            self._transport.set_will(self._status_topic, self._status("offline", "connection lost").to_bytes())
            if self.lease_s is not None or self.journal.unfinished():
                await self._safety.reach()  # whatever the last run left hot, and before its jobs are settled
            self._desk.settle_past()
            # What the broker kept for us comes as soon as we are connected: somebody must be there to take it.
            await self._transport.subscribe(self._topics.commands_of(self.iid), self._on_command)
            await self._transport.subscribe(self._topics.control(self.iid), self._on_control)
            await self._transport.subscribe(self._status_topic, self._on_own_status)
            await self._transport.connect()
            # The bus may keep them as running: it was away when they ended, or this process died before it told.
            for state in self.journal.ends(KEPT_ENDS):
                await self._publish_job(state.job, state, retain=True)
            await self.announce()
        except BaseException:
            await self._transport.close()
            await hooks.call(self.shut)
            raise

    async def run(self) -> None:
        """Beat, watch the lease and read the channels, until cancelled; for live use, after ``start``."""
        await beat_for(self)

    async def stop(self) -> None:
        """Leave the bus: running jobs become failed/interrupted, the presence offline. The journal stays open."""
        self._leaving = True
        try:
            if self._desk.busy or self._safety.owed:
                await self._safety.end_all(INTERRUPTED)
            await self._teller.finished()
            if self._transport.connected:  # else the will has said it already
                goodbye = self._status("offline", "; ".join(filter(None, ["stopped", self._safety.fault])))
                await self._transport.publish(self._status_topic, goodbye.to_bytes(), retain=True)
        finally:
            await self._transport.close()
            await hooks.call(self.shut)

    async def announce(self) -> None:
        """Publish description, status and the jobs that run, retained; also after every reconnection."""
        await self._transport.publish(self._topics.desc(self.iid), self.describe().to_bytes(), retain=True)
        await self._teller.tell()
        for job in list(self._untold):  # one by one: a connection lost again ends this in the middle
            await self._publish_job(job, self._untold.pop(job), retain=True)
        await self._desk.announce()

    def describe(self) -> Description:
        """What this instrument is and can do."""
        return Description(
            iid=self.iid,
            kind=self.kind,
            serial=self.serial,
            driver=self.driver,
            boot_id=self.boot_id,
            max_concurrency=self.max_concurrency,
            commands={name: spec.describe() for name, (spec, _) in self._desk.commands.items()},
            channels={name: channel.describe() for name, channel in self.channels.items()},
            safe_state=self.safe_state,
            lease_s=self.lease_s,
        )

    async def heartbeat(self) -> None:
        """Republish the status, and make safe when the agent's lease has run out; due every 10 s in live use."""
        await self.check_lease()
        await self._teller.tell()

    async def check_lease(self) -> None:
        """End what runs and make safe when the agent's lease has run out; also where that failed before."""
        if self._lease.runs_out(self.clock.elapsed()):
            if await self._safety.end_all(LEASE_LOST):
                _log.warning("%s: the agent's lease ran out: %s", self.iid, self.safe_state or "no safe state declared")
        elif self._safety.fault:
            await self._safety.reach()
        self._teller.changed()

    async def set_presence(self, state: Presence, message: str = "") -> None:
        """Say that the device is in error or maintenance, or online again; commands are taken only when online."""
        self._presence = (state, message)
        await self._teller.tell()

    # What jobs ask for ------------------------------------------------------------------------------------------------

    async def report(self, context: JobContext, *, progress: float, eta: datetime | None) -> None:
        """Publish that a job goes on."""
        await self._desk.report(context, progress=progress, eta=eta)

    async def keep(self, order: Command, data: bytes | Path, media_type: str) -> ArtefactRef:
        """Put a job's bulk data where the agent finds them.

        Raises:
            ArtefactError: when there is no place for them.
        """
        return await keep_artefact(
            data, media_type, ticket=order.upload, directory=self._artefacts, sleeper=self.sleeper, ca=self._ca
        )

    async def telemetry(self, channel: str, reading: Quantity) -> None:
        """Publish one reading; it may be lost."""
        note = Telemetry(ts=self.clock.now(), value=reading.value, unit=reading.unit, seq=self._next_seq())
        await self._transport.publish(self._topics.telemetry(self.iid, channel), note.to_bytes(), qos=0)

    # Incoming ---------------------------------------------------------------------------------------------------------

    async def _on_command(self, message: Message) -> None:
        if message.retained:
            self._complaints.add(f"{self.iid}: ignored a retained command on {message.topic}")
            return
        if not message.payload:  # somebody clears a command that should never have been retained
            return
        try:
            job = self._topics.parse(message.topic).name
        except TopicError as error:  # no job can have that name, so nobody waits for an answer
            self._complaints.add(f"{self.iid}: ignored a command: {error}")
            return
        try:
            order = Command.parse(message.payload)
        except MalformedMessageError as error:
            await self._desk.refuse_illegible(job, str(error))
            return
        if order.job != job:
            await self._desk.refuse_illegible(job, f"the payload speaks of job {order.job}, its topic of {job}")
            return
        if self._leaving or self._safety.on_its_way:
            raise NotCommittedError(f"{self.iid} takes nothing while it stops or makes itself safe")
        if self.lease_s is not None:
            self._lease.extend(self.clock.elapsed(), self.lease_s)
        await self._desk.order(order, unavailable=self._unavailable)

    def _unavailable(self) -> JobError | None:
        presence, why = self.presence
        if self._safety.owed:
            presence, why = "error", self._safety.fault or "it is made safe"
        if presence in {"online", "busy"}:
            return None
        return JobError(code=presence, message=f"the device is in {presence}: {why}", kind="retryable")

    async def _on_control(self, message: Message) -> None:
        if message.retained:
            return
        try:
            control = Control.parse(message.payload)
        except MalformedMessageError as error:
            self._complaints.add(f"{self.iid}: ignored a control message: {error}")
            return
        if control.op == "republish":
            await self.announce()
        elif control.op == "lease" and control.lease_s is not None:
            self._lease.set(self.clock.elapsed(), control.lease_s)
        elif control.job is not None:
            await self._desk.control(control.op, control.job)

    async def _on_own_status(self, message: Message) -> None:
        if not message.payload:
            return
        try:
            status = Status.parse(message.payload)
        except MalformedMessageError as error:
            self._complaints.add(f"{self.iid}: ignored a status: {error}")
            return
        if status.boot_id == self.boot_id:
            self.heard_itself.set()  # whoever may read it sees this instrument
        elif not message.retained:
            self._rival.hear(status)
        self._teller.changed()

    # Outgoing ---------------------------------------------------------------------------------------------------------

    @property
    def presence(self) -> tuple[Presence, str]:
        """How it is present now, with the reason."""
        state, message = self._presence
        if self._desk.journal_failed:
            return "error", "the job journal cannot be written"
        if fault := self._safety.fault or self._rival.fault:
            return "error", fault
        return ("busy" if state == "online" and self._desk.busy else state), message

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _status(self, state: Presence, message: str = "") -> Status:
        return Status(state=state, boot_id=self.boot_id, seq=self._next_seq(), ts=self.clock.now(), message=message)

    async def _publish_job(self, job: str, state: JobState | None, *, retain: bool) -> None:
        """Publish it; what cannot be told now is told when the bus is back, and never ends a job."""
        if state is not None and state.state == "running" and not self._transport.connected:
            return
        payload = b"" if state is None else state.to_bytes()
        try:
            await self._transport.publish(self._job_topics + job, payload, retain=retain)
        except TransportError as error:
            _log.warning("%s: job %s could not be told of: %s", self.iid, job, error)
            if state is not None and retain:
                self._untold[job] = state

"""The agent's side of the profile: finds instruments, has jobs done at most once, adopts jobs after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from envs.errors import UserError
from instruments.bus.waiting import Stream
from instruments.clock import Clock, Sleeper
from instruments.errors import NoAnswerError
from instruments.ids import Ids
from instruments.messages import (
    Command,
    Control,
    Description,
    JobState,
    Presence,
    Quantity,
    Status,
    Telemetry,
    UploadTicket,
    Value,
    digest_of,
)
from instruments.ordering.directory import STALE_S, AgentsView, Directory, Sighting
from instruments.ordering.leases import LeaseKeeper
from instruments.ordering.orders import CONFIRM_S, Check, OnUpdate, OpenJob, Orders
from instruments.ordering.slots import Slots
from instruments.topics import Lab
from instruments.transport import Message, Mirror, Transport

__all__ = ["CONFIRM_S", "STALE_S", "InstrumentClient", "OnUpdate", "Reading", "Sighting"]

READINGS = 1_000
"""Most readings of one telemetry stream that wait for their reader."""
PATIENCE_S = 300.0
"""How long an instrument may be away while it does a job."""
_VALIDITY = timedelta(minutes=10)


class Reading(NamedTuple):
    """One reading of an instrument's channel."""

    iid: str
    channel: str
    telemetry: Telemetry


class InstrumentClient:
    """Gives orders to a lab's instruments.

    Args:
        transport: the agent's connection.
        lab: the laboratory's id.
        agent: the agent's id; its presence is published with a last will, so that instruments can go safe.
        clock: gives issue times, expiry and the age of statuses.
        ids: gives the boot id of this run.
        root: first level of all topics.
        sleeper: waits for timeouts; ``instruments.clock.wait_forever`` on an in-process bus, where nothing is lost.
        patience_s: how long an instrument may leave every question about a running job unanswered.
        judge_clocks: whether instruments' clocks are compared with ``clock``: not where that one is simulated.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        lab: str,
        agent: str,
        clock: Clock,
        ids: Ids,
        root: str = "labwright",
        sleeper: Sleeper = asyncio.sleep,
        patience_s: float = PATIENCE_S,
        judge_clocks: bool = True,
    ) -> None:
        self._transport = transport
        self._topics = Lab(root, lab)
        self._agent = agent
        self._clock = clock
        self._boot_id = ids.new()
        self._seq = 0
        self._slots: dict[str, Slots] = {}
        self._streams: list[Stream[Reading]] = []
        self._directory = Directory(
            self._topics, clock=clock, sleeper=sleeper, on_status=self._on_presence, judge_clocks=judge_clocks
        )
        self._orders = Orders(
            send=self._send,
            ask=self._ask,
            presence=self._directory.presence,
            sleeper=sleeper,
            patience_s=patience_s,
        )
        self._leases = LeaseKeeper(self.renew_lease, sleeper=sleeper)

    async def start(self) -> None:
        """Connect and discover; instruments appear as their descriptions arrive."""
        status = self._topics.agent_status(self._agent)
        self._transport.set_will(status, self._status("offline").to_bytes())
        self._transport.on_reconnect(self._resume)
        # What the broker kept for a persistent session comes as soon as it stands: somebody must be there to take it.
        await self._transport.subscribe(self._topics.every("job"), self._on_job)
        await self._transport.subscribe(self._topics.every("status"), self._directory.on_status)
        await self._transport.subscribe(self._topics.every("desc"), self._directory.on_description)
        await self._transport.connect()
        await self._transport.publish(status, self._status("online").to_bytes(), retain=True)

    async def announce(self, message: str = "") -> None:
        """Say again that the agent is there: whoever looks can tell how old its last word is.

        Instruments that were heard of and never described themselves are asked to: what they said may have been lost.
        """
        if self._transport.connected:
            status = self._topics.agent_status(self._agent)
            await self._transport.publish(status, self._status("online", message).to_bytes(), retain=True)
            for iid in self._directory.undescribed():
                await self._control(iid, Control(op="republish"))

    async def close(self) -> None:
        """Say goodbye and disconnect; jobs that are running go on and can be adopted later."""
        await self._directory.close()
        for stream in self._streams:
            stream.close()
        if self._transport.connected:
            status = self._topics.agent_status(self._agent)
            await self._transport.publish(status, self._status("offline").to_bytes(), retain=True)
        await self._transport.close()

    @property
    def connected(self) -> bool:
        """Whether the broker can be reached now: what is published otherwise waits, and may come late."""
        return self._transport.connected

    # Who is there -----------------------------------------------------------------------------------------------------

    @property
    def instruments(self) -> Mapping[str, Description]:
        """What has been discovered so far, by instrument id."""
        return self._directory.descriptions

    async def wait_for(self, iids: Iterable[str], timeout: float = 30.0) -> None:  # noqa: ASYNC109 - injected sleeper
        """Wait until instruments are described and present.

        Raises:
            NoAnswerError: when one is not there after ``timeout`` seconds of the sleeper.
        """
        await self._directory.wait_for(iids, timeout)

    def presence(self, iid: str) -> AgentsView:
        """An instrument's last status; ``stale`` after 30 s without one, ``unknown`` when never described."""
        return self._directory.presence(iid)

    def skew(self, iid: str) -> float:
        """By how many seconds an instrument's clock is ahead of the agent's; 0 where that is no more than 2 s.

        One that is behind is told from a status that was late by the next one, 10 s later.
        """
        return self._directory.skew(iid)

    def open_jobs(self, iid: str) -> Mapping[str, JobState]:
        """The jobs that an instrument has not ended, by id, also those that an earlier agent ordered.

        The bus retains them: they are known once ``wait_for`` has returned. ``adopt`` follows them.
        """
        return self._directory.open_jobs(iid)

    def watch(self) -> AbstractAsyncContextManager[Stream[Sighting]]:
        """Instruments as they appear, change, come, go and fall silent, beginning with those that are known."""
        return self._directory.watch()

    @asynccontextmanager
    async def telemetry(
        self, iid: str | None = None, channel: str | None = None, *, limit: int = READINGS
    ) -> AsyncIterator[Stream[Reading]]:
        """Readings as they come.

        Args:
            iid: the instrument; None for all.
            channel: one of its channels; None for all.
            limit: most readings that wait for the reader; beyond it the oldest are dropped and counted.

        Raises:
            TopicError: when the instrument or the channel cannot be a topic level.
        """
        stream: Stream[Reading] = Stream(limit)
        last: dict[tuple[str, str], Telemetry] = {}

        async def on_reading(message: Message) -> None:
            if message.retained or (read := self._directory.read(Telemetry, message)) is None:
                return
            topic = self._topics.parse(message.topic)
            if last.get((topic.iid, topic.name)) != read[1]:  # overlapping subscriptions bring it twice
                if len(last) >= limit:  # of made-up channels there is no end
                    last.clear()
                last[topic.iid, topic.name] = read[1]
                stream.put(Reading(topic.iid, topic.name, read[1]))

        fixed = {name: level for name, level in (("iid", iid), ("channel", channel)) if level is not None}
        pattern = self._topics.pattern("telemetry", **fixed)
        await self._transport.subscribe(pattern, on_reading)
        self._streams.append(stream)
        try:
            yield stream
        finally:
            self._streams.remove(stream)
            await self._transport.unsubscribe(pattern, on_reading)

    # Jobs -------------------------------------------------------------------------------------------------------------

    async def execute(
        self,
        iid: str,
        command: str,
        parameters: Mapping[str, Value],
        *,
        job: str,
        approval: str = "",
        not_after: datetime | None = None,
        on_update: OnUpdate | None = None,
        upload: UploadTicket | None = None,
        check: Check = lambda: None,
    ) -> JobState:
        """Have one job done, at most once whatever the network does; calling again with the same job adopts it.

        Orders to an instrument beyond its concurrency wait here, in the order of the calls. The lease of an
        instrument that has one is kept until the job has ended. After a restart, ``adopt`` what runs before ordering
        more: the instrument refuses as busy what it has no place for, and that job's id is then spent.

        Args:
            iid: the instrument.
            command: one of its commands.
            parameters: quantities with units, and words.
            job: the job's id, chosen and recorded by the caller before this call.
            approval: reference of the approval.
            not_after: the device never starts later; 10 minutes after sending by default.
            on_update: called with every newer state, before its message is acknowledged; where it cannot commit what
                it is told it raises ``NotCommittedError`` and is told again.
            upload: where results go that are too large for a message.
            check: called in the moment before each sending, after any wait for a place; what it raises is raised here
                where the device has none of the order.

        Returns:
            The terminal state: succeeded, rejected, failed or cancelled.

        Raises:
            NoAnswerError: when the device confirms nothing after resends and a query, has lost the job, or is away
                for too long while it does it (then the job may still end, and can be adopted).
            UserError: when this client is executing the same job already, or a parameter is neither a ``Quantity`` nor
                a word.
            TransportError: when too many messages wait for a lost connection.
        """
        async with AsyncExitStack() as stack:
            _check_values(command, parameters)
            opened = self._listen(stack, iid, job, digest_of(command, parameters), on_update)
            await stack.enter_async_context(self._slot(iid).place())
            now = self._clock.now()
            order = Command(
                job=job,
                command=command,
                parameters=dict(parameters),
                issued_at=now,
                not_after=not_after or now + _VALIDITY,
                approval=approval,
                upload=upload,
            )
            if (lease_s := self._lease_of(iid)) is not None:
                await stack.enter_async_context(self._leases.hold(iid, lease_s))
            await self._orders.confirm(opened, order, check=check)
            return await self._orders.finish(opened)

    async def adopt(
        self, iid: str, job: str, *, digest: str | None = None, on_update: OnUpdate | None = None
    ) -> JobState:
        """Follow a job to its end that was ordered before, without ordering anything.

        Args:
            iid: the instrument.
            job: the job's id, from the caller's own records or from ``open_jobs``.
            digest: of what was ordered, where the caller knows it: states that answer something else then do not count.
            on_update: called with every newer state.

        Returns:
            The terminal state, at once where the job has ended.

        Raises:
            NoAnswerError: when the device has never seen the job (``seen`` is False), or does not answer.
            UserError: when this client is executing the same job already.
        """
        async with AsyncExitStack() as stack:
            opened = self._listen(stack, iid, job, digest, on_update)
            await stack.enter_async_context(self._slot(iid).seat())
            if (lease_s := self._lease_of(iid)) is not None:
                await self.renew_lease(iid, lease_s)  # at once: it is as old as the agent that ordered the job
                await stack.enter_async_context(self._leases.hold(iid, lease_s))
            known = await self._orders.query(iid, job)
            if known is None:
                raise NoAnswerError(iid, job, "the instrument has never seen this job", seen=False)
            return await self._orders.finish(opened)

    async def query(self, iid: str, job: str) -> JobState | None:
        """Ask an instrument where a job stands.

        Returns:
            The state as the device journalled it; None when the device has never seen the job.

        Raises:
            NoAnswerError: when the device does not answer.
        """
        return await self._orders.query(iid, job)

    async def cancel(self, iid: str, job: str) -> None:
        """Ask an instrument to cancel a job; ``execute`` then returns ``cancelled``, or the end that came first."""
        await self._control(iid, Control(op="cancel", job=job))

    async def renew_lease(self, iid: str, seconds: float) -> None:
        """Promise that the agent is alive for so long; an instrument that heats or moves makes itself safe after it."""
        await self._control(iid, Control(op="lease", lease_s=seconds))

    async def publish_event(self, payload: bytes) -> None:
        """Tell what happens at this agent, in a message of ``instruments.profile.agent_messages``."""
        await self._transport.publish(self._topics.agent_event(self._agent), payload)

    # Its parts --------------------------------------------------------------------------------------------------------

    def _listen(
        self, stack: AsyncExitStack, iid: str, job: str, digest: str | None, on_update: OnUpdate | None
    ) -> OpenJob:
        opened = self._orders.open(iid, job, digest, on_update)
        stack.callback(self._orders.close, opened)
        return opened

    def _slot(self, iid: str) -> Slots:
        if iid not in self._slots:
            self._slots[iid] = Slots(lambda: self._size_of(iid))
        self._slots[iid].look()
        return self._slots[iid]

    def _size_of(self, iid: str) -> int:
        described = self._directory.descriptions.get(iid)
        return described.max_concurrency if described else 1

    def _lease_of(self, iid: str) -> float | None:
        described = self._directory.descriptions.get(iid)
        return described.lease_s if described else None

    async def _send(self, iid: str, order: Command) -> None:
        """Publish a command; MQTT 5 brokers may drop it when the device would refuse it as too late anyway."""
        left_s = (order.not_after - self._clock.now()).total_seconds()
        mirror = Mirror(self._topics.job(iid, order.job), order.job.encode(), left_s if left_s > 0.0 else None)
        await self._transport.publish(self._topics.command(iid, order.job), order.to_bytes(), mirror=mirror)

    async def _ask(self, iid: str, job: str) -> None:
        await self._control(iid, Control(op="query", job=job))

    async def _control(self, iid: str, control: Control) -> None:
        await self._transport.publish(self._topics.control(iid), control.to_bytes())

    async def _resume(self) -> None:
        """After a reconnection: present again, and ask after every open job."""
        status = self._topics.agent_status(self._agent)
        await self._transport.publish(status, self._status("online").to_bytes(), retain=True)
        await self._orders.ask_all()

    def _status(self, state: Presence, message: str = "") -> Status:
        self._seq += 1
        return Status(state=state, boot_id=self._boot_id, seq=self._seq, ts=self._clock.now(), message=message)

    async def _on_job(self, message: Message) -> None:
        if (read := self._directory.read(JobState, message)) is not None:
            iid, state = read
            self._directory.note_job(iid, state)
            self._orders.on_job(iid, state, live=not message.retained)
        elif message.payload:
            self._orders.on_illegible(message.topic, message.payload)

    def _on_presence(self, iid: str, status: Status, *, back: bool) -> None:
        if back or status.state == "offline":
            self._orders.doubt(iid)


def _check_values(command: str, parameters: Mapping[str, Value]) -> None:
    """Refuse what only a type checker would have told: a bare number has no unit."""
    for name, value in parameters.items():
        if not isinstance(value, Quantity | str):
            raise UserError(
                f"{command}: {name} = {value!r} is neither a quantity nor a word: give a number with its unit, as "
                f'Quantity(value={value!r}, unit="...")'
            )

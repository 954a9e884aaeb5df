"""The agent's side of the profile: finds instruments, has jobs done exactly once, adopts jobs after a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, TypeVar

from envs.errors import UserError
from instruments.clock import Clock, Sleeper
from instruments.errors import NoAnswerError, TopicError
from instruments.ids import Ids
from instruments.messages import (
    Command,
    Control,
    Description,
    JobState,
    MalformedMessageError,
    Payload,
    Presence,
    Status,
    Value,
)
from instruments.session import JobTracker, is_unknown
from instruments.topics import Lab
from instruments.transport import Message, Transport

_log = logging.getLogger(__name__)

CONFIRM_S = 5.0
"""A device accepts or rejects within this time, else the command is sent again."""
STALE_S = 30.0
"""A status older than this says nothing any more."""
_SENDINGS = 3
_CHECK_S = 60.0
_VALIDITY = timedelta(minutes=10)

_Model = TypeVar("_Model", bound=Payload)
OnUpdate = Callable[[JobState], None]


class _OpenJob:
    def __init__(self, order: Command, on_update: OnUpdate | None) -> None:
        self.order = order
        self.tracker = JobTracker(order.job, order.digest)
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self._on_update = on_update

    def offer(self, state: JobState) -> None:
        news = self.tracker.offer(state)
        if news and self._on_update is not None:
            self._on_update(state)
        if news or self.tracker.unseen:
            self.answered.set()
        if self.tracker.terminal:
            self.ended.set()


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
    ) -> None:
        self._transport = transport
        self._topics = Lab(root, lab)
        self._agent = agent
        self._clock = clock
        self._boot_id = ids.new()
        self._seq = 0
        self._sleeper = sleeper
        self._descriptions: dict[str, Description] = {}
        self._statuses: dict[str, tuple[Status, float]] = {}
        self._discovery = asyncio.Event()
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._open: dict[tuple[str, str], _OpenJob] = {}
        self._queries: dict[tuple[str, str], list[asyncio.Future[JobState]]] = {}

    @property
    def instruments(self) -> Mapping[str, Description]:
        """What has been discovered so far, by instrument id."""
        return MappingProxyType(self._descriptions)

    async def start(self) -> None:
        """Connect and discover; instruments appear as their descriptions arrive."""
        status = self._topics.agent_status(self._agent)
        self._transport.set_will(status, self._status("offline").to_bytes())
        self._transport.on_reconnect(self._resume)
        await self._transport.connect()
        await self._transport.subscribe(self._topics.every("job"), self._on_job)
        await self._transport.subscribe(self._topics.every("status"), self._on_status)
        await self._transport.subscribe(self._topics.every("desc"), self._on_description)
        await self._transport.publish(status, self._status("online").to_bytes(), retain=True)

    async def close(self) -> None:
        """Say goodbye and disconnect; jobs that are running go on and can be queried later."""
        if self._transport.connected:
            status = self._topics.agent_status(self._agent)
            await self._transport.publish(status, self._status("offline").to_bytes(), retain=True)
        await self._transport.close()

    async def wait_for(self, iids: Iterable[str], timeout: float = 30.0) -> None:  # noqa: ASYNC109 - injected sleeper
        """Wait until instruments are described and present.

        Raises:
            NoAnswerError: when one is not there after ``timeout`` seconds of the sleeper.
        """
        wanted = list(iids)

        async def all_present() -> None:
            while any(self.presence(iid) in {"unknown", "offline"} for iid in wanted):
                self._discovery.clear()
                await self._discovery.wait()

        if not await self._within(all_present(), timeout):
            missing = ", ".join(iid for iid in wanted if self.presence(iid) in {"unknown", "offline"})
            raise NoAnswerError(missing, "", f"not on the bus within {timeout:g} s; is it switched on?")

    def presence(self, iid: str) -> Presence | Literal["stale", "unknown"]:
        """An instrument's last status; ``stale`` after 30 s without one, ``unknown`` when never described."""
        if iid not in self._descriptions or iid not in self._statuses:
            return "unknown"
        status, heard = self._statuses[iid]
        if status.state != "offline" and self._clock.elapsed() - heard > STALE_S:
            return "stale"
        return status.state

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
    ) -> JobState:
        """Have one job done, at most once whatever the network does; calling again with the same job adopts it.

        Orders to an instrument beyond its concurrency wait here, in the order of the calls.

        Args:
            iid: the instrument.
            command: one of its commands.
            parameters: quantities with units, and words.
            job: the job's id, chosen and recorded by the caller before this call.
            approval: reference of the approval.
            not_after: the device never starts later; 10 minutes after sending by default.
            on_update: called with every newer state.

        Returns:
            The terminal state: succeeded, rejected, failed or cancelled.

        Raises:
            NoAnswerError: when the device confirms nothing after resends and a query, or has lost the job.
            UserError: when this client is executing the same job already.
        """
        key = (iid, job)
        if key in self._open:
            raise UserError(f"job {job} is being executed on {iid} already: await that call")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._slot(iid))
            now = self._clock.now()
            order = Command(
                job=job,
                command=command,
                parameters=dict(parameters),
                issued_at=now,
                not_after=not_after or now + _VALIDITY,
                approval=approval,
            )
            task = self._open[key] = _OpenJob(order, on_update)
            stack.callback(self._open.pop, key)
            await self._confirm(iid, task)
            return await self._finish(iid, task)

    async def query(self, iid: str, job: str) -> JobState | None:
        """Ask an instrument where a job stands, to adopt it after a restart.

        Returns:
            The state as the device journalled it; None when the device has never seen the job.

        Raises:
            NoAnswerError: when the device does not answer.
        """
        answer: asyncio.Future[JobState] = asyncio.get_running_loop().create_future()
        waiting = self._queries.setdefault((iid, job), [])
        waiting.append(answer)
        try:
            for attempt in range(_SENDINGS):
                await self._control(iid, Control(op="query", job=job))
                if await self._within(asyncio.shield(answer), CONFIRM_S * 2**attempt):
                    return None if is_unknown(answer.result()) else answer.result()
        finally:
            waiting.remove(answer)
            if not waiting:
                self._queries.pop((iid, job), None)
            answer.cancel()
        raise NoAnswerError(iid, job, "no answer to a query: is the instrument online?")

    async def cancel(self, iid: str, job: str) -> None:
        """Ask an instrument to cancel a job; ``execute`` then returns ``cancelled``, or the end that came first."""
        await self._control(iid, Control(op="cancel", job=job))

    async def renew_lease(self, iid: str, seconds: float) -> None:
        """Promise that the agent is alive for so long; an instrument that heats or moves makes itself safe after it."""
        await self._control(iid, Control(op="lease", lease_s=seconds))

    # One job ----------------------------------------------------------------------------------------------------------

    def _slot(self, iid: str) -> asyncio.Semaphore:
        if iid not in self._slots:
            described = self._descriptions.get(iid)
            self._slots[iid] = asyncio.Semaphore(described.max_concurrency if described else 1)
        return self._slots[iid]

    async def _confirm(self, iid: str, task: _OpenJob) -> None:
        """Send until the device has answered: resend with backoff, then query."""
        order = task.order
        for attempt in range(1, _SENDINGS + 1):
            sending = order.model_copy(update={"attempt": attempt})
            await self._transport.publish(self._topics.command(iid, order.job), sending.to_bytes())
            if await self._within(task.answered.wait(), CONFIRM_S * 2 ** (attempt - 1)):
                return
        await self._control(iid, Control(op="query", job=order.job))
        if await self._within(task.answered.wait(), CONFIRM_S) and task.tracker.state is not None:
            return
        seen = False if task.tracker.unseen else None
        raise NoAnswerError(iid, order.job, f"{order.command} was not confirmed after {_SENDINGS} sendings", seen=seen)

    async def _finish(self, iid: str, task: _OpenJob) -> JobState:
        """Wait for the end, asking now and then in case its announcement was lost."""
        while not await self._within(task.ended.wait(), _CHECK_S):
            if task.tracker.unseen:
                raise NoAnswerError(iid, task.order.job, "the device does not know the job any more", seen=False)
            await self._control(iid, Control(op="query", job=task.order.job))
        if task.tracker.state is None:
            raise NoAnswerError(iid, task.order.job, "ended without a state")
        return task.tracker.state

    async def _within(self, wanted: Awaitable[object], seconds: float) -> bool:
        """Whether something came true before the sleeper woke up."""
        hope = asyncio.ensure_future(wanted)
        nap = asyncio.ensure_future(self._sleeper(seconds))
        try:
            await asyncio.wait({hope, nap}, return_when=asyncio.FIRST_COMPLETED)
            return hope.done()
        finally:
            hope.cancel()
            nap.cancel()
            await asyncio.gather(hope, nap, return_exceptions=True)

    async def _control(self, iid: str, control: Control) -> None:
        await self._transport.publish(self._topics.control(iid), control.to_bytes())

    async def _resume(self) -> None:
        """After a reconnection: present again, and ask after every open job."""
        status = self._topics.agent_status(self._agent)
        await self._transport.publish(status, self._status("online").to_bytes(), retain=True)
        for iid, job in list(self._open):
            await self._control(iid, Control(op="query", job=job))

    def _status(self, state: Presence) -> Status:
        self._seq += 1
        return Status(state=state, boot_id=self._boot_id, seq=self._seq, ts=self._clock.now())

    # Incoming ---------------------------------------------------------------------------------------------------------

    async def _on_job(self, message: Message) -> None:
        read = self._read(JobState, message)
        if read is None:
            return
        iid, state = read
        if (task := self._open.get((iid, state.job))) is not None:
            task.offer(state)
        conflict = state.error is not None and state.error.code == "conflict"
        if message.retained or conflict:
            return
        for answer in self._queries.get((iid, state.job), []):
            if not answer.done():
                answer.set_result(state)

    async def _on_status(self, message: Message) -> None:
        read = self._read(Status, message)
        if read is None:
            return
        iid, status = read
        known = self._statuses.get(iid)
        # A last will was written when the connection began, so an offline of this boot is news whatever its number.
        late = known is not None and (status.boot_id, status.seq) < (known[0].boot_id, known[0].seq)
        if late and known is not None:
            if status.state != "offline" or status.boot_id != known[0].boot_id:
                return
            status = status.model_copy(update={"seq": known[0].seq})
        self._statuses[iid] = (status, self._clock.elapsed())
        self._discovery.set()

    async def _on_description(self, message: Message) -> None:
        if (read := self._read(Description, message)) is not None:
            self._descriptions[read[0]] = read[1]
            self._discovery.set()

    def _read(self, model: type[_Model], message: Message) -> tuple[str, _Model] | None:
        """The instrument and its message, or None (with a warning) for what is not of the profile."""
        if not message.payload:
            return None
        try:
            return self._topics.parse(message.topic).iid, model.parse(message.payload)
        except (TopicError, MalformedMessageError) as error:
            _log.warning("ignored a message on %s: %s", message.topic, error)
            return None

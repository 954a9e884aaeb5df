"""What a command's function may do with the job that it carries out: report, wait, keep bulk data."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from envs.errors import InstrumentError
from instruments.clock import Clock
from instruments.messages import ArtefactRef, Command, Quantity

if TYPE_CHECKING:
    from datetime import datetime

T = TypeVar("T")


class JobCancelledError(InstrumentError):
    """The job that a worker thread carries out was cancelled; let it pass, after putting the hardware right."""


class Host(Protocol):
    """What a device does for the jobs that it carries out."""

    clock: Clock
    sleeper: Callable[[float], Awaitable[None]]

    async def report(self, context: JobContext, *, progress: float, eta: datetime | None) -> None:
        """Publish that a job goes on."""
        ...

    async def keep(self, order: Command, data: bytes | Path, media_type: str) -> ArtefactRef:
        """Put bulk data where the agent finds them."""
        ...

    async def telemetry(self, channel: str, reading: Quantity) -> None:
        """Publish one reading."""
        ...


class JobContext:
    """One running job, as a command's function sees it.

    Attributes:
        job: the job's id.
        command: the name of the command.
        digest: of what was ordered.
        approval: reference of the approval.
    """

    def __init__(self, order: Command, host: Host) -> None:
        self.job = order.job
        self.command = order.command
        self.digest = order.digest
        self.approval = order.approval
        self._order = order
        self._host = host
        self._began = host.clock.elapsed()
        self._spent = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds that this job has taken on the device's own clock, simulated ones included."""
        return max(0.0, self._host.clock.elapsed() - self._began) + self._spent

    def spend(self, seconds: float) -> None:
        """Let simulated time pass for this job; real time is not touched.

        Raises:
            ValueError: when ``seconds`` is negative or not finite.
        """
        if not 0.0 <= seconds < float("inf"):
            raise ValueError(f"a job spends a finite number of seconds >= 0, not {seconds}")
        self._spent += seconds

    async def sleep(self, seconds: float) -> None:
        """Wait; a cancellation of the job ends the wait."""
        await self._host.sleeper(seconds)

    async def progress(self, fraction: float, *, remaining_s: float | None = None) -> None:
        """Report how far the job is, 0 to 1, and how many seconds it will still take."""
        eta = None if remaining_s is None else self._host.clock.now() + timedelta(seconds=remaining_s)
        await self._host.report(self, progress=fraction, eta=eta)

    async def telemetry(self, channel: str, reading: Quantity) -> None:
        """Publish one reading of a declared channel."""
        await self._host.telemetry(channel, reading)

    @property
    def may_upload(self) -> bool:
        """Whether whoever ordered it gave leave to bring bulk data to them."""
        return self._order.upload is not None

    async def keep(self, data: bytes | Path, media_type: str) -> ArtefactRef:
        """Put bulk data, or a file, where the agent finds them: in the message, its store, or the device's directory.

        Raises:
            ArtefactError: when they are too large for the message and there is no other place, or it has no room.
        """
        return await self._host.keep(self._order, data, media_type)


class BlockingJob:
    """One running job, as a command's function in a worker thread sees it: the same, without ``await``.

    Every call raises ``JobCancelledError`` once the job has been cancelled.
    """

    def __init__(self, context: JobContext, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop
        self._cancelled = False
        self._waiting: concurrent.futures.Future[Any] | None = None

    @property
    def job(self) -> str:
        """The job's id."""
        return self._context.job

    @property
    def cancelled(self) -> bool:
        """Whether the job has been cancelled: for loops that put the hardware right themselves."""
        return self._cancelled

    def check(self) -> None:
        """Leave here when the job has been cancelled.

        Raises:
            JobCancelledError: then.
        """
        if self._cancelled:
            raise JobCancelledError(f"job {self._context.job} was cancelled")

    def sleep(self, seconds: float) -> None:
        """Wait; a cancellation ends the wait."""
        self._call(self._context.sleep(seconds))

    def spend(self, seconds: float) -> None:
        """Let simulated time pass for this job."""
        self._context.spend(seconds)

    def progress(self, fraction: float, *, remaining_s: float | None = None) -> None:
        """Report how far the job is, 0 to 1, and how many seconds it will still take."""
        self._call(self._context.progress(fraction, remaining_s=remaining_s))

    def telemetry(self, channel: str, reading: Quantity) -> None:
        """Publish one reading of a declared channel."""
        self._call(self._context.telemetry(channel, reading))

    def keep(self, data: bytes | Path, media_type: str) -> ArtefactRef:
        """Put bulk data where the agent finds them."""
        return self._call(self._context.keep(data, media_type))

    def cancel(self) -> None:
        """Tell the worker to stop; called in the event loop."""
        self._cancelled = True
        if self._waiting is not None:
            self._waiting.cancel()

    def _call(self, wanted: Coroutine[Any, Any, T]) -> T:
        if self._cancelled:
            wanted.close()
        self.check()
        self._waiting = waiting = asyncio.run_coroutine_threadsafe(wanted, self._loop)
        if self._cancelled:  # it came between the check and the registration
            waiting.cancel()
        try:
            return waiting.result()
        except concurrent.futures.CancelledError:
            raise JobCancelledError(f"job {self._context.job} was cancelled") from None
        finally:
            self._waiting = None


async def run_function(function: Callable[..., Any], context: JobContext, parameters: dict[str, float | str]) -> Any:
    """Carry a command out: in the event loop, or in a worker thread when it is no coroutine function.

    A cancellation reaches a worker thread at its next call of the job; what it returns before that counts. The job is
    not over before its thread is, however often it is cancelled: until then the thread has the hardware.

    Raises:
        JobCancelledError: when the worker thread gave up.
        asyncio.CancelledError: when the coroutine did.
    """
    if inspect.iscoroutinefunction(function):
        return await function(context, **parameters)
    loop = asyncio.get_running_loop()
    job = BlockingJob(context, loop)
    work = asyncio.ensure_future(asyncio.to_thread(function, job, **parameters))
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work})
            continue
        job.cancel()
    return work.result()

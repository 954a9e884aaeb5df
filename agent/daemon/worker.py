"""The worker: one process for all that computes, so that the daemon's loop never waits and stays small.

What a campaign waits for, plans and images, goes before what people merely want to see.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, cast

from agent.daemon.turns import Turns
from agent.minds import PlanAnswer, PlanRequest, PreviewAnswer, PreviewRequest
from envs.errors import ConfigError, InstrumentError, JournalError, LabwrightError, UserError

if TYPE_CHECKING:
    from agent import events as ev
    from agent.daemon.space_facts import SpaceFacts

_log = logging.getLogger(__name__)

TRIES = 3
"""A worker that dies at a computation is asked so often in all."""
PATIENCE_S = 120.0
"""How long a computation that nobody waits for any more may keep the next one waiting, before it is ended."""

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


class WorkerError(LabwrightError):
    """The worker could not answer: it died again and again at one computation, was closed, or made a mistake."""


class Worker:
    """One process, started when it is first needed, that plans and reads images, one thing at a time.

    It ends with this process, whatever ends that. To be used in the loop of the main thread: on Linux the kernel ends
    the worker when the thread that started it does.

    It is the daemon's ``agent.minds.Minds``.

    Args:
        configs: each campaign's configuration, as in ``CampaignConfig.model_dump(mode="json")``, by its id; looked up
            at each plan, so campaigns may be added.
        tries: how often a computation is begun at which the worker dies, as when memory runs out.
        patience_s: how long one that was given up by its caller may keep the next one waiting.
    """

    def __init__(
        self,
        configs: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        *,
        tries: int = TRIES,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.starts = 0
        self._configs = configs
        self._tries = tries
        self._patience_s = patience_s
        self._pool: ProcessPoolExecutor | None = None
        self._pids: frozenset[int] = frozenset()
        self._turns = Turns()
        self._left: Future[Any] | None = None
        self._closed = False

    async def plan(self, campaign: str, request: PlanRequest) -> PlanAnswer:
        """Plan one round; the same request gives the same plan, also from a worker that was killed in between.

        Raises:
            KeyError: no configuration is known of the campaign.
            ConfigError: its configuration is wrong.
            WorkerError: the worker cannot answer.
        """
        from agent.daemon import worker_side

        return await self.run(worker_side.plan, campaign, dict(self._configs[campaign]), request)

    async def preview(self, campaign: str, request: PreviewRequest) -> PreviewAnswer:
        """What the models expect of some designs, when nothing else is to be computed.

        It takes no time where they have learned the same history before.

        Raises:
            KeyError: no configuration is known of the campaign.
            ConfigError: its configuration is wrong.
            UserError: a design is not of its space.
            WorkerError: the worker cannot answer.
        """
        from agent.daemon import worker_side

        config = dict(self._configs[campaign])
        return await self._run(worker_side.preview, (campaign, config, request), gives_way=True)

    async def read_image(
        self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, store: Path
    ) -> ev.ImageRead:
        """What an image says, or why it is refused and what pixel size to use next; the overlay is in the store then.

        Args:
            experiment: its id.
            attempt: number of the image, from 0.
            image: it.
            pixel_size: as ordered, um; where the file states a scale, that counts.
            store: directory of the artefacts.

        Raises:
            JournalError: the file is missing from the store, or changed there.
            WorkerError: the worker cannot answer.
        """
        from agent.daemon import worker_side

        return await self.run(worker_side.read_image, experiment, attempt, image, pixel_size, store)

    async def facts(self, config: Mapping[str, Any]) -> SpaceFacts:
        """A campaign's design space in plain values, by which edits are judged here.

        Raises:
            ConfigError: the configuration is wrong.
            WorkerError: the worker cannot answer.
        """
        from agent.daemon import worker_side

        return await self.run(worker_side.facts, dict(config))

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Call a function of a module in the worker, after what was asked before; previews wait meanwhile.

        Cancelling the call leaves the computation to end by itself.

        Raises:
            LabwrightError: what it raised on purpose.
            WorkerError: the worker died at it again and again, was closed, or the function made a mistake.
        """
        return await self._run(function, args)

    async def _run(self, function: Callable[[*Ts], T], args: tuple[*Ts], *, gives_way: bool = False) -> T:
        from agent.daemon.worker_side import Answer

        async with self._turns.take(gives_way=gives_way):
            answer = await self._asked(function, args)
        if isinstance(answer, Answer):
            return cast("T", answer.value)
        if answer.details:
            _log.error("the worker made a mistake: %s", answer.details)
        if answer.setting is not None:
            key, value, allowed, source = answer.setting
            raise ConfigError(key, value, allowed, source=source)
        errors = {"user": UserError, "instrument": InstrumentError, "journal": JournalError}
        raise errors.get(answer.kind, WorkerError)(answer.message)

    async def close(self) -> None:
        """End the process without waiting for what it computes; who waits for that gets a ``WorkerError``."""
        self._closed = True
        await self._drop()

    # Its process ------------------------------------------------------------------------------------------------------

    async def _asked(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        name = getattr(function, "__name__", "a computation")
        await self._pass_over_what_was_left()
        for attempt in range(1, self._tries + 1):
            if self._closed:
                raise WorkerError(f"the worker was closed before {name} was done")
            try:
                return await self._ask(function, args)
            except BrokenProcessPool:
                if not self._closed:
                    _log.warning("the worker died at %s (%d of %d)", name, attempt, self._tries)
                    await self._drop()
        if self._closed:
            raise WorkerError(f"the worker was closed before {name} was done")
        raise WorkerError(
            f"the worker died {self._tries} times at {name}: look for its end in the system's log; the kernel kills "
            "what takes too much memory"
        )

    async def _ask(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        from agent.daemon.worker_side import carry_out

        work = self._submit(carry_out, function, args)
        try:
            return await _shielded(work)
        except asyncio.CancelledError:
            self._left = work
            raise

    def _submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        if self._pool is None:
            from agent.daemon.worker_side import begin

            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=begin, initargs=(os.getpid(),))
            self.starts += 1
            before = {process.pid for process in multiprocessing.active_children()}
            work = self._pool.submit(call, *args)
            after = {process.pid for process in multiprocessing.active_children()}
            self._pids = frozenset(pid for pid in after - before if pid is not None)
            return work
        return self._pool.submit(call, *args)

    async def _pass_over_what_was_left(self) -> None:
        """Wait a while for a computation that its caller gave up; then end it, so that it blocks nobody."""
        left, self._left = self._left, None
        if left is None or left.done():
            return
        with contextlib.suppress(TimeoutError, BrokenProcessPool):
            await asyncio.wait_for(_shielded(left), self._patience_s)
            return
        if not left.done():
            _log.warning("a computation that nobody waits for is ended after %g s", self._patience_s)
        await self._drop()

    async def _drop(self) -> None:
        pool, self._pool = self._pool, None
        pids, self._pids = self._pids, frozenset()
        if pool is None:
            return
        for pid in pids & {process.pid for process in multiprocessing.active_children()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # Its threads end once they have seen that the process is gone.
        await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)


def _shielded(work: Future[Any]) -> asyncio.Future[Any]:
    """Waits for work that goes on when its waiter is cancelled, and whose end nobody may then want to know."""
    inner = asyncio.wrap_future(work)
    inner.add_done_callback(lambda done: done.cancelled() or done.exception())
    return asyncio.shield(inner)

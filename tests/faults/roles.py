"""The processes of a fault run: ``python -m tests.faults.roles agent|device``, told what to do by standard input.

The first line is the set-up; each later one is an order, answered by one line: ``go`` (begin to work), ``drain``
(finish what is open, then report), ``report``. The end of standard input has the process leave in order; ``kill -9`` is
what the runs are about.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import os
import random
import resource
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
from typing_extensions import override

from envs.errors import InstrumentError
from instruments.address import BrokerAddress
from instruments.client import InstrumentClient
from instruments.clock import SystemClock
from instruments.errors import NoAnswerError, NotCommittedError, TransportError
from instruments.ids import SystemIds
from instruments.journal import SqliteJournal
from instruments.messages import JobState, Quantity, Value, digest_of
from instruments.mqtt import MqttTransport
from instruments.transport import Handler, Message

from .books import Acts, AgentRecord

LAB = "faults"
N_AT_ONCE = 2
"""Jobs of one instrument at a time."""
PUT_OFF = 0.02
"""Share of the ends that the agent cannot commit at once."""
PACE = 0.2
"""The agent's time-outs (5 s for a confirmation) are shortened by this factor: more of them per minute."""


class CountingTransport(MqttTransport):
    """Counts what its handlers are given."""

    heard = 0

    @override
    async def subscribe(self, pattern: str, handler: Handler) -> None:
        async def counted(message: Message) -> None:
            self.heard += 1
            await handler(message)

        await super().subscribe(pattern, counted)


class Worker:
    """The agent: keeps every instrument busy, and follows each job to its end whatever happens.

    Args:
        client: started.
        record: its own.
        iids: the instruments.
        seed: chooses the parameters.
    """

    def __init__(self, client: InstrumentClient, record: AgentRecord, iids: list[str], seed: int) -> None:
        self._client = client
        self._record = record
        self._iids = iids
        self._rng = random.Random(seed)
        self._ids = SystemIds()
        self._tasks: set[asyncio.Task[None]] = set()
        self.working = False
        self.adopted = self.retried = self.put_off = 0

    def take_up(self) -> None:
        """Adopt what an earlier process ordered."""
        for job, iid, order in self._record.open_jobs():
            self.adopted += 1
            self._spawn(self._finish(iid, job, order["force"], adopt=True))

    def go(self) -> None:
        """Begin to order."""
        if not self.working:
            self.working = True
            for iid in self._iids:
                for _ in range(N_AT_ONCE):
                    self._spawn(self._work(iid))

    async def drain(self) -> None:
        """Order nothing more and wait until every job has ended."""
        self.working = False
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, iid: str) -> None:
        while self.working:
            job, force = self._ids.new(), f"{self._rng.uniform(1, 99):.3f}"
            self._record.intend(job, iid, {"force": force})
            await self._finish(iid, job, force, adopt=False)

    async def _finish(self, iid: str, job: str, force: str, *, adopt: bool) -> None:
        """Follow a job to its end: the id stays the same, so that nothing is done twice."""
        parameters: dict[str, Value] = {"force": Quantity(value=float(force), unit="kN")}
        while True:
            try:
                if adopt:
                    digest = digest_of("press", parameters)
                    await self._client.adopt(iid, job, digest=digest, on_update=self._commit)
                else:
                    await self._client.execute(iid, "press", parameters, job=job, on_update=self._commit)
            except NoAnswerError as error:
                self.retried += 1
                adopt = error.seen is not False  # it says that it never saw the job: then it is ordered (again)
            except TransportError:
                self.retried += 1
                await asyncio.sleep(0.1)
            else:
                return

    def _commit(self, state: JobState) -> None:
        """In the handler, so that the message is acknowledged after it; now and then it cannot be written at once."""
        if not state.terminal:
            return
        if self._rng.random() < PUT_OFF:
            self.put_off += 1
            raise NotCommittedError("the record cannot be written now")
        self._record.end(state)


def report(**more: int) -> dict[str, Any]:
    """What this process holds; memory that the allocator only keeps in reserve is given back before it is measured."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # glibc's alone
        ctypes.CDLL(None).malloc_trim(0)
    process = psutil.Process()
    return {
        "pid": os.getpid(),
        "rss_mb": round(process.memory_info().rss / 2**20, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "blocks": sys.getallocatedblocks(),
        "files": process.num_fds(),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "tasks": len(asyncio.all_tasks()),
        **more,
    }


async def serve_orders(answer: Callable[[str], Awaitable[dict[str, Any]]]) -> None:
    """Answer standard input's lines until it ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        sys.stdout.write(json.dumps(await answer(line)) + "\n")
        sys.stdout.flush()


def transport_of(told: dict[str, Any], client_id: str) -> CountingTransport:
    """The connection that a role was told of."""
    address = BrokerAddress(told["host"], told["port"], told["user"], told["password"])
    return CountingTransport(
        address, client_id=client_id, persistent=True, keepalive_s=told["keepalive_s"], connect_timeout_s=30.0
    )


async def ready(start: Callable[[], Awaitable[None]]) -> None:
    """Go on the bus and say so."""
    await start()
    sys.stdout.write(json.dumps({"ready": True}) + "\n")
    sys.stdout.flush()


async def run_agent(told: dict[str, Any]) -> None:
    """Order jobs until told otherwise."""
    record = AgentRecord(Path(told["directory"]) / "agent.sqlite")
    transport = transport_of(told, "agent")

    async def nap(seconds: float) -> None:
        await asyncio.sleep(seconds * PACE)

    client = InstrumentClient(transport, lab=LAB, agent="agent", clock=SystemClock(), ids=SystemIds(), sleeper=nap)
    worker = Worker(client, record, told["iids"], told["seed"])
    await ready(client.start)
    worker.take_up()

    async def answer(order: str) -> dict[str, Any]:
        if order == "go":
            worker.go()
        elif order == "drain":
            await worker.drain()
        return report(heard=transport.heard, adopted=worker.adopted, retried=worker.retried, put_off=worker.put_off)

    await serve_orders(answer)
    await worker.drain()
    await client.close()
    record.close()


async def run_device(told: dict[str, Any]) -> None:
    """Do what is ordered."""
    from .press import Press  # its units take a second to read, which the agent can do without

    directory, iid = Path(told["directory"]), str(told["iid"])
    if told["forgetful"]:
        (directory / f"{iid}.sqlite").unlink(missing_ok=True)
    journal = SqliteJournal(directory / f"{iid}.sqlite")
    transport = transport_of(told, iid)
    press = Press(iid, transport, lab=LAB, clock=SystemClock(), ids=SystemIds(), journal=journal)
    press.acts = Acts(directory / "acts")
    await ready(press.start)
    running = asyncio.create_task(press.run(), name="run")

    async def answer(_order: str) -> dict[str, Any]:
        return report(heard=transport.heard)

    await serve_orders(answer)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    try:
        await press.stop()
    except InstrumentError as error:
        logging.getLogger(__name__).warning("left without a word: %s", error)
    journal.close()


def main() -> None:
    """Run one role."""
    told = json.loads(sys.stdin.readline())
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        filename=Path(told["directory"]) / f"{told['name']}.log",
    )
    asyncio.run({"agent": run_agent, "device": run_device}[sys.argv[1]](told))


if __name__ == "__main__":
    main()

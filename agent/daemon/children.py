"""Processes that the daemon keeps running beside itself: started again when they die, gone when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from envs.errors import LabwrightError
from instruments.brokers.child import Restarts

READY = "labwright-ready "
"""Begins the line by which a child says that it is up; what it tells of itself follows as JSON."""
_HERE = str(Path(__file__).resolve().parents[2])
_LAST_WORDS = 20
_LONGEST_LINE = 1 << 20


class ChildError(LabwrightError):
    """A process of the daemon's could not be started, or died too often and is given up."""


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent does, even by ``kill -9``; for a child to call, first of all.

    On Linux alone: elsewhere a child notices it by its standard input.

    Args:
        parent: the process id of who started this one; where it has died already this process ends here.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def tell_ready(**of_itself: object) -> None:
    """Say to the parent that this child is up."""
    sys.stdout.write(f"{READY}{json.dumps(of_itself)}\n")
    sys.stdout.flush()


class Child:
    """One supervised process: a module of ours, which takes its orders from standard input and leaves when that closes.

    Standard input carries what no list of processes may show, such as passwords. What the child says is handed on line
    by line.

    Args:
        name: in words, for messages.
        module: run by this interpreter.
        orders: the first line on its standard input, as JSON, with ``parent`` added.
        on_line: told every line that the child writes.
        restarts: when it is started again, and when it is given up.
        patience_s: how long it may take to be up.
        grace_s: how long it may take to leave in order.
        environment: variables besides those of this process.
    """

    def __init__(
        self,
        name: str,
        module: str,
        orders: Mapping[str, object],
        *,
        on_line: Callable[[str], None],
        restarts: Callable[[], Restarts] = lambda: Restarts(stable_s=10.0, limit=6),
        patience_s: float = 60.0,
        grace_s: float = 10.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.told: Mapping[str, Any] = {}
        self.starts = 0
        self._module = module
        self._orders = {**orders, "parent": os.getpid()}
        self._on_line = on_line
        self._restarts = restarts
        self._patience_s = patience_s
        self._grace_s = grace_s
        self._environment = dict(environment or {})
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._ready_at: float | None = None
        self._stopping = asyncio.Event()
        self._last_words: deque[str] = deque(maxlen=_LAST_WORDS)

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> Mapping[str, Any]:
        """Start it, and wait until it is up.

        Returns:
            What it tells of itself.

        Raises:
            ChildError: it ended, or was not up in time; with what it said last.
        """
        self._keeping = keeping = asyncio.create_task(self._keep(), name=f"keeps {self.name}")
        up = asyncio.create_task(self._up.wait(), name=f"{self.name} is up")
        try:
            await asyncio.wait({keeping, up}, timeout=self._patience_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            up.cancel()
            if not self._up.is_set():
                await self.stop()
        if keeping.done():
            keeping.result()
        if not self._up.is_set():
            raise ChildError(f"{self.name} was not up within {self._patience_s:g} s{self._said()}")
        return self.told

    async def failed(self) -> ChildError:
        """Wait until it is given up; for ever, where all goes well or it is stopped."""
        if self._keeping is not None:
            await asyncio.wait({self._keeping})
            error = None if self._keeping.cancelled() else self._keeping.exception()
            if isinstance(error, ChildError):
                return error
        await asyncio.Event().wait()
        raise AssertionError("nothing sets it")

    async def stop(self) -> None:
        """Have it leave, in order where it can, and wait until it has."""
        self._stopping.set()
        if self._keeping is not None:
            await asyncio.wait({self._keeping})
            if not self._keeping.cancelled():
                self._keeping.exception()  # it has been told where it happened

    # Supervision ------------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        restarts = self._restarts()
        while not self._stopping.is_set():
            self._ready_at = None
            status = await self._live()
            if self._stopping.is_set():
                return
            pause = restarts.after(self._lived_s(), status)
            if pause is None:
                raise ChildError(f"{self.name} {_cause(status)} and is given up{self._said()}")
            self._on_line(f"{self.name} {_cause(status)} and is started again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    def _lived_s(self) -> float:
        """For how long it was up: one that never was has not lived, however long it tried."""
        return 0.0 if self._ready_at is None else asyncio.get_running_loop().time() - self._ready_at

    async def _live(self) -> int:
        """One life, from its start to its end; returns its exit status."""
        process = await self._spawn()
        reading = asyncio.create_task(self._listen(process), name=f"listens to {self.name}")
        stopping = asyncio.create_task(self._stopping.wait(), name=f"{self.name} is to stop")
        try:
            if process.stdin is not None:
                process.stdin.write(json.dumps(self._orders).encode() + b"\n")
                with contextlib.suppress(ConnectionError):  # how it ended is told below
                    await process.stdin.drain()
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            await asyncio.shield(self._end(process))
            await asyncio.gather(reading, stopping, return_exceptions=True)
        return process.returncode or 0

    async def _spawn(self) -> asyncio.subprocess.Process:
        paths = os.pathsep.join([_HERE, *filter(None, [os.environ.get("PYTHONPATH")])])
        self.starts += 1
        try:
            # By this very thread: the kernel's signal at a parent's death is bound to the thread that made the child.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # nothing in the working directory is mistaken for a module of ours
                "-m",
                self._module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **self._environment, "PYTHONPATH": paths},
                start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops its children in order
                limit=_LONGEST_LINE,
            )
        except OSError as error:
            raise ChildError(f"{self.name} cannot be started: {error}") from error
        return self._process

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Hand on what it says until it has ended."""
        while process.stdout is not None:
            try:
                line = (await process.stdout.readline()).decode(errors="replace")
            except ValueError:  # a line without end: what is buffered of it is dropped
                continue
            if not line:
                break
            if line.startswith(READY):
                self.told = json.loads(line.removeprefix(READY))
                self._ready_at = asyncio.get_running_loop().time()
                self._up.set()
            else:
                self._last_words.append(line.rstrip())
                self._on_line(line.rstrip())
        await process.wait()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is not None:
            process.stdin.close()
        for end in (process.terminate, process.kill):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self._grace_s)
                return
            with contextlib.suppress(ProcessLookupError):
                end()
        await process.wait()

    def _said(self) -> str:
        return "".join(f"\n  {line}" for line in self._last_words)


def _cause(status: int) -> str:
    if status >= 0:
        return f"ended ({status})"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"

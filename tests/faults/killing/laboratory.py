"""A laboratory to be killed in: a real broker, the daemon's and the instruments' processes, and people."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from instruments.broker import LocalBroker, local_broker
from instruments.brokers.access import Access
from instruments.mqtt import MqttTransport
from instruments.topics import Lab
from instruments.transport import Message

from .people import ROLES, People, make_people
from .shop import LAB, MACHINES

PATIENCE_S = 60.0
"""How long any one process may take for anything; a run that waits longer has failed."""
SETTLED_S = 0.3
"""Silence at the broker after which everything that it keeps has been read."""


class StuckError(Exception):
    """A process did not do what it must, in all the time that it had."""


class Process:
    """A child that speaks in lines of JSON.

    Args:
        name: for messages.
        module: run by this interpreter.
        arguments: of it.
        log: takes what it says on standard error.
        environment: more of it.
        hear: called with each line.
    """

    def __init__(
        self, name: str, module: str, arguments: list[str], log: Path, environment: Mapping[str, str],
        hear: Callable[[dict[str, Any]], None],
    ) -> None:  # fmt: skip
        self.name = name
        self._command = [sys.executable, "-m", module, *arguments]
        self._log = log
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        self._hear = hear
        self._child: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._child is not None
        return self._child.pid

    async def start(self) -> None:
        """Start it."""
        log: TextIO = self._log.open("a")
        try:
            self._child = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
                env=self._environment,
            )  # fmt: skip
        finally:
            log.close()
        self._reading = asyncio.create_task(self._read(self._child), name=f"{self.name} says")

    async def _read(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        while line := await child.stdout.readline():
            self._hear(json.loads(line))
        self._hear({"gone": await child.wait()})

    def tell(self, **order: Any) -> None:
        """Give it a line."""
        assert self._child is not None
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(order).encode() + b"\n")

    async def end(self, *, kill: bool = False) -> int:
        """Have it leave by the end of its standard input, or by SIGKILL; returns its exit status."""
        if self._child is None:
            return 0
        assert self._child.stdin is not None
        if kill:
            with suppress(ProcessLookupError):
                self._child.kill()
        else:
            self._child.stdin.close()
        try:
            status = await asyncio.wait_for(self._child.wait(), PATIENCE_S)
        except TimeoutError:
            self._child.kill()
            await self._child.wait()
            raise StuckError(f"{self.name} did not leave") from None
        if self._reading is not None:
            await self._reading
        self._child = None
        return status


class Daemon:
    """The agent's process, forked anew for each life.

    Attributes:
        up_s: how long it took to be up, of the lives that came so far.
    """

    def __init__(self, directory: Path, seed: int, environment: Mapping[str, str]) -> None:
        self._directory, self._seed, self._environment = directory, seed, environment
        self._nursery = self.another("", self._heard)
        self._bell = asyncio.Event()
        self._ready = False
        self._gone: int | None = None
        self.pid = 0
        self.up = False
        self.status: int | None = None
        self.up_s: list[float] = []
        self._begun = 0.0

    def _heard(self, line: dict[str, Any]) -> None:
        if "ready" in line:
            self._ready = True
        elif "forked" in line:
            self.pid = line["forked"]
        elif "up" in line:
            self.up = True
            self.up_s.append(time.monotonic() - self._begun)
        elif "ended" in line:
            self.status = line["status"]
        elif "gone" in line:
            self._gone = line["gone"]
        self._bell.set()

    async def _until(self, true: Callable[[], bool], within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while not true():
            self._bell.clear()
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), left)
        return True

    def another(self, option: str, hear: Callable[[dict[str, Any]], None]) -> Process:
        """A process that can be the daemon, not started."""
        arguments = [str(self._directory / "LAB.toml"), str(self._seed), *filter(None, [option])]
        module, log = "tests.faults.killing.nursery", self._directory / "daemon.log"
        return Process("the nursery", module, arguments, log, self._environment, hear)

    async def prepare(self) -> None:
        """Have everything read that a start needs.

        Raises:
            StuckError: it cannot be.
        """
        await self._nursery.start()
        await self._until(lambda: self._ready or self._gone is not None, PATIENCE_S)
        if not self._ready:
            how = f"is not ready after {PATIENCE_S:g} s" if self._gone is None else f"ended with {self._gone}"
            raise StuckError(f"the nursery {how}: {last_words(self._directory)}")

    async def start(self, crash: str = "") -> None:
        """Begin a life; returns when its process is there."""
        self.pid, self.up, self.status, self._begun = 0, False, None, time.monotonic()
        self._nursery.tell(crash=crash)
        if not await self._until(lambda: self.pid > 0, PATIENCE_S):
            raise StuckError("the nursery forks no daemon")

    async def is_up(self, within_s: float) -> bool:
        """Wait until it works, or has ended; whether it works."""
        await self._until(lambda: self.up or self.status is not None, within_s)
        return self.up and self.status is None

    async def has_ended(self, within_s: float) -> bool:
        """Wait for its end; whether it came."""
        return await self._until(lambda: self.status is not None, within_s)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; one that is gone gets none."""
        if self.status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        if not await self.has_ended(PATIENCE_S):
            raise StuckError("the daemon survived kill -9")

    async def leave(self) -> None:
        """End the nursery, and with it whatever daemon there is."""
        if self.pid and self.status is None:
            await self.kill()
        await self._nursery.end()


def last_words(directory: Path) -> str:
    """What the daemon's processes said last beside their log."""
    lines = (directory / "daemon.log").read_text(errors="replace").splitlines()
    return " | ".join([line for line in lines if not line.startswith("{")][-3:])[-500:]


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Laboratory:
    """Everything, around one broker and one journal.

    Attributes:
        directory: of all its files.
        place: of the journal: the state directory, or a database's URL.
    """

    directory: Path
    place: Path | str
    broker: LocalBroker
    people: People
    daemon: Daemon
    rng: random.Random
    seed: int
    http_port: int = field(default_factory=free_port)
    shop: Process | None = None
    n_shop_kills: int = 0
    at_once: int = 3

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.directory / "state"

    @property
    def topics(self) -> Lab:
        """Of the laboratory."""
        return Lab("labwright", LAB)

    def write_file(self) -> None:
        """Write LAB.toml."""
        database = f'database = "{self.place}"\n' if isinstance(self.place, str) else ""
        text = FILE.format(database=database, broker=self.broker.port, http=self.http_port, at_once=self.at_once)
        (self.directory / "LAB.toml").write_text(text)

    async def open_shop(self) -> None:
        """Switch the instruments on."""
        ready = asyncio.Event()
        shop = Process(
            "the shop", "tests.faults.killing.shop", [], self.directory / "shop.err", {},
            lambda line: ready.set() if "ready" in line else None,
        )  # fmt: skip
        await shop.start()
        passwords = {iid: self.broker.access.user(iid).password for iid in MACHINES}
        shop.tell(directory=str(self.directory / "shop"), port=self.broker.port, passwords=passwords)
        self.shop = shop
        try:
            await asyncio.wait_for(ready.wait(), PATIENCE_S)
        except TimeoutError:
            raise StuckError("the instruments do not start; shop.err says why") from None

    async def cold_start(self) -> float:
        """Seconds from a new interpreter to a daemon that is up; it leaves in order.

        Raises:
            StuckError: it is not up in time, or does not leave.
        """
        up, begun = asyncio.Event(), time.monotonic()
        daemon = self.daemon.another("--cold", lambda line: up.set() if "up" in line else None)
        await daemon.start()
        daemon.tell(crash="")
        try:
            await asyncio.wait_for(up.wait(), PATIENCE_S)
        except TimeoutError:
            raise StuckError("a daemon of its own interpreter does not come up") from None
        taken = time.monotonic() - begun
        os.kill(daemon.pid, signal.SIGTERM)
        if status := await daemon.end():
            raise StuckError(f"a daemon of its own interpreter left with {status}: {last_words(self.directory)}")
        return taken

    async def kill_shop(self) -> None:
        """kill -9 of all instruments at once; they come back."""
        if self.shop is not None:
            await self.shop.end(kill=True)
            self.n_shop_kills += 1
        await self.open_shop()

    async def retained(self) -> dict[str, bytes]:
        """What the broker keeps of proposals and outcomes, by topic."""
        kept: dict[str, bytes] = {}
        heard = asyncio.Event()

        async def note(message: Message) -> None:
            if message.payload:
                kept[message.topic] = message.payload
            heard.set()

        transport = MqttTransport(self.broker.address("auditor"), client_id="auditor")
        await transport.connect()
        try:
            for channel in ("proposal", "outcome"):
                await transport.subscribe(self.topics.pattern(channel), note)
            while True:
                heard.clear()
                try:
                    await asyncio.wait_for(heard.wait(), SETTLED_S)
                except TimeoutError:
                    return kept
        finally:
            await transport.close()


FILE = """
[lab]
name = "kill"
state = "state"
people = "people"
live = true
free_disk_mb = 0
{database}
[broker]
url = "mqtt://agent@127.0.0.1:{broker}"

[http]
port = {http}

[limits.furnace-1]
kind = "furnace"
[limits.furnace-2]
kind = "furnace"
[limits.sem-1]
kind = "sem"
[limits.sem-2]
kind = "sem"
[limits.indenter-1]
kind = "indenter"
[limits.kind.furnace]
commands.sinter = {{}}
[limits.kind.sem]
commands.survey = {{}}
commands.acquire = {{}}
[limits.kind.indenter]
commands.indent = {{}}

[policy.two_persons.factors]
temperature = {{ above = 2000 }}

[[campaign]]
id = "hard"
name = "hard ceramics"
strategy = "random"
initial = 4
batch = 3
at_once = {at_once}
experiments = 500
[campaign.recipe]
repeat_interrupted = true

[[campaign]]
id = "dense"
name = "dense ceramics"
strategy = "random"
initial = 3
batch = 2
at_once = 2
priority = 1
experiments = 500
[campaign.recipe]
repeat_interrupted = true
"""


@asynccontextmanager
async def laboratory(directory: Path, seed: int, *, database: str = "") -> AsyncIterator[Laboratory]:
    """A laboratory with its broker, its instruments and its people; no daemon lives yet.

    Args:
        directory: empty; it stays.
        seed: of everything that is left to chance.
        database: a PostgreSQL URL; SQLite in the state directory without one.
    """
    with ExitStack() as stack:
        access = Access.new(
            Lab("labwright", LAB), agents=("agent", "auditor"), instruments=tuple(MACHINES), persons=tuple(ROLES)
        )
        broker = stack.enter_context(local_broker(access, kind="mosquitto", directory=directory / "broker"))
        keys = make_people(directory / "keys", directory / "people")
        addresses = {name: broker.address(name) for name in ROLES}
        people = People(keys, addresses, Lab("labwright", LAB), seed)
        environment = {"LABWRIGHT_BROKER_PASSWORD": access.user("agent").password}
        daemon = Daemon(directory, seed, environment)
        place: Path | str = database or directory / "state"
        lab = Laboratory(directory, place, broker, people, daemon, random.Random(seed), seed)
        (directory / "shop").mkdir()
        lab.write_file()
        try:
            await daemon.prepare()
            await lab.open_shop()
            await people.start()
            yield lab
        finally:
            await people.stop()
            await daemon.leave()
            if lab.shop is not None:
                await lab.shop.end()

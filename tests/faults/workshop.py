"""A laboratory to be broken: a real broker, an agent's process, devices' processes, and a network between them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from instruments.broker import LocalBroker, local_broker
from instruments.brokers.access import Access, BrokerUser
from instruments.topics import Lab

from .books import Audit, audit
from .proxy import Proxy
from .roles import LAB

IIDS = ("press-1", "press-2")
KEEPALIVE_S = 3
PATIENCE_S = 120.0
"""How long any one process may take to answer; a run that waits longer has failed."""


class StuckError(Exception):
    """A process of the run did not do what it must, in all the time that it had."""


@dataclass
class Child:
    """A role's process, which can be killed and started again."""

    role: str
    name: str
    told: dict[str, Any]
    process: asyncio.subprocess.Process | None = None
    n_kills: int = 0

    async def start(self) -> None:
        """Start it; returns when it is on the bus."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.roles", self.role),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        await self.ask(json.dumps(self.told | {"name": self.name}))

    async def ask(self, line: str, *, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """Give an order and wait for its answer.

        Raises:
            StuckError: when it does not come.
        """
        process = self.process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line.encode() + b"\n")
        try:
            async with asyncio.timeout(patience_s):
                answer = await process.stdout.readline()
        except TimeoutError:
            raise StuckError(f"{self.name} did not answer {line[:10]!r} within {patience_s:g} s") from None
        if not answer:
            raise StuckError(f"{self.name} ended by itself ({await process.wait()}); its log says why")
        return dict(json.loads(answer))

    async def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.n_kills += 1

    async def leave(self) -> None:
        """Have it leave in order."""
        if self.process is None or self.process.returncode is not None:
            return
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise StuckError(f"{self.name} did not leave") from None


@dataclass
class Workshop:
    """Everything that a run needs.

    Attributes:
        agent: the agent's process.
        devices: the devices' processes, by instrument.
        proxies: the network, by process name; empty where everybody is connected directly.
    """

    directory: Path
    broker: LocalBroker
    rng: random.Random
    agent: Child
    devices: dict[str, Child]
    proxies: dict[str, Proxy] = field(default_factory=dict)
    n_broker_kills: int = 0

    @property
    def children(self) -> list[Child]:
        """All processes but the broker's."""
        return [self.agent, *self.devices.values()]

    async def start(self) -> None:
        """Start all of them and have the agent work."""
        await asyncio.gather(*(child.start() for child in self.children))
        await self.agent.ask("go")

    async def rest(self) -> dict[str, dict[str, Any]]:
        """Let every open job end, and see what each process holds when nothing is to do."""
        await self.agent.ask("drain")
        await asyncio.sleep(0.3)
        return {child.name: await child.ask("report") for child in self.children}

    def kill_broker(self, *, memory: bool = True) -> None:
        """kill -9 of Mosquitto itself; its supervisor starts it again.

        Args:
            memory: False to have it lose every retained message and session, too.
        """
        for victim in psutil.Process(self.broker._child.pid).children():
            victim.kill()
            if not memory:
                (self.directory / "broker" / "mosquitto.db").unlink(missing_ok=True)
            self.n_broker_kills += 1

    async def finish(self, *, strangers: tuple[str, ...] = ()) -> Audit:
        """Let every job end, have all processes leave, and compare the books."""
        await self.agent.ask("drain")
        await asyncio.gather(*(child.leave() for child in self.children))
        journals = {iid: self.directory / f"{iid}.sqlite" for iid in self.devices}
        return audit(self.directory / "agent.sqlite", journals, self.directory / "acts", strangers=strangers)

    def log_lines(self) -> dict[str, tuple[int, int]]:
        """Lines and bytes of each process's log."""
        texts = {child.name: self.directory / f"{child.name}.log" for child in self.children}
        return {name: (len(p.read_bytes().splitlines()), p.stat().st_size) for name, p in texts.items() if p.exists()}


@asynccontextmanager
async def workshop(seed: int, *, proxied: bool = False, open_to_all: bool = False) -> AsyncIterator[Workshop]:
    """A workshop that is gone afterwards, with all of its processes.

    Args:
        seed: of everything that is left to chance.
        proxied: put a network that can fail between each process and the broker.
        open_to_all: no access list, so that whoever is let in may do everything.

    With FAULTS_FORGETFUL in the environment devices lose their journals when they restart, to see that the runs notice.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labwright-faults-")))
        access = Access.new(Lab("labwright", LAB), agents=("agent",), instruments=IIDS)
        if open_to_all:
            access = Access(tuple(BrokerUser.new(name, "agent") for name in ("agent", *IIDS, "anybody")))
        broker = stack.enter_context(local_broker(access, kind="mosquitto", directory=directory / "broker"))
        proxies = {name: Proxy(broker.port, seed + n) for n, name in enumerate(("agent", *IIDS))} if proxied else {}
        for proxy in proxies.values():
            await proxy.open()

        def told(name: str, **more: Any) -> dict[str, Any]:
            place = broker.address(name)
            port = proxies[name].port if proxied else place.port
            user = {"host": place.host, "port": port, "user": place.username, "password": place.password}
            forgetful = bool(os.environ.get("FAULTS_FORGETFUL"))
            return {**user, "directory": str(directory), "keepalive_s": KEEPALIVE_S, "forgetful": forgetful, **more}

        agent = Child("agent", "agent", told("agent", iids=list(IIDS), seed=seed))
        devices = {iid: Child("device", iid, told(iid, iid=iid)) for iid in IIDS}
        shop = Workshop(directory, broker, random.Random(seed), agent, devices, proxies)
        try:
            yield shop
        finally:
            for child in shop.children:
                if child.process is not None and child.process.returncode is None:
                    child.process.kill()
                    await child.process.wait()
            for proxy in proxies.values():
                await proxy.close()
            _keep(directory)


def _keep(directory: Path) -> None:
    """Keep the logs and books where FAULTS_KEEP says, for whoever looks into a failure."""
    if (place := os.environ.get("FAULTS_KEEP")) is not None:
        target = Path(place) / f"{time.time():.0f}"
        target.mkdir(parents=True, exist_ok=True)
        for path in directory.glob("*"):
            if path.is_file():
                (target / path.name).write_bytes(path.read_bytes())

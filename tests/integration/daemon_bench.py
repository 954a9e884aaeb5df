"""A laboratory around a real broker: instruments in the test's loop, and the daemon as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from patience import until
from typer.testing import CliRunner, Result

from agent import events as ev
from agent.cli_people import people_app
from agent.daemon.config import CampaignEntry, load_lab
from agent.daemon.known_spaces import CACHE, KnownSpaces
from agent.daemon.space_facts import SpaceFacts
from agent.identity import IdentityStore
from agent.journal import Journal
from agent.roles import Role
from envs.errors import JournalError
from instruments.broker import LocalBroker, local_broker
from instruments.brokers.access import Access
from instruments.clock import SystemClock
from instruments.device import Device, JobContext, JobResult, Parameter, Quantity, Text, command
from instruments.ids import SystemIds
from instruments.mqtt import MqttTransport
from instruments.topics import Lab

LAB = "hall-3"
TOPICS = Lab("labwright", LAB)
DASHBOARD = "pages"
NURSERY = Path(__file__).with_name("daemon_nursery.py")
PASSWORD = "correct horse"  # noqa: S105  # of nobody
PEOPLE = {"anna": Role.APPROVER, "clara": Role.SAFETY}
AUTO = '[policy.auto]\nname = "trusted"\nfactors.temperature = { low = 0 }\n'
FILE = """
[lab]
name = "hall-3"
people = "people"
live = true
free_disk_mb = 0
[broker]
url = "mqtt://agent@127.0.0.1:{port}"
[http]
port = 0
[limits.furnace-1]
kind = "furnace"
commands.sinter = {{}}
[limits.indenter-1]
kind = "indenter"
commands.indent = {{}}
{more}
[[campaign]]
id = "hard"
name = "hard ceramics"
strategy = "random"
seed = {seed}
experiments = {experiments}
initial = 2
batch = 1
at_once = 2
[[campaign.recipe.steps]]
name = "sinter"
instrument = "furnace"
command = "sinter"
parameters = {{ sample = "$sample", crystal = "$crystal" }}
process = true
[[campaign.recipe.steps]]
name = "indent"
instrument = "indenter"
command = "indent"
parameters = {{ sample = "$sample", load = {{ value = 9.8, unit = "N" }} }}
measures = {{ hardness = "hardness" }}
"""


# ---- Instruments


@dataclass
class Hall:
    """What physically happened, and what holds it up."""

    acts: list[tuple[str, str]] = field(default_factory=list)
    go_on: dict[str, asyncio.Event] = field(default_factory=dict)

    def hold(self, iid: str) -> None:
        """From now on jobs of an instrument take until they are let go."""
        self.go_on[iid] = asyncio.Event()

    def count(self, iid: str) -> int:
        """How often an instrument has acted."""
        return sum(done == iid for done, _ in self.acts)


class _Machine(Device):
    hall: Hall

    async def act(self, sample: str) -> None:
        """Do it."""
        self.hall.acts.append((self.iid, sample))
        if (held := self.hall.go_on.get(self.iid)) is not None:
            await held.wait()


class Furnace(_Machine):
    """Heats."""

    kind = "furnace"
    safe_state = "heater off"
    lease_s = 60.0

    @command(
        summary="Sinter",
        parameters={
            "sample": Text(), "crystal": Text(), "powder_size": Parameter(unit="um", low=0, high=99),
            "additive": Text(), "temperature": Parameter(unit="Cel", low=20, high=2500),
            "hold": Parameter(unit="h", low=0, high=99), "heating_rate": Parameter(unit="K/min", low=0, high=999),
            "pressure": Parameter(unit="MPa", low=0, high=999),
        },
    )  # fmt: skip
    async def sinter(
        self, job: JobContext, *, sample: str, crystal: str, powder_size: float, additive: str, temperature: float,
        hold: float, heating_rate: float, pressure: float,
    ) -> JobResult:  # fmt: skip
        """Heat a sample."""
        await self.act(sample)
        return JobResult(values={"peak": Quantity(value=temperature, unit="Cel")})


class Indenter(_Machine):
    """Measures hardness; it neither heats nor moves anything that could hurt."""

    kind = "indenter"

    @command(summary="Measure", parameters={"sample": Text(), "load": Parameter(unit="N", low=0, high=99)})
    async def indent(self, job: JobContext, *, sample: str, load: float) -> JobResult:
        """Press a diamond into a sample."""
        await self.act(sample)
        return JobResult(values={"hardness": Quantity(value=20.0, unit="GPa", std=0.5)})


# ---- The daemon's process


class Nursery:
    """A process that has read all the modules and forks the daemons: each start would take a second for that."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, str(NURSERY)], stdin=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True
        )

    def fork(self, **order: str) -> None:
        """Have a daemon."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End it, and every daemon of it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


class Daemon:
    """The agent's process; what it says is in files.

    Args:
        nursery: forks it.
        file: LAB.toml.
        place: directory of its own.
        password: at the broker.
        mode: in which it runs.
    """

    def __init__(self, nursery: Nursery, file: Path, place: Path, password: str, mode: str) -> None:
        self._nursery, self._place = nursery, place
        self._order = {"file": str(file), "place": str(place), "password": password, "mode": mode}

    def _said(self, name: str) -> str:
        path = self._place / name
        return path.read_text() if path.exists() else ""

    @property
    def base(self) -> str:
        """Of its HTTP port."""
        words = json.loads(self._said("out")).split()
        return str(next(word for word in words if "/healthz" in word)).partition("/healthz")[0]

    @property
    def errors(self) -> str:
        """What it wrote on standard error."""
        return self._said("err")

    @property
    def status(self) -> int | None:
        """With which it ended; None while it lives."""
        return int(text) if (text := self._said("status")) else None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return bool(self._said("pid")) and self.status is None

    async def begin(self) -> None:
        """Start it."""
        self._place.mkdir()
        self._nursery.fork(**self._order)
        await until(lambda: bool(self._said("pid")))

    async def start(self) -> None:
        """Start it, and wait until it is up."""
        await self.begin()
        await self.until(lambda: self._said("out").endswith("\n"))

    async def until(self, true: Callable[[], bool], within_s: float = 30.0) -> None:
        """Wait for something, as long as the process lives."""
        async with asyncio.timeout(within_s):
            while not true():
                assert self.alive, self.errors
                await asyncio.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(int(self._said("pid")), number)

    async def ended(self, within_s: float = 30.0) -> int:
        """Its exit status, once it has ended."""
        await until(lambda: self.status is not None, within_s=within_s)
        return self.status or 0

    async def leave(self) -> None:
        """End it, whatever it does."""
        if self.alive:
            self.signal(signal.SIGKILL)
            await self.ended()


@cache
def flagship_facts() -> SpaceFacts:
    """Worked out once for all tests."""
    from agent.daemon.worker_side import facts

    return facts(CampaignEntry(id="hard").offline.model_dump(mode="json"))


class Laboratory:
    """Broker, instruments, people and the daemon's file."""

    def __init__(self, directory: Path, broker: LocalBroker, store: IdentityStore, nursery: Nursery) -> None:
        self.nursery = nursery
        self.directory = directory
        self.broker = broker
        self.store = store
        self.hall = Hall()
        self.daemons: list[Daemon] = []
        self._open = ExitStack()
        self._reader: Journal | None = None
        self._read: list[ev.Event] = []

    def close(self) -> None:
        """Read no more."""
        self._open.close()

    @property
    def file(self) -> Path:
        """LAB.toml."""
        return self.directory / "LAB.toml"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.directory / "state"

    @property
    def log(self) -> str:
        """What the daemon wrote down."""
        return (self.state / "logs" / "agent.jsonl").read_text()

    def write(self, *, more: str = AUTO, seed: int = 1, experiments: int = 2) -> None:
        """Write LAB.toml."""
        self.file.write_text(FILE.format(port=self.broker.port, more=more, seed=seed, experiments=experiments))

    async def know_the_space(self) -> None:
        """Have the design space worked out before: a worker of the daemon's would take seconds at the first."""

        async def here(_wanted: Mapping[str, Any]) -> SpaceFacts:
            return flagship_facts()

        self.state.mkdir(exist_ok=True)
        (entry,) = load_lab(self.file).campaign
        await KnownSpaces(self.state / CACHE, here).of(entry)

    def daemon(self, mode: str = "live") -> Daemon:
        """Another life of the daemon."""
        place = self.directory / f"life-{len(self.daemons)}"
        password = self.broker.access.user("agent").password
        self.daemons.append(Daemon(self.nursery, self.file, place, password, mode))
        return self.daemons[-1]

    async def person(self, who: str, *words: str) -> Result:
        """A person's command."""
        address = f"mqtt://{who}:{self.broker.access.user(who).password}@127.0.0.1:{self.broker.port}"
        line = [*words, "--broker", address, "--lab", LAB, "--dir", str(self.store.directory), "--as", who]
        environment = {"LABWRIGHT_PASSWORD": PASSWORD, "COLUMNS": "200"}
        return await asyncio.to_thread(CliRunner().invoke, people_app, line, env=environment)

    def events(self) -> list[ev.Event]:
        """The record so far."""
        if self._reader is None and (self.state / "journal.sqlite").exists():
            with suppress(JournalError):  # its tables are being made
                self._reader = self._open.enter_context(Journal(self.state, write=False))
        if self._reader is not None:
            self._read += [stored.event for stored in self._reader.read(len(self._read))]
        return self._read

    def of(self, kind: type[ev.Event] | Any) -> list[Any]:
        """Events of a kind."""
        return [e for e in self.events() if isinstance(e, kind)]


@asynccontextmanager
async def laboratory(directory: Path, nursery: Nursery, **file: Any) -> AsyncIterator[Laboratory]:
    """A laboratory in which no daemon lives yet; whatever lives at the end is killed."""
    store = IdentityStore(directory / "identities", cost=2**4)
    (directory / "people").mkdir()
    for name, role in PEOPLE.items():
        store.create(name, role, PASSWORD)
        public = store.public_path(name)
        (directory / "people" / public.name).write_bytes(public.read_bytes())
    machines: dict[str, type[_Machine]] = {"furnace-1": Furnace, "indenter-1": Indenter}
    access = Access.new(
        TOPICS, agents=("agent",), instruments=tuple(machines), persons=tuple(PEOPLE), dashboards=(DASHBOARD,)
    )
    with local_broker(access, kind="mosquitto", directory=directory / "broker") as broker:
        lab = Laboratory(directory, broker, store, nursery)
        lab.write(**file)
        await lab.know_the_space()
        on = [_switched_on(kind, iid, lab) for iid, kind in machines.items()]
        for machine in on:
            await machine.start()
        beats = [asyncio.create_task(machine.run()) for machine in on]
        try:
            yield lab
        finally:
            lab.close()
            for daemon in lab.daemons:
                await daemon.leave()
            for beat in beats:
                beat.cancel()
            await asyncio.gather(*beats, return_exceptions=True)
            for machine in on:
                await machine.stop()


def _switched_on(kind: type[_Machine], iid: str, lab: Laboratory) -> _Machine:
    transport = MqttTransport(lab.broker.address(iid), client_id=f"{LAB}-{iid}")
    machine = kind(iid, transport, lab=LAB, clock=SystemClock(), ids=SystemIds())
    machine.hall = lab.hall
    return machine

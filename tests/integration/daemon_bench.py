"""A laboratory around a real broker: instruments in the test's loop, and the daemon as a process of its own.

Run as a script, ``daemon_bench.py LAB.toml MODE``, it is that process: the real ``run_lab``, with minds that need no
models.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from agent import events as ev
from agent.cli_people import people_app
from agent.daemon.config import CampaignEntry, LabConfig, load_lab
from agent.daemon.house import Launch
from agent.daemon.known_spaces import CACHE, KnownSpaces
from agent.daemon.lab_run import run_lab
from agent.daemon.space_facts import SpaceFacts
from agent.identity import IdentityStore
from agent.journal import Journal
from agent.minds import PlanAnswer, PlanRequest, Suggestion
from agent.roles import Role
from envs.design import Design
from envs.errors import JournalError, LabwrightError, UserError
from instruments.broker import LocalBroker, local_broker
from instruments.brokers.access import Access
from instruments.clock import SystemClock
from instruments.device import Device, JobContext, JobResult, Parameter, Quantity, Text, command
from instruments.ids import SystemIds
from instruments.mqtt import MqttTransport
from instruments.topics import Lab

LAB = "hall-3"
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


class Daemon:
    """The agent's process.

    Attributes:
        status: with which it ended; None while it lives.
        words: what it said when it was up, and on standard error.
    """

    def __init__(self, file: Path, password: str, mode: str = "live") -> None:
        self._file, self._password, self._mode = file, password, mode
        self._child: asyncio.subprocess.Process | None = None
        self._reading: list[asyncio.Task[None]] = []
        self.up = ""
        self.errors = ""

    @property
    def base(self) -> str:
        """Of its HTTP port."""
        return next(word for word in self.up.split() if word.startswith("http")).partition("/healthz")[0]

    async def start(self) -> None:
        """Start it, and wait until it is up."""
        await self.begin()
        await self.until(lambda: bool(self.up))

    async def begin(self) -> None:
        """Start it."""
        self._child = await asyncio.create_subprocess_exec(
            sys.executable, __file__, str(self._file), self._mode, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "LABWRIGHT_BROKER_PASSWORD": self._password},
        )  # fmt: skip
        self._reading = [asyncio.create_task(self._hear()), asyncio.create_task(self._complain())]

    async def _hear(self) -> None:
        assert self._child is not None
        assert self._child.stdout is not None
        async for line in self._child.stdout:
            self.up = json.loads(line)

    async def _complain(self) -> None:
        assert self._child is not None
        assert self._child.stderr is not None
        async for line in self._child.stderr:
            self.errors += line.decode()

    async def until(self, true: Any, within_s: float = 20.0) -> None:
        """Wait for something, as long as the process lives."""
        async with asyncio.timeout(within_s):
            while not true():
                assert self.alive, self.errors
                await asyncio.sleep(0.02)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.returncode is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._child is not None
        self._child.send_signal(number)

    async def ended(self, within_s: float = 20.0) -> int:
        """Its exit status, once it has ended."""
        assert self._child is not None
        status = await asyncio.wait_for(self._child.wait(), within_s)
        await asyncio.gather(*self._reading)
        return status

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

    def __init__(self, directory: Path, broker: LocalBroker, store: IdentityStore) -> None:
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
        self.daemons.append(Daemon(self.file, self.broker.access.user("agent").password, mode))
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
async def laboratory(directory: Path, **file: Any) -> AsyncIterator[Laboratory]:
    """A laboratory in which no daemon lives yet; whatever lives at the end is killed."""
    store = IdentityStore(directory / "identities", cost=2**4)
    (directory / "people").mkdir()
    for name, role in PEOPLE.items():
        store.create(name, role, PASSWORD)
        public = store.public_path(name)
        (directory / "people" / public.name).write_bytes(public.read_bytes())
    machines: dict[str, type[_Machine]] = {"furnace-1": Furnace, "indenter-1": Indenter}
    access = Access.new(Lab("labwright", LAB), agents=("agent",), instruments=tuple(machines), persons=tuple(PEOPLE))
    with local_broker(access, kind="mosquitto", directory=directory / "broker") as broker:
        lab = Laboratory(directory, broker, store)
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


# ---- Inside the process


class Minds:
    """Plans at random, within the space that is kept in the state directory."""

    def __init__(self, config: LabConfig) -> None:
        self._config = config

    async def plan(self, campaign: str, request: PlanRequest) -> PlanAnswer:
        """Feasible designs that were not proposed before."""
        facts = await KnownSpaces(self._config.state / CACHE, self._unknown).of(self._config.entry(campaign))
        rng, found = random.Random(request.round), list[Suggestion]()
        while len(found) < request.n:
            process = {factor.name: rng.choice(factor.levels) for factor in facts.factors}
            crystal, formula = rng.choice(list(facts.crystals.items()))
            design = Design(crystal, process)
            if design not in set(request.made_before) and not facts.admits(design):
                record = ev.DesignRecord(crystal=crystal, formula=formula, process=dict(process))
                found.append(Suggestion(record, "random"))
        return PlanAnswer(found, {"random": len(found)})

    async def read_image(
        self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, store: Path
    ) -> ev.ImageRead:
        """There is none in this recipe."""
        raise AssertionError

    @staticmethod
    async def _unknown(_wanted: Mapping[str, Any]) -> SpaceFacts:
        raise AssertionError


def main() -> int:
    """Be the daemon."""
    path = Path(sys.argv[1])

    def say(words: str) -> None:
        print(json.dumps(words), flush=True)

    try:
        mode: Any = sys.argv[2]
        config = load_lab(path)
        return asyncio.run(run_lab(Launch(config, mode, path=path, terminal=False, up=say, minds=Minds(config))))
    except LabwrightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Figures of the daemon: 10,000 waiting experiments, a restart with them, and from a decision to its order.

Usage::

    python -m tests.benchmarks.daemon_figures [--json] [--waiting 10000] [--decisions 300] [--write FILE]
        [--dashboard]

The daemon is the real one, ``labwright run --live`` in a process of its own, at a real Mosquitto; nothing is planned
here, and there are no pages on its HTTP port unless ``--dashboard`` asks for them. Prints a table; with
``--json`` one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from agent import events as ev
from agent.approvals import sign_decision
from agent.daemon.config import load_lab
from agent.daemon.rules_of import facts_of, lab_rules
from agent.identity import IdentityStore, SigningKey
from agent.journal import Journal
from agent.registry import Registry
from agent.roles import Role
from agent.rules.terms import published, terms_of
from envs.design import Design
from envs.objective import FLAGSHIP
from instruments.address import BrokerAddress
from instruments.broker import local_broker
from instruments.brokers.access import Access
from instruments.clock import SystemClock
from instruments.device import Device, InfeasibleFault, JobContext, JobResult, Text, command
from instruments.ids import SystemIds
from instruments.journal import MemoryJournal
from instruments.mqtt import MqttTransport
from instruments.profile.decisions import Decision, PublishedProposal
from instruments.topics import Lab
from instruments.transport import Message
from simulators.devices.furnace import PROCESS

LAB = Lab("labwright", "figures")
CAMPAIGN, PERSON = "many", "anna"
LAB_FILE = """
[lab]
name = "figures"
live = true
[broker]
url = "{url}"
[http]
port = 0
[dashboard]
enabled = {dashboard}
[limits.furnace-1]
kind = "furnace"
commands.sinter = {{}}
[limits.sem-1]
kind = "sem"
commands.survey = {{}}
commands.acquire = {{}}
[limits.indenter-1]
kind = "indenter"
commands.indent = {{}}
[[campaign]]
id = "many"
experiments = 2000
at_once = 100
[campaign.policy]
expires_h = 8000
"""


@contextmanager
def laboratory(directory: Path, *, dashboard: bool = False) -> Iterator[tuple[Path, Any, SigningKey]]:
    """A broker, a laboratory's file and a person with a key."""
    access = Access.new(LAB, instruments=("furnace-1", "sem-1", "indenter-1"), persons=(PERSON,))
    with local_broker(access, directory=directory / "broker") as broker:
        file = directory / "LAB.toml"
        file.write_text(
            LAB_FILE.format(url=broker.address("agent").url_with_password, dashboard=str(dashboard).lower())
        )
        identities = IdentityStore(directory / "ids", cost=2**10)
        identities.create(PERSON, Role.APPROVER, "a password")
        people = load_lab(file).people
        people.mkdir(parents=True)
        Registry(people).add(identities.public_path(PERSON))
        yield file, broker, identities.open(PERSON, "a password")


def fill(file: Path, n_queued: int, n_proposed: int) -> list[PublishedProposal]:
    """A journal with experiments that wait for an instrument, and proposals that wait for people."""
    config = load_lab(file)
    facts = {e.id: facts_of(e) for e in config.campaign}
    rules = lab_rules(config, Registry(config.people).people(), facts, mode="live")
    own, now = rules.campaigns[CAMPAIGN], datetime.now(UTC)
    levels = {f.name: f.levels for f in own.factors}
    crystals = list(own.crystals)
    found: list[PublishedProposal] = []
    with Journal(config.journal(), write=True) as journal:
        journal.append([_created(config)], now)
        for first in range(1, n_queued + n_proposed + 1, 500):
            batch: list[ev.Event] = []
            for n in range(first, min(first + 500, n_queued + n_proposed + 1)):
                process = {k: v[(n // (1 + i)) % len(v)] for i, (k, v) in enumerate(levels.items())}
                design = Design(crystals[n % len(crystals)], process)
                made = _made(n, design, own, rules.limits.version, now)
                batch.append(made)
                if n <= n_queued:
                    batch += _approved(n)
                elif made.terms:
                    found.append(PublishedProposal.parse(made.terms.body.encode()))
            journal.append(batch, now)
    return found


def _created(config: Any) -> ev.CampaignCreated:
    entry = config.entry(CAMPAIGN)
    return ev.CampaignCreated(
        campaign=CAMPAIGN, name=entry.name, config=entry.model_dump(mode="json"), space_version="", software="figures"
    )


def _made(n: int, design: Design, own: Any, limits: str, now: datetime) -> ev.ProposalMade:
    forecast = ev.ForecastRecord(median=20.0, low=15.0, high=25.0, porosity=0.03, grain_size=1.2, feasibility=0.9)
    message = published(
        lab=LAB.lab, campaign=CAMPAIGN, proposal=f"{CAMPAIGN}-P{n:05d}", design=design,
        formula=own.crystals[design.crystal], factors=own.factors, objective=FLAGSHIP, strategy="hybrid", pool="local",
        now=now, expires_at=now + timedelta(days=300), quorum=1, recipe_hash=own.recipe.digest(design, own.factors),
        limits_version=limits, model_version="figures", cost={}, forecast=forecast, acquisition=-1.0,
    )  # fmt: skip
    record = ev.DesignRecord(crystal=design.crystal, formula=own.crystals[design.crystal], process=dict(design.process))
    return ev.ProposalMade(
        campaign=CAMPAIGN, proposal=f"{CAMPAIGN}-P{n:05d}", round=0, design=record, pool="local", acquisition=-1.0,
        forecast=forecast, nearest="", terms=terms_of(message),
    )  # fmt: skip


def _approved(n: int) -> list[ev.Event]:
    pid = f"{CAMPAIGN}-P{n:05d}"
    decided = ev.ProposalDecided(proposal=pid, verdict="approved", by=PERSON, reason="", nonce=f"nonce-of-{n:016d}")
    return [decided, ev.ExperimentQueued(experiment=f"{CAMPAIGN}-E{n:05d}", proposal=pid)]


# ---- The daemon in a process of its own


UP = '"event": "up"'
"""What the log of ``labwright run`` says once it is up."""


@contextmanager
def daemon(file: Path) -> Iterator[tuple[psutil.Process, float]]:
    """The running daemon, and how long it took until it was up, s."""
    begun = time.monotonic()
    command = [sys.executable, "-c", "from agent.cli import main; main()", "run", str(file), "--live"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # noqa: S603
    try:
        said, words = iter(child.stderr or ()), deque[str](maxlen=5)
        for line in said:
            words.append(line)
            if UP in line:
                break
        else:
            raise RuntimeError(f"the daemon did not come up: {''.join(words)}")
        up_s = time.monotonic() - begun
        # The log goes the same way: a pipe that nobody reads would hold the daemon up.
        threading.Thread(target=deque, args=(said, 0), daemon=True).start()
        yield psutil.Process(child.pid), up_s
    finally:
        child.terminate()
        child.wait(60)


def waiting(file: Path, span_s: float) -> dict[str, float]:
    """Memory and processor time of a daemon whose experiments wait, after the first minute's work is done."""
    with daemon(file) as (process, first_s):
        _calm(process)
        before, begun = process.cpu_times(), time.monotonic()
        time.sleep(span_s)
        after = process.cpu_times()
        used = after.user + after.system - before.user - before.system
        memory = process.memory_info().rss / 2**20
        share = used / (time.monotonic() - begun)
    times = [first_s]
    for _ in range(4):
        with daemon(file) as (_process, restart_s):
            times.append(restart_s)
    return {
        "rss_mib": round(memory, 1), "cpu_percent": round(100 * share, 2),
        "restart_s": round(statistics.median(times), 2), "restart_max_s": round(max(times), 2),
    }  # fmt: skip


def _calm(process: psutil.Process, quiet: float = 0.05, limit_s: float = 120.0) -> None:
    """Wait until what follows a start (telling the bus how everything stands) is over."""
    until = time.monotonic() + limit_s
    process.cpu_percent()
    while time.monotonic() < until:
        time.sleep(2.0)
        if process.cpu_percent() / 100.0 < quiet:
            return


# ---- From a decision to its order


class Furnace(Device):
    """Says at once of every design that it cannot be made: its place is free again."""

    kind = "furnace"
    driver = "figures"

    @command(
        summary="Sinter",
        parameters={"sample": Text(max_length=64), "crystal": Text(max_length=64), **PROCESS},
        duration_s=1.0,
    )
    async def sinter(self, job: JobContext, **_parameters: object) -> JobResult:
        """Refuse."""
        raise InfeasibleFault("figures", f"job {job.job} is not made")


async def _latencies(broker: Any, key: SigningKey, proposals: list[PublishedProposal]) -> list[float]:
    """Seconds from publishing each decision to the arrival of its order at the instrument."""
    person, furnace = _transport(broker.address(PERSON)), _transport(broker.address("furnace-1"))
    arrived: asyncio.Queue[float] = asyncio.Queue()

    async def note(_message: Message) -> None:
        arrived.put_nowait(time.perf_counter())

    await furnace.subscribe(LAB.commands_of("furnace-1"), note)
    device = Furnace("furnace-1", furnace, lab=LAB.lab, clock=SystemClock(), ids=SystemIds(), journal=MemoryJournal())
    await device.start()
    beating = asyncio.create_task(device.run())
    await person.connect()
    found: list[float] = []
    try:
        await asyncio.sleep(2.0)
        for proposal in proposals:
            token = _signed(proposal, key)
            begun = time.perf_counter()
            await person.publish(LAB.decision(PERSON, proposal.proposal), token.encode())
            found.append(await asyncio.wait_for(arrived.get(), 10.0) - begun)
            await asyncio.sleep(0.05)
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        await person.close()
        await device.stop()
    return found


def _transport(address: BrokerAddress) -> MqttTransport:
    return MqttTransport(address, client_id=f"figures-{address.username}")


def _signed(proposal: PublishedProposal, key: SigningKey) -> str:
    decision = Decision(
        lab=proposal.lab, proposal=proposal.proposal, revision=proposal.revision, digest=proposal.digest,
        verdict="approve", nonce=secrets.token_urlsafe(16), time=datetime.now(UTC), user=PERSON,
    )  # fmt: skip
    return sign_decision(decision, key)


def dispatch(n_decisions: int, *, dashboard: bool = False) -> dict[str, float]:
    """Latencies of decisions that come one after the other, while nothing else waits for the furnace."""
    with (
        tempfile.TemporaryDirectory(prefix="labwright-figures-") as name,
        laboratory(Path(name), dashboard=dashboard) as (file, broker, key),
    ):
        proposals = fill(file, 0, n_decisions)
        with daemon(file):
            found = sorted(asyncio.run(_latencies(broker, key, proposals)))
    return {
        "p50_ms": round(1000 * statistics.median(found), 1),
        "p99_ms": round(1000 * found[min(len(found) - 1, int(0.99 * len(found)))], 1),
        "max_ms": round(1000 * found[-1], 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--span", type=float, default=30.0)
    parser.add_argument("--decisions", type=int, default=300)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--dashboard", action="store_true", help="with the pages on its HTTP port")
    parser.add_argument("--only", choices=["waiting", "dispatch"])
    given = parser.parse_args()
    line: dict[str, object] = {}
    if given.only != "dispatch":
        with (
            tempfile.TemporaryDirectory(prefix="labwright-figures-") as name,
            laboratory(Path(name), dashboard=given.dashboard) as (file, *_),
        ):
            fill(file, given.waiting, 0)
            line |= {"waiting": given.waiting, **waiting(file, given.span)}
    if given.only != "waiting":
        line |= {"decisions": given.decisions, **dispatch(given.decisions, dashboard=given.dashboard)}
    line |= {
        "date": datetime.now(UTC).date().isoformat(), "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "python": platform.python_version(), "labwright": version("labwright"),
        "dashboard": given.dashboard, "seed": "none: designs are counted through",
    }  # fmt: skip
    if given.write:
        given.write.write_text(json.dumps(line, indent=2) + "\n")
    if given.json:
        print(json.dumps(line))
        return
    table = Table("figure", "value")
    for key, value in line.items():
        table.add_row(key, str(value))
    Console().print(table)


if __name__ == "__main__":
    main()

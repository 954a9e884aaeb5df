"""The instruments' process: ``python -m tests.faults.killing.shop``, which lives on while the agent is killed.

The first line of standard input says where the broker is; it leaves when standard input ends. Whatever an instrument
does to a sample is one line in a file, flushed to the disk before the work goes on, that no restart forgets.

With FAULTS_FORGETFUL in the environment the instruments lose their journals when they restart, to see that the books
notice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import random
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from agent.daemon.children import die_with_parent
from instruments.address import BrokerAddress
from instruments.clock import SystemClock
from instruments.device import (
    Choice,
    Device,
    InfeasibleFault,
    JobContext,
    JobResult,
    Parameter,
    Quantity,
    RetryableFault,
    Text,
    command,
)
from instruments.ids import SystemIds
from instruments.journal import SqliteJournal
from instruments.mqtt import MqttTransport
from instruments.transport import Transport

LAB = "kill"
ACTS = "acts.jsonl"
SHORTEST_S, LONGEST_S = 0.02, 0.2
RETRYABLE, INFEASIBLE, LARGE = 0.06, 0.05, 0.2
"""Shares of the jobs that fail for a passing reason, that cannot be done, and of the images beyond a message's size."""


class Machine(Device):
    """An instrument whose deeds are written down."""

    acts: Path

    async def act(self, job: JobContext, sample: str, parameters: Mapping[str, float | str]) -> random.Random:
        """Do it; what is done cannot be undone. Then take some time, and sometimes fail."""
        rng = random.Random(job.job)
        await job.progress(0.1)
        deed = {
            "job": job.job, "iid": self.iid, "command": job.command, "digest": job.digest, "approval": job.approval,
            "sample": sample, "parameters": dict(parameters), "at": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        handle = os.open(self.acts, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, json.dumps(deed).encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        for step in (0.4, 0.8):
            await job.sleep(rng.uniform(SHORTEST_S, LONGEST_S) / 2)
            await job.progress(step)
        if rng.random() < RETRYABLE:
            raise RetryableFault("unsteady", "the reading was not steady")
        return rng


class Furnace(Machine):
    """Sinters."""

    kind = "furnace"
    max_concurrency: ClassVar[int] = 2
    safe_state = "heater off"
    lease_s = 60.0

    @command(
        summary="Sinter one compact",
        parameters={
            "sample": Text(max_length=64), "crystal": Text(max_length=64),
            "powder_size": Parameter(unit="um", low=0.05, high=10.0),
            "additive": Choice(("none", "MgO", "Y2O3", "B4C")),
            "temperature": Parameter(unit="Cel", low=400.0, high=2200.0),
            "hold": Parameter(unit="h", low=0.05, high=24.0),
            "heating_rate": Parameter(unit="K/min", low=0.5, high=100.0),
            "pressure": Parameter(unit="MPa", low=0.0, high=80.0),
        },
    )  # fmt: skip
    async def sinter(
        self, job: JobContext, *, sample: str, crystal: str, powder_size: float, additive: str, temperature: float,
        hold: float, heating_rate: float, pressure: float,
    ) -> JobResult:  # fmt: skip
        """Make a sample."""
        process: dict[str, float | str] = {
            "crystal": crystal, "powder_size": powder_size, "additive": additive, "temperature": temperature,
            "hold": hold, "heating_rate": heating_rate, "pressure": pressure,
        }  # fmt: skip
        rng = await self.act(job, sample, process)
        if rng.random() < INFEASIBLE:
            raise InfeasibleFault("melted", "the compact melted")
        return JobResult(values={"peak_temperature": Quantity(value=temperature, unit="Cel")})


class Sem(Machine):
    """Takes images; the larger ones are uploaded to the agent."""

    kind = "sem"

    @command(summary="Find a magnification", parameters={"sample": Text(max_length=64)})
    async def survey(self, job: JobContext, *, sample: str) -> JobResult:
        """Give a pixel size."""
        rng = await self.act(job, sample, {})
        return JobResult(values={"pixel_size": Quantity(value=round(rng.uniform(0.01, 0.2), 3), unit="um")})

    @command(
        summary="Take an image",
        parameters={
            "sample": Text(max_length=64),
            "pixel_size": Parameter(unit="um", low=0.001, high=10.0),
            "field": Parameter(unit="1", low=0, high=100),
        },
    )
    async def acquire(self, job: JobContext, *, sample: str, pixel_size: float, field: float) -> JobResult:
        """Give an image, as bytes that nobody else would."""
        rng = await self.act(job, sample, {"pixel_size": pixel_size, "field": field})
        size = rng.randint(70_000, 120_000) if rng.random() < LARGE else rng.randint(2_000, 20_000)
        image = await job.keep(hashlib.sha256(job.job.encode()).digest() + rng.randbytes(size), "image/tiff")
        return JobResult(artefacts={"image": image})


class Indenter(Machine):
    """Measures hardness."""

    kind = "indenter"

    @command(
        summary="Measure hardness",
        parameters={
            "sample": Text(max_length=64),
            "load": Parameter(unit="N", low=0.5, high=100.0),
            "count": Parameter(unit="1", low=2, high=50),
        },
    )
    async def indent(self, job: JobContext, *, sample: str, load: float, count: float) -> JobResult:
        """Give a hardness that follows from the job."""
        rng = await self.act(job, sample, {"load": load, "count": count})
        return JobResult(values={"hardness": Quantity(value=round(rng.uniform(5, 30), 4), unit="GPa", std=0.2)})


MACHINES: dict[str, type[Machine]] = {
    "furnace-1": Furnace, "furnace-2": Furnace, "sem-1": Sem, "sem-2": Sem, "indenter-1": Indenter,
}  # fmt: skip


async def run(told: dict[str, Any]) -> None:
    """Be the instruments until standard input ends."""
    directory = Path(told["directory"])
    machines, journals = [], []
    for iid, kind in MACHINES.items():
        address = BrokerAddress("127.0.0.1", told["port"], iid, told["passwords"][iid])
        transport: Transport = MqttTransport(address, client_id=f"{LAB}-{iid}", persistent=True)
        if os.environ.get("FAULTS_FORGETFUL"):
            (directory / f"{iid}.sqlite").unlink(missing_ok=True)
        journals.append(SqliteJournal(directory / f"{iid}.sqlite"))
        machine = kind(
            iid, transport, lab=LAB, clock=SystemClock(), ids=SystemIds(), journal=journals[-1],
        )  # fmt: skip
        machine.acts = directory / ACTS
        machines.append(machine)
    await asyncio.gather(*(machine.start() for machine in machines))
    os.write(1, b'{"ready": true}\n')
    beats = [asyncio.create_task(machine.run()) for machine in machines]
    await asyncio.to_thread(sys.stdin.read)
    for beat in beats:
        beat.cancel()
    await asyncio.gather(*beats, return_exceptions=True)
    await asyncio.gather(*(machine.stop() for machine in machines), return_exceptions=True)
    for journal in journals:
        journal.close()


def main() -> None:
    """Read where the broker is, and run."""
    die_with_parent(os.getppid())
    told = json.loads(sys.stdin.readline())
    logging.basicConfig(level=logging.WARNING, filename=Path(told["directory"]) / "shop.log")
    asyncio.run(run(told))


if __name__ == "__main__":
    main()

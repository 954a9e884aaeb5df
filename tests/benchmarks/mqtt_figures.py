"""What the instrument bus gives on loopback Mosquitto: round trip, presence, orders a second, a large image.

Usage::

    python -m tests.benchmarks.mqtt_figures [--json] [--floors] [--quick]

The broker, the agent and the devices are processes of their own, as in a laboratory. Orders a second are the best of
three runs, for other programs on the machine can only slow them down; all three are told. Prints a table and a line of
JSON (only that with ``--json``); with ``--floors`` the exit status is 1 when a figure misses its floor.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from instruments.address import BrokerAddress
from instruments.broker import embedded_broker, find_mosquitto
from instruments.bulk.fetch import Sources, fetch
from instruments.bulk.server import serve_artefacts
from instruments.bulk.store import ArtefactStore
from instruments.bulk.tickets import Tickets
from instruments.client import InstrumentClient
from instruments.clock import SystemClock
from instruments.device import Device, JobContext, JobResult, Parameter, Quantity, Returns, command
from instruments.ids import SystemIds
from instruments.messages import JobState, Value
from instruments.mqtt import MqttTransport

LAB = "figures"
DEVICES, RUNS = 4, 3
SPEED: dict[str, Value] = {"speed": Quantity(value=3.0, unit="1")}
FLOORS: dict[str, tuple[str, float]] = {
    "round_trip_p50_ms": ("at most", 5.0),
    "round_trip_p99_ms": ("at most", 25.0),
    "present": ("at least", 500),
    "offline_by_will": ("at least", 250),
    "orders_per_s": ("at least", 1000.0),
    "image_20mb_s": ("at most", 1.0),
}


class Stirrer(Device):
    """Does nothing for as short a time as possible."""

    kind = "stirrer"
    max_concurrency: ClassVar[int] = 8

    @command(summary="Stir", parameters={"speed": Parameter(unit="1", low=0, high=10)})
    async def stir(self, job: JobContext, *, speed: float) -> JobResult:
        """Give back what was asked for."""
        return JobResult(values={"speed": Quantity(value=speed, unit="1")})

    @command(
        summary="Take a picture",
        parameters={"megabytes": Parameter(unit="1", low=1, high=100)},
        results={"picture": Returns(media_type="image/tiff")},
    )
    async def look(self, job: JobContext, *, megabytes: float) -> JobResult:
        """Noise of so many megabytes, into the agent's store."""
        data = os.urandom(int(megabytes * 1_000_000))
        return JobResult(artefacts={"picture": await job.keep(data, "image/tiff")})


# The roles: each a process of its own -------------------------------------------------------------------------------


async def devices(address: BrokerAddress, first: int, n: int) -> dict[str, float]:
    """Serve devices until standard input closes."""
    clock = SystemClock()
    ids = SystemIds()
    async with AsyncExitStack() as stack:
        for index in range(first, first + n):
            iid = f"stirrer-{index}"
            device = Stirrer(iid, MqttTransport(address, client_id=iid), lab=LAB, clock=clock, ids=ids)
            await device.start()
            stack.push_async_callback(device.stop)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    return {"devices": n, "cpu_s": round(time.process_time(), 2), "loop_s": round(time.thread_time(), 2)}


@asynccontextmanager
async def connected(address: BrokerAddress) -> AsyncIterator[InstrumentClient]:
    """An agent's client."""
    transport = MqttTransport(address, client_id="agent")
    client = InstrumentClient(transport, lab=LAB, agent="agent", clock=SystemClock(), ids=SystemIds())
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def round_trips(address: BrokerAddress, n: int) -> dict[str, float]:
    """Time from an order to its acceptance, one after the other."""
    ids, times = SystemIds(), list[float]()
    async with connected(address) as client:
        await client.wait_for(["stirrer-0"])
        for _ in range(n):
            begin = time.perf_counter()

            def note(state: JobState, begin: float = begin) -> None:
                if state.state == "accepted":
                    times.append(time.perf_counter() - begin)

            end = await client.execute("stirrer-0", "stir", SPEED, job=ids.new(), on_update=note)
            assert end.state == "succeeded"
    assert len(times) == n
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {
        "round_trips": n,
        "round_trip_p50_ms": round(1000 * cuts[49], 2),
        "round_trip_p99_ms": round(1000 * cuts[98], 2),
        "round_trip_max_ms": round(1000 * max(times), 2),
    }


async def orders(address: BrokerAddress, n: int, n_devices: int) -> dict[str, float]:
    """Orders a second through one client, each taken to its end."""
    ids = SystemIds()
    async with connected(address) as client:
        iids = [f"stirrer-{index}" for index in range(n_devices)]
        await client.wait_for(iids)
        ends: list[JobState] = []
        jobs = iter([ids.new() for _ in range(n)])

        async def keep_busy(iid: str) -> None:
            for job in jobs:
                ends.append(await client.execute(iid, "stir", SPEED, job=job))  # noqa: PERF401

        begin, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*(keep_busy(iid) for iid in iids for _ in range(Stirrer.max_concurrency)))
        took, used = time.perf_counter() - begin, time.process_time() - used
    assert [end.state for end in ends] == ["succeeded"] * n
    return {
        "orders": n,
        "order_devices": n_devices,
        "orders_per_s": round(n / took, 1),
        "agent_cpu_ms_per_order": round(1000 * used / n, 3),
    }


async def pictures(address: BrokerAddress, n: int) -> dict[str, float]:
    """Seconds from the order of a 20 MB image to its verified bytes in the agent's hands: median and slowest."""
    ids, times, size = SystemIds(), list[float](), Quantity(value=20.0, unit="1")
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tickets = Tickets(secrets.token_bytes(32), SystemClock())
        server = await stack.enter_async_context(serve_artefacts(ArtefactStore(directory), tickets))
        client = await stack.enter_async_context(connected(address))
        await client.wait_for(["stirrer-0"])
        for _ in range(n):
            job, begin = ids.new(), time.perf_counter()
            end = await client.execute(
                "stirrer-0", "look", {"megabytes": size}, job=job, upload=server.ticket(job, limit=20_000_000)
            )
            assert end.result is not None, end
            data = await fetch(end.result.artefacts["picture"], Sources(own=(server.uri, server.store)))
            times.append(time.perf_counter() - begin)
            assert len(data) == 20_000_000
    return {"images": n, "image_20mb_s": round(statistics.median(times), 3), "image_20mb_max_s": round(max(times), 3)}


async def presence(address: BrokerAddress, n: int) -> dict[str, float]:
    """Seconds until a new client sees every device; then those that are killed go offline by their wills."""
    begin = time.perf_counter()
    async with connected(address) as client:
        await client.wait_for([f"stirrer-{index}" for index in range(n)], timeout=60.0)
        seen_s = time.perf_counter() - begin
        present = sum(client.presence(iid) == "online" for iid in client.instruments)
        print("seen", flush=True)
        async with asyncio.timeout(60):
            while sum(client.presence(iid) == "offline" for iid in client.instruments) < n // 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        offline = sum(client.presence(iid) == "offline" for iid in client.instruments)
    return {"present": present, "present_seen_s": round(seen_s, 2), "offline_by_will": offline}


def serve_role(role: str) -> None:
    """Run one role as the first line of standard input says."""
    told = json.loads(sys.stdin.readline())
    address = BrokerAddress(**told.pop("broker"))
    roles: dict[str, Callable[..., Coroutine[Any, Any, dict[str, float]]]] = {
        "devices": devices,
        "round_trips": round_trips,
        "orders": orders,
        "pictures": pictures,
        "presence": presence,
    }
    if (profile := os.environ.get("FIGURES_PROFILE")) is not None:
        with cProfile.Profile() as profiler:
            found = asyncio.run(roles[role](address, **told))
        profiler.dump_stats(f"{profile}.{role}")
    else:
        found = asyncio.run(roles[role](address, **told))
    print(json.dumps(found), flush=True)


# The whole ----------------------------------------------------------------------------------------------------------


@contextmanager
def process(role: str, address: BrokerAddress, **told: int) -> Iterator[subprocess.Popen[str]]:
    """A role's process; the password goes by standard input."""
    broker = {"host": address.host, "port": address.port, "username": address.username, "password": address.password}
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.benchmarks.mqtt_figures", "--role", role],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        child.stdin.write(json.dumps({"broker": broker, **told}) + "\n")
        child.stdin.flush()
        try:
            yield child
        finally:
            child.stdin.close()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()


def line_of(child: subprocess.Popen[str]) -> str:
    """The next line that a role prints; its own error is on standard error when there is none."""
    assert child.stdout is not None
    if not (line := child.stdout.readline().strip()):
        sys.exit("a process of the measurement ended early")
    return line


def measure(*, quick: bool) -> dict[str, Any]:
    """Every figure."""
    share = 10 if quick else 1
    found: dict[str, Any] = {}
    runs: list[float] = []
    with embedded_broker("mosquitto") as address:
        with process("devices", address, first=0, n=DEVICES) as stirrers:
            line_of(stirrers)
            for role, told in (
                ("round_trips", {"n": 2000 // share}),
                *[("orders", {"n": 5_000 // share, "n_devices": DEVICES})] * RUNS,
                ("pictures", {"n": 10 // share}),
            ):
                with process(role, address, **told) as agent:
                    told_back = json.loads(line_of(agent))
                runs += [told_back["orders_per_s"]] if role == "orders" else []
                found |= told_back
        found |= {"orders_per_s": max(runs), "orders_per_s_runs": runs}
        n = 500 // share
        with (
            process("devices", address, first=0, n=n // 2) as half,
            process("devices", address, first=n // 2, n=n - n // 2) as other,
        ):
            line_of(half), line_of(other)
            with process("presence", address, n=n) as agent:
                line_of(agent)
                other.kill()
                found |= json.loads(line_of(agent))
    return found


def about() -> dict[str, str]:
    """Where and with what the figures were made."""
    banner = subprocess.run([find_mosquitto() or "", "-h"], capture_output=True, text=True, check=False)  # noqa: S603
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "paho-mqtt": version("paho-mqtt"),
        "pydantic": version("pydantic"),
        "mosquitto": banner.stdout.split("\n")[0].removeprefix("mosquitto version "),
    }


def misses(found: dict[str, Any]) -> list[str]:
    """The figures that miss their floors."""
    wrong = []
    for name, (sense, floor) in FLOORS.items():
        if name in found and (found[name] > floor if sense == "at most" else found[name] < floor):
            wrong.append(f"{name} is {found[name]}, {sense} {floor:g} was asked for")
    return wrong


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="figures of the instrument bus")
    parser.add_argument("--json", action="store_true", help="only the line of JSON")
    parser.add_argument("--floors", action="store_true", help="exit 1 when a figure misses its floor")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--role", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        serve_role(options.role)
        return 0
    if find_mosquitto() is None:
        sys.exit("Mosquitto is not installed: it is what these figures are about")
    found = measure(quick=options.quick)
    if not options.json:
        for name, value in found.items():
            sense, floor = FLOORS.get(name, ("", 0.0))
            print(f"{name:<24}{value!s:>24}   {f'{sense} {floor:g}' if sense else ''}")
    wrong = misses(found)
    print(json.dumps({**about(), **found, "misses": wrong}))
    return 1 if options.floors and wrong and not options.quick else 0


if __name__ == "__main__":
    sys.exit(main())

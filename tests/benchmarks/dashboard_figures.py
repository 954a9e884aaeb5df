"""Figures of the dashboard: many browsers, many proposals; until a page can be used, until a change is seen, memory.

Usage::

    python -m tests.benchmarks.dashboard_figures [--browsers 50] [--proposals 1000] [--experiments 500] [--json]
        [--drawing 50] [--updates 10] [--write FILE]

A real Mosquitto, ``labwright dashboard`` in a process of its own, and that many Chromium contexts, each logged in and
with the list of proposals open. What the agent would say is published by this script. A page can be used when its
connection to the server stands and a click on one of its buttons was answered; a change is seen when the card of a new
proposal stands in the list, or the card of one that was withdrawn does not any more. Browsers and servers share the
machine: what each of them spent of its processors on one change is told, too, and so is how busy it was before. With
``--drawing N`` only so many are Chromium, and the rest load the page and keep its socket without drawing it, as fifty
machines draw for themselves. Prints a table; with ``--json`` one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import psutil
from dashboard_onlooker import Onlooker
from dashboard_samples import (
    sample_campaign,
    sample_experiment,
    sample_laboratory,
    sample_model,
    sample_outcome,
    sample_proposal,
    sample_space,
)
from playwright.async_api import Browser, Page, async_playwright
from rich.console import Console
from rich.table import Table

from agent.identity import IdentityStore
from agent.roles import Role
from instruments.broker import local_broker
from instruments.brokers.access import Access
from instruments.messages import Status
from instruments.mqtt import MqttTransport
from instruments.profile.laboratory import PersonEntry
from instruments.topics import Lab

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
LAB = Lab("labwright", "figures")
AGENT, PASSWORD = "agent", "a password of many"
BEAT_S = 5.0
OUTCOMES = 200
"""Decided lately: as many as an agent keeps at the broker."""
SETTLE_S = 1.0
"""How often a browser is asked whether it has seen the change: asking costs the machine, too."""
EXTRA = 5000
"""Number of the proposal that comes and goes."""
_WATCH = """([id, wanted]) => { const end = () => {
    const card = document.querySelector(`main article a[href$="/proposals/${id}"]`);
    if ((card !== null) === wanted) { window.lwSeen = performance.timeOrigin + performance.now(); return true }
    return false };
    window.lwSeen = 0; if (!end()) new MutationObserver((_, me) => end() && me.disconnect())
    .observe(document.querySelector('main'), {subtree: true, childList: true, attributes: true}) }"""


class Agent:
    """Says what an agent would: people, a campaign, proposals, experiments; and goes on saying that it is there."""

    def __init__(self, transport: MqttTransport, people: Sequence[PersonEntry]) -> None:
        self._transport, self._people, self._seq = transport, tuple(people), 0

    async def say(self, n_proposals: int, n_experiments: int) -> None:
        """Everything that is retained."""
        await self.beat()
        for topic, message in (
            (LAB.campaign_state("hard"), sample_campaign()),
            (LAB.campaign_space("hard"), sample_space()),
            (LAB.campaign_model("hard"), sample_model()),
        ):
            await self._transport.publish(topic, message.to_bytes(), retain=True)
        for i in range(1, n_proposals + 1):
            await self.propose(i)
        for i in range(1, n_experiments + 1):
            one = sample_experiment(i, "ended")
            await self._transport.publish(LAB.experiment(one.experiment), one.to_bytes(), retain=True)
        for i in range(10_001, 10_001 + OUTCOMES):
            said = sample_outcome(i, lab=LAB.lab)
            await self._transport.publish(LAB.outcome(said.proposal), said.to_bytes(), retain=True)

    async def propose(self, i: int, days: float = 2.0) -> None:
        """One proposal more; what expires first stands first in the list."""
        now = datetime.now(UTC)
        one = sample_proposal(i, lab=LAB.lab, created_at=now, expires_at=now + timedelta(days=days))
        await self._transport.publish(LAB.proposal(one.proposal), one.to_bytes(), retain=True)

    async def withdraw(self, i: int) -> None:
        """One proposal less."""
        await self._transport.publish(LAB.proposal(sample_proposal(i).proposal), b"", retain=True)

    async def beat(self) -> None:
        """That it is there."""
        self._seq += 1
        now = datetime.now(UTC)
        status = Status(state="online", boot_id="figures", seq=self._seq, ts=now, message="virtual")
        lab = sample_laboratory(
            lab=LAB.lab, agent=AGENT, boot_id="figures", seq=self._seq, ts=now, wall=now, speed=1.0,
            people=self._people, stop=None,
        )  # fmt: skip
        await self._transport.publish(LAB.agent_status(AGENT), status.to_bytes(), retain=True)
        await self._transport.publish(LAB.agent_lab(AGENT), lab.to_bytes(), retain=True)

    async def live(self) -> None:
        """Go on until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            await self.beat()


def identities(directory: Path, names: Sequence[str]) -> list[PersonEntry]:
    """Key pairs with a cheap password: what is measured is not scrypt."""
    store = IdentityStore(directory, cost=2**10)
    found = []
    for name in names:
        person = store.create(name, Role.APPROVER, PASSWORD)
        found.append(PersonEntry(name=name, role="approver", kid=person.key.kid, x=person.key.x))
    return found


@contextmanager
def served(directory: Path, broker: Any) -> Iterator[tuple[str, psutil.Process]]:
    """``labwright dashboard`` in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = broker.address("dashboard").url_with_password
    program = str(Path(sys.executable).with_name("labwright"))
    command = [
        program, "dashboard", "--broker", url, "--lab", LAB.lab, "--port", str(port),
        "--dir", str(directory / "ids"),
    ]  # fmt: skip
    log = directory / "dashboard.log"
    with log.open("wb") as handle:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=handle, stderr=handle, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        try:
            _until_it_answers(port, process, log)
            yield f"http://127.0.0.1:{port}/dashboard", psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(20)


def _until_it_answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60.0
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1.0):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the dashboard did not start: {log.read_text()[-2000:]}")


async def enter(browser: Browser, base: str, name: str, width: int) -> Page:
    """A browser of a person's own, logged in, at an empty page."""
    context = await browser.new_context(viewport={"width": width, "height": 900})
    page = await context.new_page()
    await page.goto(f"{base}/login")
    await page.fill("input[name=name]", name)
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_url(lambda url: "/login" not in url)
    return page


async def interactive(page: Page, base: str, n: int) -> float:
    """Seconds from asking for the page until a click on it is answered."""
    begun = time.perf_counter()
    await page.goto(f"{base}/proposals", wait_until="commit")
    await page.wait_for_function("window.socket && window.socket.connected")
    await page.get_by_text(f"{n:,}").or_(page.get_by_text(str(n))).first.wait_for()
    await page.get_by_role("button", name="Stop the laboratory").first.click()
    await page.get_by_role("dialog").wait_for()
    took = time.perf_counter() - begun
    await page.keyboard.press("Escape")
    return took


async def seen(pages: Sequence[Page], act: Awaitable[None], pid: str, *, there: bool) -> list[float]:
    """Seconds from an act of the agent until each page shows what follows from it."""
    for page in pages:
        await page.evaluate(_WATCH, [pid, there])
    begun = time.time()
    await act
    for page in pages:
        await page.wait_for_function("window.lwSeen > 0", polling=SETTLE_S * 1000.0, timeout=60_000)
    return [float(await page.evaluate("window.lwSeen")) / 1000.0 - begun for page in pages]


@asynccontextmanager
async def agent_at(broker: Any, people: Sequence[PersonEntry]) -> AsyncIterator[Agent]:
    """The agent's connection."""
    transport = MqttTransport(broker.address(AGENT), client_id=f"agent-{secrets.token_hex(4)}")
    await transport.connect()
    try:
        yield Agent(transport, people)
    finally:
        await transport.close()


async def measure(options: argparse.Namespace, directory: Path, progress: Console) -> dict[str, Any]:
    """All figures."""
    names = [f"p{i:02d}" for i in range(options.browsers)]
    people = identities(directory / "ids", names)
    access = Access.new(LAB, agents=(AGENT,), dashboards=("dashboard",), persons=tuple(names[:1]))
    with local_broker(access, directory=directory / "broker") as broker:
        async with agent_at(broker, people) as agent:
            await agent.say(options.proposals, options.experiments)
            beat = asyncio.create_task(agent.live())
            try:
                with served(directory, broker) as (base, process):
                    return await _with_browsers(options, base, process, agent, names, progress)
            finally:
                beat.cancel()


async def _with_browsers(
    options: argparse.Namespace, base: str, process: psutil.Process, agent: Agent, names: Sequence[str],
    progress: Console,
) -> dict[str, Any]:  # fmt: skip
    memory = {"alone_mb": _mb(process)}
    loads: list[float] = []
    served_s: list[float] = []
    heard: list[float] = []
    others: list[Onlooker] = []
    async with async_playwright() as tools, AsyncExitStack() as leaving:
        browser = await tools.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            pages: list[Page] = []
            for i, name in enumerate(names[: options.drawing]):
                page = await enter(browser, base, name, 390 if i % 3 == 0 else 1440)
                loads.append(await interactive(page, base, options.proposals))
                pages.append(page)
                progress.print(f"{i + 1} of {len(names)} browsers: {loads[-1]:.2f} s, {_mb(process):.0f} MB")
            for name in names[options.drawing :]:
                one = Onlooker(base, name, PASSWORD)
                leaving.push_async_callback(one.close)
                served_s.append(await one.open())
                others.append(one)
            shown: list[float] = []
            pid = sample_proposal(EXTRA).proposal
            await asyncio.sleep(2 * SETTLE_S)
            spent = {"server": -_cpu_s([process]), "browsers": -_cpu_s(_chromium())}
            for again in range(options.updates):
                more = again % 2 == 0
                act = agent.propose(EXTRA, 1.0) if more else agent.withdraw(EXTRA)
                begun = time.time()
                ears = [asyncio.create_task(one.seen(pid, there=more)) for one in others]
                shown += await seen(pages, act, pid, there=more)
                heard += [at - begun for at in await asyncio.wait_for(asyncio.gather(*ears), 60.0)]
                progress.print(f"change {again + 1}: last seen after {max(shown[-len(pages) :]):.2f} s")
            memory["with_browsers_mb"] = _mb(process)
            spent = {"server": spent["server"] + _cpu_s([process]), "browsers": spent["browsers"] + _cpu_s(_chromium())}
        finally:
            await browser.close()
    return {
        "browsers": len(names), "proposals": options.proposals, "experiments": options.experiments,
        "drawing": len(pages), "interactive_s": _spread(loads), "update_s": _spread(shown), "updates": options.updates,
        "processor_s_per_update": {who: round(s / max(options.updates, 1), 3) for who, s in spent.items()},
        **({"page_served_s": _spread(served_s), "update_at_browser_s": _spread(heard)} if others else {}),
        "memory_mb": {k: round(v, 1) for k, v in memory.items()},
    }  # fmt: skip


def _mb(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return float(sum(one.memory_info().rss for one in family)) / 1e6


def _chromium() -> list[psutil.Process]:
    """The browsers' processes."""
    return [one for one in psutil.Process().children(recursive=True) if "chrom" in one.name()]


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    """Seconds of a processor that they have spent."""
    times = [one.cpu_times() for one in processes if one.is_running()]
    return float(sum(one.user + one.system for one in times))


def _spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 3),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 3),
        "max": round(ordered[-1], 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--browsers", type=int, default=50)
    parser.add_argument("--drawing", type=int, default=50, help="how many of the browsers are whole Chromium pages")
    parser.add_argument("--proposals", type=int, default=1000)
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, default=None)
    options = parser.parse_args()
    console = Console(stderr=True)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(measure(options, Path(directory), console))
    found |= {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores", "python": platform.python_version(),
        "labwright": version("labwright"), "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "load_before": round(load, 2),
    }  # fmt: skip
    table = Table("figure", "median", "p95", "max", title=f"{options.browsers} browsers, {options.proposals} proposals")
    for name in (one for one in found if one.endswith("_s")):
        table.add_row(name, *(f"{v:.3f}" for v in found[name].values()))
    table.add_row("memory_mb", *(f"{k} {v}" for k, v in found["memory_mb"].items()))
    table.add_row("processor_s_per_update", *(f"{k} {v}" for k, v in found["processor_s_per_update"].items()))
    console.print(table)
    if options.write:
        options.write.write_text(json.dumps(found, indent=2) + "\n")
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()

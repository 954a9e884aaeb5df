"""Processes beside a daemon: the virtual laboratory on its lab time, restarted when it dies, gone with its parent."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from patience import needs_mosquitto, until

from agent.config import CampaignConfig
from agent.daemon.children import Child, ChildError
from agent.daemon.lab_clock import LabClock
from agent.daemon.virtual import VirtualLaboratory, VirtualOrders, virtual_laboratory
from agent.daemon.virtual_section import VIRTUAL_INSTRUMENTS
from agent.daemon.worker import Worker
from agent.events import ArtefactRecord, ImageRead
from agent.minds import PlanRequest, PreviewRequest
from agent.store import ArtefactStore
from envs.design import Design
from envs.errors import ConfigError, UserError
from instruments.address import BrokerAddress
from instruments.broker import local_broker
from instruments.brokers.access import Access
from instruments.brokers.child import Restarts
from instruments.client import InstrumentClient
from instruments.ids import SystemIds
from instruments.messages import Quantity, Value
from instruments.mqtt import MqttTransport
from instruments.topics import Lab

SPEED = 36_000.0
T = TypeVar("T")


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for has, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


class Bench:
    """A daemon's view of its virtual laboratory."""

    def __init__(self, virtual: VirtualLaboratory, client: InstrumentClient, clock: LabClock) -> None:
        self.virtual = virtual
        self.client = client
        self.clock = clock
        self.ids = SystemIds()

    async def image(self) -> tuple[str, float]:
        later = self.clock.now() + timedelta(days=30)
        parameters: dict[str, Value] = {
            "sample": "reference",
            "pixel_size": Quantity(value=0.1, unit="um"),
            "field": Quantity(value=1, unit="1"),
        }
        end = await self.client.execute("sem-1", "acquire", parameters, job=self.ids.new(), not_after=later)
        assert end.result is not None
        return end.result.artefacts["image"].sha256, end.elapsed_s


async def read(worker: Worker, content: bytes, store: Path) -> ImageRead:
    digest = ArtefactStore(store).put(content, "image/tiff")
    record = ArtefactRecord(sha256=digest, media_type="image/tiff", bytes=len(content))
    return await worker.read_image("E001", 0, record, 0.1, store)


def at_a_broker(directory: Path, work: Callable[[Bench], Awaitable[T]]) -> T:
    async def whole() -> T:
        access = Access.new(Lab("labwright", "virtual"), agents=("agent",), instruments=VIRTUAL_INSTRUMENTS)
        now = datetime.now(UTC)
        clock = LabClock(SPEED, anchor_real=now, anchor_lab=now)
        with local_broker(access) as broker:
            client = InstrumentClient(
                MqttTransport(broker.address("agent"), client_id="agent"),
                lab="virtual",
                agent="agent",
                clock=clock,
                ids=SystemIds(),
                judge_clocks=False,
            )
            async with virtual_laboratory(
                broker.address, directory=directory, clock=clock, seed=1, lab="virtual", on_line=print
            ) as virtual:
                await client.start()
                try:
                    await client.wait_for(VIRTUAL_INSTRUMENTS)
                    return await work(Bench(virtual, client, clock))
                finally:
                    await client.close()

    return asyncio.run(whole())


@needs_mosquitto
def test_the_laboratory_keeps_the_daemons_time_and_comes_back_when_it_is_killed(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        assert bench.virtual.instruments == VIRTUAL_INSTRUMENTS
        begun = bench.clock.now()
        digest, elapsed_s = await bench.image()
        assert elapsed_s >= 600.0
        directories = bench.virtual.sources.directories
        assert directories is not None
        image = directories[0] / f"{digest}.tiff"
        assert image.exists()
        statuses = bench.client.instruments
        assert set(VIRTUAL_INSTRUMENTS) <= set(statuses)
        assert bench.clock.now() - begun >= timedelta(seconds=600)
        pid = bench.virtual.child.pid
        assert pid is not None
        assert "password" not in command_line(pid)
        assert "mqtt" not in command_line(pid)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: bench.client.presence("sem-1") == "offline", within_s=60.0)
        await until(lambda: bench.client.presence("sem-1") == "online", within_s=60.0)
        assert bench.virtual.child.starts == 2
        assert (await bench.image())[0] == digest, "the same order gives the same image"
        worker = Worker()
        try:
            seen = await read(worker, image.read_bytes(), tmp_path / "artefacts")
        finally:
            await worker.close()
        assert seen.accepted
        assert seen.grain_size is not None
        assert seen.grain_size[0] == pytest.approx(2.0, rel=0.2), "of the reference body"
        assert seen.overlay is not None
        assert ArtefactStore(tmp_path / "artefacts").get(seen.overlay.sha256).startswith(b"\x89PNG")

    at_a_broker(tmp_path / "virtual", work)


@needs_mosquitto
def test_a_directory_of_another_laboratory_is_said_and_not_tried_again(tmp_path: Path) -> None:
    (tmp_path / "laboratory").write_text("another\n")
    with pytest.raises(ChildError, match=r"another seed or library: use an empty one"):
        at_a_broker(tmp_path, lambda _bench: asyncio.sleep(0))


def test_orders_travel_whole() -> None:
    address = BrokerAddress.from_url("mqtts://u:p%40@lab.example", ca=Path("ca.pem"))
    orders = VirtualOrders(
        {"sem-1": address}, 3, Path("/somewhere"), "lab", "root", 60.0, "1.5@2026-01-01T00:00:00+00:00"
    )
    assert VirtualOrders.from_dict(orders.to_dict()) == orders


# ---- Any child


def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> str:
    (tmp_path / "a_child.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "a_child"


READY = "print('labwright-ready {\"port\": 7}', flush=True)\n"


def test_a_child_leaves_when_its_standard_input_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f"import sys\nsays = sys.stdin.readline()\n{READY}sys.stdin.read()\nprint('in order', says)\n"
    said: list[str] = []

    async def whole() -> None:
        child = Child("a child", module(tmp_path, monkeypatch, body), {"secret": "s3cret"}, on_line=said.append)
        assert await child.start() == {"port": 7}
        assert child.pid is not None
        assert "s3cret" not in command_line(child.pid)
        await child.stop()
        assert child.pid is None

    asyncio.run(whole())
    assert said[0].startswith("in order")
    assert "s3cret" in said[0]


def test_a_child_that_does_not_leave_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f"import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{READY}time.sleep(600)\n"

    async def whole() -> None:
        child = Child("a child", module(tmp_path, monkeypatch, body), {}, on_line=print, grace_s=0.05)
        await child.start()
        pid = child.pid
        assert pid is not None
        await child.stop()
        assert gone(pid)

    asyncio.run(whole())


def test_a_child_that_dies_again_and_again_is_given_up_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = f"import os, sys\n{READY}print('the reactor leaks', flush=True)\nos.kill(os.getpid(), 9)\n"
    said: list[str] = []

    async def whole() -> None:
        child = Child(
            "a child",
            module(tmp_path, monkeypatch, body),
            {},
            on_line=said.append,
            restarts=lambda: Restarts(stable_s=60.0, limit=3, first_s=0.01),
        )
        await child.start()
        error = await child.failed()
        assert "a child was ended by SIGKILL and is given up\n  the reactor leaks" in str(error)
        assert child.starts == 3
        await child.stop()

    asyncio.run(whole())
    assert sum("is started again" in line for line in said) == 2


def test_a_child_that_never_was_up_has_not_lived_however_long_it_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "import sys, time\ntime.sleep(0.1)\nprint('no broker')\nsys.exit(1)\n"

    async def whole() -> None:
        name = module(tmp_path, monkeypatch, body)
        child = Child("a child", name, {}, on_line=print, restarts=lambda: Restarts(stable_s=0.01))
        with pytest.raises(ChildError, match=r"a child ended \(1\) and is given up\n  no broker"):
            await child.start()
        assert child.starts == 1

    asyncio.run(whole())


def test_a_child_that_is_never_up_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def whole() -> None:
        name = module(tmp_path, monkeypatch, "import sys\nsys.stdin.read()\n")
        child = Child("a child", name, {}, on_line=print, patience_s=0.3)
        with pytest.raises(ChildError, match=r"a child was not up within 0\.3 s"):
            await child.start()
        assert child.pid is None

    asyncio.run(whole())


PARENT = """
import asyncio
from datetime import UTC, datetime
from pathlib import Path
from agent.daemon.children import Child

async def main():
    child = Child("a child", "a_child", {}, on_line=print)
    await child.start()
    print(child.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_a_child_dies_with_its_parent_though_it_ignores_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        "import json, sys, signal, time\nfrom agent.daemon.children import die_with_parent, tell_ready\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "die_with_parent(json.loads(sys.stdin.readline())['parent'])\ntell_ready()\ntime.sleep(600)\n"
    )
    module(tmp_path, monkeypatch, body)
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)  # noqa: S603
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not gone(pid)
    finally:
        parent.kill()
        parent.communicate()
    asyncio.run(until(lambda: gone(pid), within_s=20.0))


# ---- The worker with the real planner


def test_the_worker_plans_a_first_round_and_knows_the_space() -> None:
    config = CampaignConfig.model_validate({"campaign": {"strategy": "random", "seed": 5}}).model_dump(mode="json")

    async def whole() -> None:
        worker = Worker({"c1": config})
        try:
            facts = await worker.facts(config)
            answer = await worker.plan("c1", PlanRequest(0, 4, {}))
            again = await worker.plan("c1", PlanRequest(0, 4, {}))
            designs = [Design(s.design.crystal, s.design.process) for s in answer.suggestions]
            early = await worker.preview("c1", PreviewRequest(designs[:2], {}))
            unknown = Design("mp-0", designs[0].process)
            with pytest.raises(UserError, match="mp-0"):
                await worker.preview("c1", PreviewRequest([unknown], {}))
            wrong = {**config, "space": {"preset": "nowhere"}}
            with pytest.raises(ConfigError, match="nowhere"):
                await worker.facts(wrong)
        finally:
            await worker.close()
        assert answer == again
        assert [o.structure for o in early.outlooks] == [s.structure for s in answer.suggestions[:2]]
        assert all(o.forecast is None and o.domain is None for o in early.outlooks)
        assert early.notes == ("the models need 4 finished experiments before they can predict; there are 0",)
        assert len(answer.suggestions) == 4
        for one in answer.suggestions:
            design = Design(one.design.crystal, one.design.process)
            assert facts.crystals[design.crystal] == one.design.formula
            assert facts.admits(design) == ()
            assert (
                "temperature: 1234.5; choose"
                in facts.admits(Design(design.crystal, {**design.process, "temperature": 1234.5}))[0]
            )

    asyncio.run(whole())

"""An instrument as a laboratory runs it: a file, a process, a broker, an agent with a store for its images."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from envs.errors import InstrumentError, UserError
from instruments.adapters.load import read_adapter
from instruments.address import BrokerAddress
from instruments.broker import embedded_broker, find_mosquitto, free_port, local_broker
from instruments.brokers.access import Access
from instruments.bulk.fetch import Sources, fetch
from instruments.bulk.server import serve_artefacts
from instruments.bulk.store import ArtefactStore
from instruments.bulk.tickets import Tickets
from instruments.client import InstrumentClient
from instruments.clock import SystemClock
from instruments.commands import declared_commands
from instruments.device import Device
from instruments.driving import serve
from instruments.driving.serve import Place, driver_in, serve_device
from instruments.driving.starter import STARTERS, write_starter
from instruments.ids import SystemIds
from instruments.messages import JobState, Quantity
from instruments.mqtt import MqttTransport
from instruments.topics import Lab

LABWRIGHT = (sys.executable, "-c", "from agent.cli import main; main()")
CAMERA = """
from instruments.device import BlockingJob, Device, command


class Camera(Device):
    kind = "camera"

    @command(summary="Take a picture")
    def snap(self, job: BlockingJob) -> dict[str, object]:
        return {"picture": job.keep(bytes(range(256)) * 1024, "image/tiff")}

    @command(summary="Expose for a long time")
    def expose(self, job: BlockingJob) -> None:
        for step in range(1000):
            job.progress(step / 1000)
            job.sleep(0.05)
"""


@pytest.fixture
def broker() -> Iterator[BrokerAddress]:
    with embedded_broker("mosquitto" if find_mosquitto() else "amqtt") as address:
        yield address


@contextmanager
def running(
    file: Path, broker: BrokerAddress, state: Path, iid: str, *, begins: str = "is online"
) -> Iterator[subprocess.Popen[str]]:
    """``labwright instrument run`` in a process of its own, from its first line, which says ``begins``, to its end."""
    line = ["instrument", "run", str(file), "--broker", broker.url_with_password, "--state", str(state), "--iid", iid]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*LABWRIGHT, *line], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    with process.stdout:
        assert begins in process.stdout.readline()
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(20)


def agent_at(broker: BrokerAddress) -> InstrumentClient:
    transport = MqttTransport(broker, client_id=f"agent-{time.monotonic_ns()}")
    return InstrumentClient(transport, lab="lab", agent="agent", clock=SystemClock(), ids=SystemIds())


def test_the_starting_file_is_a_working_instrument(tmp_path: Path, broker: BrokerAddress) -> None:
    file = write_starter("hot-plate", "python", tmp_path)

    async def use() -> JobState:
        agent = agent_at(broker)
        await agent.start()
        await agent.wait_for(["hot-plate"])
        order = {"temperature": Quantity(value=310.0, unit="K")}
        end = await agent.execute("hot-plate", "heat", order, job=SystemIds().new())
        await agent.close()
        return end

    with running(file, broker, tmp_path / "state", "hot-plate") as process:
        end = asyncio.run(use())
    assert process.returncode == 0
    assert end.state == "succeeded"
    assert end.result is not None
    reached = end.result.values["reached"]
    assert isinstance(reached, Quantity)
    assert reached.value == pytest.approx(36.85)
    assert reached.unit == "Cel"


def test_a_picture_goes_to_the_agents_store_and_a_kill_interrupts_no_memory(
    tmp_path: Path, broker: BrokerAddress
) -> None:
    file = tmp_path / "camera.py"
    file.write_text(CAMERA)
    job = SystemIds().new()

    async def snap(agent: InstrumentClient) -> bytes:
        store = ArtefactStore(tmp_path / "store")
        async with serve_artefacts(store, Tickets(os.urandom(32), SystemClock())) as server:
            picture = SystemIds().new()
            end = await agent.execute("camera", "snap", {}, job=picture, upload=server.ticket(picture))
            assert end.result is not None
            ref = end.result.artefacts["picture"]
            assert ref.uri.startswith(server.uri)
            return await fetch(ref, Sources(own=(server.uri, store)))

    async def use(process: subprocess.Popen[str]) -> None:
        agent = agent_at(broker)
        await agent.start()
        await agent.wait_for(["camera"])
        assert await snap(agent) == bytes(range(256)) * 1024
        begun = asyncio.Event()
        long = asyncio.create_task(agent.execute("camera", "expose", {}, job=job, on_update=lambda _: begun.set()))
        await begun.wait()
        process.kill()
        await asyncio.to_thread(process.wait)
        with running(file, broker, tmp_path / "state", "camera"):
            end = await long
        assert (end.state, end.error and end.error.code) == ("failed", "interrupted")
        await agent.close()

    with running(file, broker, tmp_path / "state", "camera") as process:
        asyncio.run(use(process))


def test_two_drivers_of_one_instrument_are_refused(tmp_path: Path, broker: BrokerAddress) -> None:
    file = write_starter("hot-plate", "python", tmp_path)
    with running(file, broker, tmp_path / "state", "hot-plate"):
        line = [
            "instrument",
            "run",
            str(file),
            "--broker",
            broker.url_with_password,
            "--state",
            str(tmp_path / "state"),
        ]
        second = subprocess.run(  # noqa: S603 - our own command
            [*LABWRIGHT, *line], capture_output=True, text=True, check=False, timeout=20
        )
    assert second.returncode == 1
    assert "does another driver of this instrument run?" in second.stderr


async def until_refused(broker: BrokerAddress) -> None:
    """Order until the answer is that two drivers are there."""
    agent, order = agent_at(broker), {"temperature": Quantity(value=30.0, unit="Cel")}
    await agent.start()
    await agent.wait_for(["hot-plate"])
    end = await agent.execute("hot-plate", "heat", order, job=SystemIds().new())
    await agent.close()
    assert (end.state, end.error is not None and "another driver" in end.error.message) == ("rejected", True)


def test_two_drivers_with_a_state_each_say_so_once_and_take_no_orders(tmp_path: Path, broker: BrokerAddress) -> None:
    file = write_starter("hot-plate", "python", tmp_path)
    with (
        running(file, broker, tmp_path / "one", "hot-plate") as one,
        running(file, broker, tmp_path / "two", "hot-plate", begins="is on") as two,
    ):
        # The second may hear of the first before it has said that it is online.
        assert one.stdout is not None
        assert "takes no orders: another driver of this instrument is on the bus" in one.stdout.readline()
        asyncio.run(until_refused(broker))
        two.send_signal(signal.SIGTERM)
        two.wait(20)
        assert two.stdout is not None
        assert two.stdout.read().count("another driver") <= 1
        assert one.stdout.readline() == "hot-plate is online again\n"


@pytest.mark.skipif(find_mosquitto() is None, reason="only Mosquitto has an access list")
@pytest.mark.parametrize(("iid", "lab"), [("plate-1", "elsewhere"), ("plate-2", "lab")])
def test_an_instrument_that_nobody_can_see_is_not_said_to_be_online(
    iid: str, lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "ECHO_S", 0.3)
    build, told = driver_in(write_starter("plate-1", "python", tmp_path)), list[str]()
    access = Access.new(Lab("labwright", "lab"), instruments=("plate-1", "plate-2"))
    with local_broker(access, kind="mosquitto", directory=tmp_path / "broker", port=free_port()) as broker:
        place = Place(broker.address("plate-1"), tmp_path / "state", lab)
        topic = rf"'plate-1' says on labwright/v1/{lab}/instrument/{iid}/status"
        with pytest.raises(InstrumentError, match=topic):
            asyncio.run(serve_device(iid, build, place, stop=asyncio.Event(), tell=told.append))
    assert told == []


def test_an_instrument_in_error_is_not_said_to_be_online(tmp_path: Path, broker: BrokerAddress) -> None:
    class Broken(Device):
        @override
        async def open(self) -> None:
            self._presence = ("error", "the lamp is burnt out")

    async def live() -> None:
        stop = asyncio.Event()

        def tell(line: str) -> None:
            told.append(line)
            stop.set()

        await serve_device("lamp-1", Broken, Place(broker, tmp_path / "state", "lab"), stop=stop, tell=tell)

    told: list[str] = []
    asyncio.run(live())
    assert len(told) == 1
    assert "is on the bus" in told[0]
    assert "but in error: the lamp is burnt out" in told[0]


@pytest.mark.parametrize("starter", STARTERS)
def test_each_starting_file_is_written_once_and_reads_well(starter: str, tmp_path: Path) -> None:
    path = write_starter("thing-1", starter, tmp_path)
    assert not re.search(r"@[A-Z]+@", path.read_text())
    if starter != "python":
        described = read_adapter(path)
        assert (described.adapter, described.iid) == (starter, "thing-1")
    with pytest.raises(UserError, match="there already"):
        write_starter("thing-1", starter, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("quantity", "parameter", "command", "choice", "returns", "device", "retryable-fault", "none", "ROOM"),
        *("1st", "2.4-ghz", "a.b", "-", "_", "..", "Zeiss.Merlin-2", "instrument", "annotated", "exception"),
    ],
)
def test_each_name_of_an_instrument_makes_a_driver_that_loads(name: str, tmp_path: Path) -> None:
    path = write_starter(name, "python", tmp_path)
    assert path.stem == name
    build = driver_in(path)
    assert isinstance(build, type)
    assert issubclass(build, Device)
    assert list(declared_commands(build)) == ["heat"]
    assert build.channels["temperature"].unit == "Cel"


@pytest.mark.parametrize(("name", "starter"), [("a b", "python"), ("a/b", "python"), ("a", "perl"), ("", "python")])
def test_names_that_no_topic_takes_are_refused_before_anything_is_written(
    name: str, starter: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError):
        write_starter(name, starter, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1", "no device"),
        ("def broken(:", "cannot be run: SyntaxError"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("from instruments.device import Device\nclass A(Device): ...\nclass B(Device): ...", "2 devices"),
    ],
)
def test_a_file_without_one_driver_is_one_clear_error(code: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "driver.py"
    file.write_text(code)
    with pytest.raises(UserError, match=message):
        driver_in(file)
    with pytest.raises(UserError, match="is not there"):
        driver_in(tmp_path / "other.py")


def test_one_of_several_drivers_is_chosen_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "driver.py"
    file.write_text("from instruments.device import Device\nclass A(Device): ...\nclass B(Device): ...")
    chosen = driver_in(file, "B")
    assert isinstance(chosen, type)
    assert issubclass(chosen, Device)
    assert chosen.__name__ == "B"

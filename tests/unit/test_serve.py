"""A driver in its process: each trouble is one clear line, and a stop ends it at once."""

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from envs.errors import InstrumentError, LabwrightError, UserError
from instruments import mqtt
from instruments.address import BrokerAddress
from instruments.device import BlockingJob, Channel, Device, command
from instruments.driving.serve import Build, Place, driver_in, serve_device

NOBODY = BrokerAddress("127.0.0.1", 1)


class Pump(Device):
    """Counts how often its hardware was opened and shut."""

    opened = 0
    shutting = 0

    @override
    async def open(self) -> None:
        type(self).opened += 1

    @override
    async def shut(self) -> None:
        type(self).shutting += 1

    @command(summary="Go")
    def go(self, job: BlockingJob) -> None:
        """Do nothing."""


def served(build: Build, state: Path, told: list[str], *, stop_after: int | None = None) -> None:
    async def serve() -> None:
        stop, pauses = asyncio.Event(), 0

        async def sleeper(_seconds: float) -> None:
            nonlocal pauses
            pauses += 1
            if pauses == stop_after:
                stop.set()

        await serve_device("pump-1", build, Place(NOBODY, state, "lab"), stop=stop, tell=told.append, sleeper=sleeper)

    asyncio.run(serve())


def test_while_the_broker_is_away_the_hardware_is_left_alone_and_the_reason_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "MqttTransport", partial(mqtt.MqttTransport, connect_timeout_s=0.05))
    told: list[str] = []
    owner = type("Counted", (Pump,), {"opened": 0, "shutting": 0})
    served(owner, tmp_path / "state", told, stop_after=4)
    assert (owner.opened, owner.shutting) == (1, 1)  # type: ignore[attr-defined]
    assert len(told) == 1
    assert "127.0.0.1:1" in told[0]


def test_a_stop_during_the_start_ends_it_at_once(tmp_path: Path) -> None:
    class Slow(Pump):
        @override
        async def open(self) -> None:
            stopping.set()
            await asyncio.sleep(60.0)

    async def serve() -> None:
        await serve_device("pump-1", Slow, Place(NOBODY, tmp_path, "lab"), stop=stopping, tell=print)

    stopping = asyncio.Event()
    began = time.monotonic()
    asyncio.run(serve())
    assert time.monotonic() - began < 5.0


def _raises(self: Device) -> None:
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("attributes", "kind", "message"),
    [
        ({"kind": ""}, UserError, "kind = ''"),
        ({"lease_s": -1.0}, UserError, "lease_s = -1.0"),
        ({"channels": {"t": Channel("Cel", period_s=1.0, read="nomethod")}}, UserError, r"nomethod\(\)"),
        ({"__init__": _raises}, UserError, "cannot be made"),
        (
            {"open": _raises},
            InstrumentError,
            r"pump-1: its driver failed at the start: ZeroDivisionError: division by zero \(test_serve.py, line \d+\)",
        ),
    ],
)
def test_what_a_driver_does_wrong_is_one_clear_error(
    attributes: dict[str, Any], kind: type[LabwrightError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        served(type("Wrong", (Pump,), attributes), tmp_path / "state", [])


def test_a_directory_of_state_that_cannot_be_is_one_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for state in (file, file / "below", Path("/proc/nowhere")):
        with pytest.raises(UserError, match=r"cannot be the directory of pump-1's state .*--state"):
            served(Pump, state, [])


def test_a_driver_file_that_leaves_is_one_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "driver.py"
    file.write_text("raise SystemExit(3)")
    with pytest.raises(UserError, match="cannot be run: SystemExit: 3"):
        driver_in(file)

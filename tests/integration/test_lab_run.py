"""``labwright lab run`` at a real broker: its instruments are there, take orders, and leave in order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent import instrument_look, virtual_lab
from agent.cli import main
from agent.wiring import virtual_instruments
from envs.errors import UserError
from instruments.broker import LocalBroker, find_mosquitto, local_broker
from instruments.brokers.access import Access
from instruments.client import InstrumentClient
from instruments.clock import SystemClock
from instruments.ids import SystemIds
from instruments.messages import JobState, Quantity, Status, Value
from instruments.mqtt import MqttTransport
from instruments.topics import Lab


@pytest.fixture(scope="module")
def broker() -> Iterator[LocalBroker]:
    if find_mosquitto() is None:
        pytest.skip("Mosquitto is not installed")
    access = Access.new(Lab("labwright", "lab"), instruments=("sem-1",))
    with local_broker(access, kind="mosquitto") as running:
        yield running


def labwright(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["labwright", *arguments])
    code = 0
    try:
        main()
    except SystemExit as leave:
        code = int(leave.code or 0)
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def started(broker: LocalBroker, state: Path, *more: str) -> subprocess.Popen[str]:
    """A laboratory in a process of its own, once it has said that it is online."""
    url = broker.address("agent").url_with_password
    line = [sys.executable, "-c", "from agent.cli import main; main()", "lab", "run", "--broker", url, *more]
    process = subprocess.Popen(  # noqa: S603
        [*line, "--state", str(state)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    for told in process.stdout:
        if "Ctrl-C ends it" in told:
            return process
    raise AssertionError(f"it ended with {process.wait()}")


async def indented(broker: LocalBroker) -> JobState:
    """What becomes of an order."""
    ids = SystemIds()
    transport = MqttTransport(broker.address("agent"), client_id=ids.new())
    client = InstrumentClient(transport, lab="lab", agent="tried", clock=SystemClock(), ids=ids)
    await client.start()
    try:
        await client.wait_for(["indenter-1"], timeout=5.0)
        order: dict[str, Value] = {
            "sample": "reference", "load": Quantity(value=9.8, unit="N"), "count": Quantity(value=5, unit="1")
        }  # fmt: skip
        return await client.execute("indenter-1", "indent", order, job=ids.new())
    finally:
        await client.close()


def test_from_switching_on_to_switching_off(
    broker: LocalBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = broker.address("agent").url_with_password
    there = ("--broker", url)
    lab = started(broker, tmp_path / "one")
    try:
        code, told = labwright(monkeypatch, capsys, "instrument", "list", *there, "--wait", "0.4", "--json")
        assert code == 0
        found = {one["iid"]: one for one in json.loads(told)}
        assert set(found) == set(virtual_instruments())
        assert {one["presence"] for one in found.values()} <= {"online", "busy"}

        code, told = labwright(
            monkeypatch, capsys, "lab", "run", *there, "--instruments", "indenter-1", "--state", str(tmp_path / "two")
        )
        assert code == 2
        assert "indenter-1: already in the laboratory 'lab'" in told

        assert asyncio.run(indented(broker)).state == "succeeded"
    finally:
        lab.send_signal(signal.SIGINT)
        said = lab.communicate(timeout=20)[0]
    assert lab.returncode == 0, said
    assert "1 job done (indenter-1 1)" in said
    code, told = labwright(monkeypatch, capsys, "instrument", "list", *there, "--wait", "0.4", "--json")
    assert {one["presence"] for one in json.loads(told)} == {"offline"}


def test_where_the_broker_passes_nothing_on_it_does_not_say_that_it_is_online(
    broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual_lab, "SEEN_S", 0.3)
    address = broker.address("agent")

    async def said(root: str) -> None:
        topics = Lab(root, "hall")
        status = Status(state="online", boot_id="b1", seq=1, ts=datetime.now(UTC))
        transport = MqttTransport(address, client_id=f"told-{root}")
        await transport.connect()
        await transport.publish(topics.status("sem-1"), status.to_bytes(), retain=True)
        await transport.close()
        on: Any = SimpleNamespace(iid="sem-1", boot_id="b1")
        await virtual_lab.see_on_the_bus(address, topics, lambda: [on])

    with pytest.raises(UserError, match=r"sem-1 say below lw2/v1/hall/: are --root and --lab right"):
        asyncio.run(said("lw2"))


def test_one_instrument_runs_with_its_own_login(
    broker: LocalBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on an instrument's computer: this user may say what is the microscope's, and nothing else."""
    whole, told = virtual_lab.greeting, []

    def greeting(*given: Any) -> str:
        told.append(whole(*given))
        os.kill(os.getpid(), signal.SIGTERM)  # once it is online
        return told[0]

    monkeypatch.setattr(virtual_lab, "greeting", greeting)
    monkeypatch.setattr(instrument_look, "ANSWER_S", 0.5)  # it may not order, so nobody answers
    there = ("--broker", broker.address("sem-1").url_with_password, "--state", str(tmp_path / "sem"))
    code, said = labwright(monkeypatch, capsys, "lab", "run", *there, "--instruments", "sem-1")
    assert code == 0, said
    assert "with 1 instrument:" in told[0]
    assert "is off" in said

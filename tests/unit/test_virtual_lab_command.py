"""``labwright instrument virtual``: an instrument whose heartbeat ends is told, and the laboratory is closed."""

import asyncio
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent import virtual_lab
from instruments.address import BrokerAddress
from instruments.errors import TransportError


class FakeLab:
    def __init__(self, *ends: Exception | None) -> None:
        self.devices = [SimpleNamespace(iid=f"d{i}", run=lambda end=end: self._run(end)) for i, end in enumerate(ends)]
        self.closed = False

    async def _run(self, end: Exception | None) -> None:
        if end is not None:
            raise end
        await asyncio.Event().wait()

    async def start(self, _connect: object) -> None:
        pass

    async def close(self) -> None:
        self.closed = True


def run(lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_lab, "virtual_lab", lambda *_, **__: lab)
    address = BrokerAddress.from_url("mqtt://127.0.0.1:1")
    virtual_lab.run_virtual_lab(address, lab="lab", root="labwright", seed=0, state=Path())


def test_an_instrument_that_stops_beating_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab(None, TransportError("the connection is closed"))
    with pytest.raises(TransportError, match="the connection is closed"):
        run(lab, monkeypatch)
    assert lab.closed


def test_a_signal_ends_it_in_order(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lab = FakeLab(None, None)
    monkeypatch.setattr(lab, "start", lambda _connect: asyncio.to_thread(os.kill, os.getpid(), signal.SIGTERM))
    run(lab, monkeypatch)
    assert lab.closed
    assert "is online" in capsys.readouterr().out

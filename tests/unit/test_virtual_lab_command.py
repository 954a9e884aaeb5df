"""``labwright lab run``: what is told, what is counted, what is refused, and how it ends."""

import asyncio
import io
import json
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from agent import lab_tally, virtual_lab
from agent.cli import app
from agent.lab_catalogue import rule_words
from agent.lab_tally import Tally
from agent.wiring import virtual_catalogue
from agent.words import duration
from envs.errors import ConfigError, JournalError, UserError
from envs.prototypes import PROTOTYPES, parse
from instruments.address import BrokerAddress
from instruments.commands import Choice, Parameter, Text
from instruments.errors import TransportError
from instruments.messages import JobError, JobPhase, JobState, Result
from instruments.topics import Lab
from simulators.lab import _claim

TOPICS = Lab("labwright", "lab")


class FakeLab:
    def __init__(self, *iids: str, end: Exception | None = None) -> None:
        self.devices = [self._device(iid) for iid in iids]
        self.closed = False
        self.injected = {"late answer": 2, "drift": 0}
        self._end = end

    def _device(self, iid: str) -> SimpleNamespace:
        described = SimpleNamespace(commands={"rest": None})
        return SimpleNamespace(iid=iid, describe=lambda: described, presence=("online", ""))

    async def run(self) -> None:
        if self._end is not None:
            raise self._end
        await asyncio.Event().wait()

    async def start(self, _connect: object) -> None:
        pass

    async def close(self) -> None:
        self.closed = True


def wanted(url: str = "mqtt://127.0.0.1:1", **more: object) -> virtual_lab.LabRun:
    base: dict[str, object] = {"lab": "lab", "root": "labwright", "seed": 0, "state": Path(), **more}
    return virtual_lab.LabRun(BrokerAddress.from_url(url), **base)  # type: ignore[arg-type]


async def nothing(*_: object) -> None:
    pass


def run(
    lab: FakeLab,
    monkeypatch: pytest.MonkeyPatch,
    taken: Exception | None = None,
    *,
    made: Callable[..., FakeLab] | None = None,
    seen: Callable[..., Awaitable[None]] = nothing,
    state: Path = Path(),
) -> None:
    async def look(*_: object) -> None:
        if taken is not None:
            raise taken

    monkeypatch.setattr(virtual_lab, "virtual_lab", made or (lambda *_, **__: lab))
    monkeypatch.setattr(virtual_lab, "see_on_the_bus", seen)
    monkeypatch.setattr(virtual_lab, "refuse_where_taken", look)
    virtual_lab.run_virtual_lab(wanted(state=state))


def test_an_instrument_that_stops_beating_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab("d0", end=TransportError("the connection is closed"))
    with pytest.raises(TransportError, match="the connection is closed"):
        run(lab, monkeypatch)
    assert lab.closed


def test_a_signal_ends_it_in_order(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lab = FakeLab("d0", "d1")
    monkeypatch.setattr(lab, "start", lambda _connect: asyncio.to_thread(os.kill, os.getpid(), signal.SIGTERM))
    run(lab, monkeypatch)
    assert lab.closed
    printed = capsys.readouterr().out
    assert "is online" in printed
    assert "is off: 0 jobs done, 2 × late answer." in printed


def test_where_instruments_of_these_ids_are_there_already_none_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeLab, "start", None)
    with pytest.raises(UserError, match="taken"):
        run(FakeLab("d0"), monkeypatch, UserError("sem-1: taken"))


@pytest.mark.parametrize("kept", [False, True])
def test_a_start_that_fails_leaves_nothing_of_its_own(
    kept: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    if kept:
        state.mkdir()
        (state / "image.tiff").write_bytes(b"somebody's")
    lab = FakeLab("d0")

    def made(*_: object, **__: object) -> FakeLab:
        state.mkdir(exist_ok=True)
        return lab

    async def unseen(*_: object) -> None:
        raise UserError("passes on nothing")

    with pytest.raises(UserError, match="passes on nothing"):
        run(lab, monkeypatch, made=made, seen=unseen, state=state)
    assert lab.closed
    assert state.exists() is kept


def test_a_directory_of_another_seed_names_both(tmp_path: Path) -> None:
    marker = tmp_path / "laboratory"
    _claim(tmp_path, f"physics-1-{64 * 'a'}", 7)
    assert marker.read_text().splitlines()[1] == "seed 7"
    with pytest.raises(JournalError, match="made with the seed 7, and the seed is 0 now"):
        _claim(tmp_path, f"physics-1-{64 * 'b'}", 0)
    with pytest.raises(JournalError, match="another version"):
        _claim(tmp_path, f"physics-2-{64 * 'b'}", 7)


def test_what_is_told_can_be_typed_and_holds_no_password() -> None:
    devices = FakeLab("d0", "d1").devices
    there = wanted("mqtt://agent:s3cret@127.0.0.1:1884", lab="hall-3", speed=3600.0, fault_rate=0.2)
    told = virtual_lab.greeting(there, devices, Lab("labwright", "hall-3"))  # type: ignore[arg-type]
    for words in (
        "with 2 instruments", "a firing of 8 h takes 8 s", "--lab hall-3", "mosquitto_sub", "labwright/v1/hall-3/#",
        "LABWRIGHT_BROKER_PASSWORD", "d0  rest", "20% of orders",
    ):  # fmt: skip
        assert words in told
    assert "s3cret" not in told


def test_an_unknown_instrument_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError) as refused:
        virtual_lab.run_virtual_lab(wanted(instruments=("sem-1", "oven-9")))
    assert refused.value.key == "--instruments"
    assert "oven-9" in str(refused.value)
    for entry in virtual_catalogue():
        assert entry.iid in refused.value.allowed


def state(job: str, phase: JobPhase) -> bytes:
    error = JobError(code="melted", message="it melted") if phase in {"failed", "rejected"} else None
    return JobState(
        job=job, boot_id="b", seq=1, state=phase, ts=datetime(2026, 1, 1, tzinfo=UTC), error=error,
        result=Result() if phase == "succeeded" else None,
    ).to_bytes()  # fmt: skip


def test_jobs_are_counted_once_from_when_it_is_online() -> None:
    tally = Tally(TOPICS)
    tally.note(TOPICS.job("sem-1", "old"), state("old", "succeeded"))
    tally.begin()
    told: list[tuple[str, str, JobPhase]] = [
        ("sem-1", "a", "accepted"), ("sem-1", "a", "succeeded"), ("sem-1", "a", "succeeded"),
        ("furnace-1", "b", "running"), ("furnace-1", "c", "failed"), ("indenter-1", "d", "succeeded"),
    ]  # fmt: skip
    for iid, job, phase in told:
        tally.note(TOPICS.job(iid, job), state(job, phase))
    tally.note(TOPICS.status("sem-1"), b"{}")
    tally.note(TOPICS.job("sem-1", "z"), b"no state")
    assert tally.words() == "2 jobs done (indenter-1 1, sem-1 1), 1 failed, 1 running"


def test_a_second_driver_of_an_instrument_is_told_once() -> None:
    device = SimpleNamespace(iid="sem-1", presence=("error", "another driver of this instrument is on the bus"))
    console = Console(file=(page := io.StringIO()), width=200)
    looks = 0

    async def sleeper(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            device.presence = ("online", "")
        if looks == 5:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(lab_tally.show(Tally(TOPICS), lambda: [device], console, sleeper=sleeper))  # type: ignore[list-item]
    assert page.getvalue().splitlines() == [
        "sem-1 is in error and takes no orders: another driver of this instrument is on the bus",
        "sem-1 is online again",
    ]


def test_the_list_needs_no_broker_and_names_all_that_an_order_takes() -> None:
    printed = CliRunner().invoke(app, ["lab", "list"], env={"COLUMNS": "200"}).output
    for entry in virtual_catalogue():
        assert entry.iid in printed
        for name, spec in entry.commands.items():
            assert name in printed
            assert all(parameter in printed for parameter in spec.parameters)
    assert "400 to 2200 Cel" in printed
    told = json.loads(CliRunner().invoke(app, ["lab", "instruments", "--json"]).output)
    assert [one["iid"] for one in told] == [entry.iid for entry in virtual_catalogue()]
    furnace = next(one for one in told if one["iid"] == "furnace-1")
    assert "temperature" in furnace["commands"]["sinter"]["parameters"]["required"]


def test_the_prototypes_of_generated_crystals_are_listed_with_an_example_that_can_be_ordered() -> None:
    printed = CliRunner().invoke(app, ["lab", "prototypes"], env={"COLUMNS": "200"}).output
    told = json.loads(CliRunner().invoke(app, ["lab", "prototypes", "--json"]).output)
    assert {one["prototype"] for one in told} == set(PROTOTYPES)
    for one in told:
        prototype, species = parse(one["example"])
        assert (prototype.name, len(species)) == (one["prototype"], one["n_species"])
        assert one["example"] in printed


def test_limits_and_durations_are_said_in_words() -> None:
    assert rule_words(Parameter("N", 0.5, 100.0, default=9.81)) == "0.5 to 100 N; 9.81 where nothing is said"
    assert rule_words(Parameter("1", 2, 50)) == "2 to 50"
    assert rule_words(Choice(("SE", "BSE"), default="SE")) == "SE, BSE; SE where nothing is said"
    assert rule_words(Text()) == "text"
    assert [duration(s) for s in (None, 30.0, 600.0, 28800.0)] == ["", "30 s", "10 min", "8 h"]


def test_the_earlier_name_still_works_and_says_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[virtual_lab.LabRun] = []
    monkeypatch.setattr(virtual_lab, "run_virtual_lab", asked.append)
    done = CliRunner().invoke(app, ["instrument", "virtual", "--broker", "mqtt://127.0.0.1:1", "--speed", "10"])
    assert done.exit_code == 0, done.output
    assert "labwright lab run" in done.output
    assert asked[0].speed == 10.0
    assert asked[0].instruments == ("furnace-1", "sem-1", "indenter-1")
    assert "virtual" not in CliRunner().invoke(app, ["instrument", "--help"]).output

"""Campaigns that are stopped, killed or fail where it hurts: they go on, and what they measure does not change."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from agent import core, offline
from agent import events as ev
from agent.config import CampaignConfig, parse_config
from agent.imaging import CampaignImageReader
from agent.jobs import Jobs
from agent.journal import FILE, Journal
from agent.planner import Plan, Planner
from agent.record import ARTEFACTS
from agent.simulate import prepare_directory, run_campaign, stored_config
from agent.store import ArtefactStore
from agent.wiring import START, VirtualLaboratory, build_problem
from envs.crystals import CrystalLibrary
from envs.design import Design
from envs.errors import JournalError, LabwrightError, UserError
from instruments.clock import SimClock
from instruments.driving.job_context import JobContext
from instruments.ids import SeededIds
from instruments.journal import SqliteJournal
from instruments.local import LocalBus
from instruments.messages import ArtefactRef
from simulators.devices import bench, microscope
from simulators.devices.bench import BenchDevice
from simulators.devices.furnace import Furnace
from simulators.lab import VirtualLab
from simulators.samples import SampleStore
from surrogates.datasets import elastic

SETTINGS: CampaignConfig = parse_config(
    {"campaign": {"experiments": 4, "initial": 3, "batch": 1, "seed": 5, "strategy": "random", "labelled": 0.05}}
)


def watch(event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
    """Observe nothing."""


def run(directory: Path, observer: Callable[..., None] = watch) -> None:
    run_campaign(build_problem(SETTINGS), directory, strategy="random", broker="none", observer=observer)


def events(directory: Path) -> list[ev.Event]:
    with Journal(directory, write=False) as journal:
        stored = journal.read()
        assert journal.verify() == len(stored)
    return [s.event for s in stored]


def measured(directory: Path) -> list[dict[str, object]]:
    """All that was proposed, ordered, made and measured, without the orders that came to nothing."""
    happened = events(directory)
    vain = {e.job for e in happened if isinstance(e, ev.StepEnded) and e.error_kind == "retryable"}
    return [e.model_dump(exclude={"job", "tries", "software"}) for e in happened if getattr(e, "job", "") not in vain]


def interrupted(directory: Path) -> list[tuple[str, int]]:
    """Steps that were cut short, with the number of earlier tries."""
    return [(e.step, e.tries) for e in events(directory) if isinstance(e, ev.StepEnded) and e.interrupted]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("undisturbed")
    run(directory)
    return directory


def breaking(original: Callable[..., Any], nth: int, error: type[BaseException]) -> Callable[..., Any]:
    """The same function, but the nth call does not come to its end."""
    calls = 0

    def broken(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise error
        return original(*args, **kwargs)

    return broken


@pytest.mark.interrupts
@pytest.mark.parametrize(
    ("owner", "name", "step"), [(microscope, "_frame", "image"), (Furnace, "_make", "sinter")], ids=["image", "sinter"]
)
def test_a_stop_amid_a_job_changes_no_measurement(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, step: str
) -> None:
    for _ in range(4):  # more often than a passing fault may come
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, breaking(getattr(owner, name), 1, KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                run(tmp_path)
    run(tmp_path)
    assert interrupted(tmp_path) == [(step, n) for n in range(4)]
    assert measured(tmp_path) == measured(undisturbed)


KILLED = """
import json, os, signal, sys
from pathlib import Path
from agent.config import parse_config
from agent.simulate import run_campaign
from agent.wiring import build_problem
from simulators.devices import microscope

microscope._frame = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
run_campaign(build_problem(parse_config(json.loads(sys.argv[2]))), Path(sys.argv[1]), strategy="random",
             broker="none", observer=lambda event, state, *, replayed: None)
"""


def test_a_kill_amid_an_image_changes_no_measurement(undisturbed: Path, tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", KILLED, str(tmp_path), SETTINGS.model_dump_json()], env=dict(os.environ), check=False
    )
    assert done.returncode == -signal.SIGKILL
    run(tmp_path)
    assert interrupted(tmp_path) == [("image", 0)]
    assert measured(tmp_path) == measured(undisturbed)


def test_a_campaign_that_waits_for_its_laboratory_has_begun(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(VirtualLab, "start", breaking(VirtualLab.start, 1, KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert stored_config(tmp_path).campaign.seed == 5
    with pytest.raises(UserError, match="--resume"):
        prepare_directory(tmp_path)
    run(tmp_path)
    assert measured(tmp_path) == measured(undisturbed)


def test_a_campaign_that_was_killed_before_its_first_event_is_started_anew(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(VirtualLaboratory, "__init__", breaking(VirtualLaboratory.__init__, 1, KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert (tmp_path / FILE).exists()
    with pytest.raises(UserError, match="start it again with --out"):
        stored_config(tmp_path)
    prepare_directory(tmp_path)
    run(tmp_path)
    assert measured(tmp_path) == measured(undisturbed)


@pytest.mark.parametrize("error", [LabwrightError, JournalError, RuntimeError])
def test_an_error_amid_planning_leaves_a_record_that_goes_on(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Planner, "ask", breaking(Planner.ask, 1, error))
        with pytest.raises(error):
            run(tmp_path)
    assert len([e for e in events(tmp_path) if isinstance(e, ev.ExperimentEnded)]) == 3
    run(tmp_path)
    assert measured(tmp_path) == measured(undisturbed)


def test_a_full_disk_amid_a_campaign_is_one_error_and_it_goes_on_once_there_is_space(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    def fill(event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        if isinstance(event, ev.StepDispatched) and event.step == "image":
            patched.setattr(ArtefactStore, "put", breaking_disk)

    put = ArtefactStore.put

    def breaking_disk(store: ArtefactStore, data: bytes, media_type: str) -> str:
        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", full)
            return put(store, data, media_type)

    with monkeypatch.context() as patched, pytest.raises(JournalError, match=r"No space.*--resume"):
        run(tmp_path, fill)
    run(tmp_path)
    assert measured(tmp_path) == measured(undisturbed)


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [
        (bench, "write_durably", OSError(28, "No space left on device")),
        (SampleStore, "put", JournalError("E001.json cannot be written: No space left on device")),
        (SqliteJournal, "put", JournalError("the job journal failed: disk is full")),
    ],
    ids=["image", "sample", "job"],
)
def test_an_instrument_without_space_stops_the_campaign_and_aborts_no_experiment(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, error: Exception
) -> None:
    def full(*_args: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, full)
        with pytest.raises(JournalError, match=r"cannot store its work .*free space.*--resume"):
            run(tmp_path)
    run(tmp_path)
    assert measured(tmp_path) == measured(undisturbed)


def test_the_planner_is_told_every_design_that_was_ever_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Design, ...]] = []
    ask = Planner.ask

    def asked(*args: Any, made_before: tuple[Design, ...], **kwargs: Any) -> Plan:
        told.append(made_before)
        return ask(*args, made_before=made_before, **kwargs)

    def refuse(reader: CampaignImageReader, experiment: str, attempt: int, *rest: Any) -> ev.ImageRead:
        return read(reader, experiment, attempt, *rest).model_copy(update={"accepted": False})

    read = CampaignImageReader.read
    monkeypatch.setattr(Planner, "ask", asked)
    monkeypatch.setattr(CampaignImageReader, "read", refuse)
    run(tmp_path)
    made = [Design(e.design.crystal, e.design.process) for e in events(tmp_path) if isinstance(e, ev.ProposalMade)]
    assert told == [tuple(made[:3])]  # though nothing could be learnt of any
    assert len(set(made)) == 4


def test_a_result_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    offline._keep_result(tmp_path, {"best": 30.0})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(JournalError, match=r"No space.*--resume"):
        offline._keep_result(tmp_path, {"best": 31.0})
    assert [p.name for p in tmp_path.iterdir()] == [offline.RESULT]
    assert json.loads((tmp_path / offline.RESULT).read_text()) == {"best": 30.0}


@pytest.mark.interrupts
def test_damaged_and_lost_images_are_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first file comes to be no image, the second is gone before the agent fetches it."""
    kept, calls = bench.BenchDevice.kept, 0

    async def damaged(device: BenchDevice, job: JobContext, data: bytes, media_type: str, suffix: str) -> ArtefactRef:
        nonlocal calls
        calls += 1
        return await kept(device, job, b"no image" if calls == 1 else data, media_type, suffix)

    def lose(event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        if isinstance(event, ev.ExperimentEnded) and event.outcome == "completed":
            raise KeyboardInterrupt  # one sample is enough

    fetch = Jobs._keep
    lost: list[str] = []

    async def fetched(jobs: Jobs, ref: Any) -> ev.ArtefactRecord:
        if calls == 2 and not lost:
            lost.append(ref.uri)
            Path(ref.uri.removeprefix("file://")).unlink()  # noqa: ASYNC240
        return await fetch(jobs, ref)

    monkeypatch.setattr(bench.BenchDevice, "kept", damaged)
    monkeypatch.setattr(Jobs, "_keep", fetched)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, lose)
    happened = events(tmp_path)
    readings = [e for e in happened if isinstance(e, ev.ImageRead)]
    assert (readings[0].attempt, readings[0].accepted) == (0, False)
    assert readings[-1].accepted
    gone = [e for e in happened if isinstance(e, ev.StepEnded) and e.error_code == "artefact"]
    assert [(e.attempt, e.tries) for e in gone] == [(1, 0)]
    assert ArtefactStore(tmp_path / ARTEFACTS).get(readings[0].image.sha256) == b"no image"


def test_a_closed_laboratory_holds_no_file(tmp_path: Path) -> None:
    async def visit() -> VirtualLab:
        clock, bus = SimClock(START), LocalBus()
        lab = VirtualLab(
            5,
            CrystalLibrary.builtin(),
            elastic.load(),
            directory=tmp_path,
            clock=clock,
            ids=SeededIds(clock, random.Random(1)),
        )
        await lab.start(lambda _: bus.transport())
        devices = lab.devices
        assert devices[0].journal.get("job") is None
        await lab.close()
        for device in devices:
            with pytest.raises(JournalError, match="closed"):
                device.journal.get("job")
        return lab

    assert not asyncio.run(visit()).devices


def test_a_campaign_computes_in_one_thread(undisturbed: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        run(undisturbed)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
